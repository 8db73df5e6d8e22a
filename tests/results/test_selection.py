import pytest
from hypothesis import given
from hypothesis import strategies as st

from nawf.errors import ReportError
from nawf.results.fingerprint import Fingerprint
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
    message = refusal(documents, fingerprint="")
    scales = sorted({d.calculation_id for d in documents})
    assert f"'' is the start of {', '.join(scales)}, which cannot meet" in message
    assert 'functional: "r2SCAN" in na2s (vasp); "PBE" in na (vasp)' in message


def test_a_start_of_several_that_get_on_is_not_refused(results):
    documents = results("na2s")
    assert select_comparable(documents, fingerprint="") == documents


def test_names_of_a_calculation_and_of_a_result_of_another_are_several(results):
    """A start may fit a calculation and the fingerprint of a result that has nothing to do with it."""
    ours = results("na2s", properties=["static"])
    (theirs,) = results("na", functional="PBE", properties=["static"])
    theirs = theirs.model_copy(update={"fingerprint_id": ours[0].calculation_id[:4] + "0" * 8})
    message = refusal([*ours, theirs], fingerprint=ours[0].calculation_id[:4])
    assert theirs.fingerprint_id in message
    assert select_comparable([*ours, theirs], fingerprint=ours[0].calculation_id[:5]) == ours


def test_two_disputes_are_settled_by_two_fingerprints(results):
    """Phonons and elastic tensors in two ways each: no single name could pick one of both."""
    phonons = results("na2s"), results("na2s", phonon=SHORT, properties=["phonon"])
    relax, static, _ = phonons[0]
    coarse = static.model_copy(
        update={
            "property": "elastic",
            "result_id": "na2s/elastic/1",
            "fingerprint_id": "1" * 12,
            "fingerprint": Fingerprint(
                calculation=ALIKE, method=static.fingerprint.method | {"elastic_strains": "1"}
            ),
        }
    )
    fine = coarse.model_copy(
        update={
            "result_id": "na2s/elastic/2",
            "fingerprint_id": "2" * 12,
            "fingerprint": Fingerprint(
                calculation=ALIKE, method=static.fingerprint.method | {"elastic_strains": "2"}
            ),
        }
    )
    documents = [*phonons[0], *phonons[1], coarse, fine]
    short = phonons[1][0]
    assert 'elastic_strains: "1"' in refusal(documents, fingerprint=short.fingerprint_id)
    picked = select_comparable(documents, fingerprint=f"{short.fingerprint_id}, {'2' * 12}")
    assert picked == [relax, static, short, fine]


def test_fingerprints_that_cannot_meet_are_not_picked_together(results):
    ours, theirs = results("na2s"), results("na", functional="PBE")
    for names in (
        (ours[0].calculation_id, theirs[0].calculation_id),
        (ours[0].fingerprint_id, theirs[1].fingerprint_id),
        (ours[0].calculation_id, theirs[2].fingerprint_id),
    ):
        with pytest.raises(ReportError, match=f"{', '.join(sorted(names))} cannot meet: functional: "):
            select_comparable(ours + theirs, fingerprint=", ".join(names))


def test_a_static_energy_and_phonons_of_unlike_relaxations_are_refused(results):
    """Each property has one method only, and yet they belong to two geometries."""
    documents = results("na2s", relax=COARSE, properties=["static"]) + results("na2s", properties=["phonon"])
    message = refusal(documents)
    assert "results on geometries relaxed in unlike ways" in message
    assert "relax_force_ev_per_a: 0.01 in na2s (vasp); 0.001 in na2s (vasp, " in message
    picked = select_comparable(documents, fingerprint=documents[1].fingerprint_id)
    assert [d.property for d in picked] == ["phonon"]
    with pytest.raises(ReportError, match="cannot meet: relax_force_ev_per_a"):
        select_comparable(documents, fingerprint=",".join(d.fingerprint_id for d in documents))


def test_properties_that_a_report_does_not_use_are_not_asked_to_agree(results):
    documents = results("na2s") + results("na", phonon=SHORT)
    refusal(documents)
    kept = select_comparable(documents, properties=("relax", "static"))
    assert kept == [d for d in documents if d.property != "phonon"]


