from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.apps.battery.conversion_battery import ConversionElectrode
from pymatgen.core import Composition, Element, Lattice, Structure
from pymatgen.core.entries import ComputedStructureEntry

from nawf.errors import ReportError
from nawf.thermo.conditions import STATIC
from nawf.thermo.entries import Entry, EntrySet
from nawf.thermo.hull import Hull
from nawf.thermo.references import element_references
from nawf.thermo.voltage import voltage_profile


def amounts(mixture):
    return {amount.phase: amount.formula_units for amount in mixture.amounts}


def test_published_voltages_follow_from_published_formation_energies(ji2024):
    # Energies and voltages: 10.1039/d4ee03160a.
    profile = voltage_profile(ji2024, "S")
    assert [p.voltage_v for p in profile.plateaus] == pytest.approx([2.07, 2.03, 1.84, 1.72], abs=0.01)
    assert [p.x_end for p in profile.plateaus] == pytest.approx([0.4, 0.5, 1.0, 2.0], abs=1e-12)
    assert [p.reaction.text() for p in profile.plateaus] == [
        "5 S + 2 Na → Na2S5",
        "4 Na2S5 + 2 Na → 5 Na2S4",
        "Na2S4 + 2 Na → 2 Na2S2",
        "Na2S2 + 2 Na → 2 Na2S",
    ]
    # The mean is the whole reaction: 2 Na + S -> Na2S at -1.224 x 3 eV over two electrons.
    assert profile.average_voltage_v == pytest.approx(1.836, abs=1e-12)
    assert profile.capacity_mah_per_g == pytest.approx(1672, abs=1)


def test_every_way_to_say_where_a_plateau_lies(ji2024):
    third = voltage_profile(ji2024, "s").plateaus[2]
    assert (third.x_start, third.x_end) == pytest.approx((0.5, 1.0))
    assert (third.ion_fraction_start, third.ion_fraction_end) == pytest.approx((1 / 3, 1 / 2))
    assert (third.depth_of_discharge_start, third.depth_of_discharge_end) == pytest.approx((0.25, 0.5))
    capacities = (third.capacity_start_mah_per_g, third.capacity_end_mah_per_g)
    assert capacities == pytest.approx((1672 / 4, 1672 / 2), abs=1)
    assert amounts(third.mixture_start) == pytest.approx({"na2s4": 0.25})
    assert amounts(third.mixture_end) == pytest.approx({"na2s2": 0.5})


def test_a_ternary_conversion_host_by_hand(entry_set):
    # SnS2 (-0.5 eV/atom) + 4 Na -> 2 Na2S (-1.2) + Sn: V = (7.2 - 1.5) / 4; then Sn + Na -> NaSn (-0.25):
    # V = 0.5; then NaSn + 3 Na -> Na4Sn (-0.16): V = (0.8 - 0.5) / 3.
    entries = entry_set({"Na": 0.0, "S": 0.0, "Sn": 0.0, "SnS2": -0.5, "Na2S": -1.2, "NaSn": -0.25, "Na4Sn": -0.16})
    profile = voltage_profile(entries, "SnS2")
    assert [p.voltage_v for p in profile.plateaus] == pytest.approx([5.7 / 4, 0.5, 0.1], abs=1e-12)
    assert [p.x_end for p in profile.plateaus] == pytest.approx([4.0, 5.0, 8.0], abs=1e-12)
    assert [p.reaction.text() for p in profile.plateaus] == [
        "SnS2 + 4 Na → 2 Na2S + Sn",
        "Sn + Na → NaSn",
        "NaSn + 3 Na → Na4Sn",
    ]
    assert amounts(profile.mixture_end) == pytest.approx({"na2s": 2.0, "na4sn": 1.0})
    assert profile.plateaus[1].ion_fraction_end == pytest.approx(5 / 8)


def test_x_counts_from_the_host_as_given_and_runs_over_the_whole_range(ji2024):
    whole = voltage_profile(ji2024, "Na2S2")
    assert (whole.x_start, whole.x_end, whole.ions_in_host) == (-2.0, 2.0, 2.0)
    assert whole.ion_free_formula == "S2"
    by_element = voltage_profile(ji2024, "S")
    assert [p.voltage_v for p in whole.plateaus] == pytest.approx([p.voltage_v for p in by_element.plateaus])
    assert whole.capacity_mah_per_g == pytest.approx(by_element.capacity_mah_per_g)
    assert [p.ion_fraction_end for p in whole.plateaus] == pytest.approx(
        [p.ion_fraction_end for p in by_element.plateaus]
    )


