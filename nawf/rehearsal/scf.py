"""Made-up histories of the electronic loop, which end in the energy of the potential."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nawf.rehearsal.controls import Controls

_RATIO = 0.2
_FIRST_ERROR_EV_PER_ELECTRON = 5.0
_RESTART_ERROR_EV = 0.5
_LATER_ERROR_EV = 0.05
_STALLED_ERROR_EV = 0.02


@dataclass(frozen=True)
class ElectronicStep:
    """One line of OSZICAR: energy and its change (eV), and quantities of the algorithm."""

    number: int
    energy_ev: float
    change_ev: float
    band_change_ev: float
    n_applications: int
    residual: float
    charge_residual: float | None


@dataclass(frozen=True)
class History:
    """The electronic steps of one ionic step; ``energy_ev`` is the last one's."""

    steps: tuple[ElectronicStep, ...]
    converged: bool

    @property
    def energy_ev(self) -> float:
        return self.steps[-1].energy_ev


def make_history(energy_ev: float, controls: Controls, n_kpoints: int, *, first: bool, stalled: bool) -> History:
    """Steps towards ``energy_ev``: the error falls by a factor of five in each, as far as EDIFF and NELM let it.

    Parameters
    ----------
    energy_ev : float
        What the last step of a converged history has exactly.
    controls : Controls
    n_kpoints : int
    first : bool
        Whether it is the first ionic step, which starts from random wavefunctions unless there is a WAVECAR.
    stalled : bool
        Whether the error stops falling, so that NELM steps are not enough.
    """
    scratch = first and controls.istart == 0
    start = _FIRST_ERROR_EV_PER_ELECTRON * controls.n_electrons if scratch else _LATER_ERROR_EV
    if first and not scratch:
        start = _RESTART_ERROR_EV
    delay = abs(controls.nelmdl) if first else 0
    fewest = max(controls.nelmin, 1) + delay
    errors = [_error(0, start, stalled)]
    converged = False
    while len(errors) < controls.nelm and not converged:
        errors.append(_error(len(errors), start, stalled))
        converged = not stalled and len(errors) >= fewest and abs(errors[-1] - errors[-2]) < controls.ediff_ev
    if converged:
        errors = [error - errors[-1] for error in errors]
    steps = []
    for i, error in enumerate(errors):
        change = errors[i] - errors[i - 1] if i else energy_ev + error
        steps.append(
            ElectronicStep(
                number=i + 1,
                energy_ev=energy_ev + error,
                change_ev=change,
                band_change_ev=change / 2 if i else -abs(change),
                n_applications=controls.n_bands * n_kpoints * controls.ispin * 2,
                residual=math.sqrt(abs(change)) if change else 0.0,
                charge_residual=None if i < delay else math.sqrt(abs(error)),
            )
        )
    return History(tuple(steps), converged)


def _error(i: int, start_ev: float, stalled: bool) -> float:
    error = start_ev * _RATIO**i
    if stalled and error < _STALLED_ERROR_EV:
        return _STALLED_ERROR_EV * (1.0 + 0.5 * math.cos(2.5 * i))
    return error
