"""The figures of deploy/gpaw.md are those of the reference results that ship, and of the published ones on file."""

import json
import math
from pathlib import Path

import pytest

from nawf.reports import literature
from nawf.store.reference import reference_results
from nawf.thermo.entries import parse_formula

GUIDE = Path(__file__).resolve().parents[2] / "deploy" / "gpaw.md"
ENGINES = ("gpaw", "chgnet-r2scan")
COMPOUNDS = ("Na2S", "Na2S2", "Na2S4", "Na2S5")
STEPS = (("S", "Na2S5"), ("Na2S5", "Na2S4"), ("Na2S4", "Na2S2"), ("Na2S2", "Na2S"))
J_PER_MOL_PER_EV = 96485.33212
PLAIN = str.maketrans("₀₁₂₃₄₅₆₇₈₉−", "0123456789-")


def table(first_header):
    """Rows of the table whose header begins so, by their first cell; subscripts and minus signs made plain."""
    lines = iter(GUIDE.read_text(encoding="utf-8").translate(PLAIN).splitlines())
    for line in lines:
        if line.startswith(f"| {first_header} |"):
            break
    else:
        raise AssertionError(f"no table with {first_header!r}")
    next(lines)
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found[name] = cells
    return found


def digits(value, like):
    """A number with as many digits as another one is written with."""
    return f"{value:.{len(like.partition('.')[2])}f}"


def published_voltage_v(before, after):
    """Voltage between two compounds of sodium and one sulfur each, from ji2024's formation energies."""
    energies, sodium = [], []
    for formula in (before, after):
        atoms = parse_formula(formula)
        per_atom = literature.FORMATION_ENERGY_EV_PER_ATOM.value_of(formula) if "Na" in atoms else 0.0
        energies.append(per_atom * sum(atoms.values()) / atoms["S"])
        sodium.append(atoms.get("Na", 0) / atoms["S"])
    return -(energies[1] - energies[0]) / (sodium[1] - sodium[0])


@pytest.fixture
def rows(nawf):
    def report(kind, engine, *more):
        how = (*more, "-T", "static", "--reference", "--engine", engine, "--format", "json")
        done = nawf("report", kind, "ji2024", *how)
        assert done.code == 0, done.err
        return json.loads(done.out)["rows"]

    return report


def test_formation_energies(rows):
    written = table("formation energy, eV/atom")
    assert set(written) == set(COMPOUNDS)
    for column, engine in enumerate(ENGINES):
        found = {row["formula"]: row["formation_energy_static_ev_per_atom"] for row in rows("formation", engine)}
        for formula, cells in written.items():
            assert digits(found[formula], cells[column]) == cells[column], (formula, engine)
    for formula, cells in written.items():
        assert float(cells[2]) == literature.FORMATION_ENERGY_EV_PER_ATOM.value_of(formula)
    assert written["Na2S"][3].startswith(str(literature.MEASURED_FORMATION_ENTHALPY_EV_PER_ATOM))


def test_hull_depths(rows):
    written = table("hull depth, meV/atom")
    assert set(written) == set(COMPOUNDS)
    off_mev = []
    for column, engine in enumerate(ENGINES):
        for row in rows("hull", engine):
            if engine == "gpaw" and row["formula"] != "Na2S":
                off_mev.append(abs(row["hull_depth_static_mev_per_atom"] - row["ji2024_from_energies"]))
            cells = written[row["formula"]]
            assert digits(row["hull_depth_static_mev_per_atom"], cells[column]) == cells[column], (row, engine)
            assert digits(row["ji2024_from_energies"], cells[2]) == cells[2]
    assert f"within {math.ceil(max(off_mev))} meV/atom of ji2024's" in GUIDE.read_text(encoding="utf-8")


def test_voltages(rows):
    written = table("plateau, V")
    assert set(written) == {f"{before} to {after}" for before, after in STEPS}
    for column, engine in enumerate(ENGINES):
        found = [row["voltage_v"] for row in rows("voltage", engine, "--host", "S") if row["path"] == "equilibrium"]
        for (before, after), voltage in zip(STEPS, found, strict=True):
            cell = written[f"{before} to {after}"][column]
            assert digits(voltage, cell) == cell, (after, engine)
    for before, after in STEPS:
        cell = written[f"{before} to {after}"][2]
        assert digits(published_voltage_v(before, after), cell) == cell
    measured = zip(
        *(p.values.values() for p in (literature.MEASURED_DISCHARGE_V, literature.MEASURED_CHARGE_V)), strict=True
    )
    # GITT sees one plateau where two are calculated.
    seen = [cells[3] for cells in written.values() if cells[3] != "–"]
    assert seen == [f"{low:.2f} to {high:.2f}" for low, high in measured]


