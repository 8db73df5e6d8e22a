"""Checks of a project of jobflow-remote: its file, database, runner and workers."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nawf.running.doctor import Check, Mark, safely
from nawf.running.doctor_worker import worker_checks
from nawf.settings import Settings
from nawf.shipped import shipped_folder

_AREA = "jobflow-remote"


def jobflow_remote(settings: Settings) -> Iterator[Check]:
    """The project of the settings, and everything in it."""
    if importlib.util.find_spec("jobflow_remote") is None:
        advice = "to submit to a cluster: pip install 'nawf[remote]'"
        yield Check(_AREA, "project", Mark.UNUSED, "jobflow-remote is not installed", advice)
        return
    from jobflow_remote.config.manager import ConfigManager

    manager = ConfigManager()
    folder = Path(manager.projects_folder)
    files = sorted(file for kind in manager.projects_ext for file in folder.glob(f"*.{kind}"))
    if not files and not settings.cluster.project:
        advice = f"to submit to a cluster, copy a project file from {shipped_folder('deploy') / 'jobflow-remote'}"
        yield Check(_AREA, "project", Mark.UNUSED, f"no project in {folder}", advice)
        return
    yield from unreadable_projects(files, {str(data.filepath) for data in manager.projects_data.values()})
    from nawf.running.jobflow_remote_project import load_project

    project = load_project(settings.cluster.project)
    file = manager.projects_data[project.name].filepath
    workers = ", ".join(project.workers) or "none"
    yield Check(_AREA, "project", Mark.GOOD, f"{project.name} ({file}), workers: {workers}")
    yield from readable_by_others(_AREA, Path(file))
    yield from safely(_AREA, "queue", lambda: _queue(project, settings))
    for name, worker in project.workers.items():
        yield from safely(f"worker {name}", "worker", lambda n=name, w=worker: worker_checks(n, w, settings))  # type: ignore[misc]


def unreadable_projects(files: list[Path], good: set[str]) -> Iterator[Check]:
    """Project files that jobflow-remote passes over in silence."""
    for file in files:
        if str(file) not in good:
            advice = "jf project list --warn says what is wrong in it"
            yield Check(_AREA, "project file", Mark.BAD, f"{file} cannot be read as a project", advice)


def readable_by_others(area: str, file: Path) -> Iterator[Check]:
    """A file with a password that others may read."""
    if file.stat().st_mode & 0o077 and "password" in file.read_text(encoding="utf-8", errors="replace"):
        found = f"{file} may be read by others, and has a password"
        yield Check(area, "permissions", Mark.LOOK, found, f"chmod 600 {file}")


def _queue(project: Any, settings: Settings) -> Iterator[Check]:
    from jobflow_remote import JobController

    from nawf.running.jobflow_remote_project import check_project, reached

    with reached(project.name):
        controller = JobController.from_project(project)
    try:
        check_project(project, settings.cluster, controller, settings.store)
        yield Check(_AREA, "queue", Mark.GOOD, "its database answers, and results go to nawf's store")
        with reached(project.name):
            runner = controller.get_running_runner()
        yield runner_check(runner)
    finally:
        controller.close()


def runner_check(runner: Any) -> Check:
    """Whether something takes jobs to the workers."""
    if not isinstance(runner, dict):
        return Check(_AREA, "runner", Mark.LOOK, "none has been started: jobs wait", "jf runner start")
    return Check(_AREA, "runner", Mark.GOOD, f"started on {runner.get('hostname', 'an unknown host')}")
