import pytest
from scipy import constants

from nawf import units


def physical(name):
    return constants.physical_constants[name][0]


@pytest.mark.parametrize(
    ("value", "reference"),
    [
        (units.ELEMENTARY_CHARGE_C, constants.e),
        (units.BOLTZMANN_J_PER_K, constants.k),
        (units.AVOGADRO_PER_MOL, constants.N_A),
        (units.PLANCK_J_S, constants.h),
        (units.BOLTZMANN_EV_PER_K, physical("Boltzmann constant in eV/K")),
        (units.FARADAY_C_PER_MOL, physical("Faraday constant")),
        (units.EV_PER_THZ, physical("hertz-electron volt relationship") * constants.tera),
        (units.KJ_PER_MOL_PER_EV, constants.eV * constants.N_A / constants.kilo),
        (units.GPA_PER_EV_PER_A3, constants.eV / constants.angstrom**3 / constants.giga),
        (units.KBAR_PER_GPA, constants.giga / (constants.kilo * constants.bar)),
        (units.MAH_PER_C, 1 / (constants.milli * constants.hour)),
        (units.MEV_PER_EV, 1 / constants.milli),
    ],
)
def test_constants_agree_with_codata(value, reference):
    # scipy's derived values are rounded to the digits that CODATA prints.
    assert value == pytest.approx(reference, rel=1e-9)


@pytest.mark.parametrize(
    ("value", "known", "digits"),
    [
        (units.KJ_PER_MOL_PER_EV, 96.485, 3),
        (units.GPA_PER_EV_PER_A3, 160.2177, 4),
        # Capacity of sulfur, mAh/g: two electrons per 32.06 g.
        (2 * units.FARADAY_C_PER_MOL * units.MAH_PER_C / 32.06, 1672, 0),
        (units.EV_PER_KJ_PER_MOL * units.KJ_PER_MOL_PER_EV, 1, 15),
        (units.EV_PER_A3_PER_GPA * units.GPA_PER_EV_PER_A3, 1, 15),
    ],
)
def test_numbers_that_everybody_knows(value, known, digits):
    assert round(value, digits) == known