def test_what_is_said_of_the_differences(rows):
    """From the formation energies alone: a difference for each atom of a formula unit."""
    words = " ".join(GUIDE.read_text(encoding="utf-8").split())
    found = {row["formula"]: row["formation_energy_static_ev_per_atom"] for row in rows("formation", "gpaw")}
    per = {"atom": [], "S": [], "Na": []}
    for formula in COMPOUNDS:
        atoms = parse_formula(formula)
        deeper_mev = 1e3 * (literature.FORMATION_ENERGY_EV_PER_ATOM.value_of(formula) - found[formula])
        for what, values in per.items():
            values.append(round(deeper_mev * sum(atoms.values()) / atoms.get(what, sum(atoms.values()))))
    first, second, third, fourth = per["atom"]
    assert f"{first} meV/atom in Na₂S, {second} in Na₂S₂, {third} in Na₂S₄ and {fourth} in Na₂S₅" in words
    for element, how in (("S", "sulfur atom that is {} meV"), ("Na", "sodium atom {}:")):
        *most, last = map(str, per[element])
        assert how.format(f"{', '.join(most)} and {last}") in words
    voltages = [r["voltage_v"] for r in rows("voltage", "gpaw", "--host", "S") if r["path"] == "equilibrium"]
    higher = [v - published_voltage_v(*step) for v, step in zip(voltages, STEPS, strict=True)]
    assert f"by {min(higher):.2f} to {max(higher):.2f} V" in words


def test_every_reference_result_of_gpaw_is_fit_to_be_shown():
    found = [d for d in reference_results() if d.provenance.engine == "gpaw"]
    assert {("na2s", p) for p in ("relax", "static", "phonon", "elastic")} <= {(d.phase, d.property) for d in found}
    assert {d.phase for d in found} >= {
        "na-bcc",
        "s-alpha",
        "p-black",
        "na2s",
        "na2s2-alpha",
        "na2s4",
        "na2s5-alpha",
        "na3p-p63mmc",
        "na3ps4-alpha",
    }
    assert len({d.calculation_id for d in found}) == 1
    assert {d.verdict.level for d in found} <= {"pass", "warn"}
    # Results carry no folder of the machine that calculated them.
    assert not [d for d in found if d.provenance.run_directory]


def test_na2s_of_gpaw_is_as_others_find_it():
    found = {d.property: d.record() for d in reference_results(["na2s"]) if d.provenance.engine == "gpaw"}
    # Fluorite cell: four formula units; measured 6.52 Å.
    side_a = (found["relax"].crystal.volume_a3 * 4) ** (1 / 3)
    assert side_a == pytest.approx(6.52, rel=5e-3)
    stiffness = found["elastic"].stiffness_gpa
    constants = stiffness[0][0], stiffness[0][1], stiffness[3][3]
    # Another calculation by GPAW, with its own strains and fit.
    assert constants == pytest.approx([57.7, 17.2, 19.9], rel=0.03)
    assert found["phonon"].imaginary_fraction == 0.0
    written = table("Na2S")
    assert digits(side_a, written["a, Å"][0]) == written["a, Å"][0]
    written_constants = written["C11, C12, C44, GPa"][0]
    assert ", ".join(f"{c:.2f}" for c in constants) == written_constants
    entropy = dict(zip(found["phonon"].temperatures_k, found["phonon"].entropy_ev_per_k_per_atom, strict=True))
    # Per formula unit of three atoms.
    at_300_k = entropy[300.0] * J_PER_MOL_PER_EV * 3
    assert digits(at_300_k, written["S(300 K), J/(mol K)"][0]) == written["S(300 K), J/(mol K)"][0]


def test_phonons_of_sodium():
    (found,) = [
        d.record() for d in reference_results(["na-bcc"]) if (d.provenance.engine, d.property) == ("gpaw", "phonon")
    ]
    entropy = dict(zip(found.temperatures_k, found.entropy_ev_per_k_per_atom, strict=True))
    words = " ".join(GUIDE.read_text(encoding="utf-8").split())
    assert (
        f"highest {found.highest_frequency_thz:.2f} THz, S(300 K) = {entropy[300.0] * J_PER_MOL_PER_EV:.1f} J"
        in words
    )
    assert found.imaginary_fraction == 0.0
    # Measured: 51.30 J/(mol K) at 298 K; thermal expansion adds to what a cell of 0 K has.
    assert 0.9 < entropy[300.0] * J_PER_MOL_PER_EV / 51.30 < 1.0


def test_phonons_of_the_disulfide():
    (found,) = [
        d.record()
        for d in reference_results(["na2s2-alpha"])
        if (d.provenance.engine, d.property) == ("gpaw", "phonon")
    ]
    entropy = dict(zip(found.temperatures_k, found.entropy_ev_per_k_per_atom, strict=True))
    words = " ".join(GUIDE.read_text(encoding="utf-8").split())
    at_300_k = entropy[300.0] * J_PER_MOL_PER_EV * 4
    assert f"at {found.highest_frequency_thz:.2f} THz, and S(300 K) = {at_300_k:.1f} J/(mol K)" in words
    assert found.imaginary_fraction == 0.0
