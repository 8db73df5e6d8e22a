from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure, SymmOp
from pymatgen.core.structure_matcher import StructureMatcher
from pymatgen.symmetry.groups import SpaceGroup

from nawf.errors import StructureError
from nawf.phases.library import load_library
from nawf.phases.symmetry import (
    describe_crystal,
    find_space_group,
    hall_symbol,
    space_group_symbol,
    spaced_symbol,
    standard_operations,
)

LIBRARY = load_library()


def operations(rotations: object, translations: object) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Comparable form of operations; every translation is a multiple of 1/24."""
    pairs = zip(rotations, translations, strict=True)  # type: ignore[call-overload]
    return {(tuple(np.ravel(w).astype(int)), tuple(np.rint(24 * np.asarray(t)).astype(int) % 24)) for w, t in pairs}


@pytest.mark.parametrize("number", range(1, 231))
def test_standard_setting_is_the_default_of_pymatgen(number: int) -> None:
    group = SpaceGroup.from_int_number(number)
    rotations = [op.rotation_matrix for op in group.symmetry_ops]
    translations = [op.translation_vector for op in group.symmetry_ops]
    own_rotations, own_translations = standard_operations(number)
    assert operations(own_rotations, own_translations) == operations(rotations, translations)
    assert np.array_equal(own_rotations[0], np.eye(3))
    assert not own_translations[0].any()


def test_symbols() -> None:
    assert space_group_symbol(194) == "P6_3/mmc"
    assert spaced_symbol(194) == "P 63/m m c"
    assert spaced_symbol(14) == "P 21/c"
    assert hall_symbol(225) == "-F 4 2 3"


def test_primitive_rotated_noisy_na2s_becomes_the_conventional_cell() -> None:
    a = 6.5
    primitive = Structure(
        Lattice([[0, a / 2, a / 2], [a / 2, 0, a / 2], [a / 2, a / 2, 0]]),
        ["S", "Na", "Na"],
        [[0.1, 0.2, 0.3], [0.35, 0.45, 0.55], [0.8502, 0.95, 1.05]],
    )
    primitive.apply_operation(SymmOp.from_axis_angle_and_translation([1, 2, 3], 40))
    crystal = describe_crystal(primitive, symprec_angstrom=0.01)
    assert crystal.was_transformed
    assert (crystal.number, crystal.symbol) == (225, "Fm-3m")
    assert crystal.lengths_angstrom == pytest.approx((a, a, a))
    assert crystal.angles_deg == (90, 90, 90)
    assert sorted((s.element, s.multiplicity, s.wyckoff_letter) for s in crystal.sites) in (
        [("Na", 8, "c"), ("S", 4, "a")],
        [("Na", 8, "c"), ("S", 4, "b")],
    )


def test_distortion_within_tolerance_is_averaged_away() -> None:
    lattice = Lattice.from_parameters(4.000, 4.004, 3.998, 90, 90.02, 90)
    structure = Structure(lattice, ["Na", "S"], [[0, 0, 0], [0.5005, 0.5, 0.4995]])
    crystal = describe_crystal(structure, symprec_angstrom=0.02)
    assert crystal.number == 221
    edge = np.sqrt((4.000**2 + 4.004**2 + 3.998**2) / 3)
    assert crystal.lengths_angstrom == pytest.approx((edge, edge, edge), rel=1e-6)
    assert crystal.angles_deg == (90, 90, 90)
    assert crystal.sites[1].frac_coords == pytest.approx((0.5, 0.5, 0.5), abs=3e-4)
    assert 0 < crystal.largest_shift_angstrom < 0.02


@pytest.mark.parametrize("phase_id", ["na2s2-alpha", "sb", "nasb", "p4s10", "s-alpha", "na7sn3", "snp2s6", "na8snp4"])
def test_a_standard_cell_is_kept_as_it_is(phase_id: str) -> None:
    structure = LIBRARY.get(phase_id).structure()
    crystal = describe_crystal(structure)
    assert not crystal.was_transformed
    assert crystal.largest_shift_angstrom < 1e-6
    assert crystal.lengths_angstrom == pytest.approx(structure.lattice.abc, abs=1e-8)
    assert sum(site.multiplicity for site in crystal.sites) == len(structure)
    for site in crystal.sites:
        shifts = structure.frac_coords - np.array(site.frac_coords)
        assert np.abs(shifts - np.rint(shifts)).max(axis=1).min() < 1e-9


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    phase_id=st.sampled_from(
        ["na2s2-alpha", "sb", "nasb", "p4s10", "na3sbs4-tetragonal", "nap", "na4p2s6", "sn-beta"]
    ),
    shift=st.tuples(*[st.floats(0, 1)] * 3),
    axis=st.tuples(*[st.integers(-3, 3)] * 3).filter(any),
    angle=st.floats(0, 180),
    cell=st.sampled_from(["primitive", "doubled", "same"]),
)
def test_any_description_of_a_crystal_gives_the_same_crystal(
    phase_id: str,
    shift: tuple[float, float, float],
    axis: tuple[int, int, int],
    angle: float,
    cell: str,
) -> None:
    original = LIBRARY.get(phase_id).structure()
    changed = original.get_primitive_structure() if cell == "primitive" else original.copy()
    changed.translate_sites(range(len(changed)), shift)
    if cell == "doubled":
        changed.make_supercell([[1, 0, 0], [0, 2, 0], [0, 0, 1]])
    changed.apply_operation(SymmOp.from_axis_angle_and_translation(axis, angle))
    crystal = describe_crystal(changed)
    group = SpaceGroup.from_int_number(crystal.number)
    rebuilt = Structure.from_spacegroup(
        group.int_number,
        Lattice.from_parameters(*crystal.lengths_angstrom, *crystal.angles_deg),
        [site.element for site in crystal.sites],
        [site.frac_coords for site in crystal.sites],
    )
    assert crystal.number == LIBRARY.get(phase_id).card.space_group.number
    assert len(rebuilt) == sum(site.multiplicity for site in crystal.sites) == len(original)
    assert rebuilt.volume == pytest.approx(original.volume, rel=1e-6)
    assert StructureMatcher(scale=False, stol=0.01, ltol=0.01, angle_tol=0.1).fit(rebuilt, original)


def test_coinciding_atoms_have_no_space_group() -> None:
    structure = Structure(Lattice.cubic(4), ["Na", "Na"], [[0, 0, 0], [0, 0, 0]])
    assert find_space_group(structure) is None
    with pytest.raises(StructureError, match="finds no space group"):
        describe_crystal(structure)
