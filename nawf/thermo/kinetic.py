"""The path a discharge takes when shallow intermediates do not form.

A stable phase with a small hull depth has little to drive its formation. Leaving such phases out and
computing the profile again gives the path that kinetics may follow instead (Ji et al., Energy Environ. Sci.
17, 9255 (2024), 10.1039/d4ee03160a: without Na2S2, two plateaus merge into Na2S4 + 6 Na -> 4 Na2S).

Depths are those on the full hull, and all shallow phases go at once. Removing them one after the other would
make the depths of the rest grow on the way, so that the outcome would depend on the order. A phase that was
above the full hull, or off the path, may come onto the path in this way; it stays and is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nawf.errors import InputError, ReportError
from nawf.thermo.entries import CompositionKey, EntrySet, composition_key
from nawf.thermo.hull import Hull
from nawf.thermo.references import ElementReference
from nawf.thermo.voltage import VoltageProfile, voltage_profile
from nawf.units import MEV_PER_EV


@dataclass(frozen=True)
class SkippedPhase:
    """A phase that the kinetic path leaves out.

    Attributes
    ----------
    phase, formula : str
    hull_depth_ev_per_atom : float or None
        On the full hull (eV/atom); None for a phase above it.
    is_on_equilibrium_path : bool
        Whether the equilibrium profile goes through it.
    reason : str
        In words: shallower than the limit, or named.
    """

    phase: str
    formula: str
    hull_depth_ev_per_atom: float | None
    is_on_equilibrium_path: bool
    reason: str


@dataclass(frozen=True)
class KineticPath:
    """Equilibrium and kinetic profile side by side.

    Attributes
    ----------
    equilibrium, kinetic : VoltageProfile
        Both have the same start, end and mean voltage.
    skipped : tuple of SkippedPhase
        Stable phases left out, and those named.
    appearing_phases : tuple of str
        Phases on the kinetic path that the equilibrium path does not pass.
    skip_shallower_than_ev_per_atom : float or None
        The limit.
    """

    equilibrium: VoltageProfile
    kinetic: VoltageProfile
    skipped: tuple[SkippedPhase, ...]
    appearing_phases: tuple[str, ...]
    skip_shallower_than_ev_per_atom: float | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was skipped, how deep it lay, and what came onto the path instead, in words."""
        notes = [f"{skipped.phase} is skipped ({skipped.reason}): {_depth(skipped)}" for skipped in self.skipped]
        if not self.skipped:
            notes.append("no phase is shallow enough to be skipped")
        if self.appearing_phases:
            names = ", ".join(self.appearing_phases)
            notes.append(f"on this path, but not on the equilibrium one: {names}")
        return tuple(notes)


def _depth(skipped: SkippedPhase) -> str:
    if skipped.hull_depth_ev_per_atom is None:
        return "above the hull"
    return f"{-MEV_PER_EV * skipped.hull_depth_ev_per_atom:.1f} meV/atom deep"


def kinetic_path(
    entry_set: EntrySet,
    host: str,
    ion: str = "Na",
    skip_shallower_than_ev_per_atom: float | None = None,
    *,
    skip: Iterable[str] = (),
    from_charged: bool = True,
    references: Mapping[str, ElementReference] | None = None,
) -> KineticPath:
    """Voltage profile without the phases that kinetics may skip, beside the equilibrium one.

    All phases of a skipped composition go, its other polymorphs too. Elements, the host, and the phases at
    both ends of the discharge always stay.

    Parameters
    ----------
    entry_set, host, ion, from_charged, references
        As for `nawf.thermo.voltage.voltage_profile`.
    skip_shallower_than_ev_per_atom : float, optional
        Stable compounds of the chemical system whose hull depth on the full hull is smaller than this in
        magnitude are skipped.
    skip : iterable of str
        Phases or formulas to skip whatever their depth. With no limit given, only these.

    Raises
    ------
    InputError
        When there is neither a limit nor a phase to skip, or the limit is negative.
    ReportError
        When a phase to skip is unknown or must stay; and as for `voltage_profile`.
    """
    named = tuple(skip)
    limit = skip_shallower_than_ev_per_atom
    if limit is None and not named:
        raise InputError("there is nothing to skip", hint="give a limit for the hull depth, or phases")
    if limit is not None and not limit >= 0:
        raise InputError(f"{limit} is no limit for a hull depth", hint="give zero or more eV per atom")
    equilibrium = voltage_profile(entry_set, host, ion, from_charged=from_charged, references=references)
    composition, _ = entry_set.composition_of(host)
    hull = Hull(entry_set, {*composition, ion})
    staying = _staying(entry_set, equilibrium, composition)
    reasons = _shallow_keys(hull, limit, staying) if limit is not None else {}
    # A phase that was named is skipped for that, however shallow it is.
    reasons |= _named_keys(entry_set, hull, named, staying)
    kinetic = voltage_profile(entry_set.without(reasons), host, ion, from_charged=from_charged, references=references)
    on_path = _path(equilibrium)
    return KineticPath(
        equilibrium,
        kinetic,
        _skipped(hull, reasons, on_path),
        tuple(phase for phase in _path(kinetic) if phase not in on_path),
        limit,
    )


def _staying(entry_set: EntrySet, profile: VoltageProfile, host: Mapping[str, float]) -> set[CompositionKey]:
    ends = {*profile.mixture_start.phases, *profile.mixture_end.phases}
    keys = {e.key for e in entry_set.entries if e.is_element or e.phase in ends}
    return keys | {composition_key(host)}


def _named_keys(
    entry_set: EntrySet, hull: Hull, named: tuple[str, ...], staying: set[CompositionKey]
) -> dict[CompositionKey, str]:
    keys: dict[CompositionKey, str] = {}
    for name in named:
        key = composition_key(entry_set.composition_of(name)[0])
        if all(entry.key != key for entry in hull.entries):
            raise ReportError("cannot be skipped: there is no such phase in this chemical system", where=name)
        if key in staying:
            raise ReportError("cannot be skipped: it is an element, the host, or an end of the discharge", where=name)
        keys[key] = "named"
    return keys


def _shallow_keys(hull: Hull, limit: float, staying: set[CompositionKey]) -> dict[CompositionKey, str]:
    keys = {}
    for phase in hull.stable_phases:
        entry = hull.entry(phase)
        if entry.key in staying:
            continue
        depth = hull.hull_depth_ev_per_atom(phase)
        if depth is not None and -depth < limit:
            keys[entry.key] = f"shallower than {MEV_PER_EV * limit:g} meV/atom"
    return keys


def _skipped(hull: Hull, reasons: Mapping[CompositionKey, str], on_path: tuple[str, ...]) -> tuple[SkippedPhase, ...]:
    """The lowest polymorph of each skipped composition."""
    return tuple(
        SkippedPhase(
            entry.phase,
            entry.formula,
            hull.hull_depth_ev_per_atom(entry.phase),
            entry.phase in on_path,
            reasons[entry.key],
        )
        for entry in sorted(hull.ground_states, key=lambda e: e.phase)
        if entry.key in reasons
    )


def _path(profile: VoltageProfile) -> tuple[str, ...]:
    """Phases of all corners, in the order of discharge."""
    mixtures = [profile.mixture_start, *(plateau.mixture_end for plateau in profile.plateaus)]
    return tuple(dict.fromkeys(phase for mixture in mixtures for phase in mixture.phases))
