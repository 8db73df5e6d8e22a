import pytest

from nawf.errors import ReportError
from nawf.thermo.reference_electrode import electrode_potential_v


@pytest.fixture
def tin(entry_set):
    # By hand: NaSn at 0.5 V; NaSn -> Na9Sn4 0.32 V; Na9Sn4 -> Na15Sn4 0.1 V, from energies per formula unit.
    per_formula = {"NaSn": (-0.5, 2), "Na9Sn4": (-2.0 - 5 * 0.32, 13), "Na15Sn4": (-3.6 - 6 * 0.1, 19)}
    energies = {formula: energy / atoms for formula, (energy, atoms) in per_formula.items()}
    return entry_set({"Na": 0.0, "Sn": 0.0, **energies})


def test_the_plateau_that_ends_at_the_alloy(tin):
    assert electrode_potential_v(tin, "na15sn4") == pytest.approx(0.1)
    assert electrode_potential_v(tin, "Na9Sn4") == pytest.approx(0.32)
    assert electrode_potential_v(tin, "NaSn") == pytest.approx(0.5)


@pytest.mark.parametrize("alloy", ["Sn", "Na5Sn2"])
def test_no_plateau_ends_there(tin, alloy):
    with pytest.raises(ReportError, match=f"^{alloy}: no plateau at static ends at {alloy}"):
        electrode_potential_v(tin, alloy)
