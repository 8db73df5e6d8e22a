"""Checks of a worker of jobflow-remote: connection, folder, scheduler, and the environment that its jobs see."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Iterator
from typing import Any

from nawf.engines.vasp_options import VaspOptions
from nawf.running.doctor import Check, Mark
from nawf.running.doctor_machine import LITTLE_GB, TOO_LITTLE_GB
from nawf.running.doctor_slurm import SINFO, partitions_of
from nawf.running.worker_report import BEGIN, versions
from nawf.settings import Settings

_CONNECT_S = 20
_CARRIERS = ("nawf", "jobflow", "jobflow-remote", "FireWorks")
"""A difference in one of these loses jobs or results; in another it may change numbers."""

_SCRIPT = """\
set -u
jf=$(command -v jf) || {{ echo 'jf is not found after pre_run' >&2; exit 3; }}
python=$(sed -n '1s/^#! *//p' "$jf")
case $python in */python*) ;; *) python=python ;; esac
exec "$python" -m nawf.running.worker_report {options}
"""


def worker_checks(name: str, worker: Any, settings: Settings) -> Iterator[Check]:
    """All checks of one worker.

    Parameters
    ----------
    name : str
    worker : jobflow_remote.config.base.WorkerConfig
    settings : Settings
    """
    area = f"worker {name}"
    if getattr(worker, "interactive_login", False):
        advice = f"jf project check --worker {name} asks for what it needs"
        yield Check(area, "connection", Mark.LOOK, "logging in is interactive, and was left out", advice)
        return
    if hasattr(worker, "connect_timeout") and worker.connect_timeout is None:
        worker = worker.model_copy(update={"connect_timeout": _CONNECT_S})
    from nawf.running.jobflow_remote_project import quietly

    with quietly():
        yield from _checks_of_host(area, worker, settings)


def _checks_of_host(area: str, worker: Any, settings: Settings) -> Iterator[Check]:
    host = worker.get_host()
    try:
        failure = _connected(host)
        where = f"{worker.user or ''}@{worker.host}".lstrip("@") if worker.type != "local" else "this machine"
        if failure:
            advice = f"try: ssh {where}" if worker.type != "local" else "see scheduler_type of the project file"
            yield Check(area, "connection", Mark.BAD, f"{where}: {failure}", advice)
            return
        yield Check(area, "connection", Mark.GOOD, where)
        yield from _folder(area, worker, host)
        yield from _scheduler(area, worker, host)
        yield from _environment(area, worker, host, settings)
    finally:
        host.close()


def _connected(host: Any) -> str:
    """Why commands cannot be run there; empty when they can."""
    try:
        host.connect()
    except Exception as error:  # noqa: BLE001 - ssh libraries have no common class of errors
        return f"{type(error).__name__}: {error}"
    said = host.test()
    return "" if said is None else [line for line in said.splitlines() if line.strip()][-1].strip()


def _folder(area: str, worker: Any, host: Any) -> Iterator[Check]:
    """Whether the work folder can be written to, and has room."""
    folder = shlex.quote(str(worker.work_dir))
    trial = shlex.quote(f"{worker.work_dir}/.nawf-doctor-{uuid.uuid4().hex}")
    command = f"mkdir -p {folder} && : > {trial} && rm {trial} && df -Pk {folder} | tail -n 1"
    out, err, code = host.execute(command)
    if code:
        advice = "set work_dir of the worker to a folder that you may write to, on a file system that all nodes see"
        yield Check(area, "work_dir", Mark.BAD, f"{worker.work_dir}: {_last_line(err or out)}", advice)
        return
    try:
        host.listdir(worker.work_dir)
    except Exception as error:  # noqa: BLE001 - as above
        found = f"commands run there, but files cannot be listed: {type(error).__name__}: {error}"
        yield Check(area, "work_dir", Mark.BAD, found, "files go over sftp, which its ssh server must offer")
        return
    free_gb = int(out.split()[3]) * 1024 / 1e9
    mark = Mark.BAD if free_gb < TOO_LITTLE_GB else Mark.LOOK if free_gb < LITTLE_GB else Mark.GOOD
    advice = "" if mark is Mark.GOOD else "make room"
    yield Check(area, "work_dir", mark, f"{worker.work_dir}, {free_gb:.0f} GB free", advice)


def _scheduler(area: str, worker: Any, host: Any) -> Iterator[Check]:
    """Whether the scheduler answers, takes the worker's resources, and has its partition."""
    from jobflow_remote.remote.queue import QueueManager

    kind, resources = str(worker.scheduler_type), worker.resources or {}
    manager = QueueManager(scheduler_io=worker.get_scheduler_io(), host=host)
    # Unknown names of resources are refused here, in words of qtoolkit.
    manager.get_submission_script("true", options=dict(resources))
    if kind != "slurm":
        yield Check(area, "scheduler", Mark.GOOD, kind)
        return
    out, err, code = host.execute(SINFO)
    if code:
        advice = "is SLURM there, and in the PATH of a shell that nobody types into?"
        yield Check(area, "scheduler", Mark.BAD, f"slurm: {_last_line(err or out)}", advice)
        return
    there, wanted = partitions_of(out), str(resources.get("partition") or "")
    if wanted and wanted not in there:
        advice = f"choose from {', '.join(there)} as partition in resources of the worker"
        yield Check(area, "scheduler", Mark.BAD, f"slurm has no partition {wanted}", advice)
        return
    used = there.get(wanted) or next((p for p in there.values() if p.is_default), None)
    if used is None:
        yield Check(area, "scheduler", Mark.BAD, "slurm has no default partition", "set partition in resources")
    elif used.is_up and used.n_usable:
        yield Check(area, "scheduler", Mark.GOOD, f"slurm, partition {used.words}")
    else:
        yield Check(area, "scheduler", Mark.LOOK, f"slurm, partition {used.words}", "jobs wait until it is usable")


