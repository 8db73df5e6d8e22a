"""The templates of deploy/: read by those that they are for, and in agreement with one another and with nawf."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from nawf.running.step_kinds import StepKind
from nawf.settings import Settings
from nawf.store.stores import DATA_STORE, MONGO_DATA, MONGO_OUTPUTS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROJECTS = sorted((DEPLOY / "jobflow-remote").glob("*.yaml"))
BACKUP = DEPLOY / "mongodb" / "backup"
SCRIPTS = [*sorted(p for p in DEPLOY.iterdir() if p.suffix in ("", ".sh") and p.is_file()), BACKUP]


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def project(path):
    pytest.importorskip("jobflow_remote")
    from jobflow_remote.config.base import Project

    return Project.model_validate(read(path))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_scripts_are_bash(script):
    assert subprocess.run(["bash", "-n", str(script)], capture_output=True, check=False).stderr == b""
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", "-x", "-S", "warning", str(script)], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode()


def test_there_are_scripts_and_projects():
    assert {"slurm-one-node", "install-test-tools", "worker-environment.sh"} <= {p.name for p in SCRIPTS}
    assert [p.stem for p in PROJECTS] == ["laptop-to-cluster", "on-cluster"]


@pytest.mark.parametrize("path", PROJECTS, ids=lambda p: p.stem)
def test_a_project_is_read_and_its_resources_make_a_script(path):
    loaded = project(path)
    kind = "remote" if path.stem.startswith("laptop") else "local"
    for name, worker in loaded.workers.items():
        assert worker.type == kind
        script = worker.get_scheduler_io().get_submission_script(["true"], dict(worker.resources))
        wanted = {f"#SBATCH --{key}={value}" for key, value in worker.resources.items()}
        assert wanted <= set(script.splitlines()), script
        assert (worker.batch is not None) == (name == "cells")
    batch = loaded.workers["cells"]
    hours, minutes, seconds = map(int, batch.resources["time"].split(":"))
    assert batch.batch.max_time < hours * 3600 + minutes * 60 + seconds - 3600  # time for the last job


@pytest.mark.parametrize("path", PROJECTS, ids=lambda p: p.stem)
def test_a_project_writes_to_nawfs_own_collections(path):
    loaded = project(path)
    store = loaded.get_jobstore()
    assert store.docs_store.collection_name == MONGO_OUTPUTS
    assert list(store.additional_stores) == [DATA_STORE]
    assert store.additional_stores[DATA_STORE].collection_name == MONGO_DATA
    queue = loaded.queue
    own = {queue.store["collection_name"], queue.flows_collection, queue.auxiliary_collection}
    assert all(name.startswith("jf_") for name in own | {queue.batches_collection})


@pytest.mark.parametrize("path", PROJECTS, ids=lambda p: p.stem)
def test_settings_name_workers_that_the_project_has(path):
    settings = Settings.model_validate(read(DEPLOY / "nawf.yaml"))
    loaded = project(path)
    cluster = settings.cluster
    assert cluster.project == loaded.name
    assert {cluster.worker, cluster.analysis_worker, cluster.batch_worker} == set(loaded.workers)
    for kind, resources in cluster.resources.items():
        worker = cluster.analysis_worker if kind == "analysis" else cluster.worker
        script = loaded.workers[worker].get_scheduler_io().get_submission_script(["true"], dict(resources))
        assert all(f"--{key}={value}" in script for key, value in resources.items()), kind
    from pymongo.uri_parser import parse_uri

    uri = parse_uri(settings.store)
    spec = loaded.jobstore["docs_store"]
    assert (uri["database"], uri["username"], list(uri["nodelist"])) == (
        spec["database"],
        spec["username"],
        [(spec["host"], spec["port"])],
    )
    assert not uri["password"]


def test_the_files_of_fireworks_are_read_by_it(tmp_path):
    pytest.importorskip("fireworks")
    from fireworks import FWorker, LaunchPad

    from nawf.running.fireworks_files import load_adapter

    folder = DEPLOY / "fireworks"
    launchpad = LaunchPad.from_file(str(folder / "my_launchpad.yaml"))
    assert (launchpad.host, launchpad.name, launchpad.username) == ("localhost", "fireworks", "nawf")
    worker = FWorker.from_file(str(folder / "my_fworker.yaml"))
    assert worker.query == {"$or": FWorker().query["$or"][:2] + [{"spec._fworker": worker.name}]}
    adapter = load_adapter(folder / "my_qadapter.yaml")
    script = adapter.get_script_str(str(tmp_path)).splitlines()
    assert "#SBATCH --ntasks=32" in script
    assert "#SBATCH --time=24:00:00" in script
    assert "#SBATCH --partition=main" in script
    environment = script.index("source /home/YOU/nawf/worker-environment.sh")
    assert environment < next(i for i, line in enumerate(script) if line.startswith("rlaunch "))
    assert not [line for line in script if "$$" in line]


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("analysis", {"ntasks=1", "time=00:30:00"}),
        ("static", {"ntasks=32", "time=04:00:00"}),
        ("strain", {"ntasks=32", "time=24:00:00"}),
    ],
)
def test_the_queue_of_fireworks_is_asked_for_what_a_step_needs(kind, asked, tmp_path, monkeypatch):
    """With the settings of the template: jobs of seconds do not ask for the cores of a calculation."""
    fireworks = pytest.importorskip("fireworks")
    from nawf.running.fireworks import FireWorksQueue
    from nawf.running.fireworks_files import load_adapter

    for name, file in {"LAUNCHPAD_LOC": "my_launchpad.yaml", "FWORKER_LOC": "my_fworker.yaml"}.items():
        monkeypatch.setattr(fireworks.fw_config, name, str(DEPLOY / "fireworks" / file))
    queue = FireWorksQueue(Settings.model_validate(read(DEPLOY / "nawf.yaml")).cluster)
    adapter = load_adapter(DEPLOY / "fireworks" / "my_qadapter.yaml")
    # As qlaunch does with what a firework has for the queue.
    adapter.update(queue.resources(StepKind(kind)))
    lines = adapter.get_script_str(str(tmp_path)).splitlines()
    assert {f"#SBATCH --{line}" for line in {"partition=main", "nodes=1", *asked}} <= set(lines)


def test_mongodb_listens_here_only_has_a_password_and_keeps_its_data():
    composed = read(DEPLOY / "mongodb" / "docker-compose.yaml")
    service = composed["services"]["mongodb"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    password = service["environment"]["MONGO_INITDB_ROOT_PASSWORD"]
    assert password.startswith("${MONGO_PASSWORD:?")  # without one it does not start
    volume, _, target = service["volumes"][0].partition(":")
    assert target == "/data/db"
    assert volume in composed["volumes"]
    assert "MONGO_PASSWORD=\n" in (DEPLOY / "mongodb" / "env.example").read_text()


def test_variables_of_mongodb_are_those_of_the_example():
    composed = (DEPLOY / "mongodb" / "docker-compose.yaml").read_text(encoding="utf-8")
    example = (DEPLOY / "mongodb" / "env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)", composed)) == set(re.findall(r"(?m)^(\w+)=", example))


def test_backups_are_read_back_as_they_were_written():
    """Options of MongoDB's tools, as their documentation has them; what is dumped is what is restored."""
    of_both = {"--archive", "--gzip", "-u", "-p", "--authenticationDatabase"}
    of_restore = {"--drop", "--nsInclude", "--nsExclude", "--nsFrom", "--nsTo"}
    text = "".join(path.read_text(encoding="utf-8") for path in (BACKUP, DEPLOY / "cluster.md")).replace("\\\n", "")
    dumps = re.findall(r"exec -T (\w+) sh -c '(mongodump|mongorestore) ([^']*)' ([<>])", text)
    assert [tool for _, tool, _, _ in dumps] == ["mongodump", "mongorestore", "mongorestore"]
    services = read(DEPLOY / "mongodb" / "docker-compose.yaml")["services"]
    for service, tool, words, way in dumps:
        assert service in services
        assert way == (">" if tool == "mongodump" else "<")
        options = set(re.findall(r"(?<=\s)--?\w+", " " + words))
        assert of_both <= options <= (of_both | of_restore if tool == "mongorestore" else of_both), words
        assert '-p "$MONGO_INITDB_ROOT_PASSWORD"' in words
        assert f"-u {services[service]['environment']['MONGO_INITDB_ROOT_USERNAME']} " in words


