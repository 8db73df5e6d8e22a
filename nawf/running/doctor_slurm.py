"""Checks of SLURM on this machine, and of the partitions that workers ask for, on theirs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nawf.running.doctor import Check, Mark

COMMANDS = ("sbatch", "squeue", "scancel", "sinfo")
SINFO = "sinfo --noheader --format '%P|%a|%l|%D|%T'"
_AREA = "SLURM"
_PATIENCE_S = 30
_USABLE = ("idle", "mixed", "allocated", "completing", "planned")


@dataclass(frozen=True)
class Partition:
    """A partition: whether it takes jobs, and how many of its nodes can run them."""

    name: str
    is_up: bool
    is_default: bool
    time_limit: str
    n_nodes: int
    n_usable: int

    @property
    def words(self) -> str:
        state = f"{self.n_usable} of {self.n_nodes} nodes usable" if self.is_up else "takes no jobs"
        return f"{self.name}{' (default)' if self.is_default else ''}: {state}, time limit {self.time_limit}"


def partitions_of(text: str) -> dict[str, Partition]:
    """Partitions by name, from the output of :data:`SINFO`; a partition has a line for each state of nodes."""
    found: dict[str, Partition] = {}
    for line in text.splitlines():
        words = line.strip().split("|")
        if len(words) != 5 or not words[3].isdigit():
            continue
        name, count = words[0].rstrip("*"), int(words[3])
        usable = count if words[4].rstrip("*~#!%$@+-") in _USABLE and not words[4].endswith("*") else 0
        before = found.get(name, Partition(name, words[1] == "up", words[0].endswith("*"), words[2], 0, 0))
        found[name] = Partition(
            name,
            before.is_up,
            before.is_default,
            before.time_limit,
            before.n_nodes + count,
            before.n_usable + usable,
        )
    return found


def slurm() -> Iterator[Check]:
    """Commands and partitions of this machine."""
    absent = [name for name in COMMANDS if shutil.which(name) is None]
    if len(absent) == len(COMMANDS):
        advice = "needed where jobs are submitted; to try it out: slurm-one-node of the folder deploy"
        yield Check(_AREA, "commands", Mark.UNUSED, "SLURM is not installed here", advice)
        return
    if absent:
        advice = "install the client commands of SLURM"
        yield Check(_AREA, "commands", Mark.BAD, f"{', '.join(absent)} not found", advice)
        return
    try:
        ended = subprocess.run(
            ["bash", "-c", SINFO], capture_output=True, text=True, check=False, timeout=_PATIENCE_S
        )
        failure = (ended.stderr or ended.stdout).strip() if ended.returncode else ""
    except subprocess.TimeoutExpired:
        failure = f"sinfo does not answer within {_PATIENCE_S} s"
    if failure and "SLURM_CONF" not in os.environ and not Path("/etc/slurm/slurm.conf").exists():
        found = "its commands are installed, and it is not set up"
        yield Check(_AREA, "controller", Mark.UNUSED, found, "needed where jobs are submitted: set SLURM_CONF")
        return
    if failure:
        advice = "see SLURM_CONF, and whether slurmctld and munged run"
        yield Check(_AREA, "controller", Mark.BAD, failure, advice)
        return
    yield Check(_AREA, "commands", Mark.GOOD, ", ".join(COMMANDS))
    yield from partition_checks(_AREA, ended.stdout)


def partition_checks(area: str, sinfo_text: str) -> Iterator[Check]:
    """One check for each partition."""
    partitions = partitions_of(sinfo_text)
    if not partitions:
        yield Check(area, "partitions", Mark.BAD, "there is none that you may use", "ask who runs the cluster")
    for partition in partitions.values():
        good = partition.is_up and partition.n_usable > 0
        advice = "" if good else f"jobs wait; see: sinfo --partition {partition.name} --list-reasons"
        label = f"partition {partition.name}"
        yield Check(area, label, Mark.GOOD if good else Mark.LOOK, partition.words, advice)
