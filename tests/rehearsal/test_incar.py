"""INCAR files as VASP reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nawf.rehearsal.incar import Incar
from nawf.rehearsal.stop import StopError
from nawf.rehearsal.tags import known_tags


def test_values_comments_and_continued_lines() -> None:
    incar = Incar(
        """# a comment = 1
        system = Na2S, ! with a comment
        NSW = 12 ; ISIF=3; EDIFFG = -1.5D-2   steps
        lwave = .F. # LCHARG = .TRUE.
        LCHARG = true
        MAGMOM = 2*0.6 3*-1 \\
                 0
        LDAUL = 2*-1 2
        WANNIER = 3
        """
    )
    assert incar["SYSTEM"] == "Na2S,"
    assert (incar["NSW"], incar["ISIF"], incar["EDIFFG"]) == (12, 3, -0.015)
    assert (incar["LWAVE"], incar["LCHARG"]) == (False, True)
    assert incar["MAGMOM"] == [0.6, 0.6, -1.0, -1.0, -1.0, 0.0]
    assert incar["LDAUL"] == [-1, -1, 2]
    assert incar.unknown == ["WANNIER"]
    assert len(incar) == 8


def test_the_first_of_two_counts() -> None:
    assert Incar("NSW = 5\nNSW = 7\n")["NSW"] == 5


def test_text_in_quotation_marks_may_be_long() -> None:
    assert Incar('SYSTEM = "two\n lines = here"\nNSW = 3')["SYSTEM"] == "two lines = here"


@pytest.mark.parametrize(
    "line", ["NSW = many", "NSW = 1.5", "EDIFF = 1e", "LWAVE = 0", "MAGMOM = 2*x", "NSW =", "ENCUT = .", "MAGMOM ="]
)
def test_what_cannot_be_read_ends_the_run_in_words_that_custodian_knows(line: str) -> None:
    with pytest.raises(StopError) as stop:
        Incar(f"SYSTEM = x\n{line}\nPREC = Accurate\n")
    assert stop.value.lines[0] == f"Error reading item '{line.split()[0]}' from file INCAR."


@given(
    st.fixed_dictionaries(
        {
            "NSW": st.integers(0, 999),
            "ISYM": st.integers(-1, 3),
            "EDIFF": st.floats(1e-9, 1e-2),
            "EDIFFG": st.floats(-1, 1),
            "LWAVE": st.booleans(),
            "ALGO": st.sampled_from(["Normal", "Fast", "All"]),
            "MAGMOM": st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=1, max_size=8),
        }
    )
)
def test_reads_what_pymatgen_writes(tags: dict[str, object]) -> None:
    from pymatgen.io.vasp.inputs import Incar as Theirs

    ours = Incar(str(Theirs(tags)))
    assert ours.keys() == tags.keys()
    for name, value in tags.items():
        assert ours[name] == (pytest.approx(value) if isinstance(value, float | list) else value)


def test_tags_of_the_campaigns_input_sets_are_known() -> None:
    from pymatgen.core import Lattice, Structure
    from pymatgen.io.vasp.sets import MP24RelaxSet, MP24StaticSet

    cell = Structure(Lattice.cubic(4), ["Na"], [[0, 0, 0]])
    for inputs in (MP24RelaxSet(cell), MP24RelaxSet(cell, dispersion="rVV10"), MP24StaticSet(cell)):
        assert set(inputs.incar) <= set(known_tags())