@pytest.fixture
def backed_up(tmp_path):
    """Make a backup with a program in place of docker, which is not on every machine."""
    (tmp_path / "bin").mkdir()

    def run(program):
        docker = tmp_path / "bin" / "docker"
        docker.write_text(
            f'#!/bin/sh\npwd > "{tmp_path}/where"\nprintf "%s\\n" "$@" > "{tmp_path}/asked"\n{program}\n'
        )
        docker.chmod(0o755)
        env = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
        command = [str(BACKUP), "the backups"]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    return run


def test_a_backup_is_one_file_that_nobody_else_reads(backed_up, tmp_path):
    for content in ("dump", "dump of later that day"):
        done = backed_up(f"printf '{content}'")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        (file,) = (tmp_path / "the backups").iterdir()
        assert re.fullmatch(r"mongodb-\d{4}-\d\d-\d\d\.gz", file.name)
        assert file.read_text() == content
        assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "where").read_text().strip() == str(DEPLOY / "mongodb")  # of docker-compose.yaml and .env
    assert (tmp_path / "asked").read_text().splitlines()[:5] == ["compose", "exec", "-T", "mongodb", "sh"]


@pytest.mark.parametrize("program", ["printf half; echo 'no such container' >&2; exit 1", "true"])
def test_a_backup_that_fails_leaves_the_one_before(backed_up, tmp_path, program):
    assert backed_up("printf before").returncode == 0
    done = backed_up(program)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert [file.read_text() for file in (tmp_path / "the backups").iterdir()] == ["before"]


