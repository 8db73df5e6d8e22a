"""POTCARs by title and hash (made up here), and +U."""

import pytest

from nawf.engines.vasp_settings import vasp_calculation
from nawf.errors import EngineError
from nawf.results.fingerprint import Fingerprint, differences

R2SCAN = {"METAGGA": "R2SCAN", "ENCUT": 680, "KSPACING": 0.22}
TITLES = {
    "Na": "PAW_PBE Na_pv 19Sep2006",
    "S": "PAW_PBE S 06Sep2000",
    "Fe": "PAW_PBE Fe_pv 02Aug2007",
    "O": "PAW_PBE O 08Apr2002",
}


def potcars(*elements):
    return [{"titel": TITLES[e], "hash": f"{i:x}".rjust(32, "0")} for i, e in enumerate(elements)]


def calculation(incar, *elements, **arguments):
    arguments = {"potcars": potcars(*(elements or ("Na", "S"))), "version": "6.4.2"} | arguments
    return vasp_calculation(incar, **arguments)


def changed(one, other):
    """Settings in which two records differ."""
    found = differences({"one": Fingerprint(calculation=one), "other": Fingerprint(calculation=other)})
    return {line.split(": ")[0] for line in found}


def test_potentials_have_title_and_hash():
    found = calculation(R2SCAN)
    assert found["potential_Na"] == f"PAW_PBE Na_pv 19Sep2006 md5:{'0' * 32}"
    sha = [{"titel": "PAW_PBE  Sn_d   06Sep2000", "sha256": "AB" * 32, "hash": "c" * 32}]
    assert calculation(R2SCAN, potcars=sha)["potential_Sn"] == f"PAW_PBE Sn_d 06Sep2000 sha256:{'ab' * 32}"


def test_without_a_hash_the_statistics_tell_potentials_apart():
    def sulfur(mean):
        header = {"MEAN": mean, "ABSMEAN": 1.0, "VAR": 2.0, "MIN": -1.0, "MAX": 3.0}
        return [
            {"titel": TITLES["S"], "hash": None, "summary_stats": {"keywords": {"header": ["a"]}, "stats": header}}
        ]

    one = calculation(R2SCAN, potcars=sulfur(0.123456789))
    assert one["potential_S"].startswith("PAW_PBE S 06Sep2000 stats:")
    # Sums are not the same to the last digit on every machine.
    assert calculation(R2SCAN, potcars=sulfur(0.123456789 * (1 + 1e-13))) == one
    assert changed(calculation(R2SCAN, potcars=sulfur(0.12346)), one) == {"potential_S"}


def test_an_element_of_two_species_has_both_potentials():
    twice = [*potcars("Na", "S"), {"titel": "PAW_PBE Na 08Apr2002", "hash": "f" * 32}]
    found = calculation(R2SCAN, potcars=twice)["potential_Na"]
    assert found == f"PAW_PBE Na 08Apr2002 md5:{'f' * 32} and PAW_PBE Na_pv 19Sep2006 md5:{'0' * 32}"
    assert calculation(R2SCAN, potcars=[*potcars("Na", "S"), *potcars("Na")]) == calculation(R2SCAN)


@pytest.mark.parametrize(
    ("titles", "words"),
    [
        ([], "no list of POTCARs"),
        ([None], "no usable title"),
        (["PAW_PBE"], "usable"),
        (["PAW_PBE 06Sep2000"], "usable"),
    ],
)
def test_a_run_without_potentials_is_refused(titles, words):
    with pytest.raises(EngineError, match=words):
        calculation(R2SCAN, potcars=[{"titel": t, "hash": None} for t in titles])


def test_u_goes_by_element():
    """Iron with and without +U are unlike; an oxide without iron stands beside either."""
    tags = {"ENCUT": 520, "LDAU": True, "LDAUTYPE": 2, "LDAUL": [2, 0], "LDAUU": [5.3, 0], "LDAUJ": [0, 0]}
    oxide, iron = calculation(tags, "Fe", "O"), calculation({"ENCUT": 520}, "Fe")
    assert oxide["potential_Fe"].endswith(" +U-J 5.3 eV on d")
    assert "+U" not in oxide["potential_O"]
    assert changed(oxide, iron) == {"potential_Fe"}
    assert changed(oxide, calculation({"ENCUT": 520}, "O", potcars=potcars("Fe", "O")[1:])) == set()
    # Only the difference counts, and lists may be written in VASP's own way.
    same = tags | {"LDAUU": "6.3 4.0", "LDAUJ": "1.0 0.0", "LDAUL": "2 -1"}
    assert calculation(same, "Fe", "O") == oxide
    assert calculation(tags | {"LDAU": False}, "Fe", "O") == calculation({"ENCUT": 520}, "Fe", "O")
    assert calculation(tags | {"LDAUU": "2*0"}, "Fe", "O") == calculation({"ENCUT": 520}, "Fe", "O")
    other = calculation(tags | {"LDAUTYPE": 1}, "Fe", "O")["potential_Fe"]
    assert other.endswith(" +U 5.3 J 0 eV on d (LDAUTYPE 1)")
    with pytest.raises(EngineError, match="lists of 2 values"):
        calculation(tags | {"LDAUU": [5.3]}, "Fe", "O")


def test_u_is_read_from_the_incar():
    """VASP's own report of the lists cannot be relied on."""
    tags = {"ENCUT": 520, "LDAU": True, "LDAUL": [2, 0], "LDAUU": [5.3, 0], "LDAUJ": [0, 0]}
    assert calculation(tags, "Fe", "O", parameters={"LDAU": True, "LDAUU": [0.0], "ENMAX": 520.0}) == (
        calculation(tags, "Fe", "O")
    )
