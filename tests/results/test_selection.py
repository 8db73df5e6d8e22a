import pytest

from nawf.errors import ReportError
from nawf.results.methods import PhononMethod, RelaxMethod
from nawf.results.selection import select_comparable

ALIKE = {"engine": "vasp", "code_version": "6.5.1", "functional": "r2SCAN"}
COARSE = RelaxMethod(force_ev_per_a=0.01, stress_gpa=0.05)
SHORT = PhononMethod(min_length_a=8.0)


@pytest.fixture
def results(records):
    """Relaxation, static energy and phonons of a phase, all under one calculation and one pair of methods."""

    def build(phase, engine="vasp", relax=None, phonon=None, properties=("relax", "static", "phonon"), **calculation):
        settings = {"calculation": ALIKE | {"engine": engine} | calculation}
        relax = relax or RelaxMethod()
        made = {
            "relax": records.relax(method=relax, **settings),
            "static": records.static(method=relax, **settings),
            "phonon": records.phonon(relax_method=relax, method=phonon or PhononMethod(), **settings),
        }
        return [records.document(phase, p, made[p], engine=engine) for p in properties]

    return build


def refusal(documents, **choice):
    with pytest.raises(ReportError) as caught:
        select_comparable(documents, **choice)
    message = str(caught.value)
    assert "\n" not in message
    assert "--fingerprint" in message
    return message


def test_like_results_are_all_taken(results):
    documents = results("na2s") + results("na") + results("s", properties=["static"])
    assert select_comparable(documents) == documents
    assert select_comparable([]) == []


def test_unlike_engines_are_refused(results):
    message = refusal(results("na2s") + results("na", engine="chgnet"))
    assert 'engine: "vasp" in na2s (vasp); "chgnet" in na (chgnet)' in message
    assert "functional" not in message


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("functional", "PBE", 'functional: "r2SCAN" in na2s (vasp); "PBE" in na (vasp)'),
        ("code_version", "6.4.0", 'code_version: "6.5.1" in na2s (vasp); "6.4.0" in na (vasp)'),
        ("model_sha256", "b" * 64, f'model_sha256: absent in na2s (vasp); "{"b" * 64}" in na (vasp)'),
        ("dispersion", "D4", 'dispersion: absent in na2s (vasp); "D4" in na (vasp)'),
    ],
)
def test_any_setting_of_the_energy_scale_is_named(results, key, value, shown):
    message = refusal(results("na2s") + results("na", **{key: value}))
    assert "results of unlike calculations cannot meet in one diagram" in message
    assert shown in message


def test_one_phase_under_two_settings_is_refused_and_both_are_named(results):
    message = refusal(results("na2s") + results("na2s", functional="PBE"))
    assert 'functional: "r2SCAN" in na2s (vasp); "PBE" in na2s (vasp, ' in message


def test_unlike_methods_on_one_scale_are_refused(results):
    message = refusal(results("na2s") + results("na", phonon=SHORT))
    assert "phonon results obtained in unlike ways" in message
    assert "phonon_min_length_a: 12.0 in na2s (vasp); 8.0 in na (vasp)" in message
    message = refusal(results("na2s") + results("na", relax=COARSE))
    assert "relax_force_ev_per_a: 0.001 in na2s (vasp); 0.01 in na (vasp)" in message


def test_an_engine_is_picked(results):
    ours, theirs = results("na2s"), results("na2s", engine="chgnet")
    assert select_comparable(ours + theirs, engine="vasp") == ours
    assert select_comparable(ours + theirs, engine="gpaw") == []


def test_a_calculation_is_picked_by_the_start_of_its_name(results):
    ours, theirs = results("na2s") + results("na"), results("na2s", functional="PBE")
    for length in (12, 6):
        assert select_comparable(ours + theirs, fingerprint=ours[0].calculation_id[:length]) == ours
        assert select_comparable(ours + theirs, fingerprint=theirs[0].calculation_id[:length]) == theirs


def test_a_fingerprint_brings_along_what_shares_its_scale(results):
    ours, theirs = results("na2s"), results("na2s", functional="PBE")
    static = next(d for d in ours if d.property == "static")
    picked = select_comparable(ours + theirs, fingerprint=static.fingerprint_id)
    assert sorted(d.property for d in picked) == ["phonon", "relax", "static"]
    assert {d.calculation_id for d in picked} == {ours[0].calculation_id}


def test_phonons_are_picked_among_unlike_ones(results):
    long, short = results("na2s"), results("na2s", phonon=SHORT, properties=["phonon"])
    picked = select_comparable(long + short, fingerprint=short[0].fingerprint_id)
    assert [d for d in picked if d.property == "phonon"] == short
    assert sorted(d.property for d in picked) == ["phonon", "relax", "static"]


def test_one_of_two_protocols_of_an_engine_can_be_picked(results):
    """A store where both protocols of an engine have run must not be a dead end."""
    seed, coarse = results("na2s"), results("na2s", relax=COARSE, phonon=SHORT)
    for wanted in (seed, coarse):
        for document in wanted:
            if document.property == "relax":
                continue
            picked = select_comparable(seed + coarse, fingerprint=document.fingerprint_id)
            assert sorted(d.result_id for d in picked) == sorted(d.result_id for d in wanted)


def test_an_unknown_fingerprint_is_named(results):
    with pytest.raises(ReportError, match=r"no result has a fingerprint that starts with 'xyz' \(nawf query"):
        select_comparable(results("na2s"), fingerprint="xyz")


def test_a_start_that_fits_several_is_refused(results):
    documents = results("na2s") + results("na", functional="PBE")
    assert "functional" in refusal(documents, fingerprint="")