def blocks_of_the_guide(kind="sh"):
    return re.findall(rf"(?s)```{kind}\n(.*?)```", (DEPLOY / "cluster.md").read_text(encoding="utf-8"))


def test_commands_of_the_guide_are_shell():
    assert len(blocks_of_the_guide()) > 8
    for block in blocks_of_the_guide():
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert done.stderr == "", block


def test_commands_of_the_guide_run_from_where_they_are_given():
    """A block that needs the folder of MongoDB goes there, and on before it calls nawf."""
    for block in blocks_of_the_guide():
        _, docker, rest = block.partition("docker compose")
        if docker:
            assert "cd deploy/mongodb\n" in block.partition("docker compose")[0], block
            before, calls, _ = rest.partition("\nnawf ")
            assert not calls or "\ncd ~/na-s" in before, block


def test_what_a_shell_expands_is_quoted_in_the_guide():
    for block in blocks_of_the_guide():
        plain = re.sub(r"'[^']*'|\"[^\"]*\"|#.*", "", block)
        assert not set("?*$[") & set(plain), block


def test_lines_for_cron_are_whole():
    (table,) = blocks_of_the_guide("crontab")
    for line in table.splitlines():
        assert re.match(r"\d+ \d+ \* \* \* (cd )?/", line)
        assert not re.search(r"(?<!\\)%", line)  # it would end the command
        command = re.sub(r"^(\S+ ){5}", "", line).replace("\\%", "%")
        done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        for path in re.findall(r"/home/YOU/nawf/(deploy\S+)", command):
            assert os.access(DEPLOY.parent / path, os.X_OK)


def test_no_template_has_a_password():
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            given = re.findall(r"(?im)^\s*password:\s*(\S+)", path.read_text(encoding="utf-8"))
            assert set(given) <= {"CHANGE-ME"}, path


def test_the_environment_of_a_worker_prints_nothing_and_sets_what_nawf_reads(tmp_path):
    (tmp_path / "nawf/.venv/bin").mkdir(parents=True)
    (tmp_path / "nawf/.venv/bin/activate").write_text("")
    code = f"set -eu; source {DEPLOY / 'worker-environment.sh'}; env"
    done = subprocess.run(
        ["bash", "-c", code], env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    )
    from nawf.settings import load_settings

    variables = dict(line.split("=", 1) for line in done.stdout.decode().splitlines() if line.startswith("NAWF_"))
    settings = load_settings(environment=variables, folder=tmp_path)
    assert settings.vasp_command == "srun vasp_std"
    assert settings.run_folder == f"{tmp_path}/nawf-runs"
    assert settings.potcar_folder == ""  # of a folder that is not there yet
    assert done.stderr == b""


def test_the_guide_names_commands_options_and_files_that_exist():
    import typer.main

    from nawf.cli.main import app

    text = (DEPLOY / "cluster.md").read_text(encoding="utf-8")
    called = re.findall(r"(?m)(?:^|[`(]|&& )nawf ([a-z][^`\n#|&]*)", text)
    assert len(called) > 15
    for line in called:
        command, words = typer.main.get_command(app), line.split()
        while words and hasattr(command, "commands") and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
    for name in re.findall(r"`((?:jobflow-remote|fireworks|mongodb)/[\w.-]*|[\w-]+\.(?:sh|yaml|txt))`", text):
        assert (DEPLOY / name).exists(), name
