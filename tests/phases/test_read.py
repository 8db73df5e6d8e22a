from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nawf.errors import StructureError
from nawf.phases.read import read_structure_file

CifWriter = Callable[..., Path]

POSCAR = "NaS\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa S\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"


def test_reads_cif_and_poscar_alike(cif_file: CifWriter, tmp_path: Path) -> None:
    (tmp_path / "POSCAR").write_text(POSCAR)
    (tmp_path / "nas.vasp").write_text(POSCAR)
    from_cif = read_structure_file(cif_file())
    for name in ("POSCAR", "nas.vasp"):
        file = read_structure_file(tmp_path / name)
        assert file.structure == from_cif.structure
        assert file.remarks == ()
    assert from_cif.remarks == ()
    assert from_cif.stated_space_group_number is None


def test_windows_line_ends_and_byte_order_mark(cif_file: CifWriter) -> None:
    path = cif_file()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_structure_file(path).structure) == 2


def test_oxidation_states_are_removed(cif_file: CifWriter) -> None:
    file = read_structure_file(cif_file({" Na 0": " Na1+ 0", " S 0": " S2- 0"}))
    assert [site.species_string for site in file.structure] == ["Na", "S"]
    assert file.remarks == ()


def test_rounded_thirds_are_no_remark(cif_file: CifWriter) -> None:
    file = read_structure_file(cif_file({"0.5 0.5 0.5": "0.3333 0.6667 0.5"}))
    assert file.structure[1].frac_coords == pytest.approx([1 / 3, 2 / 3, 0.5], abs=1e-12)
    assert file.remarks == ()


def test_a_formula_that_differs_from_the_atoms_is_a_remark(cif_file: CifWriter) -> None:
    file = read_structure_file(cif_file({"data_test": "data_test\n_chemical_formula_sum 'Na2 S'"}))
    assert len(file.remarks) == 1
    assert "stoichiometry" in file.remarks[0]


def test_standard_uncertainties_and_stated_group(cif_file: CifWriter) -> None:
    changes = {"_cell_length_a 4.0": "_cell_length_a 4.000(3)\n_space_group_IT_number 225"}
    file = read_structure_file(cif_file(changes))
    assert file.structure.lattice.a == pytest.approx(4.0)
    assert file.stated_space_group_number == 225


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data_test": "test"}, "is not a CIF"),
        ({"_cell_length_c 4.0\n": ""}, "has no _cell_length_c"),
        ({"_cell_length_c 4.0": "_cell_length_c 0"}, "_cell_length_c = 0 is impossible"),
        ({"_cell_length_c 4.0": "_cell_length_c -4"}, "_cell_length_c = -4 is impossible"),
        ({"_cell_length_c 4.0": "_cell_length_c nan"}, "_cell_length_c is 'nan', not a number"),
        ({"_cell_length_c 4.0": "_cell_length_c inf"}, "_cell_length_c is 'inf', not a number"),
        ({"_cell_angle_beta 90": "_cell_angle_beta 180"}, "_cell_angle_beta = 180 is impossible"),
        ({"_cell_angle_beta 90": "_cell_angle_beta 1", "alpha 90": "alpha 30"}, "the cell angles make no cell"),
        ({"0.5 0.5 0.5": "0.5 nan 0.5"}, "_atom_site_fract_y of S1 is 'nan', not a number"),
        ({"0.5 0.5 0.5": "0.5 ? 0.5"}, "_atom_site_fract_y of S1 is '?', not a number"),
        ({"0.5 0.5 0.5": "0.5 1e9 0.5"}, "_atom_site_fract_y of S1 = 1e+09 is far outside the cell"),
        ({"S1 S 0.5 0.5 0.5": "S1 S 0 0 0"}, "two atoms lie on the same place"),
        ({"S1 S 0.5": "S1 Xx 0.5"}, "Xx is not a chemical element"),
        ({"Na1 Na 0 0 0 1\nS1 S 0.5 0.5 0.5 1\n": ""}, "a loop_ has no values"),
        ({"_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n": ""}, "lists no atoms with fractional"),
    ],
)
def test_bad_cif_gives_one_line_naming_the_file(cif_file: CifWriter, changes: dict[str, str], words: str) -> None:
    path = cif_file(changes)
    with pytest.raises(StructureError) as caught:
        read_structure_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.cif", b"", "is empty"),
        ("a.cif", b" \n\n", "is empty"),
        ("a.cif", bytes(range(256)) * 20, "is not a UTF-8 text file"),
        ("a.cif", b"data_x\n" + b"\0" * 100, "is not a text file"),
        ("a.cif", b"data_x\n_cell_length_a 5\n", "lists no atoms"),
        ("a.cif", b"data_x\nloop_\n_atom_site_label\n'unclosed\n;\n", "lists no atoms"),
        ("POSCAR", b"x\n1.0\n5 0 0\n", "cannot be read as POSCAR: it is cut short"),
        ("POSCAR", b"x\none\n5 0 0\n0 5 0\n0 0 5\nNa\n1\nDirect\n0 0 0\n", "cannot be read as POSCAR"),
        ("POSCAR", POSCAR.replace("0 0 0\n0.5", "0 2500 0\n0.5").encode(), "atom 1 lies far outside the cell"),
        ("POSCAR", POSCAR.replace("0.5 0.5 0.5", "0.5 1e300 0").encode(), "atom 2 lies far outside the cell"),
        ("POSCAR", POSCAR.replace("0.5 0.5 0.5", "nan 0.5 0").encode(), "atom 2 lies far outside the cell"),
        ("POSCAR", POSCAR.replace("1 1\n", "1 100000000000\n").encode(), "asks for 1e+11 atoms and has 10 lines"),
        ("POSCAR", POSCAR.replace("Na S\n", "").encode(), "does not name its elements"),
        ("a.xyz", POSCAR.encode(), "is not a kind of structure file"),
    ],
)
def test_garbage_gives_one_line_naming_the_file(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(StructureError) as caught:
        read_structure_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_atoms_some_cells_away_are_brought_back(tmp_path: Path) -> None:
    (tmp_path / "POSCAR").write_text(POSCAR.replace("0.5 0.5 0.5", "-7.5 30.5 0.5").replace("0 0 0\n", "0 -0.5 0\n"))
    structure = read_structure_file(tmp_path / "POSCAR").structure
    assert structure.frac_coords == pytest.approx(np.array([[0, -0.5, 0], [0.5, 0.5, 0.5]]), abs=1e-12)


def test_two_structures_in_a_file(cif_file: CifWriter) -> None:
    path = cif_file()
    path.write_text(path.read_text() + path.read_text().replace("data_test", "data_other"))
    with pytest.raises(StructureError, match="holds 2 structures, not one"):
        read_structure_file(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="no such file"):
        read_structure_file(tmp_path / "none.cif")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(cif_file: CifWriter) -> None:
    path = cif_file()
    path.chmod(0)
    with pytest.raises(StructureError, match="permission denied"):
        read_structure_file(path)
