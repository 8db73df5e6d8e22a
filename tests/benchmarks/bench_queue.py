"""Overhead of tiny jobs through jobflow-remote's daemon on a SLURM of one node: seconds for each, and where they go.

    python tests/benchmarks/bench_queue.py [--jobs 500] [--batch]

It starts a SLURM (deploy/slurm-one-node), a database (the stand-in of tests/shared, or NAWF_TEST_MONGO_URI, if it is
set) and the daemon in a folder of its own, and stops them at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from nawf.reports.tables import Column, Table, render

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = ROOT / "tests" / "shared" / "mongo_stand_in.py"
SLURM = ROOT / "deploy" / "slurm-one-node"
PORT = 17871


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500, help="how many (default: 500)")
    parser.add_argument("--batch", action="store_true", help="through a batch worker, many in one job of SLURM")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="nawf-q-"))
    subprocess.run(
        [SLURM, "start", "--folder", folder / "slurm", "--port", str(PORT)], check=True, capture_output=True
    )
    server = subprocess.Popen(
        [sys.executable, str(STAND_IN), "--until-stdin-closes", "--port", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        uri = os.environ.get("NAWF_TEST_MONGO_URI") or server.stdout.readline().strip()
        documents, total_s = measure(folder, uri, options.jobs, batch=options.batch)
        print(render(table(documents, total_s, cpu_time_s(folder), batch=options.batch)), end="")
    finally:
        subprocess.run([SLURM, "stop", "--folder", folder / "slurm"], check=False, capture_output=True)
        server.terminate()
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, uri: str, n_jobs: int, *, batch: bool) -> tuple[list[dict[str, Any]], float]:
    """Documents of all jobs, and seconds from their submission to the end of the last."""
    bin_folder = Path(sys.executable).parent
    os.environ |= {
        "JFREMOTE_PROJECTS_FOLDER": str(folder / "projects"),
        "JFREMOTE_PROJECT": "bench",
        "SLURM_CONF": str(folder / "slurm" / "slurm.conf"),
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
    }
    write_project(folder, uri, batch=batch)
    from jobflow import Flow
    from jobflow_remote import JobController, submit_flow
    from jobflow_remote.utils.examples import add

    controller = JobController.from_project_name("bench")
    controller.reset(reset_output=True)
    subprocess.run(["jf", "runner", "start"], check=True, capture_output=True)
    try:
        start = time.monotonic()
        for _ in range(n_jobs):
            submit_flow(Flow([add(1, 2)]), project="bench")
        while (n_done := controller.count_jobs({"state": "COMPLETED"})) < n_jobs:
            print(f"{n_done}/{n_jobs} after {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
            time.sleep(5)
        total_s = time.monotonic() - start
        # A batch says what it took when it has waited in vain for more.
        while subprocess.run(["squeue", "--noheader"], check=True, capture_output=True).stdout:
            time.sleep(1)
    finally:
        subprocess.run(["jf", "runner", "stop"], check=False, capture_output=True)
    return list(controller.get_jobs({}, ["created_on", "start_time", "end_time", "updated_on"])), total_s


def write_project(folder: Path, uri: str, *, batch: bool) -> None:
    """Project file of one worker."""
    for name in ("projects", "jf", "work", "handle", "batch"):
        (folder / name).mkdir()
    worker: dict[str, Any] = {
        "type": "local",
        "scheduler_type": "slurm",
        "work_dir": str(folder / "work"),
        "resources": {"partition": "main", "ntasks": 1, "time": "1:00:00"},
        "pre_run": f"export PATH={os.environ['PATH']} OMP_NUM_THREADS=1",
        # User and system time of the shell, and in the second line of what it has started.
        "post_run": "times > cpu-times",
        "max_jobs": 100,
    }
    if batch:
        worker["max_jobs"] = len(os.sched_getaffinity(0))
        worker["batch"] = {
            "jobs_handle_dir": str(folder / "handle"),
            "work_dir": str(folder / "batch"),
            "max_wait": 10,
            "sleep_time": 1,
        }
    store = {"type": "MongoStore", "uri": uri, "database": "bench", "collection_name": "outputs"}
    project = {
        "name": "bench",
        "base_dir": str(folder / "jf"),
        "log_level": "warn",
        "runner": {
            "delay_checkout": 1,
            "delay_check_run_status": 2,
            "delay_advance_status": 1,
            "delay_update_batch": 2,
        },
        "workers": {"slurm": worker},
        "queue": {"store": store | {"collection_name": "jobs"}},
        "exec_config": {},
        "jobstore": {"docs_store": store},
    }
    (folder / "projects" / "bench.yaml").write_text(yaml.safe_dump(project))


def cpu_time_s(folder: Path) -> float:
    """Seconds of a core that all jobs took, most of them to start Python and load what reads a job."""
    words = [word for file in folder.rglob("cpu-times") for word in file.read_text().split()]
    return sum(60 * float(m) + float(s) for m, s in (word.rstrip("s").split("m") for word in words))


def table(documents: list[dict[str, Any]], total_s: float, cpu_s: float, *, batch: bool) -> Table:
    """One row: total, for each job, and the median of the job itself."""
    runs = [(d["end_time"] - d["start_time"]).total_seconds() for d in documents]
    n_cores = len(os.sched_getaffinity(0))
    row = {
        "jobs": len(documents),
        "worker": "batch" if batch else "one job of SLURM each",
        "total_s": total_s,
        "per_job_s": total_s / len(documents),
        "cpu_s": cpu_s / len(documents),
        "run_s": statistics.median(runs),
    }
    columns = [
        Column("jobs", "jobs", "d"),
        Column("worker", "worker"),
        Column("total_s", "total (s)", ".0f"),
        Column("per_job_s", "for each (s)", ".2f"),
        Column("cpu_s", "core time of the processes (s)", ".2f"),
        Column("run_s", "the job itself (s, median)", ".3f"),
    ]
    return Table(f"Tiny jobs through jobflow-remote and SLURM, {n_cores} cores", columns, [row])


if __name__ == "__main__":
    main()