def _environment(area: str, worker: Any, host: Any, settings: Settings) -> Iterator[Check]:
    """What its jobs see after pre_run, against what is here."""
    options = VaspOptions.of_settings()
    if settings.vasp_command != options.command:
        options = options.model_copy(update={"command": settings.vasp_command})
    script = _SCRIPT.format(options=shlex.quote(options.model_dump_json()))
    out, err, code = host.execute("bash -c " + shlex.quote((worker.pre_run or "") + "\n" + script))
    lines = [line for line in out.splitlines() if line.startswith(BEGIN)]
    if code or not lines:
        advice = "pre_run has to activate the environment in which nawf is installed; see worker-environment.sh"
        yield Check(area, "environment", Mark.BAD, _last_line(err or out) or "no answer", advice)
        return
    there = json.loads(lines[-1].removeprefix(BEGIN))
    yield from compared(area, versions(), there)
    yield from _vasp(area, there)


def compared(area: str, ours: dict[str, str], there: dict[str, Any]) -> Iterator[Check]:
    """Versions here against a report of the worker."""
    theirs: dict[str, str] = there["versions"]
    differ = {n: (v, theirs[n]) for n, v in ours.items() if n in theirs and theirs[n] != v}
    fatal = [n for n in differ if n in _CARRIERS]
    missing = [n for n in ours if n not in theirs]
    place = f"{there['executable']} on {there['host']}"
    words = [f"{n} {v} here, {other} there" for n, (v, other) in differ.items()]
    if missing:
        words.append(f"not there: {', '.join(missing)}")
    advice = "install the same versions at both ends, with constraints.txt of the folder deploy"
    if fatal:
        yield Check(area, "versions", Mark.BAD, f"{place}: {'; '.join(words)}", advice)
    elif words:
        yield Check(area, "versions", Mark.LOOK, f"{place}: {'; '.join(words)}", advice)
    else:
        yield Check(area, "versions", Mark.GOOD, f"{place}: equal at both ends ({len(theirs)} packages)")
    variables = ", ".join(there["variables"]) or "none"
    if asked := there.get("run_folder_asked"):
        found = f"{asked} means nothing there: a run that is cut off could not be taken up again"
        yield Check(area, "run folder", Mark.BAD, found, "set NAWF_RUN_FOLDER in pre_run to a folder that stays")
    yield Check(area, "settings", Mark.GOOD, f"variables there: {variables}; runs go to {there['run_folder']}")


def _vasp(area: str, there: dict[str, Any]) -> Iterator[Check]:
    """VASP as the worker would call it; its login node may not have what its nodes have."""
    if not there["vasp_command"]:
        advice = "for engine vasp: set vasp_command in nawf.yaml, or NAWF_VASP_COMMAND in pre_run"
        yield Check(area, "VASP", Mark.UNUSED, "no command is set", advice)
        return
    if there["vasp_missing"]:
        found = f"{there['vasp_command']!r}: {', '.join(there['vasp_missing'])} not found where commands run"
        yield Check(area, "VASP", Mark.LOOK, found, "load its module in pre_run; nodes may have it all the same")
    else:
        yield Check(area, "VASP", Mark.GOOD, there["vasp_command"])
    if there["potcar_folder"] and not there["potcar_there"]:
        advice = "set NAWF_POTCAR_FOLDER in pre_run"
        yield Check(area, "POTCARs", Mark.BAD, f"{there['potcar_folder']} is no folder there", advice)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