@pytest.mark.parametrize("host", ["Na2S2", "Na2S4", "Na2S5", "Na4S10"])
def test_the_host_as_given_lies_at_zero_exactly(ji2024, host):
    profile = voltage_profile(ji2024, host)
    assert 0.0 in [p.x_end for p in profile.plateaus]
    assert 0.0 in [p.x_start for p in profile.plateaus]
    assert voltage_profile(ji2024, "Na2S").x_end == 0.0


def test_from_the_host_as_given(ji2024):
    rest = voltage_profile(ji2024, "na2s2", from_charged=False)
    assert [p.voltage_v for p in rest.plateaus] == pytest.approx([1.72])
    assert (rest.x_start, rest.x_end) == pytest.approx((0.0, 2.0))
    assert rest.capacity_mah_per_g == pytest.approx(1672 / 2, abs=1)
    nothing = voltage_profile(ji2024, "na2s", from_charged=False)
    assert (nothing.plateaus, nothing.x_end, nothing.average_voltage_v) == ((), 0.0, None)
    assert nothing.notes == ("Na does not react with Na2S",)


def test_a_host_that_does_not_react(entry_set):
    profile = voltage_profile(entry_set({"Na": 0.0, "Sn": 0.0, "NaSn": 0.1}), "Sn")
    assert (profile.plateaus, profile.capacity_mah_per_g) == ((), 0.0)
    with pytest.raises(ReportError, match=r"no voltage at x = 0\.5: the profile reaches nowhere"):
        profile.voltage_at(0.5)


@pytest.mark.parametrize("metal", [0.0, -5.0, 5.0])
@pytest.mark.parametrize("tied", ["Na3Sn", "Na9Sn"])
def test_a_plateau_at_zero_volt_is_none(entry_set, metal, tied):
    # NaSn at 0.4 V; the other phase is NaSn + Na without any gain. Where the metal's zero lies must not matter.
    n = Composition(tied)["Na"]
    energies = {"NaSn": (metal - 0.4) / 2, tied: (n * metal - 0.4) / (n + 1)}
    profile = voltage_profile(entry_set({"Na": metal, "Sn": 0.0, **energies}), "Sn")
    assert [(p.voltage_v, p.x_end) for p in profile.plateaus] == [pytest.approx((0.4, 1.0))]


def test_ternary_plateaus_at_zero_volt_are_none(entry_set):
    metal, sulfur, tin = -0.092, -0.739, -1.241
    elements = {"Na": metal, "S": sulfur, "Sn": tin}
    # NaS at 0.534 V and NaSn at 0.863 V, and their mixtures with Na as phases.
    sulfides = {f"Na{n}S": (n * metal + sulfur - 0.534) / (n + 1) for n in (1, 2, 9, 11)}
    stannides = {f"Na{n}Sn": (n * metal + tin - 0.863) / (n + 1) for n in (1, 2, 5, 7)}
    profile = voltage_profile(entry_set(stannides | sulfides | elements), "SnS")
    assert [(p.voltage_v, p.x_end) for p in profile.plateaus] == [
        pytest.approx((0.863, 1.0)),
        pytest.approx((0.534, 2.0)),
    ]


def test_a_compound_on_the_tie_line_does_not_split_a_plateau(entry_set):
    profile = voltage_profile(entry_set({"Na": 0.0, "S": 0.0, "Na2S": -1.2, "NaS": -0.9}), "S")
    assert [p.reaction.text() for p in profile.plateaus] == ["S + 2 Na → Na2S"]
    assert profile.plateaus[0].voltage_v == pytest.approx(1.8)


def test_a_host_above_the_hull_starts_from_the_hull_and_says_so(entry_set):
    entries = entry_set({"Na": 0.0, "a:S": 0.0, "b:S": 0.05, "Na2S": -1.2})
    profile = voltage_profile(entries, "b")
    assert profile.plateaus[0].voltage_v == pytest.approx(1.8)
    assert amounts(profile.mixture_start) == {"a": 1.0}
    assert profile.notes == (
        "b lies 50.0 meV/atom above the hull: the profile is that of the hull at its composition",
    )


def test_a_host_that_is_no_phase_starts_as_a_mixture_and_says_so(entry_set):
    entries = entry_set({"Na": 0.0, "S": 0.0, "Sn": 0.0, "Na2S": -1.2})
    profile = voltage_profile(entries, "SnS2")
    assert profile.notes == ("no phase SnS2 lies on the hull: it starts as 2 s + sn",)
    assert profile.plateaus[0].reaction.text() == "S + 2 Na → Na2S"


