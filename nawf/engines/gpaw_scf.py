"""Energy, forces and stress of one geometry by GPAW, and what is tried when the electrons do not converge.

The ladder: first other ways to the same ground state, which change no result: slower mixing of the density, then
more work on the wave functions as well. When all of these fail the smearing of the occupations is doubled, twice at
most. That is another calculation: the step starts again with it, and its results say so in their fingerprint. Every
rung that was needed is kept as a correction.

In a parallel run, what only one process sees (a matrix that is not positive definite, say) leaves the others waiting
for it. So that process notes the rung it fell from and ends them all; whoever started them starts them again, and
they begin with the next rung.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from nawf.engines.gpaw_cells import Reduction
from nawf.engines.gpaw_log import DONE, GIVEN_UP, Evaluation, EvaluationLog, Failure, Lost
from nawf.engines.gpaw_protocols import DENSITY, EIGENSTATES, SMEARING_EV, XC, Level, smearing_text
from nawf.engines.gpaw_symmetry import symmetry_choice
from nawf.engines.gpaw_versions import potentials_of, versions
from nawf.errors import CalculationError
from nawf.results.crystal import Crystal
from nawf.results.outputs import Correction

if TYPE_CHECKING:
    from ase import Atoms

HANDLER = "gpaw-scf"


@dataclass(frozen=True)
class Rung:
    """One way to converge electrons."""

    words: str
    mixer: dict[str, Any]
    max_iterations: int
    eigensolver: dict[str, Any] = field(default_factory=dict)


def _pulay(beta: float, memory: int, weight: float) -> dict[str, Any]:
    return {"backend": "pulay", "beta": beta, "nmaxold": memory, "weight": weight}


RUNGS = (
    # With libxc before 7, GPAW's own mixer lets bcc sodium and antimony diverge with this functional. From the start,
    # Na2S, Na3P, Sb and α-Na2S2 need 10 to 12 iterations with 0.3, 14 to 18 with 0.1, and one or two less with 0.5.
    Rung("usual", _pulay(0.3, 5, 50.0), 120),
    Rung("slower mixing (0.05)", _pulay(0.05, 8, 100.0), 250),
    Rung(
        "slow mixing (0.02), Davidson with three steps",
        _pulay(0.02, 5, 100.0),
        500,
        {"name": "davidson", "niter": 3},
    ),
)

SMEARINGS_EV = (SMEARING_EV, 2 * SMEARING_EV, 4 * SMEARING_EV)


class ElectronsAtLossError(Exception):
    """No rung converged the electrons with this smearing."""


class OneProcessFellError(Exception):
    """One process of a parallel run, this one, fell from a rung of the ladder, and the others do not know."""


@dataclass
class Electrons:
    """What one step asks of GPAW, geometry by geometry.

    Attributes
    ----------
    level : Level
    mesh : tuple of int
        Divisions of the k-mesh along the edges of the reduced cell.
    reduction : Reduction
        From the cells that are asked for to those that GPAW sees.
    log : EvaluationLog
        Where to look first, and to write to.
    smearing_ev : float
    parallel : bool
        Whether this is one of several processes that calculate together.
    """

    level: Level
    mesh: tuple[int, int, int]
    reduction: Reduction
    log: EvaluationLog
    smearing_ev: float = SMEARING_EV
    parallel: bool = False
    _calculator: Any = None
    _text: Any = None
    _rung: int = 0

    def __post_init__(self) -> None:
        self._rung = self.log.first_rung(self.smearing_ev)

    def evaluate(self, crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray]:
        """Energy (eV), forces (eV/Å, shape (atoms, 3)) and stress (eV/Å³, shape (3, 3), positive under tension).

        Raises
        ------
        ElectronsAtLossError
            When no rung of the ladder converges the electrons.
        """
        found = self.log.find(crystal, self.smearing_ev)
        if found is None:
            found = self._calculate(crystal)
        xx, yy, zz, yz, xz, xy = found.stress_ev_per_a3
        stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        return found.energy_ev, np.array(found.forces_ev_per_a), stress

    def balanced(self, crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray]:
        """The same, with the net force taken off all atoms alike.

        It is an error of the grid, and in polar crystals symmetry does not average it away.
        """
        energy_ev, forces, stress = self.evaluate(crystal)
        return energy_ev, forces - forces.mean(axis=0), stress

    def forget(self) -> None:
        """Drop the wave functions: the next geometry has another symmetry, or nothing to do with the last one."""
        if self._calculator is not None:
            self._calculator = None
            # GPAW's objects refer to each other: without this, those of several calculations are in memory at a time.
            gc.collect()
        if self._text is not None:
            self._text.close()
            self._text = None

    def _calculate(self, crystal: Crystal) -> Evaluation:
        self.log.begin()
        corrections: list[Correction] = []
        while self._rung < len(RUNGS):
            started = time.perf_counter()
            try:
                energy_ev, forces, stress, iterations = self._run(crystal)
            except _failures() as error:
                fell_from = self._rung
                corrections.append(self._climb(error))
                if self.parallel and not _is_seen_by_all(error):
                    tried = tuple(corrections)
                    self.log.lose(Lost(lost_smearing_ev=self.smearing_ev, lost_rung=fell_from, corrections=tried))
                    raise OneProcessFellError from error
                continue
            xx, yy, zz, yz, xz, xy = stress.tolist()
            evaluation = Evaluation(
                crystal=crystal,
                smearing_ev=self.smearing_ev,
                energy_ev=energy_ev,
                forces_ev_per_a=tuple(map(tuple, forces.tolist())),
                stress_ev_per_a3=(xx, yy, zz, yz, xz, xy),
                n_iterations=iterations,
                seconds=time.perf_counter() - started,
                finished_at=datetime.now(UTC),
                versions=versions(),
                potentials=potentials_of(self._calculator.dft.setups),
                corrections=tuple(corrections),
            )
            self.log.add(evaluation)
            return evaluation
        self.log.fail(Failure(failed_smearing_ev=self.smearing_ev, corrections=tuple(corrections)))
        raise ElectronsAtLossError

    def _climb(self, error: Exception) -> Correction:
        """Note that a rung failed, and what comes next."""
        self.forget()
        failed = RUNGS[self._rung]
        self._rung += 1
        ways = [RUNGS[self._rung].words] if self._rung < len(RUNGS) else []
        what = " ".join(f"{type(error).__name__} {error}".split())[:200]
        return Correction(handler=HANDLER, errors=(f"{failed.words}: {what}",), actions=tuple(ways))

    def _run(self, crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray, int]:
        from nawf.engines.ase_relax import atoms_of

        atoms = atoms_of(self.reduction.applied(crystal))
        if self._calculator is None:
            self._calculator = self._new_calculator(atoms)
        # Small matrices: several threads only wait for each other.
        with threadpool_limits(limits=1, user_api="blas"), _in_our_terms():
            energy_ev = float(self._calculator.get_potential_energy(atoms))
            forces = np.array(self._calculator.get_forces(atoms))
            stress = np.array(self._calculator.get_stress(atoms))
        if not (np.isfinite(energy_ev) and np.isfinite(forces).all() and np.isfinite(stress).all()):
            raise FloatingPointError("a number is not finite")
        return energy_ev, forces, stress, int(self._calculator.dft.scf_loop.niter)

    def _new_calculator(self, atoms: Atoms) -> Any:
        from gpaw import GPAW

        rung = RUNGS[self._rung]
        choices = symmetry_choice(atoms, self.mesh, self.level)
        if rung.eigensolver:
            choices["eigensolver"] = rung.eigensolver
        if self.level.grid_a is not None:
            choices["h"] = self.level.grid_a
        self._text = self.log.text_file()
        return GPAW(
            mode={"name": "pw", "ecut": self.level.cutoff_ev},
            xc=XC,
            kpts={"size": self.mesh, "gamma": True},
            occupations={"name": "fermi-dirac", "width": self.smearing_ev},
            mixer=rung.mixer,
            maxiter=rung.max_iterations,
            convergence={"density": DENSITY, "eigenstates": EIGENSTATES},
            spinpol=False,
            txt=self._text,
            **choices,
        )


def _failures() -> tuple[type[Exception], ...]:
    """What GPAW raises when electrons go astray; a density that diverges ends in a failed assertion inside of it."""
    from gpaw import ConvergenceError

    return ConvergenceError, AssertionError, FloatingPointError, np.linalg.LinAlgError


def _is_seen_by_all(error: Exception) -> bool:
    """Whether all processes of a parallel run see it, as GPAW sees to for electrons that have not converged."""
    from gpaw import ConvergenceError

    return isinstance(error, ConvergenceError)


@contextlib.contextmanager
def _in_our_terms() -> Iterator[None]:
    """Tell apart what GPAW says by ValueError alone: electrons that diverge, and atoms on top of each other."""
    try:
        yield
    except ValueError as error:
        if type(error).__name__ == "AtomsTooClose":
            raise CalculationError(
                f"GPAW finds atoms too close to each other ({error})", hint="look at the structure"
            ) from error
        if "NaN" in str(error):
            raise FloatingPointError(str(error)) from error
        raise


_Output = TypeVar("_Output")


def with_smearing(log: EvaluationLog, step: Callable[[float], _Output], where: str) -> tuple[_Output, float]:
    """What a step gives with the smallest smearing that converges all its electrons, and that smearing (eV).

    Raises
    ------
    CalculationError
        When none does.
    """
    try:
        for smearing_ev in SMEARINGS_EV:
            if log.has_failed(smearing_ev):
                continue
            with contextlib.suppress(ElectronsAtLossError):
                found = step(smearing_ev)
                log.end(DONE)
                return found, smearing_ev
        log.end(GIVEN_UP)
    finally:
        log.leave()
    raise CalculationError(
        f"the electrons do not converge, not even with {smearing_text(SMEARINGS_EV[-1])}",
        where=where,
        hint="look at the structure, and at the text of GPAW in the run folder",
    )
