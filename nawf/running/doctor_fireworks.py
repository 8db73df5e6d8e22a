"""Checks of FireWorks: its files, its database, and what a job of the cluster's queue would run."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
from collections.abc import Iterator
from typing import Any

from nawf.running.doctor import Check, Mark
from nawf.running.doctor_queue import readable_by_others
from nawf.running.fireworks_files import find_files, load_adapter, load_worker, open_launchpad
from nawf.settings import Settings
from nawf.shipped import shipped_folder

_AREA = "FireWorks"


def fireworks(settings: Settings) -> Iterator[Check]:
    """The three files, and what they name."""
    wanted = settings.cluster.via == "fireworks"
    if importlib.util.find_spec("fireworks") is None:
        mark = Mark.BAD if wanted else Mark.UNUSED
        yield Check(_AREA, "files", mark, "FireWorks is not installed", "pip install 'nawf[fireworks]'")
        return
    files = find_files()
    if files.launchpad is None and not wanted:
        advice = f"to submit through FireWorks, copy {shipped_folder('deploy') / 'fireworks'}"
        yield Check(_AREA, "files", Mark.UNUSED, "no my_launchpad.yaml", advice)
        return
    launchpad = open_launchpad(files.launchpad)
    assert files.launchpad is not None
    yield Check(_AREA, "launchpad", Mark.GOOD, f"{files.launchpad}: its database answers")
    yield from readable_by_others(_AREA, files.launchpad)
    if not launchpad.fireworks.index_information().get("fw_id_1"):
        yield Check(_AREA, "database", Mark.LOOK, "has never been set up", "lpad reset (it empties the database)")
    worker = load_worker(files.worker)
    yield Check(_AREA, "worker", Mark.GOOD, f"{worker.name}, category {worker.category or 'any'}")
    if files.adapter is None:
        advice = f"for qlaunch, copy {shipped_folder('deploy') / 'fireworks' / 'my_qadapter.yaml'}"
        yield Check(_AREA, "queue adapter", Mark.LOOK, "no my_qadapter.yaml", advice)
        return
    yield from adapter_checks(load_adapter(files.adapter))


def adapter_checks(adapter: Any) -> Iterator[Check]:
    """What a job of the cluster's queue does."""
    command = str(adapter.get("rocket_launch") or "")
    words = shlex.split(command)
    if not words or "rlaunch" not in words[0]:
        advice = "rocket_launch: rlaunch -l ... -w ... singleshot"
        yield Check(_AREA, "queue adapter", Mark.BAD, "rocket_launch does not start rlaunch", advice)
        return
    submit = adapter.q_commands[adapter.q_type]["submit_cmd"]
    if shutil.which(submit) is None:
        advice = "qlaunch runs where jobs are submitted"
        yield Check(_AREA, "queue adapter", Mark.LOOK, f"{submit} is not found here", advice)
        return
    yield Check(_AREA, "queue adapter", Mark.GOOD, f"{adapter.q_type}: {command}")
