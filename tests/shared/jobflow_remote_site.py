"""A place to submit from: a project of jobflow-remote with SLURM and a database, and nawf's settings for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

POLLS = {
    "delay_checkout": 1,
    "delay_check_run_status": 1,
    "delay_advance_status": 1,
    "delay_update_batch": 1,
    "max_step_attempts": 2,
    "delta_retry": [2, 4, 8],
}
RUN = """
import sys
from jobflow_remote.jobs.runner import Runner
Runner(project_name="nawf").run_all_jobs(max_seconds=float(sys.argv[1]))
"""


@dataclass
class Site:
    """A folder with nawf.yaml and a project.

    Attributes
    ----------
    nawf : callable
        The command, in this process.
    folder : Path
    settings : dict
        Of nawf.yaml.
    project : dict
        The project file.
    env : dict
        For processes of one's own.
    """

    nawf: Any
    folder: Path
    slurm: Any
    settings: dict[str, Any]
    project: dict[str, Any]
    env: dict[str, str]
    runners: list[subprocess.Popen[str]] = field(default_factory=list)

    def write(self) -> None:
        """Write nawf.yaml and the project file."""
        (self.folder / "nawf.yaml").write_text(yaml.safe_dump(self.settings))
        (self.folder / "projects" / "nawf.yaml").write_text(yaml.safe_dump(self.project))

    def start_runner(self, most_s: float = 1200) -> subprocess.Popen[str]:
        """A runner in a process of its own, which ends when nothing is left to do."""
        log = (self.folder / f"runner-{len(self.runners)}.log").open("w")
        runner = subprocess.Popen(
            [sys.executable, "-c", RUN, str(most_s)],
            env=self.env,
            cwd=self.folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        log.close()
        self.runners.append(runner)
        return runner

    def run(self, most_s: float = 500) -> None:
        """Run until nothing is left to do."""
        assert self.start_runner(most_s).wait(most_s + 60) == 0, self.log()

    def log(self) -> str:
        """What the last runner said."""
        return (self.folder / f"runner-{len(self.runners) - 1}.log").read_text()

    def backend(self) -> Any:
        from nawf.running.jobflow_remote import JobflowRemote
        from nawf.settings import load_settings

        return JobflowRemote(load_settings(folder=self.folder, environment={}).cluster)

    def jobs(self) -> tuple[Any, ...]:
        from nawf.running.backend import Selection

        return tuple(self.backend().jobs(Selection()))

    def job(self, phase: str, step: str) -> Any:
        """The one job of a step."""
        (found,) = [job for job in self.jobs() if job.phase == phase and job.step == step]
        return found

    def wait_for(self, ready: Callable[[], Any], most_s: float = 90) -> Any:
        """Wait until something is so."""
        end = time.monotonic() + most_s
        while time.monotonic() < end:
            if found := ready():
                return found
            time.sleep(0.3)
        raise AssertionError(f"in vain: {[(j.phase, j.step, j.backend_state, j.reason) for j in self.jobs()]}")

    def numbers(self, location: str = "") -> dict[tuple[str, str], Any]:
        """All results of a store (the site's own), without when and where they were calculated."""
        from nawf.store.query import load_results
        from nawf.store.stores import open_stores

        with open_stores(location or self.settings["store"], read_only=True) as stores:
            documents = load_results(stores.results)
        return {
            (d.phase, d.property): (
                d.fingerprint_id,
                d.verdict.model_dump(),
                {k: v for k, v in d.result.items() if k != "run"},
            )
            for d in documents
        }

    def end(self) -> None:
        """End the runners."""
        for runner in self.runners:
            if runner.poll() is None:
                runner.send_signal(signal.SIGKILL)
                runner.wait(10)


@pytest.fixture
def new_site(
    nawf: Any, slurm: Any, new_mongo_uri: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Site]]:
    """Make a site; ``server`` is the address of a database of one's own, ``pre_run`` a line for every job."""
    jobflow_remote = pytest.importorskip("jobflow_remote")
    made: list[Site] = []

    def make(server: str | None = None, pre_run: str = "") -> Site:
        uris = (
            [new_mongo_uri() for _ in range(2)] if server is None else [f"{server}/{n}" for n in ("store", "queue")]
        )
        (tmp_path / "projects").mkdir()
        paths = {
            "JFREMOTE_PROJECTS_FOLDER": str(tmp_path / "projects"),
            "SLURM_CONF": str(slurm.conf),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        for name, value in paths.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(jobflow_remote.SETTINGS, "projects_folder", paths["JFREMOTE_PROJECTS_FOLDER"])
        project = _project(
            tmp_path, uris, slurm.partition, f"export PATH={paths['PATH']} OMP_NUM_THREADS=1\n{pre_run}"
        )
        settings = {
            "store": uris[0],
            "run_folder": str(tmp_path / "runs"),
            "threads": 1,
            "cluster": {"project": "nawf", "worker": "main", "analysis_worker": "small"},
        }
        site = Site(nawf, tmp_path, slurm, settings, project, {**os.environ, **paths})
        site.write()
        controller = jobflow_remote.JobController.from_project_name("nawf")
        controller.reset(reset_output=False)
        controller.close()
        made.append(site)
        return site

    yield make
    for site in made:
        site.end()
        for job in slurm.jobs():
            slurm.run("scancel", str(job))


def _project(folder: Path, uris: list[str], partition: str, pre_run: str) -> dict[str, Any]:
    from nawf.store.location import database_name
    from nawf.store.stores import MONGO_DATA, MONGO_OUTPUTS

    def worker(minutes: int, **more: Any) -> dict[str, Any]:
        return {
            "type": "local",
            "scheduler_type": "slurm",
            "work_dir": str(folder / "work"),
            "resources": {"partition": partition, "ntasks": 1, "time": f"0:{minutes:02d}:00"},
            "pre_run": pre_run,
            **more,
        }

    def store(kind: str, uri: str, collection: str) -> dict[str, Any]:
        return {"type": kind, "uri": uri, "database": database_name(uri), "collection_name": collection}

    batch = {
        "jobs_handle_dir": str(folder / "batch" / "handle"),
        "work_dir": str(folder / "batch" / "work"),
        "max_wait": 5,
        "sleep_time": 1,
    }
    for name in ("work", "batch/handle", "batch/work", "jf"):
        (folder / name).mkdir(parents=True)
    return {
        "name": "nawf",
        "base_dir": str(folder / "jf"),
        "log_level": "info",
        "runner": POLLS,
        "workers": {"main": worker(10), "small": worker(5), "swarm": worker(10, max_jobs=1, batch=batch)},
        "queue": {"store": store("MongoStore", uris[1], "jobs")},
        "exec_config": {},
        "jobstore": {
            "docs_store": store("MongoStore", uris[0], MONGO_OUTPUTS),
            "additional_stores": {"data": store("GridFSStore", uris[0], MONGO_DATA)},
        },
    }


VASP = """#!{python}
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from toy_potential import evaluate
from nawf.rehearsal.run import run
from nawf.results.crystal import Crystal

# Bonds are longer in r2SCAN, so that its relaxation has steps to take after that in PBEsol.
SCALE = 0.98 if "METAGGA" in Path("INCAR").read_text() else 1.0


def scaled(crystal):
    smaller = Crystal.from_arrays(SCALE * crystal.matrix_a, crystal.species, crystal.frac_coords)
    energy, forces, stress = evaluate(smaller)
    return energy, SCALE * forces, SCALE**3 * stress


sys.exit(run(".", scaled))
"""


@dataclass(frozen=True)
class VaspMachine:
    """A stand-in for VASP with a toy potential, its POTCARs, and a phase ``toy-nas``: settings, and their exports."""

    settings: dict[str, Any]

    @property
    def exports(self) -> str:
        names = {"vasp_rehearsal_command", "potcar_folder"}
        return " ".join(f"NAWF_{key.upper()}={value}" for key, value in self.settings.items() if key in names)


@pytest.fixture(scope="session")
def vasp_machine(tmp_path_factory: pytest.TempPathFactory) -> VaspMachine:
    """Settings for VASP's stand-in."""
    pytest.importorskip("atomate2")
    from pymatgen.core import Lattice, Structure

    from nawf.phases.add import NewPhase, add_phase
    from nawf.phases.card import Origin
    from nawf.phases.library import load_library
    from nawf.rehearsal.potcar import make_potcar_library

    folder = tmp_path_factory.mktemp("vasp-machine")
    own = folder / "own"
    own.mkdir()
    Structure(Lattice.cubic(3.2), ["S", "Na"], [[0, 0, 0], [0.5] * 3]).to(filename=str(folder / "toy-nas.cif"))
    new = NewPhase(id="toy-nas", reference="made up", origin=Origin.PROTOTYPE)
    add_phase(folder / "toy-nas.cif", new, folder=own, library=load_library())
    program = folder / "toy-vasp"
    engines = Path(__file__).resolve().parents[1] / "engines"
    program.write_text(VASP.format(python=sys.executable, folder=str(engines)))
    program.chmod(0o755)
    return VaspMachine(
        {
            "structures": [str(own)],
            "vasp_rehearsal_command": str(program),
            "potcar_folder": str(make_potcar_library(folder / "potcars", symbols=["Na_pv", "S"])),
        }
    )
