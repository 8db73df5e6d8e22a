"""Report of voltage profiles: equilibrium and kinetic paths at every condition."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from nawf.errors import InputError
from nawf.reports.basis import Basis
from nawf.reports.literature import MEASURED_CHARGE_V, MEASURED_DISCHARGE_V, PLATEAU_VOLTAGE_V, Published
from nawf.reports.tables import Column, Table
from nawf.thermo.conditions import Condition
from nawf.thermo.entries import CompositionKey, EntrySet, composition_key, parse_formula
from nawf.thermo.kinetic import KineticPath, kinetic_path
from nawf.thermo.reference_electrode import electrode_potential_v
from nawf.thermo.voltage import VoltageProfile, voltage_profile

EQUILIBRIUM, KINETIC = "equilibrium", "kinetic"

_COLUMNS = (
    Column("host", "host", for_machines=True),
    Column("ion", "ion", for_machines=True),
    Column("electrode", "against", for_machines=True),
    Column("condition", "condition"),
    Column("path", "path"),
    Column("voltage_v", "V", ".3f"),
    Column("x_start", "x from", ".3g"),
    Column("x_end", "x to", ".3g"),
    Column("ion_fraction_end", "ion fraction", ".3f"),
    Column("capacity_end_mah_per_g", "mAh/g", ".0f"),
    Column("depth_of_discharge_end", "depth of discharge", ".2f"),
    Column("reaction", "reaction"),
)


@dataclass(frozen=True)
class ProfileRequest:
    """Which profile to report, what its kinetic path leaves out, and which alloy stands against the host if any."""

    host: str
    ion: str = "Na"
    skip: tuple[str, ...] = ()
    skip_shallower_than_mev: float | None = None
    versus: str | None = None

    @property
    def is_sulfur_against_sodium(self) -> bool:
        """Whether published voltages can be laid beside."""
        return self.ion == "Na" and self.host in ("S", "s-alpha") and self.versus is None

    @property
    def electrode(self) -> str:
        """What voltages are counted from."""
        return self.versus or f"{self.ion}/{self.ion}+"


@dataclass(frozen=True)
class Profiles:
    """Profiles of one request at every condition; ``electrode_v`` is what an alloy's potential was taken off."""

    request: ProfileRequest
    equilibrium: dict[Condition, VoltageProfile]
    kinetic: dict[Condition, KineticPath] = field(default_factory=dict)
    electrode_v: dict[Condition, float] = field(default_factory=dict)


def make_profiles(basis: Basis, request: ProfileRequest) -> Profiles:
    """Equilibrium profiles, and kinetic ones where something is to be skipped."""
    equilibrium: dict[Condition, VoltageProfile] = {}
    kinetic: dict[Condition, KineticPath] = {}
    _check_there(basis, request)
    limit = request.skip_shallower_than_mev
    for condition, entry_set in basis.entry_sets.items():
        references = basis.element_references[condition]
        equilibrium[condition] = voltage_profile(entry_set, request.host, request.ion, references=references)
        skip = [name for name in request.skip if _can_be_skipped(basis, condition, name)]
        if skip or limit is not None:
            kinetic[condition] = kinetic_path(
                entry_set,
                request.host,
                request.ion,
                None if limit is None else limit / 1e3,
                skip=skip,
                references=references,
            )
    if request.versus is None:
        return Profiles(request, equilibrium, kinetic)
    electrode_v = {c: _electrode_v(basis, c, request.versus, request.ion) for c in equilibrium}
    return Profiles(
        request,
        {c: profile.against(electrode_v[c]) for c, profile in equilibrium.items()},
        {c: replace(path, kinetic=path.kinetic.against(electrode_v[c])) for c, path in kinetic.items()},
        electrode_v,
    )


def _check_there(basis: Basis, request: ProfileRequest) -> None:
    for name in filter(None, (request.host, request.versus)):
        basis.check_not_missing(name, "has no energy")


def _electrode_v(basis: Basis, condition: Condition, alloy: str, ion: str) -> float:
    references = basis.element_references[condition]
    return electrode_potential_v(basis.entry_sets[condition], alloy, ion, references=references)


def where_formed(basis: Basis, request: ProfileRequest) -> Basis:
    """The basis without the unasked conditions at which there is no such profile."""

    def form(one: Basis) -> None:
        for condition, entry_set in one.entry_sets.items():
            voltage_profile(entry_set, request.host, request.ion, references=one.element_references[condition])
            if request.versus is not None:
                _electrode_v(one, condition, request.versus, request.ion)

    _check_there(basis, request)
    return basis.where_formed(form, _elements_in(basis.static, request))


