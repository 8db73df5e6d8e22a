import pytest

from nawf.errors import ReportError
from nawf.results.energetics import PhaseEnergetics, VibrationalFreeEnergy
from nawf.thermo.conditions import STATIC, Condition
from nawf.thermo.entries import entries_at
from nawf.thermo.formation import formation_energies
from nawf.thermo.references import element_references, extrapolation_notes


def tin(phase, static, slope):
    """A polymorph whose F falls as the cube of T, by ``slope`` eV at 500 K, without zero-point energy."""
    grid = (0.0, 250.0, 500.0)
    return PhaseEnergetics(
        phase,
        "Sn",
        static,
        VibrationalFreeEnergy(
            grid,
            tuple(-slope * (t / 500) ** 3 for t in grid),
            tuple(3 * slope * t**2 / 500**3 for t in grid),
            tuple(6 * slope * t**2 / 500**3 for t in grid),
        ),
    )


# Alpha lies 20 meV lower; beta wins (0.10 - 0.02) (T/500)^3 eV, so that they cross at 315.0 K.
TIN = [tin("sn-alpha", -4.00, 0.02), tin("sn-beta", -3.98, 0.10)]


@pytest.mark.parametrize(
    ("condition", "phase", "energy"),
    [
        (STATIC, "sn-alpha", -4.0),
        (Condition(0.0), "sn-alpha", -4.0),
        (Condition(314.0), "sn-alpha", -4.0 - 0.02 * 0.628**3),
        (Condition(316.0), "sn-beta", -3.98 - 0.10 * 0.632**3),
        (Condition(500.0), "sn-beta", -4.08),
    ],
)
def test_the_reference_follows_the_crossing_of_polymorphs(condition, phase, energy):
    entries = entries_at(TIN, condition)
    reference = element_references(entries)["Sn"]
    assert (reference.phase, reference.is_named) == (phase, False)
    assert reference.energy_ev_per_atom == pytest.approx(energy, abs=1e-12)
    rows = {row.phase: row.formation_energy_ev_per_atom for row in formation_energies(entries, {"Sn": reference})}
    assert rows[phase] == 0.0
    assert min(rows.values()) == 0.0
    assert max(rows.values()) > 0.0


def test_a_named_reference_stays_and_says_how_high_it_lies():
    named = {"Sn": "sn-beta", "Na": "na-bcc"}
    reference = element_references(entries_at(TIN, STATIC), ["Sn"], named)["Sn"]
    assert (reference.phase, reference.is_named) == ("sn-beta", True)
    assert reference.above_lowest_ev_per_atom == pytest.approx(0.02)


def test_a_missing_element_is_named_with_what_to_do(ji2024):
    with pytest.raises(
        ReportError, match=r"^P: no phase of pure P has an energy at static .*add a phase of P .*leave P out"
    ):
        element_references(ji2024, ["Na", "P"])


def test_a_missing_element_says_what_was_left_out():
    no_phonons = PhaseEnergetics("p-black", "P", -5.0)
    with pytest.raises(ReportError, match=r"at 300 K \(left out: p-black\) \(calculate the phonons .*-T static"):
        element_references(entries_at([no_phonons], Condition(300.0)), ["P"])


def test_a_named_phase_must_be_there_and_of_that_element(ji2024):
    with pytest.raises(ReportError, match=r"^s-beta: cannot be the reference of S: .*phases of S at static: s\b"):
        element_references(ji2024, named={"S": "s-beta"})
    with pytest.raises(ReportError, match=r"^na2s: is Na2S and cannot be the reference of S"):
        element_references(ji2024, named={"S": "na2s"})
    with pytest.raises(ReportError, match=r"^na: is Na and cannot be the reference of S"):
        element_references(ji2024, named={"S": "na"})


def test_extrapolation_is_said_above_the_melting_point_only():
    elements = ["Na", "S", "Sb", "Sn"]
    assert extrapolation_notes(elements, STATIC) == ()
    assert extrapolation_notes(elements, Condition(0.0)) == ()
    assert extrapolation_notes(elements, Condition(370.0)) == ()
    (note,) = extrapolation_notes(elements, Condition(380.0))
    assert note == "Na melts at 371 K: its solid reference at 380 K is an extrapolation"
    assert [note.split()[0] for note in extrapolation_notes(elements, Condition(600.0))] == ["Na", "S", "Sn"]
    assert len(extrapolation_notes(elements, Condition(910.0))) == 4


def test_an_element_without_a_melting_point_is_not_passed_over():
    (note,) = extrapolation_notes(["P"], Condition(300.0))
    assert note.startswith("P: no melting point is on file")
