"""Rules for a relaxation: it ended, the crystal is sound, and it is still the structure it started from.

A structure that became another one is told by its bonds (:mod:`nawf.phases.match`), not by its volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nawf.phases.check import Expectation, check_structure
from nawf.phases.match import (
    BondChange,
    BondComparison,
    best_match,
    compare_bonds,
    principal_strains,
    rms_displacement_a,
    same_bonds,
)
from nawf.quality.limits import GateLimits
from nawf.quality.reasons import fail, graded, warn
from nawf.results.crystal import Crystal
from nawf.results.outputs import RelaxResult
from nawf.results.symmetry import space_group
from nawf.results.verdict import Level, Reason

if TYPE_CHECKING:
    from pymatgen.core import Structure

Polymorphs = Mapping[str, Crystal]
"""Crystals of other phases of the same composition, by phase."""


def relax_reasons(
    result: RelaxResult, limits: GateLimits, polymorphs: Polymorphs, formula: str | None
) -> list[Reason]:
    """Everything there is to say of a relaxation with finite numbers."""
    before, after = result.initial.to_structure(), result.crystal.to_structure()
    expected = Expectation(formula=formula or before.composition.reduced_formula)
    findings = check_structure(after, expected=expected, symprec_angstrom=result.method.symprec_a)
    reasons = [
        Reason(rule=f"structure-{f.rule.replace('_', '-')}", level=f.level, message=f.message) for f in findings
    ]
    reasons = [*_convergence(result, limits), *reasons]
    if not any(finding.level is Level.FAIL for finding in findings):
        reasons += _identity(result, before, after, limits, polymorphs)
    return [*reasons, *_cell(result, before, after, limits)]


def _convergence(result: RelaxResult, limits: GateLimits) -> list[Reason]:
    left = f"a force of {result.max_force_ev_per_a:.2g} eV/Å and a stress of {result.max_stress_gpa:.2g} GPa"
    if not result.converged:
        return [fail("ionic-convergence", f"relaxation stopped after {result.n_steps} steps with {left}")]
    slack, method = 1 + limits.rounding_share, result.method
    if result.max_force_ev_per_a > slack * method.force_ev_per_a or result.max_stress_gpa > slack * method.stress_gpa:
        asked = f"{method.force_ev_per_a:.2g} eV/Å and {method.stress_gpa:.2g} GPa"
        return [fail("ionic-convergence", f"said to be relaxed, but with {left}; asked were {asked}")]
    return []


def _identity(
    result: RelaxResult, before: Structure, after: Structure, limits: GateLimits, polymorphs: Polymorphs
) -> list[Reason]:
    """Whether the crystal is still the structure it started from."""
    bonds = compare_bonds(before, after)
    lost = [
        kind
        for kind in bonds.changed
        if kind.share > limits.bonds_changed_fail and kind.share_of_all > limits.bonds_changed_of_all_fail
    ]
    if lost or abs(bonds.stretch) > limits.bond_stretch_fail:
        return [fail("other-structure", _lost_in_words(result, lost, bonds, after, polymorphs))]
    if result.space_group.number != result.initial_space_group.number:
        became = _polymorph_by_symmetry(result, after, polymorphs)
        if became is not None:
            return [fail("other-structure", f"it relaxed into another phase: {became} ({result.space_group.symbol})")]
    reasons = [warn("bonds-changed", "; ".join(map(_changed_in_words, bonds.changed)))] if bonds.changed else []
    if abs(bonds.stretch) > limits.bond_stretch_warn:
        reasons.append(warn("bond-stretch", f"bonds are {_longer(bonds.stretch)} than at the start, on average"))
    return [*reasons, *_displacement(before, after, limits)]


def _lost_in_words(
    result: RelaxResult, lost: list[BondChange], bonds: BondComparison, after: Structure, polymorphs: Polymorphs
) -> str:
    words = [
        *map(_changed_in_words, lost),
        f"bonds are {_longer(bonds.stretch)}",
        f"volume {100 * result.volume_change:+.0f} %",
    ]
    twin = same_bonds(after, {phase: crystal.to_structure() for phase, crystal in polymorphs.items()})
    ending = f"; its bonds are those of {twin}" if twin else ""
    return f"it is no longer the structure it started from: {', '.join(words)}{ending}"


def _changed_in_words(kind: BondChange) -> str:
    bonds = f"{kind.centre}-{kind.partner} bonds"
    what = f"{100 * kind.broken:.0f} % of its {bonds} broke"
    if kind.formed > kind.broken:
        what = f"{100 * kind.formed:.0f} % of its {bonds} are new"
    counts = f"{kind.n_after:.3g}", f"{kind.n_before:.3g}"
    if counts[0] == counts[1]:
        return what
    return f"{what} ({kind.centre} has {counts[0]} {kind.partner} neighbours instead of {counts[1]})"


def _longer(stretch: float) -> str:
    return f"{100 * abs(stretch):.1f} % {'longer' if stretch > 0 else 'shorter'}"


def _polymorph_by_symmetry(result: RelaxResult, after: Structure, polymorphs: Polymorphs) -> str | None:
    """The phase that a crystal became which kept its bonds and changed its space group."""
    same_group = {
        phase: crystal.to_structure()
        for phase, crystal in polymorphs.items()
        if space_group(crystal, result.method.symprec_a).number == result.space_group.number
    }
    return best_match(after, same_group)


def _displacement(before: Structure, after: Structure, limits: GateLimits) -> list[Reason]:
    moved_a = rms_displacement_a(before, after, enough_a=limits.displacement_warn_a)
    if moved_a is None:
        return [warn("displacement", "its atoms cannot be paired with those it started from")]
    if moved_a > limits.displacement_warn_a:
        return [warn("displacement", f"atoms moved by {moved_a:.2f} Å (root mean square, cell apart)")]
    return []


def _cell(result: RelaxResult, before: Structure, after: Structure, limits: GateLimits) -> list[Reason]:
    """Volume, shape and symmetry of the cell."""
    reasons = []
    if abs(result.volume_change) > limits.volume_change_warn:
        reasons.append(warn("volume-change", f"volume changed by {result.volume_change:+.1%} on relaxation"))
    strains = principal_strains(before, after)
    if strains is not None:
        most = max(strains, key=abs)
        verb = "longer" if most > 0 else "shorter"
        message = f"the cell became {100 * abs(most):.1f} % {verb} along one direction"
        reasons += graded("cell-strain", abs(most), limits.cell_strain_warn, float("inf"), message)
    if result.space_group.number != result.initial_space_group.number:
        reasons.append(
            warn(
                "space-group",
                f"space group went from {result.initial_space_group.symbol} to {result.space_group.symbol} "
                "on relaxation",
            )
        )
    if result.symmetrisation_shift_a > result.method.symprec_a:
        message = f"symmetrising moved an atom by {result.symmetrisation_shift_a:.2g} Å"
        reasons.append(warn("symmetrisation", message))
    return reasons
