import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Element

from nawf.errors import ReportError
from nawf.thermo.formation import formation_energies
from nawf.thermo.references import element_references


def test_by_hand(entry_set):
    # Na2S: (3 x -4.0 - 2 x -1.3 - -4.1) / 3 = -5.3 / 3.
    entries = entry_set({"na-hcp:Na": -1.29, "na-bcc:Na": -1.3, "S": -4.1, "Na2S": -4.0})
    rows = {row.phase: row for row in formation_energies(entries, element_references(entries))}
    assert rows["na2s"].formation_energy_ev_per_atom == pytest.approx(-5.3 / 3, abs=1e-14)
    assert rows["na2s"].formula == "Na2S"
    assert rows["na-bcc"].formation_energy_ev_per_atom == 0.0
    assert rows["na-hcp"].formation_energy_ev_per_atom == pytest.approx(0.01)


def test_multiples_of_a_formula_make_no_difference(entry_set):
    entries = entry_set({"Na": -1.3, "S8": -4.1, "NaS": -3.5, "Na2S2": -3.5})
    rows = {
        row.phase: row.formation_energy_ev_per_atom
        for row in formation_energies(entries, element_references(entries))
    }
    assert rows["nas"] == pytest.approx(-0.8, abs=1e-14)
    assert rows["na2s2"] == pytest.approx(rows["nas"], abs=1e-14)


def test_no_reference(entry_set):
    entries = entry_set({"Na": -1.3, "Na2S": -4.0})
    with pytest.raises(ReportError, match=r"^na2s: no reference for S"):
        formation_energies(entries, element_references(entries, ["Na"]))


@settings(max_examples=60)
@given(data=st.data())
def test_as_pymatgen(data, random_entry_sets, phase_diagram):
    entries = data.draw(random_entry_sets())
    diagram = phase_diagram(entries)
    theirs = {e.name: diagram.get_form_energy_per_atom(e) for e in diagram.all_entries}
    references = element_references(entries)
    for element, reference in references.items():
        assert reference.energy_ev_per_atom == diagram.el_refs[Element(element)].energy_per_atom
    for row in formation_energies(entries, references):
        assert row.formation_energy_ev_per_atom == pytest.approx(theirs[row.phase], abs=1e-8)