def test_the_reference_metal_shifts_voltages_only(ji2024):
    entries = EntrySet(STATIC, (*ji2024.entries, Entry("na-high", {"Na": 1.0}, 0.01)))
    references = element_references(entries, named={"Na": "na-high"})
    plain, shifted = voltage_profile(entries, "S"), voltage_profile(entries, "S", references=references)
    assert [p.voltage_v - 0.01 for p in shifted.plateaus] == pytest.approx([p.voltage_v for p in plain.plateaus])
    assert shifted.x_end == plain.x_end
    assert shifted.notes[0].startswith("zero volt is na-high, 10.0 meV/atom above the lowest phase of Na")


def test_an_ion_of_charge_two_by_hand(entry_set):
    # Mg + S -> MgS at -1.8 eV/atom: 3.6 eV for two electrons; 2 F / (3.6 x 32.06 g/mol).
    profile = voltage_profile(entry_set({"Mg": 0.0, "S": 0.0, "MgS": -1.8}), "S", "Mg")
    assert [p.voltage_v for p in profile.plateaus] == pytest.approx([1.8])
    assert profile.x_end == pytest.approx(1.0)
    assert profile.capacity_mah_per_g == pytest.approx(1672, abs=1)


def test_voltage_at(ji2024):
    profile = voltage_profile(ji2024, "S")
    at = [profile.voltage_at(x) for x in (0.0, 0.2, 0.45, 0.7, 1.0, 2.0)]
    assert at == pytest.approx([2.0685, 2.0685, 2.031, 1.843, 1.72, 1.72])
    with pytest.raises(ReportError, match=r"s?: there is no voltage at x = 2\.1: .* from x = 0 to 2"):
        profile.voltage_at(2.1)


def test_bad_hosts_and_ions(ji2024, entry_set):
    with pytest.raises(ReportError, match=r"^Na: the host holds nothing but Na"):
        voltage_profile(ji2024, "Na")
    with pytest.raises(ReportError, match=r"^rock: neither a phase with results nor a formula"):
        voltage_profile(ji2024, "rock")
    with pytest.raises(ReportError, match=r"^K: no phase of pure K"):
        voltage_profile(ji2024, "S", "K")
    with pytest.raises(ReportError, match=r"^S: no working ion"):
        voltage_profile(ji2024, "Na", "S")
    with pytest.raises(ReportError, match="cannot make it up"):
        voltage_profile(ji2024, "P")
    with pytest.raises(ReportError, match=r"^S: the phases at hand .* cannot make it up"):
        voltage_profile(entry_set({"Na": 0.0, "Na2S": -1.2}), "Na2S")


def test_without_the_charged_host_a_discharge_from_the_host_as_given_still_works(entry_set):
    entries = entry_set({"Na": 0.0, "NaS": -0.95, "Na2S": -1.2})
    profile = voltage_profile(entries, "NaS", from_charged=False)
    assert [p.voltage_v for p in profile.plateaus] == pytest.approx([3.6 - 1.9])


