"""Attempts that were cut off, with folders cut by hand; the files have the layout that VASP gives them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import numpy as np
import pytest

pytest.importorskip("atomate2")

from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Structure

from nawf.engines.vasp_resume import (
    FINISHED,
    Attempt,
    Finished,
    attempts,
    ionic_steps,
    is_sound,
    last_geometry,
    mark_finished,
    new_attempt,
    next_start,
)
from nawf.results.outputs import RunRecord

A = 6.5
FRAC = [[0.25, 0.25, 0.25], [0.75, 0.75, 0.75], [0.0, 0.0, 0.0]]
SPECIES = ["Na", "Na", "S"]


def cell(a=A, frac=FRAC, species=SPECIES):
    return Structure(np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]) * a, species, frac)


GIVEN = cell()


def header(structure, comment="Na2S"):
    rows = "".join(" " + "".join(f"{x:22.16f}" for x in row) + "\n" for row in structure.lattice.matrix)
    return f"{comment}\n   1.00000000000000     \n{rows}   Na   S \n     2     1\n"


def positions(structure, width=20, digits=16):
    return "".join("".join(f"{x:{width}.{digits}f}" for x in row) + "\n" for row in structure.frac_coords)


def contcar(structure):
    velocities = "\n" + "  0.00000000E+00  0.00000000E+00  0.00000000E+00\n" * len(structure)
    return header(structure) + "Direct\n" + positions(structure) + velocities


def xdatcar(*structures):
    blocks = [
        f"{header(s)}Direct configuration={n:6d}\n{positions(s, 12, 8)}" for n, s in enumerate(structures, start=1)
    ]
    return "".join(blocks)


def oszicar(n):
    step = "DAV:   1    -0.123E+02   -0.1E+02   -0.2E+02   48   0.1E+01\n"
    return "".join(f"{step}{i:4d} F= -.12300000E+02 E0= -.12300000E+02  d E =-.1E-01\n" for i in range(1, n + 1))


def size_of(geometry):
    """Lattice constant of a geometry of the test crystal, Å."""
    return round((4 * geometry.structure.volume) ** (1 / 3), 6)


@pytest.fixture
def folder(tmp_path):
    """Folder with files of the given contents."""

    def write(**files):
        for name, text in files.items():
            (tmp_path / name.replace("vasprun", "vasprun.xml")).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_a_complete_contcar_is_taken(folder):
    found = last_geometry(folder(CONTCAR=contcar(cell(6.4)), POSCAR=contcar(cell(6.5))), GIVEN)
    assert found.source == "CONTCAR"
    assert size_of(found) == 6.4
    np.testing.assert_allclose(found.structure.frac_coords, FRAC)


def test_a_contcar_from_the_end_of_a_relaxation_has_no_velocities(folder):
    text = header(cell(6.4)) + "Direct\n" + positions(cell(6.4))
    assert last_geometry(folder(CONTCAR=text), GIVEN).source == "CONTCAR"


def test_selective_dynamics_and_compression(tmp_path):
    lines = positions(cell(6.4)).replace("\n", "   T   T   T\n")
    text = header(cell(6.4)) + "Selective dynamics\nDirect\n" + lines
    with gzip.open(tmp_path / "CONTCAR.gz", "wt") as file:
        file.write(text)
    assert size_of(last_geometry(tmp_path, GIVEN)) == 6.4


def test_names_of_potentials_in_place_of_elements(folder):
    text = contcar(cell(6.4)).replace("   Na   S \n", "   Na_pv/1a2b3c  S/4d5e6f \n")
    assert last_geometry(folder(CONTCAR=text), GIVEN).source == "CONTCAR"


@settings(max_examples=200)
@given(st.data())
def test_a_contcar_cut_anywhere_is_whole_or_not_taken(tmp_path_factory, data):
    """Half a number reads as a number: 0.7500 cut to 0.7 is another place."""
    text = contcar(cell(6.4))
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    where = tmp_path_factory.mktemp("cut")
    (where / "CONTCAR").write_text(cut)
    found = last_geometry(where, GIVEN)
    if found is not None:
        np.testing.assert_allclose(found.structure.frac_coords, FRAC)
        assert size_of(found) == 6.4
    end_of_positions = len(header(cell(6.4)) + "Direct\n" + positions(cell(6.4)))
    assert (found is not None) == (len(cut) >= end_of_positions)


@pytest.mark.parametrize("text", ["", "\n", "Na2S\n  1.0\n"])
def test_an_empty_contcar_falls_back_to_the_step_before(folder, text):
    found = last_geometry(folder(CONTCAR=text, XDATCAR=xdatcar(cell(6.5), cell(6.45))), GIVEN)
    assert found.source == "XDATCAR"
    assert size_of(found) == 6.45


def test_a_cut_xdatcar_gives_its_last_whole_configuration(folder):
    text = xdatcar(cell(6.5), cell(6.45), cell(6.4))
    found = last_geometry(folder(CONTCAR="", XDATCAR=text[:-20]), GIVEN)
    assert size_of(found) == 6.45


def test_an_xdatcar_of_a_fixed_cell_has_its_header_once(folder):
    moved = cell(6.5, [[0.26, 0.25, 0.25], [0.74, 0.75, 0.75], [0, 0, 0]])
    text = xdatcar(cell(6.5)) + "Direct configuration=     2\n" + positions(moved, 12, 8)
    found = last_geometry(folder(XDATCAR=text), GIVEN)
    np.testing.assert_allclose(found.structure.frac_coords, moved.frac_coords)


@pytest.mark.parametrize(("extra", "size"), [(0, 6.45), (-5, 6.5)])
def test_a_cut_vasprun_gives_its_last_whole_step(folder, extra, size):
    text = vasprun(cell(6.5), cell(6.45))
    end_of_second = text.rindex("</calculation>") + len("</calculation>")
    found = last_geometry(folder(CONTCAR="", vasprun=text[: end_of_second + extra]), GIVEN)
    assert found.source == "vasprun.xml"
    assert size_of(found) == size


@pytest.mark.parametrize("length", [0, 10, 200, 800, 1500, 2500])
def test_a_vasprun_cut_early_is_no_harm(folder, length):
    found = last_geometry(folder(vasprun=vasprun(cell(6.5))[:length], POSCAR=contcar(cell(6.5))), GIVEN)
    assert found.source == "POSCAR"


def test_where_the_attempt_began_is_better_than_nothing(folder):
    found = last_geometry(folder(CONTCAR="", XDATCAR="", POSCAR=contcar(cell(6.42))), GIVEN)
    assert (found.source, size_of(found)) == ("POSCAR", 6.42)


def test_an_empty_folder_has_nothing(tmp_path):
    assert last_geometry(tmp_path, GIVEN) is None


@pytest.mark.parametrize(
    ("structure", "sound"),
    [
        (cell(6.4), True),
        (cell(6.4, species=["S", "Na", "Na"]), False),
        (cell(6.4, species=["Na", "Na", "Se"]), False),
        (cell(4.9), False),
        (cell(8.3), False),
        (cell(6.4, [[0.25, 0.25, 0.25], [0.26, 0.25, 0.25], [0, 0, 0]]), False),
    ],
    ids=["right", "other order", "other atoms", "shrunk", "blown up", "overlap"],
)
def test_only_a_sound_geometry_of_the_same_atoms_is_gone_on_from(structure, sound):
    assert is_sound(structure, GIVEN) is sound


def test_an_exploded_contcar_is_passed_over(folder):
    files = {"CONTCAR": contcar(cell(9.5)), "XDATCAR": xdatcar(cell(6.5), cell(6.47), cell(9.5))}
    assert last_geometry(folder(**files, POSCAR=contcar(cell(6.5))), GIVEN).source == "POSCAR"


def test_ionic_steps_are_counted(folder):
    assert ionic_steps(folder(OSZICAR=oszicar(12))) == 12
    assert ionic_steps(folder(OSZICAR=oszicar(2) + "DAV:   1    -0.1E+02    0.1E")) == 2
    assert ionic_steps(folder(OSZICAR="")) == 0


def place_with(tmp_path, *file_sets):
    place = tmp_path / "phase" / "relax-1-abc"
    for files in file_sets:
        attempt = new_attempt(place)
        for name, text in files.items():
            (attempt.folder / name).write_text(text)
    return place


def test_attempts_are_numbered_and_never_overwritten(tmp_path):
    place = place_with(tmp_path, {}, {})
    (place / "attempt-07").mkdir()
    (place / "notes").mkdir()
    (place / "attempt-99").write_text("a file")
    assert [a.number for a in attempts(place)] == [1, 2, 7]
    assert new_attempt(place).number == 8
    assert attempts(tmp_path / "nowhere") == ()


def test_the_newest_attempt_goes_first_and_the_history_is_kept(tmp_path):
    place = place_with(
        tmp_path,
        {"CONTCAR": contcar(cell(6.45)), "OSZICAR": oszicar(5)},
        {"CONTCAR": contcar(cell(6.4)), "OSZICAR": oszicar(3)},
    )
    start = next_start(attempts(place), GIVEN)
    assert round((4 * start.structure.volume) ** (1 / 3), 6) == 6.4
    assert start.n_earlier_steps == 8
    assert [c.errors[0] for c in start.history] == [
        "attempt 1 cut off after 5 ionic steps",
        "attempt 2 cut off after 3 ionic steps",
    ]
    assert [c.actions for c in start.history] == [(), ("start: CONTCAR of attempt 2",)]


def test_an_attempt_that_left_nothing_does_not_lose_the_one_before(tmp_path):
    place = place_with(tmp_path, {"CONTCAR": contcar(cell(6.45)), "OSZICAR": oszicar(5)}, {})
    start = next_start(attempts(place), GIVEN)
    assert round((4 * start.structure.volume) ** (1 / 3), 6) == 6.45
    assert start.history[-1].actions == ("start: CONTCAR of attempt 1",)


def test_without_a_geometry_it_begins_anew_and_says_so(tmp_path):
    start = next_start(attempts(place_with(tmp_path, {"CONTCAR": ""})), GIVEN)
    assert start.structure == GIVEN
    assert start.history[-1].actions == ("start: as given",)
    first = next_start((), GIVEN)
    assert (first.structure, first.history, first.n_earlier_steps) == (GIVEN, (), 0)


def test_what_vasp_does_not_move_stays_as_it_was_given(tmp_path):
    """A strain of half a percent is not to be read back from a file with six decimals."""
    moved = cell(6.500001, [[0.26, 0.25, 0.25], [0.74, 0.75, 0.75], [0, 0, 0]])
    place = place_with(tmp_path, {"CONTCAR": contcar(moved)})
    ions = next_start(attempts(place), GIVEN, moves_cell=False)
    assert (ions.structure.lattice.matrix == GIVEN.lattice.matrix).all()
    np.testing.assert_allclose(ions.structure.frac_coords, moved.frac_coords)
    nothing = next_start(attempts(place), GIVEN, moves_ions=False, moves_cell=False)
    assert nothing.structure == GIVEN
    assert nothing.history[-1].actions == ("start: as given",)


def test_the_mark_of_a_finished_attempt(tmp_path):
    attempt = new_attempt(tmp_path / "x")
    assert attempt.finished is None
    now = datetime.now(UTC)
    run = RunRecord(host="node1", started_at=now, finished_at=now, versions={"vasp": "6.4.2"})
    mark_finished(attempt, Finished(run=run, n_earlier_steps=4))
    assert Attempt(1, attempt.folder).finished == Finished(run=run, n_earlier_steps=4)
    assert (attempt.folder / FINISHED).is_file()


def vasprun(*structures):
    """As VASP writes it, with little in it."""
    steps = "".join(
        f"<calculation>\n<scstep>\n<energy>\n{energies()}</energy>\n</scstep>\n{xml_structure(s)}"
        f'<varray name="forces" >\n{vectors([[0, 0, 0]] * 3)}</varray>\n'
        f'<varray name="stress" >\n{vectors([[0, 0, 0]] * 3)}</varray>\n'
        f"<energy>\n{energies()}</energy>\n</calculation>\n"
        for s in structures
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n'
        '<generator>\n<i name="program" type="string">vasp </i>\n'
        '<i name="version" type="string">6.4.2  </i>\n</generator>\n'
        '<incar>\n <i type="int" name="NSW">    99</i>\n</incar>\n'
        '<kpoints>\n <generation param="Gamma">\n  <v type="int" name="divisions">2 2 2 </v>\n'
        '  <v name="usershift">0.0 0.0 0.0 </v>\n </generation>\n</kpoints>\n'
        '<parameters>\n <i type="int" name="NSW">    99</i>\n <i type="int" name="NELM">    60</i>\n'
        ' <i type="int" name="ISPIN">     1</i>\n</parameters>\n'
        '<atominfo>\n <atoms>       3 </atoms>\n <types>       2 </types>\n <array name="atoms" >\n'
        '  <dimension dim="1">ion</dimension>\n  <field type="string">element</field>\n'
        '  <field type="int">atomtype</field>\n  <set>\n'
        "   <rc><c>Na</c><c>   1</c></rc>\n   <rc><c>Na</c><c>   1</c></rc>\n   <rc><c>S </c><c>   2</c></rc>\n"
        '  </set>\n </array>\n <array name="atomtypes" >\n  <dimension dim="1">type</dimension>\n'
        '  <field type="int">atomspertype</field>\n  <field type="string">element</field>\n  <field>mass</field>\n'
        '  <field>valence</field>\n  <field type="string">pseudopotential</field>\n  <set>\n'
        "   <rc><c>   2</c><c>Na</c><c>     22.99</c><c>      7.0</c><c>PAW_PBE Na_pv</c></rc>\n"
        "   <rc><c>   1</c><c>S </c><c>     32.07</c><c>      6.0</c><c>PAW_PBE S</c></rc>\n"
        f"  </set>\n </array>\n</atominfo>\n{xml_structure(structures[0])}{steps}</modeling>\n"
    )


def xml_structure(structure):
    reciprocal = structure.lattice.reciprocal_lattice_crystallographic.matrix
    return (
        f'<structure>\n<crystal>\n<varray name="basis" >\n{vectors(structure.lattice.matrix)}</varray>\n'
        f'<i name="volume">{structure.volume:16.8f} </i>\n'
        f'<varray name="rec_basis" >\n{vectors(reciprocal)}</varray>\n</crystal>\n'
        f'<varray name="positions" >\n{vectors(structure.frac_coords)}</varray>\n</structure>\n'
    )


def vectors(rows):
    return "".join("<v>" + "".join(f"{x:16.8f}" for x in row) + " </v>\n" for row in rows)


def energies():
    return "".join(
        f'<i name="{name}">    -12.30000000 </i>\n' for name in ("e_fr_energy", "e_wo_entrp", "e_0_energy")
    )
