import json

import pytest

from nawf.errors import StoreFileError
from nawf.quality.gate import judge
from nawf.results.documents import ResultDocument, energetics, result_id
from nawf.results.fingerprint import Fingerprint
from nawf.results.methods import RelaxMethod
from nawf.results.verdict import Level, Reason, Verdict

CARD = {"name": "antifluorite", "formula": "Na2S", "origin": "dft", "card_hash": "d" * 64}


@pytest.fixture
def phase(records):
    """Documents of one phase; a record given by name of its property replaces the default one."""

    def build(name="na2s", card=None, without=(), **given):
        properties = [p for p in ("relax", "static", "phonon") if p not in without]
        return [records.document(name, p, given.get(p), card=CARD | (card or {})) for p in properties]

    return build


def verdict(level, rule, message):
    return Verdict(reasons=(Reason(rule=rule, level=level, message=message),))


def test_an_identifier_says_phase_property_and_settings():
    fingerprint = Fingerprint(calculation={"engine": "x"})
    assert result_id("na2s", "static", fingerprint) == f"na2s/static/{fingerprint.id}"


@pytest.mark.parametrize("prop", ["relax", "static", "phonon"])
def test_documents_come_back_from_json_as_they_were(records, prop):
    document = records.document("na2s", prop)
    stored = json.loads(json.dumps(document.model_dump(mode="json")))
    back = ResultDocument.model_validate(stored)
    assert back == document
    assert back.record() == getattr(records, prop)()
    assert back.fingerprint.id == back.fingerprint_id
    assert stored["schema_version"] == 2


@pytest.mark.parametrize("where", [(), ("card",), ("provenance",), ("provenance", "job"), ("verdict",)])
def test_unknown_keys_are_refused_at_every_level(records, where):
    stored = records.document().model_dump(mode="json")
    inner = stored
    for key in where:
        inner = inner[key]
    inner["colour"] = "red"
    with pytest.raises(ValueError, match=r"colour\n +Extra inputs"):
        ResultDocument.model_validate(stored)


def test_a_result_of_another_shape_is_found_when_it_is_read(records):
    document = records.document("na2s", "static")
    broken = document.model_copy(update={"result": document.result | {"energy": 1.0}})
    with pytest.raises(StoreFileError, match="energy: unknown key"):
        broken.record()


def test_relaxation_static_energy_and_phonons_are_joined(records, phase):
    (joined,) = energetics(phase(static=records.static(energy_ev_per_atom=-3.25)))
    assert (joined.phase, joined.formula, joined.origin) == ("na2s", "Na2S", "dft")
    assert joined.static_energy_ev_per_atom == -3.25  # not that of the relaxation
    assert (joined.rejected, joined.vibrations_rejected, joined.warnings) == (None, None, ())
    phonon = records.phonon()
    assert joined.vibrations is not None
    for name in ("temperatures_k", "free_energy_ev_per_atom", "entropy_ev_per_k_per_atom"):
        assert getattr(joined.vibrations, name) == getattr(phonon, name)
    assert joined.vibrations.heat_capacity_ev_per_k_per_atom == phonon.heat_capacity_ev_per_k_per_atom
    assert not joined.vibrations.is_soft


def test_phases_come_in_order_and_the_order_of_documents_does_not_matter(phase):
    documents = phase("na2s") + phase("b", without=["phonon"]) + phase("a", without=["relax", "phonon"])
    joined = energetics(documents)
    assert [(e.phase, e.vibrations is None) for e in joined] == [("a", True), ("b", True), ("na2s", False)]
    assert energetics(reversed(documents)) == joined


def test_without_a_static_energy_there_is_nothing_to_say(phase):
    assert energetics(phase(without=["static"])) == []
    assert energetics([]) == []


def test_a_failed_relaxation_rejects_the_phase(records, phase):
    (joined,) = energetics(phase(relax=records.relax(converged=False, n_steps=7)))
    assert joined.rejected is not None
    assert joined.rejected.startswith("relax: relaxation stopped after 7 steps")
    assert joined.vibrations_rejected is None


def test_a_failed_static_calculation_rejects_the_phase(records):
    failed = verdict(Level.FAIL, "scf", "the cycle did not converge")
    document = records.document("na2s", "static", verdict=failed)
    assert energetics([document])[0].rejected == "static: the cycle did not converge"


def test_results_of_two_versions_of_a_structure_do_not_meet(records, phase):
    relax, static, phonon = phase()
    _, new_static, new_phonon = phase(card={"card_hash": "e" * 64})
    assert "static energy belongs to another version" in energetics([relax, new_static])[0].rejected
    joined = energetics([relax, static, new_phonon])[0]
    assert joined.rejected is None
    assert "phonons belongs to another version" in joined.vibrations_rejected
    assert energetics([new_static, new_phonon])[0].vibrations_rejected is None
    assert energetics([static, phonon])[0].rejected is None


def test_soft_modes_pass_through_for_thermo_to_judge(records, phase):
    soft = records.phonon(
        imaginary_fraction=0.02, lowest_frequency_thz=-0.8, soft_mode_shift_ev_per_atom=(0, 1e-3, 2e-3)
    )
    assert judge(soft).failed
    (joined,) = energetics(phase(phonon=soft))
    assert joined.vibrations_rejected is None
    assert joined.vibrations.is_soft
    assert (joined.vibrations.imaginary_fraction, joined.vibrations.lowest_frequency_thz) == (0.02, -0.8)
    assert joined.vibrations.soft_mode_shift_ev_per_atom == (0, 1e-3, 2e-3)


def test_any_other_failure_of_phonons_rejects_the_free_energy_only(records, phase):
    relax, static, phonon = phase(phonon=records.phonon(imaginary_fraction=0.02, lowest_frequency_thz=-0.8))
    reasons = (*phonon.verdict.reasons, Reason(rule="forces", level=Level.FAIL, message="a force is missing"))
    failed = phonon.model_copy(update={"verdict": Verdict(reasons=reasons)})
    (joined,) = energetics([relax, static, failed])
    assert joined.rejected is None
    assert joined.vibrations_rejected == "phonon: a force is missing"


def test_warnings_are_kept_once_each_and_those_of_phonons_apart(records, phase):
    documents = phase(
        relax=records.relax(volume_change=0.2),
        static=records.static(max_force_ev_per_a=0.05),
        phonon=records.phonon(),
    )
    shaky = verdict(Level.WARN, "net-force", "net force")
    coarse = Verdict(reasons=(*shaky.reasons, Reason(rule="sum-rule", level=Level.WARN, message="sum rule")))
    documents[2] = documents[2].model_copy(update={"verdict": coarse})
    documents[0] = documents[0].model_copy(
        update={"verdict": Verdict(reasons=(*documents[0].verdict.reasons, *shaky.reasons))}
    )
    (joined,) = energetics(documents)
    assert joined.rejected is None
    assert len(joined.warnings) == 3
    assert "volume changed by +20.0%" in joined.warnings[0]
    assert joined.warnings[1] == "net force"
    assert "0.05 eV/Å left" in joined.warnings[2]
    assert joined.vibration_warnings == ("sum rule",)


def test_settings_of_the_relaxation_show_in_every_fingerprint(records):
    tight = records.static(method=RelaxMethod(force_ev_per_a=1e-4))
    ids = {records.document("na2s", "static", r).fingerprint_id for r in (tight, records.static())}
    assert len(ids) == 2
    assert len({records.document("na2s", p).fingerprint_id for p in ("relax", "static", "phonon")}) == 3
    assert len({records.document("na2s", p).calculation_id for p in ("relax", "static", "phonon")}) == 1