def test_a_fingerprint_of_a_property_that_is_not_used_picks_all_the_same(results):
    seed, coarse = results("na2s"), results("na2s", relax=COARSE)
    phonon = next(d for d in coarse if d.property == "phonon")
    kept = select_comparable(seed + coarse, fingerprint=phonon.fingerprint_id, properties=("static",))
    assert kept == [d for d in coarse if d.property == "static"]


# Potentials: a hull holds phases of unlike elements.

POTENTIALS = {
    element: f"PAW_PBE {symbol} sha256:{digit * 64}"
    for element, symbol, digit in (("Na", "Na_pv", "a"), ("S", "S", "b"), ("P", "P", "c"), ("Sb", "Sb", "d"))
}
OTHER = {element: value.replace("sha256:", "sha256:eeee") for element, value in POTENTIALS.items()}


@pytest.fixture
def vasp(records):
    """A static result of a phase of some elements; the potential of an element can be another or missing."""

    def build(phase, *elements, prop="static", functional="r2SCAN", **potentials):
        named = {e: POTENTIALS[e] for e in elements} | potentials
        calculation = {"engine": "vasp", "functional": functional}
        calculation |= {f"potential_{e}": value for e, value in named.items() if value}
        result = getattr(records, prop)(calculation=calculation)
        return records.document(phase, prop, result, engine="vasp", chemical_system="-".join(sorted(elements)))

    return build


def test_phases_of_unlike_elements_meet(vasp):
    documents = [vasp("na", "Na"), vasp("s", "S"), vasp("na2s", "Na", "S"), vasp("p4s3", "P", "S")]
    documents += [vasp("na2s", "Na", "S", prop="phonon")]
    assert len({d.fingerprint_id for d in documents}) == 5
    assert select_comparable(documents) == documents
    for document in documents:
        assert select_comparable(documents, fingerprint=document.fingerprint_id) == documents
        assert select_comparable(documents, fingerprint=document.calculation_id) == documents


def test_two_potentials_of_an_element_are_refused(vasp):
    documents = [vasp("na", "Na"), vasp("s", "S"), vasp("na2s", "Na", "S", Na=OTHER["Na"])]
    message = refusal(documents)
    assert "results with unlike potentials cannot meet in one diagram" in message
    assert 'potential_Na: "PAW_PBE Na_pv sha256:aaaaaaaaaaaa" in na (vasp); ' in message
    assert '"PAW_PBE Na_pv sha256:eeeeaaaaaaaa" in na2s (vasp)' in message
    assert "potential_S" not in message
    assert message == refusal(documents, fingerprint=documents[0].calculation_id)


def test_either_side_can_be_picked(vasp):
    na, s, na2s = vasp("na", "Na"), vasp("s", "S"), vasp("na2s", "Na", "S", Na=OTHER["Na"])
    documents = [na, s, na2s]
    assert select_comparable(documents, fingerprint=na.fingerprint_id) == [na, s]
    assert select_comparable(documents, fingerprint=na2s.fingerprint_id) == [s, na2s]
    assert "potential_Na" in refusal(documents, fingerprint=s.fingerprint_id)


def test_two_potentials_of_one_phase_are_two_results(vasp):
    ours, theirs = vasp("na2s", "Na", "S"), vasp("na2s", "Na", "S", S=OTHER["S"])
    assert ours.result_id != theirs.result_id
    assert " in na2s (vasp); " in refusal([ours, theirs])
    assert " in na2s (vasp, " in refusal([ours, theirs])
    for one in (ours, theirs):
        assert select_comparable([ours, theirs], fingerprint=one.fingerprint_id) == [one]


def test_unlike_properties_of_one_phase_with_unlike_potentials_are_refused(vasp):
    static, phonon = vasp("na2s", "Na", "S"), vasp("na2s", "Na", "S", prop="phonon", S=OTHER["S"])
    assert "potential_S" in refusal([static, phonon])


def test_getting_on_is_not_handed_on(vasp):
    """Na–S gets on with S–P, and with P–Na of another phosphorus; these two do not get on with each other."""
    first, second, third = vasp("a", "Na", "S"), vasp("b", "S", "P"), vasp("c", "P", "Na", P=OTHER["P"])
    documents = [first, second, third]
    assert select_comparable([first, second]) == [first, second]
    assert select_comparable([first, third]) == [first, third]
    assert "potential_P" in refusal(documents)
    assert "potential_P" in refusal(documents, fingerprint=first.fingerprint_id)
    assert select_comparable(documents, fingerprint=second.fingerprint_id) == [first, second]
    assert select_comparable(documents, fingerprint=third.fingerprint_id) == [first, third]


