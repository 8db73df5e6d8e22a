import pytest

from nawf.errors import InputError, ReportError
from nawf.thermo.capacity import (
    composite_capacity_mah_per_g,
    energy_density,
    molar_mass_g_per_mol,
    theoretical_capacity_mah_per_g,
)
from nawf.thermo.voltage import voltage_profile


@pytest.mark.parametrize(
    ("formula", "electrons", "published"),
    [
        ("S", 2, 1672),  # 10.1039/d4ee03160a
        ("S8", 16, 1672),
        ("Na2S", 2, 687),  # this and the next: 10.1002/aenm.202405678
        ("Na3P", 3, 804),
        ("Na3PS4", 3, 352),  # three Na of Na3PS4, not the eight electrons to 4 Na2S + Na3P
        ("Sn", 15 / 4, 847),
    ],
)
def test_published_capacities(formula, electrons, published):
    assert theoretical_capacity_mah_per_g(formula, electrons) == pytest.approx(published, abs=0.6)


def test_by_hand():
    # 2 x 96485.33212 C/mol / 3.6 C/mAh / 78.0445 g/mol
    assert theoretical_capacity_mah_per_g("Na2S", 2) == pytest.approx(686.83, abs=0.02)
    assert molar_mass_g_per_mol("Na3PS4") == pytest.approx(3 * 22.98977 + 30.97376 + 4 * 32.065, abs=1e-3)


def test_the_published_composite_is_weighted_by_mass():
    # Na3PS4 : Na2S = 1 : 2 gives 575.3 mAh/g: masses, of the rounded capacities and of the exact ones.
    assert composite_capacity_mah_per_g([(1, 352), (2, 687)]) == pytest.approx(575.3, abs=0.05)
    exact = [(1, theoretical_capacity_mah_per_g("Na3PS4", 3)), (2, theoretical_capacity_mah_per_g("Na2S", 2))]
    assert composite_capacity_mah_per_g(exact) == pytest.approx(575.3, abs=0.1)
    moles = [
        (n * molar_mass_g_per_mol(formula), capacity)
        for n, formula, (_, capacity) in zip((1, 2), ("Na3PS4", "Na2S"), exact, strict=True)
    ]
    assert composite_capacity_mah_per_g(moles) == pytest.approx(488.2, abs=0.2)


def test_what_makes_no_capacity():
    with pytest.raises(InputError, match="make no capacity"):
        theoretical_capacity_mah_per_g("S", -1)
    with pytest.raises(InputError, match="not a chemical formula"):
        theoretical_capacity_mah_per_g("nothing", 1)
    for parts in ([], [(0, 100)], [(-1, 100), (2, 100)]):
        with pytest.raises(InputError, match="composite needs masses"):
            composite_capacity_mah_per_g(parts)


def test_energy_density_of_the_sulfur_cell(ji2024):
    density = energy_density(voltage_profile(ji2024, "S"))
    # S + 2 Na at 1.836 V, 1671.7 mAh/g of S, 686.8 mAh/g of Na2S.
    assert density.mean_voltage_v == pytest.approx(1.836)
    assert density.per_charged_cathode_wh_per_kg == pytest.approx(1671.7 * 1.836, abs=1)
    assert density.per_discharged_cathode_wh_per_kg == pytest.approx(686.8 * 1.836, abs=1)
    # With just the Na it needs, the cell weighs what the discharged cathode weighs.
    assert density.per_both_electrodes_wh_per_kg == pytest.approx(density.per_discharged_cathode_wh_per_kg)


def test_energy_density_from_a_half_discharged_host(ji2024):
    density = energy_density(voltage_profile(ji2024, "Na2S2", from_charged=False))
    # Na2S2 (110.11 g/mol) + 2 Na at 1.72 V.
    assert density.per_charged_cathode_wh_per_kg == pytest.approx(2 * 26801.48 * 1.72 / 110.11, rel=1e-4)
    # Half of what Na2S can take or give.
    assert density.per_discharged_cathode_wh_per_kg == pytest.approx(686.8 / 2 * 1.72, abs=1)


def test_energy_density_against_an_alloy_with_excess(ji2024):
    profile = voltage_profile(ji2024, "S")
    density = energy_density(profile, anode="Na15Sn4", ions_per_anode=15, anode_voltage_v=0.1, anode_excess=1.2)
    anode = 1.2 * 2 / 15 * (15 * 22.98977 + 4 * 118.71)
    assert density.mean_voltage_v == pytest.approx(1.736)
    assert density.per_both_electrodes_wh_per_kg == pytest.approx(2 * 26801.48 * 1.736 / (32.065 + anode), rel=1e-5)


def test_what_has_no_energy_density(ji2024):
    with pytest.raises(ReportError, match="na2s: Na does not react"):
        energy_density(voltage_profile(ji2024, "na2s", from_charged=False))
    profile = voltage_profile(ji2024, "S")
    for more in ({"ions_per_anode": 0.0}, {"anode_excess": 0.9}):
        with pytest.raises(InputError, match="anode gives too few ions"):
            energy_density(profile, **more)
