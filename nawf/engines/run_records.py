"""One record for several runs that belong together."""

from __future__ import annotations

from collections.abc import Sequence

from nawf.results.outputs import RunRecord


def joined_run(runs: Sequence[RunRecord]) -> RunRecord:
    """One record for runs that belong together: from the first start to the last end, with all corrections."""
    names = dict.fromkeys(name for run in runs for name in run.versions)
    versions = {name: {run.versions[name] for run in runs if name in run.versions} for name in names}
    electrons = [run.electronic_converged for run in runs if run.electronic_converged is not None]
    return RunRecord(
        host=", ".join(dict.fromkeys(host for run in runs for host in run.host.split(", "))),
        started_at=min(run.started_at for run in runs),
        finished_at=max(run.finished_at for run in runs),
        versions={name: ", ".join(sorted(found)) for name, found in versions.items()},
        electronic_converged=all(electrons) if electrons else None,
        corrections=tuple(c for run in runs for c in run.corrections),
    )


def run_to_its_end(runs: Sequence[RunRecord]) -> RunRecord:
    """Record of runs of which each went on from the one before: only the electrons of the last count."""
    return joined_run(runs).model_copy(update={"electronic_converged": runs[-1].electronic_converged})