def test_two_elements_in_dispute_are_settled_by_two_fingerprints(vasp):
    na, other_na, p, other_p = (
        vasp("na", "Na"),
        vasp("na-2", "Na", Na=OTHER["Na"]),
        vasp("p", "P"),
        vasp("p-2", "P", P=OTHER["P"]),
    )
    documents = [na, other_na, p, other_p]
    assert "potential_P" in refusal(documents, fingerprint=na.fingerprint_id)
    picked = select_comparable(documents, fingerprint=f"{na.fingerprint_id},{other_p.fingerprint_id}")
    assert picked == [na, other_p]
    with pytest.raises(ReportError, match="cannot meet: potential_Na"):
        select_comparable(documents, fingerprint=f"{na.fingerprint_id},{other_na.fingerprint_id}")


def test_unlike_functionals_name_unlike_potentials_too(vasp):
    message = refusal([vasp("na", "Na"), vasp("na2s", "Na", "S", functional="PBE", Na=OTHER["Na"])])
    assert "results of unlike calculations" in message
    assert "functional" in message
    assert "potential_Na" in message


def test_a_potential_that_was_not_recorded_is_not_taken_for_any(vasp):
    whole, lacking = vasp("na2s", "Na", "S"), vasp("s", "S", S=None)
    message = refusal([whole, lacking])
    assert 'potential_S: "PAW_PBE S sha256:bbbbbbbbbbbb" in na2s (vasp); not recorded in s (vasp)' in message
    assert select_comparable([whole, lacking], fingerprint=whole.fingerprint_id) == [whole]
    assert select_comparable([whole, lacking], fingerprint=lacking.fingerprint_id) == [lacking]


def test_smearing_may_differ_between_properties_only(records):
    def result(phase, prop, smearing):
        record = getattr(records, prop)(calculation=ALIKE | {"smearing": smearing})
        return records.document(phase, prop, record, engine="vasp")

    relaxed, static = result("na", "relax", "Gaussian 0.05 eV"), result("na", "static", "tetrahedron")
    assert select_comparable([relaxed, static]) == [relaxed, static]
    odd = result("na2s", "static", "Gaussian 0.05 eV")
    message = refusal([relaxed, static, odd])
    assert "static results obtained in unlike ways" in message
    assert 'smearing: "tetrahedron" in na (vasp); "Gaussian 0.05 eV" in na2s (vasp)' in message
    assert select_comparable([relaxed, static, odd], fingerprint=static.fingerprint_id) == [relaxed, static]
    assert select_comparable([relaxed, static, odd], fingerprint=odd.fingerprint_id) == [relaxed, odd]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["Na", "S", "P"]), st.sampled_from(["x", "y"]), min_size=1),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_kept_has_one_potential_for_each_element(records, tables):
    """Whatever is in the store: nothing is mixed, a pick holds what it names, and some pick settles any dispute."""
    document = records.document()
    documents = []
    for number, table in enumerate(tables):
        fingerprint = Fingerprint(calculation=ALIKE | {f"potential_{e}": v for e, v in table.items()})
        documents.append(
            document.model_copy(
                update={
                    "phase": f"p{number}",
                    "result_id": f"p{number}/static/{fingerprint.id}",
                    "fingerprint": fingerprint,
                    "fingerprint_id": fingerprint.id,
                    "calculation_id": fingerprint.calculation_id,
                    "chemical_system": "-".join(sorted(table)),
                }
            )
        )
    values = {e: {t[e] for t in tables if e in t} for e in ("Na", "S", "P")}
    if all(len(found) <= 1 for found in values.values()):
        assert select_comparable(documents) == documents
    else:
        with pytest.raises(ReportError, match="unlike potentials"):
            select_comparable(documents)
    # Everything that agrees with the first one, in the order of the store, settles all disputes on its side.
    side = {}
    names = []
    for one, table in zip(documents, tables, strict=True):
        if all(side.get(e, v) == v for e, v in table.items()):
            side |= table
            names.append(one.fingerprint_id)
    kept = select_comparable(documents, fingerprint=",".join(names))
    assert kept
    assert {d.fingerprint_id for d in kept} >= set(names)
    for element in values:
        assert len({d.fingerprint.potentials[element] for d in kept if element in d.fingerprint.potentials}) <= 1
