import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nawf.results.fingerprint import Fingerprint, differences, short

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
tables = st.dictionaries(st.text(max_size=8), scalars, max_size=6)

VASP = {"engine": "vasp", "functional": "r2SCAN", "encut_ev": 680.0, "dispersion": None}


def reordered(table, seed):
    keys = list(table)
    seed.shuffle(keys)
    return {key: table[key] for key in keys}


@given(tables, tables, st.randoms())
def test_the_order_of_the_settings_does_not_matter(calculation, method, seed):
    one = Fingerprint(calculation=calculation, method=method)
    two = Fingerprint(calculation=reordered(calculation, seed), method=reordered(method, seed))
    assert (one.id, one.calculation_id) == (two.id, two.calculation_id)
    assert differences({"a": one, "b": two}) == []


@given(tables, tables, st.text(max_size=8), scalars)
def test_any_change_of_a_setting_shows(calculation, method, key, value):
    # A setting that was not there before, and one that had another value.
    assume(json.dumps(calculation.get(key, "absent")) != json.dumps(value) or key not in calculation)
    one = Fingerprint(calculation=calculation, method=method)
    two = Fingerprint(calculation=calculation | {key: value}, method=method)
    assert one.id != two.id
    assert one.calculation_id != two.calculation_id
    (line,) = differences({"a": one, "b": two})
    assert line.startswith(f"{key}: ")


@given(tables, tables)
def test_it_survives_storage_with_the_same_names(calculation, method):
    one = Fingerprint(calculation=calculation, method=method)
    two = Fingerprint.model_validate(json.loads(json.dumps(one.model_dump(mode="json"))))
    assert two == one
    assert (two.id, two.calculation_id) == (one.id, one.calculation_id)


def test_names_are_short_hex_and_fixed():
    # They stand in stores: a change of the rule would orphan every result. The hash is that of the shell:
    # printf '%s' '{"engine":"x"}' | sha256sum
    fingerprint = Fingerprint(calculation={"engine": "x"})
    assert fingerprint.calculation_id == "55f9012c4559"
    assert re.fullmatch("[0-9a-f]{12}", fingerprint.id)


def test_the_method_is_part_of_the_whole_only():
    loose = Fingerprint(calculation=VASP, method={"force": 0.01})
    tight = Fingerprint(calculation=VASP, method={"force": 0.001})
    assert loose.calculation_id == tight.calculation_id
    assert loose.id != tight.id
    # A setting that moves from one part to the other is another fingerprint.
    moved = Fingerprint(calculation=VASP | {"force": 0.01})
    assert len({loose.id, moved.id}) == 2


def test_numbers_texts_and_truths_are_kept_apart():
    ids = {Fingerprint(calculation={"a": v}).id for v in (1, 1.5, "1", True, "true", None, "null")}
    assert len(ids) == 7


def test_differences_name_the_setting_the_values_and_who_has_them():
    other = VASP | {"functional": "PBE", "encut_ev": 520.0}
    lines = differences(
        {
            "na2s": Fingerprint(calculation=VASP),
            "na": Fingerprint(calculation=VASP),
            "s": Fingerprint(calculation=other),
        }
    )
    assert lines == ["encut_ev: 680.0 in na, na2s; 520.0 in s", 'functional: "r2SCAN" in na, na2s; "PBE" in s']


def test_differences_show_what_is_absent_and_what_is_in_the_method():
    lines = differences(
        {
            "a": Fingerprint(calculation={"u": 2.0}, method={"mesh": 80.0}),
            "b": Fingerprint(calculation={}, method={"mesh": 40.0}),
        }
    )
    assert lines == ["u: 2.0 in a; absent in b", "mesh: 80.0 in a; 40.0 in b"]


def test_differences_do_not_list_a_hundred_phases():
    many = {f"p{i:02d}": Fingerprint(calculation={"u": 1.0}) for i in range(20)}
    (line,) = differences(many | {"odd": Fingerprint(calculation={"u": 2.0})})
    assert line == "u: 1.0 in p00, p01, p02, p03 and 16 more; 2.0 in odd"


def test_description_leaves_out_what_is_empty_and_shortens_hashes():
    fingerprint = Fingerprint(calculation=VASP | {"model_sha256": "0123456789abcdef" * 4})
    assert fingerprint.describe() == "engine vasp, functional r2SCAN, encut_ev 680.0, model_sha256 0123456789ab"
    assert (fingerprint.engine, fingerprint.functional) == ("vasp", "r2SCAN")
    assert Fingerprint(calculation={}).engine == "unknown"


def test_a_changed_copy_has_a_name_of_its_own():
    one = Fingerprint(calculation=VASP)
    before = one.id, one.calculation_id
    other = one.model_copy(update={"calculation": VASP | {"encut_ev": 520.0}})
    assert other.id == Fingerprint(calculation=VASP | {"encut_ev": 520.0}).id
    assert (other.id, other.calculation_id) != before


