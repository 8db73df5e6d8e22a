"""From runs to records: which run went on from which, what phase it is, and what of it is a result."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass

from nawf.engines.run_records import joined_run
from nawf.errors import CalculationError
from nawf.flows.steps import relax_result
from nawf.phases.library import Phase
from nawf.results.crystal import Crystal
from nawf.results.methods import RelaxMethod
from nawf.results.outputs import PhononResult, RelaxOutput, RelaxResult, StaticResult
from nawf.results.symmetry import primitive_cell, space_group
from nawf.running.ingest_match import SAME_A, SYMPREC_A, PhaseFinder, same_geometry
from nawf.running.ingest_vasp import LOOSEST, UNKNOWN_GEOMETRY, VaspRun


@dataclass(frozen=True)
class Item:
    """A result that is ready for the store, and what it was made of.

    ``sources`` are hashes of all files that it was made of, those of its own run or folder last.
    """

    phase: Phase
    property: str
    result: RelaxResult | StaticResult | PhononResult
    sources: tuple[str, ...]
    folder: str
    where: str


class Relaxations:
    """The relaxations among runs, finished or not: what others started from."""

    def __init__(self, runs: Iterable[VaspRun]) -> None:
        every = list(runs)
        self._by_end: dict[Crystal, list[VaspRun]] = {}
        for run in every:
            if run.moves:
                self._by_end.setdefault(run.final, []).append(run)
        self._ends = sorted(self._by_end, key=_volume_a3)
        self._volumes_a3 = [_volume_a3(end) for end in self._ends]
        self._alike: dict[Crystal, list[VaspRun]] = {}
        self._before: dict[str, VaspRun] = {}
        for run in every:
            if (found := self._ended_at(run.initial, run)) is not None:
                self._before[run.source] = found
        moving = [run for run in every if run.moves and not run.unfinished]
        self._continued = {link.source for run in moving for link in self.chain(run)[:-1]}

    def _ended_at(self, crystal: Crystal, later: VaspRun | None = None) -> VaspRun | None:
        """The last relaxation that ended with a crystal; before another began, so that none follows itself."""
        if crystal not in self._alike:
            volume_a3 = _volume_a3(crystal)
            first, last = (bisect(self._volumes_a3, volume_a3 + shift) for shift in (-SAME_A, SAME_A))
            ends = [end for end in self._ends[first:last] if same_geometry(end, crystal)]
            found = [run for end in ends for run in self._by_end[end]]
            self._alike[crystal] = sorted(found, key=lambda run: (run.run.started_at, run.source), reverse=True)
        for run in self._alike[crystal]:
            if later is None or not later.moves or run.run.started_at < later.run.started_at:
                return run
        return None

    def chain(self, run: VaspRun) -> list[VaspRun]:
        """Relaxations one after another, of which a run is the last."""
        links = [run]
        while (earlier := self._before.get(links[0].source)) is not None:
            links.insert(0, earlier)
        return links

    def is_continued(self, run: VaspRun) -> bool:
        """Whether a finished relaxation went on from this one."""
        return run.source in self._continued

    def before(self, run: VaspRun) -> VaspRun | None:
        """The relaxation that a run started from."""
        return self._before.get(run.source)

    def method_of(self, crystal: Crystal) -> RelaxMethod:
        """How a crystal was relaxed; where no relaxation that converged ended with it, that this is not known."""
        found = self._ended_at(crystal)
        return UNKNOWN_GEOMETRY if found is None or found.unfinished else found.method

    def start_of(self, crystal: Crystal) -> Crystal:
        """Where the relaxations began that ended with a crystal; itself if there are none."""
        found = self._ended_at(crystal)
        return crystal if found is None else self.chain(found)[0].initial


def item_of(run: VaspRun, relaxations: Relaxations, finder: PhaseFinder) -> Item:
    """Result of a finished run.

    Raises
    ------
    NawfError
        When its phase is not known, or it is not a calculation of the relaxed phase.
    """
    links = relaxations.chain(run)
    phase = finder.phase_of(links[0].initial)
    result = _relaxation(run, links) if run.moves else _static(run, relaxations.before(run), phase)
    sources = tuple(link.source for link in links)
    return Item(phase, "relax" if run.moves else "static", result, sources, run.folder, run.where)


def _relaxation(run: VaspRun, links: list[VaspRun]) -> RelaxResult:
    # Runs in one folder share custodian's log.
    shared = [link.folder == run.folder and link is not run for link in links]
    record = joined_run(
        [
            link.run.model_copy(update={"corrections": ()}) if same else link.run
            for link, same in zip(links, shared, strict=True)
        ]
    )
    relaxed = RelaxOutput(
        crystal=run.final,
        energy_ev_per_atom=run.energy_ev_per_atom,
        max_force_ev_per_a=run.max_force_ev_per_a,
        max_stress_gpa=run.max_stress_gpa,
        n_steps=sum(link.n_steps for link in links),
        converged=True,
        calculation=run.calculation,
        run=record.model_copy(
            update={"electronic_converged": run.run.electronic_converged, "versions": run.run.versions}
        ),
    )
    start = primitive_cell(links[0].initial, run.method.symprec_a)
    return relax_result(start, relaxed, run.method)


def _static(run: VaspRun, relaxation: VaspRun | None, phase: Phase) -> StaticResult:
    if relaxation is None:
        _refuse_another_geometry(run, phase)
    elif relaxation.unfinished:
        raise CalculationError(
            f"started from a relaxation that is none: {relaxation.unfinished} ({relaxation.where})", where=run.where
        )
    return StaticResult(
        crystal=run.initial,
        energy_ev_per_atom=run.energy_ev_per_atom,
        max_force_ev_per_a=run.max_force_ev_per_a,
        stress_gpa=run.stress_gpa,
        calculation=run.calculation,
        method=UNKNOWN_GEOMETRY if relaxation is None else relaxation.method,
        run=run.run,
    )


def _refuse_another_geometry(run: VaspRun, phase: Phase) -> None:
    """A displaced, strained or compressed cell is no cell to take the energy of a phase from."""
    found, wanted = space_group(run.initial, SYMPREC_A), phase.card.space_group
    hint = "the folder of its relaxation, ingested together with it, tells more"
    if found.number != wanted.number:
        raise CalculationError(
            f"a cell of {phase.id} with the space group {found.symbol} instead of {wanted.symbol}: displaced, "
            "strained or not relaxed",
            where=run.where,
            hint=hint,
        )
    if run.max_force_ev_per_a > LOOSEST.force_ev_per_a or run.max_stress_gpa > LOOSEST.stress_gpa:
        raise CalculationError(
            f"a cell of {phase.id} that is not relaxed: force {run.max_force_ev_per_a:.2g} eV/Å, stress "
            f"{run.max_stress_gpa:.2g} GPa",
            where=run.where,
            hint=hint,
        )


def _volume_a3(crystal: Crystal) -> float:
    return crystal.volume_a3_per_atom
