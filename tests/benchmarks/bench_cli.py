"""Start-up of the ``nawf`` command and cold time of its reports: medians over fresh processes.

    python tests/benchmarks/bench_cli.py [--runs 9] [--store FILE]

Without ``--store``, one is made first: ``nawf run ji2024`` takes a minute.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from nawf.reports.tables import Column, Table, render

CAMPAIGN = "ji2024"
NAWF = (sys.executable, "-m", "nawf.cli.main")
START_UP: dict[str, Sequence[str]] = {
    "python -c pass": (sys.executable, "-c", "pass"),
    'python -c "import nawf.cli.main"': (sys.executable, "-c", "import nawf.cli.main"),
    "nawf --version": (*NAWF, "--version"),
    "nawf --help": (*NAWF, "--help"),
    "nawf phases list": (*NAWF, "phases", "list"),
    f"nawf plan {CAMPAIGN}": (*NAWF, "plan", CAMPAIGN),
}
REPORTS = ("formation", "hull", "voltage")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9, help="processes for each command (default: 9)")
    parser.add_argument("--store", default="", help="store with the campaign's results (default: make one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nawf-bench-") as scratch:
        folder = Path(scratch)
        store = Path(options.store).resolve() if options.store else make_store(folder)
        commands = dict(START_UP)
        for report in REPORTS:
            words = ("report", report, CAMPAIGN, "--store", str(store))
            commands[f"nawf report {report} {CAMPAIGN}"] = (*NAWF, *words)
            if report != "formation":
                picture = folder / f"{report}.png"
                commands[f"nawf report {report} {CAMPAIGN} --plot"] = (*NAWF, *words, "--plot", str(picture))
        rows = [{"command": name, **timed(command, folder, options.runs)} for name, command in commands.items()]
    columns = (
        Column("command", "command"),
        Column("first", "first", ".2f"),
        Column("median", "median", ".2f"),
        Column("least", "least", ".2f"),
        Column("cpu", "CPU, median", ".2f"),
    )
    notes = [
        f"seconds of a whole process, {options.runs} runs; first is the first of them, with what was cached before"
    ]
    print(render(Table("Command line", columns, rows, notes)))


def environment() -> dict[str, str]:
    """Environment without settings of the user's."""
    return {k: v for k, v in os.environ.items() if not k.startswith("NAWF_")}


def make_store(folder: Path) -> Path:
    """Run the campaign, and return its store."""
    store = folder / "nawf.db"
    command = [*NAWF, "run", CAMPAIGN, "--store", str(store)]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"nawf run failed:\n{done.stderr}")
    return store


def timed(command: Sequence[str], folder: Path, runs: int) -> dict[str, float]:
    """Wall and CPU times of a command (s). One that fails ends the benchmark."""
    wall_s, cpu_s = [], []
    for _ in range(runs):
        before, start = children_cpu_s(), time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
        wall_s.append(time.perf_counter() - start)
        cpu_s.append(children_cpu_s() - before)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return {
        "first": wall_s[0],
        "median": statistics.median(wall_s),
        "least": min(wall_s),
        "cpu": statistics.median(cpu_s),
    }


def children_cpu_s() -> float:
    """CPU time of all child processes so far (s)."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
