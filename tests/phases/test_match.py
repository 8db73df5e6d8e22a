"""Crystals whose bonds, strains and moves are known by construction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from nawf.phases.library import load_library
from nawf.phases.match import (
    BondChange,
    best_match,
    compare_bonds,
    principal_strains,
    rms_displacement_a,
    same_bonds,
)


def antifluorite(a: float = 6.54) -> Structure:
    faces = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    return Structure(Lattice.cubic(a), ["S"] * 4 + ["Na"] * 8, np.concatenate([faces, faces + 0.25, faces + 0.75]))


def tin(a: float, c: float) -> Structure:
    """White tin's structure; with c = a sqrt(2) it is diamond's."""
    places = [[0, 0, 0], [0, 0.5, 0.25], [0.5, 0.5, 0.5], [0.5, 0, 0.75]]
    return Structure(Lattice.tetragonal(a, c), ["Sn"] * 4, places)


def dimers(edge_a: float, bond_a: float = 1.9) -> Structure:
    return Structure(Lattice.cubic(edge_a), ["S", "S"], [[0, 0, 0], [bond_a / edge_a, 0, 0]])


def shipped(phase: str) -> Structure:
    return load_library().get(phase).structure()


def only_kind(before: Structure, after: Structure) -> BondChange:
    [kind] = compare_bonds(before, after).kinds
    return kind


def test_bonds_are_counted_as_chemists_do() -> None:
    kind = only_kind(antifluorite(), antifluorite())
    assert (kind.centre, kind.partner, kind.n_before, kind.n_after) == ("S", "Na", 8, 8)
    assert only_kind(tin(5.832, 3.182), tin(5.832, 3.182)).n_before == 6
    assert only_kind(dimers(5.0), dimers(5.0)).n_before == 1
    assert [only_kind(s, s).n_before for s in (shipped("na-bcc"), shipped("na-hcp"), shipped("sb"))] == [8, 12, 6]


def test_contacts_of_alkali_atoms_count_where_there_is_nothing_else() -> None:
    salt = compare_bonds(antifluorite(), antifluorite())
    assert [(k.centre, k.partner) for k in salt.kinds] == [("S", "Na")]
    alloy = Structure(Lattice.cubic(3.9), ["Na", "Li"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert compare_bonds(alloy, alloy).kinds != ()


@given(st.floats(-0.15, 0.15))
@settings(max_examples=20, deadline=None)
def test_swelling_of_a_framework_stretches_its_bonds_by_as_much(strain: float) -> None:
    before, after = antifluorite(), antifluorite(6.54 * (1 + strain))
    compared = compare_bonds(before, after)
    assert compared.stretch == pytest.approx(strain, abs=1e-9)
    assert compared.changed == ()
    assert principal_strains(before, after) == pytest.approx([strain] * 3, abs=1e-9)
    assert rms_displacement_a(before, after, enough_a=1e-6) == pytest.approx(0.0, abs=1e-6)


def test_molecules_keep_their_bonds_while_the_gaps_grow() -> None:
    compared = compare_bonds(dimers(5.0), dimers(5.6))
    assert 5.6**3 / 5.0**3 > 1.4
    assert compared.stretch == pytest.approx(0.0, abs=1e-9)
    assert compared.changed == ()


def test_a_bond_that_grew_a_little_still_counts() -> None:
    """2.2 Å to 2.64 Å: no longer within 1.25 times the sum of radii, 2.625 Å, and not yet 20 % longer."""
    kind = only_kind(dimers(6.0, 2.201), dimers(6.0, 2.64))
    assert (kind.n_before, kind.n_after, kind.broken) == (1, 1, 0)
    assert only_kind(dimers(6.0, 2.199), dimers(6.0, 2.64)).broken == 1


def test_white_tin_that_became_grey_lost_two_neighbours_of_six() -> None:
    """Bonds by hand: a sqrt(1/4 + c²/16a²) four times and c twice; all of them were bonds."""
    a, c, new_a = 5.832, 3.182, 4.6
    before, after = tin(a, c), tin(new_a, new_a * np.sqrt(2))
    near, bond = np.hypot(a / 2, c / 4), new_a * np.sqrt(2) * np.sqrt(3) / 4
    second = new_a
    kind = only_kind(before, after)
    assert (kind.n_before, kind.n_after, kind.broken, kind.formed) == (6, 4, pytest.approx(1 / 3), 0)
    expected = (4 * bond / near + 2 * second / c) / 6 - 1
    assert compare_bonds(before, after).stretch == pytest.approx(expected, abs=1e-9)
    others = {"sn-alpha": shipped("sn-alpha"), "na-like": tin(a, c)}
    assert same_bonds(after, others) == "sn-alpha"
    assert same_bonds(tin(3.9, 3.9), others) is None


def test_bonds_that_break_one_way_are_formed_the_other() -> None:
    before, after = tin(5.832, 3.182), tin(4.6, 4.6 * np.sqrt(2))
    there, back = only_kind(before, after), only_kind(after, before)
    assert (back.n_before, back.n_after) == (4, 6)
    assert back.formed == there.broken
    assert (back.broken, there.formed) == (0, 0)
    assert back.share_of_all == there.share_of_all == pytest.approx(1 / 3)


def test_a_kind_of_bond_is_weighed_against_all() -> None:
    """One S-S bond beside eight Na-S contacts; the dimer comes apart."""
    sodium = [[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5], [0.5, 0.5, 0.5]]

    def salt(bond_a: float) -> Structure:
        return Structure(Lattice.cubic(6.0), ["Na"] * 4 + ["S"] * 2, [*sodium, [0, 0, 0], [bond_a / 6.0, 0, 0]])

    compared = compare_bonds(salt(2.0), salt(3.0))
    [sulfur] = [k for k in compared.changed if {k.centre, k.partner} == {"S"}]
    assert (sulfur.n_before, sulfur.n_after, sulfur.broken) == (1, 0, 1)
    n_bonds = max(directed_bonds(salt(2.0)), directed_bonds(salt(3.0)))
    assert sulfur.share_of_all == pytest.approx(2 / n_bonds)


def directed_bonds(salt: Structure) -> int:
    """Pairs up to 1.25 times the sum of covalent radii, each from both sides, less those of two sodium atoms."""
    radii = {"Na": 1.66, "S": 1.05}
    first, second, _, distances = salt.get_neighbor_list(5.0)
    names = [site.specie.symbol for site in salt]
    pairs = [(names[a], names[b], d) for a, b, d in zip(first, second, distances, strict=True)]
    return sum(d < 1.25 * (radii[a] + radii[b]) and "S" in (a, b) for a, b, d in pairs)


UNIMODULAR = st.sampled_from([[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 1, 0], [0, 1, 0], [0, 0, 1]],
                              [[0, 1, 0], [0, 0, 1], [1, 0, 0]], [[1, 0, 0], [-1, 1, 0], [0, 1, -1]]])  # fmt: skip


@given(UNIMODULAR, st.permutations(range(20)), st.tuples(*[st.floats(0, 1)] * 3), st.booleans())
@settings(max_examples=25, deadline=None)
def test_cell_order_and_origin_do_not_matter(
    cell: list[list[int]], order: Sequence[int], shift: tuple[float, float, float], doubled: bool
) -> None:
    before = shipped("sb2s3")  # two kinds of antimony and three of sulfur
    after = Structure.from_sites([before[i] for i in order])
    after.translate_sites(range(20), shift)
    after.make_supercell(np.array(cell) * ([[2], [1], [1]] if doubled else 1))
    compared = compare_bonds(before, after)
    assert compared.changed == ()
    assert compared.stretch == pytest.approx(0.0, abs=1e-9)
    assert compared.difference_a == pytest.approx(0.0, abs=1e-6)
    assert rms_displacement_a(before, after) == pytest.approx(0.0, abs=1e-6)
    strains = principal_strains(before, after)
    assert strains is None if doubled else strains == pytest.approx((0, 0, 0), abs=1e-9)


def test_crystals_of_unlike_compositions_are_not_compared() -> None:
    with pytest.raises(ValueError, match="Na2S and Sn differ"):
        compare_bonds(antifluorite(), tin(5.8, 3.2))


def test_principal_strains_are_those_of_the_deformation() -> None:
    """A monoclinic cell stretched by 10, 2 and -4 % along axes that are not its edges, in another cell and turned."""
    before = Structure(Lattice.monoclinic(5.5, 6.0, 8.0, 105.0), ["P"], [[0, 0, 0]])
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    stretch = turn @ np.diag([1.10, 1.02, 0.96]) @ turn.T
    other = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1]])
    after = Structure(Lattice(other @ before.lattice.matrix @ stretch @ turn), ["P"], [[0, 0, 0]])
    assert principal_strains(before, after) == pytest.approx((0.10, 0.02, -0.04), abs=1e-9)


def test_the_move_of_one_atom_is_shared_by_all() -> None:
    """The common shift taken off, one of n atoms moved by d leaves d sqrt(n - 1) / n."""
    before = shipped("sns")
    moved_a = 0.4
    after = before.copy()
    after.translate_sites([0], [0, 0, moved_a], frac_coords=False)
    n = len(before)
    expected_a = moved_a * np.sqrt(n - 1) / n
    assert rms_displacement_a(before, after) == pytest.approx(expected_a, rel=1e-3)
    assert rms_displacement_a(before, after, enough_a=1.0) == pytest.approx(expected_a, rel=1e-9)


def test_a_shift_across_the_cell_is_no_move(monkeypatch: pytest.MonkeyPatch) -> None:
    before = shipped("sns")
    after = before.copy()
    after.translate_sites(range(len(before)), [0.37, 0.81, 0.5])
    monkeypatch.setattr("nawf.phases.match._matched_rms_a", lambda *_, **__: pytest.fail("not needed"))
    assert rms_displacement_a(before, after, enough_a=1e-9) == pytest.approx(0.0, abs=1e-9)


def test_atoms_that_cannot_be_paired() -> None:
    sheets = Structure(Lattice.tetragonal(2.5, 20.0), ["S", "S"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert rms_displacement_a(dimers(5.0), sheets) is None


def test_the_best_match_is_the_same_structure_at_any_volume() -> None:
    others = {"na-bcc": shipped("na-bcc"), "na-hcp": shipped("na-hcp")}
    for name, structure in others.items():
        swollen = structure.copy()
        swollen.scale_lattice(2.5 * structure.volume)
        assert best_match(swollen, others) == name
    assert best_match(Structure(Lattice.cubic(3.2), ["Na"], [[0, 0, 0]]), others) is None
    assert best_match(shipped("na-bcc"), {}) is None