def voltage_table(basis: Basis, profiles: Profiles) -> Table:
    """One row for each plateau."""
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for condition, profile in profiles.equilibrium.items():
        rows += _rows(profile, EQUILIBRIUM, profiles.request.electrode)
        notes += [f"{condition.label}: {note}." for note in profile.notes]
        path = profiles.kinetic.get(condition)
        if path is not None:
            rows += _rows(path.kinetic, KINETIC, profiles.request.electrode)
            notes += [f"{condition.label}, kinetic path: {note}." for note in path.notes]
    request = profiles.request
    notes += _means(profiles)
    notes.append(
        f"x: {request.ion} per formula unit of {request.host}; capacity per mass of the host without {request.ion}; "
        f"voltages against {request.versus or 'the metal'}."
    )
    if profiles.electrode_v:
        potentials = ", ".join(f"{v:.3f} V ({c.label})" for c, v in profiles.electrode_v.items())
        notes.append(f"{request.versus} lies at {potentials} against {request.ion}/{request.ion}+.")
    if request.is_sulfur_against_sodium:
        notes += _published_notes()
    title = f"Voltage of {request.host} against {request.electrode} (V)"
    return Table(title, _COLUMNS, rows, notes + basis.notes(_elements(basis, request)))


def _elements(basis: Basis, request: ProfileRequest) -> frozenset[str]:
    """Elements of host, ion and electrode: phases with others take no part."""
    return _elements_in(next(iter(basis.entry_sets.values())), request)


def _elements_in(entry_set: EntrySet, request: ProfileRequest) -> frozenset[str]:
    named = [name for name in (request.host, request.versus) if name is not None]
    return frozenset({request.ion}).union(*(entry_set.composition_of(name)[0] for name in named))


def _rows(profile: VoltageProfile, path: str, electrode: str) -> list[dict[str, Any]]:
    return [
        {
            "host": profile.host,
            "ion": profile.ion,
            "electrode": electrode,
            "condition": profile.condition.label,
            "path": path,
            "voltage_v": p.voltage_v,
            "x_start": p.x_start,
            "x_end": p.x_end,
            "ion_fraction_end": p.ion_fraction_end,
            "capacity_end_mah_per_g": p.capacity_end_mah_per_g,
            "depth_of_discharge_end": p.depth_of_discharge_end,
            "reaction": p.reaction.text(),
        }
        for p in profile.plateaus
    ]


def _means(profiles: Profiles) -> list[str]:
    """Mean voltage and capacity; both paths have the same."""
    means = [
        f"{p.average_voltage_v:.3f} V over {p.capacity_mah_per_g:.0f} mAh/g ({c.label})"
        for c, p in profiles.equilibrium.items()
        if p.average_voltage_v is not None
    ]
    return [f"Mean voltage: {', '.join(means)}."] if means else []


def _published_notes() -> list[str]:
    def values(published: Published, sign: str = "") -> str:
        return ", ".join(f"{sign}{name} {v:.2f}" for name, v in published.values.items())

    computed = (
        f"ji2024 (doi:{PLATEAU_VOLTAGE_V.doi}), {PLATEAU_VOLTAGE_V.method}: {values(PLATEAU_VOLTAGE_V, '→ ')} V"
    )
    measured = [
        f"{p.key}, {p.method}: {', '.join(f'{v:.2f}' for v in p.values.values())} V"
        for p in (MEASURED_DISCHARGE_V, MEASURED_CHARGE_V)
    ]
    return [computed, *measured]


def _can_be_skipped(basis: Basis, condition: Condition, name: str) -> bool:
    """False for a phase that is known to the report but has no energy at this condition: it is absent anyway."""
    entry_set = basis.entry_sets[condition]
    absent = {left.phase for left in entry_set.left_out} | set(basis.missing)
    if name in entry_set or name not in absent:
        keys = {entry.key for entry in entry_set.entries}
        lost = {composition_key(parse_formula(e.formula)) for e in basis.energetics if e.phase in absent}
        key = None if name in entry_set else _formula_key(name)
        return key is None or key in keys or key not in lost
    return False


def _formula_key(name: str) -> CompositionKey | None:
    try:
        return composition_key(parse_formula(name))
    except InputError:
        return None  # not a formula: the kinetic path says what it thinks of the name