def pymatgen_steps(diagram, composition, ion):
    """Ions taken up at each corner, and the ion's chemical potential beyond it, relative to the metal."""
    metal = diagram.el_refs[Element(ion)].energy_per_atom
    steps = diagram.get_element_profile(Element(ion), composition)
    return sorted((step["evolution"], step["chempot"] - metal) for step in steps)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_voltages_as_pymatgen(data, random_entry_sets, phase_diagram):
    entries = data.draw(random_entry_sets(least_elements=2, least_compounds=4))
    others = [el for el in entries.elements if el != "Na"]
    host = {el: n for el in others if (n := data.draw(st.integers(0, 3)))}
    assume(host)
    formula = "".join(f"{el}{n}" for el, n in host.items())
    profile = voltage_profile(entries, formula)
    steps = pymatgen_steps(phase_diagram(entries), Composition(host), "Na")
    # get_element_profile probes 1e-5 atoms beyond each corner; its last one is where the metal forms.
    assert profile.x_end == pytest.approx(steps[-1][0], abs=1e-4) or steps[-1][1] == pytest.approx(0, abs=1e-8)
    for (start, mu), (end, _) in pairwise(steps):
        middle = (start + end) / 2
        ours = profile.voltage_at(middle) if middle < profile.x_end else 0.0
        assert ours == pytest.approx(-mu, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_voltages_fall_and_add_up_to_the_hull(data, random_entry_sets):
    entries = data.draw(random_entry_sets(least_elements=2, least_compounds=4))
    host = {el: float(data.draw(st.integers(1, 3))) for el in entries.elements}
    formula = "".join(f"{el}{n:g}" for el, n in host.items())
    profile = voltage_profile(entries, formula)
    assert profile.x_start == -host["Na"]
    voltages = [p.voltage_v for p in profile.plateaus]
    assert voltages == sorted(voltages, reverse=True)
    assert all(v > 0 for v in voltages)
    hull, metal = Hull(entries), element_references(entries)["Na"].energy_ev_per_atom

    def energy(x):
        composition = {el: n + (x if el == "Na" else 0.0) for el, n in host.items()}
        composition = {el: n for el, n in composition.items() if n > 1e-12}
        return hull.hull_energy_ev_per_atom(composition) * sum(composition.values()) - (x + host["Na"]) * metal

    x = profile.x_start
    for plateau in profile.plateaus:
        assert plateau.x_start == pytest.approx(x, abs=1e-12)
        x = plateau.x_end
        # Straight between its ends, so nothing was missed.
        middle = (plateau.x_start + plateau.x_end) / 2
        drop = energy(plateau.x_start) - energy(middle)
        assert drop == pytest.approx(plateau.voltage_v * (middle - plateau.x_start), abs=1e-7)
    # Beyond the end nothing is gained any more.
    assert energy(profile.x_end + 1.0) == pytest.approx(energy(profile.x_end), abs=1e-7)


def crystals():
    """Crystals with published cells, which ConversionElectrode needs; energies from 10.1039/d4ee03160a."""
    # Na: Wyckoff, Crystal Structures 1, 7 (1963). Na2S: antifluorite. Na2S2: Z. Anorg. Allg. Chem. 619, 476 (1993).
    # Na2S4: Acta Cryst. B 29, 1463 (1973). S: Acta Cryst. C 43, 2260 (1987).
    return {
        "Na": Structure.from_spacegroup("Im-3m", Lattice.cubic(4.2906), ["Na"], [[0, 0, 0]]),
        "S": Structure.from_spacegroup(
            "Fddd",
            Lattice.orthorhombic(10.4646, 12.866, 24.486),
            ["S"] * 4,
            [
                [0.01916, 0.42233, 0.07646],
                [0.08904, 0.03268, 0.24553],
                [0.09085, 0.15522, 0.29877],
                [0.33233, 0.10477, 0.12909],
            ],
        ),
        "Na2S": Structure.from_spacegroup(
            "Fm-3m", Lattice.cubic(6.526), ["S", "Na"], [[0, 0, 0], [0.25, 0.25, 0.25]]
        ),
        "Na2S2": Structure.from_spacegroup(
            "P6_3/mmc",
            Lattice.hexagonal(4.489, 10.227),
            ["Na", "Na", "S"],
            [[0, 0, 0], [1 / 3, 2 / 3, 0.25], [1 / 3, 2 / 3, 0.6445]],
        ),
        "Na2S4": Structure.from_spacegroup(
            "I-42d",
            Lattice.tetragonal(9.5965, 11.7885),
            ["Na", "Na", "S", "S"],
            [
                [0, 0, 0.16953],
                [0.27647, 0.25, 0.125],
                [0.03373, 0.24952, 0.29644],
                [0.14693, 0.116, 0.39956],
            ],
        ),
    }


def test_a_real_system_as_conversion_electrode(ji2024):
    entries = ji2024.without([ji2024.entry("na2s5").key])
    computed = [
        ComputedStructureEntry(cell, entries.entry(formula.lower()).energy_ev_per_atom * len(cell))
        for formula, cell in crystals().items()
    ]
    electrode = ConversionElectrode.from_composition_and_pd(
        Composition("S"), PhaseDiagram(computed), working_ion_symbol="Na"
    )
    profile = voltage_profile(entries, "S")
    pairs = electrode.voltage_pairs
    assert [p.voltage_v for p in profile.plateaus] == pytest.approx([p.voltage for p in pairs], abs=1e-6)
    # ConversionElectrode counts capacity per gram of the discharged mixture.
    assert profile.average_voltage_v == pytest.approx(electrode.get_average_voltage(), abs=1e-6)
    discharged = profile.capacity_mah_per_g * 32.065 / (32.065 + 2 * 22.98976928)
    assert discharged == pytest.approx(electrode.get_capacity_grav(), rel=1e-6)