def test_only_plain_settings_are_taken():
    with pytest.raises(ValueError, match="calculation"):
        Fingerprint(calculation={"kpoints": [1, 2, 3]})
    with pytest.raises(ValueError, match="Extra inputs"):
        Fingerprint.model_validate({"calculation": {}, "id": "x"})


NA, S, P = (f"PAW_PBE {symbol} sha256:{digit * 64}" for symbol, digit in (("Na_pv", "a"), ("S", "b"), ("P", "c")))
OTHER_NA = f"PAW_PBE Na_pv sha256:{'d' * 64}"

plain_tables = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 1), max_size=3)
potentials = st.dictionaries(
    st.sampled_from(["potential_Na", "potential_S", "potential_P"]), st.sampled_from(["x", "y"]), max_size=3
)
fingerprints = st.builds(
    lambda own, named, method: Fingerprint(calculation=own | named, method=method),
    plain_tables,
    potentials,
    plain_tables,
)


def on_scale(**named):
    return Fingerprint(calculation=VASP | {f"potential_{element}": value for element, value in named.items()})


def test_phases_of_unlike_elements_share_an_energy_scale_and_not_a_name():
    sodium, sulfide, other = on_scale(Na=NA), on_scale(Na=NA, S=S), on_scale(Na=OTHER_NA)
    assert {sodium.calculation_id, sulfide.calculation_id, other.calculation_id} == {
        Fingerprint(calculation=VASP).calculation_id
    }
    assert len({sodium.id, sulfide.id, other.id}) == 3
    assert sulfide.potentials == {"Na": NA, "S": S}
    assert Fingerprint(calculation=VASP).potentials == {}


def test_a_potential_is_compared_among_those_that_have_the_element():
    assert differences({"na": on_scale(Na=NA), "s": on_scale(S=S), "na2s": on_scale(Na=NA, S=S)}) == []
    (line,) = differences({"na": on_scale(Na=NA), "s": on_scale(S=S), "na2s": on_scale(Na=OTHER_NA, S=S)})
    assert line == (
        'potential_Na: "PAW_PBE Na_pv sha256:aaaaaaaaaaaa" in na; "PAW_PBE Na_pv sha256:dddddddddddd" in na2s'
    )


@given(fingerprints, fingerprints)
def test_without_differences_the_scale_is_one_and_no_element_has_two_potentials(one, other):
    shared = set(one.potentials) & set(other.potentials)
    alike = (
        one.scale == other.scale
        and one.method == other.method
        and all(one.potentials[element] == other.potentials[element] for element in shared)
    )
    assert (differences({"one": one, "other": other}) == []) is alike
    assert (one.calculation_id == other.calculation_id) is (one.scale == other.scale)
    assert (one.id == other.id) is (one == other)


def test_only_an_element_makes_a_setting_go_by_element():
    for key in ("potential_", "potential_energy", "potential_na", "potential_Na_pv", "potentials", "a_potential_Na"):
        calculation = {key: 1}
        assert Fingerprint(calculation=calculation).scale == calculation
        assert differences({"one": Fingerprint(calculation=calculation), "other": Fingerprint(calculation={})})
    method = {"potential_Na": "x"}
    assert differences({"one": Fingerprint(calculation={}, method=method), "other": Fingerprint(calculation={})})


def test_smearing_is_the_choice_of_a_property():
    """A relaxation is smeared where the energy is from tetrahedra: one scale, but never within one property."""
    relaxed, static = (Fingerprint(calculation=VASP | {"smearing": s}) for s in ("Gaussian 0.05 eV", "tetrahedron"))
    assert relaxed.calculation_id == static.calculation_id
    assert relaxed.id != static.id
    assert relaxed.way == {"smearing": "Gaussian 0.05 eV"}
    assert differences({"a": relaxed, "b": static}) == ['smearing: "Gaussian 0.05 eV" in a; "tetrahedron" in b']


def test_what_was_not_recorded_is_a_difference_where_it_should_have_been():
    (line,) = differences({"a": on_scale(Na=None), "b": on_scale(Na=NA)})
    assert line == 'potential_Na: not recorded in a; "PAW_PBE Na_pv sha256:aaaaaaaaaaaa" in b'


def test_hashes_are_short_for_people():
    assert on_scale(Na=NA).describe().endswith("potential_Na PAW_PBE Na_pv sha256:aaaaaaaaaaaa")
    assert short("potential_Na", "PAW_PBE Na md5:0123456789abcdef0 +U-J 2 eV on d") == (
        "PAW_PBE Na md5:0123456789ab +U-J 2 eV on d"
    )
    assert short("functional", "sha256:0123456789abcdef0") == "sha256:0123456789abcdef0"
