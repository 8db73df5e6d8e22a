import pytest

from nawf.results.fingerprint import Fingerprint
from nawf.results.methods import ElasticMethod, Methods, PhononMethod, RelaxMethod

OTHER_RELAX = {
    "force_ev_per_a": 0.02,
    "stress_gpa": 0.02,
    "polish_steps": 9,
    "max_steps": 7,
    "symprec_a": 0.02,
    "criterion": "not known",
}
OTHER_PHONON = {
    "min_length_a": 10.0,
    "displacement_a": 0.02,
    "mesh_length_a": 50.0,
    "imaginary_limit_thz": 0.2,
    "max_temperature_k": 900.0,
    "temperature_step_k": 5.0,
    "origin": "someone else",
    "born": True,
}
OTHER_ELASTIC = {
    "strains": (0.004, 0.01),
    "symmetry_reduced": False,
    "force_ev_per_a": 0.002,
    "polish_steps": 7,
    "max_steps": 9,
}


def test_every_setting_is_covered_here():
    assert set(OTHER_RELAX) == set(RelaxMethod.model_fields)
    assert set(OTHER_PHONON) == set(PhononMethod.model_fields)
    assert set(OTHER_ELASTIC) == set(ElasticMethod.model_fields)


@pytest.mark.parametrize("prop", ["relax", "static", "phonon", "elastic"])
@pytest.mark.parametrize(("name", "value"), OTHER_RELAX.items())
def test_every_relaxation_setting_but_the_number_of_steps_counts_for_every_property(prop, name, value):
    changed = Methods(relax=RelaxMethod(**{name: value}))
    assert (changed.record(prop) == Methods().record(prop)) is (name == "max_steps")


@pytest.mark.parametrize(("name", "value"), OTHER_PHONON.items())
def test_every_phonon_setting_counts_for_phonons(name, value):
    changed = Methods(phonon=PhononMethod(**{name: value}))
    assert changed.record("phonon")[f"phonon_{name}"] == value
    assert changed.record("phonon") != Methods().record("phonon")
    for prop in ("relax", "static", "elastic"):
        assert changed.record(prop) == Methods().record(prop)


@pytest.mark.parametrize(("name", "value"), OTHER_ELASTIC.items())
def test_every_elastic_setting_but_the_number_of_steps_counts_for_elastic_tensors(name, value):
    changed = Methods(elastic=ElasticMethod(**{name: value}))
    assert (changed.record("elastic") == Methods().record("elastic")) is (name == "max_steps")
    for prop in ("relax", "static", "phonon"):
        assert changed.record(prop) == Methods().record(prop)


@pytest.mark.parametrize(
    ("prop", "name"),
    [
        ("relax", "8b9181c7d19e"),
        ("static", "f7860ae3d194"),
        ("phonon", "896573a9484f"),
        ("elastic", "11c396de4dfe"),
    ],
)
def test_names_of_fingerprints_stay_what_they_are(prop, name):
    """Results in stores go by them: a setting that is new is no part of the record of those who do not use it."""
    assert Fingerprint(calculation={"engine": "springs"}, method=Methods().record(prop)).id == name


def test_strains_stand_in_order_as_text():
    record = Methods(elastic=ElasticMethod(strains=(0.01, 0.005))).record("elastic")
    assert record["elastic_strains"] == "0.005, 0.01"


def test_properties_have_records_of_their_own():
    assert Methods().record("relax") != Methods().record("static")
    assert not [key for key in Methods().record("static") if key.startswith(("phonon", "elastic"))]


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (RelaxMethod, {"force_ev_per_a": 0}),
        (RelaxMethod, {"force_ev_per_a": 0.2}),
        (RelaxMethod, {"stress_gpa": float("nan")}),
        (RelaxMethod, {"max_steps": 0}),
        (RelaxMethod, {"fmax": 0.01}),
        (PhononMethod, {"min_length_a": 3.0}),
        (PhononMethod, {"displacement_a": -0.01}),
        (PhononMethod, {"mesh_length_a": float("inf")}),
        (PhononMethod, {"temperature_step_k": 0}),
        (ElasticMethod, {"strains": ()}),
        (ElasticMethod, {"strains": (0.01, 0.01)}),
        (ElasticMethod, {"strains": (0.1,)}),
        (ElasticMethod, {"strains": (5e-5,)}),
        (ElasticMethod, {"strains": (-0.01,)}),
        (ElasticMethod, {"strains": (float("nan"),)}),
        (ElasticMethod, {"force_ev_per_a": 0}),
    ],
)
def test_senseless_settings_are_refused(model, values):
    with pytest.raises(ValueError, match=next(iter(values))):
        model(**values)
