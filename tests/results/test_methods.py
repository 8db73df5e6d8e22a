import pytest

from nawf.results.methods import PhononMethod, RelaxMethod, method_record

OTHER_RELAX = {"force_ev_per_a": 0.02, "stress_gpa": 0.02, "polish_steps": 9, "max_steps": 7, "symprec_a": 0.02}
OTHER_PHONON = {
    "min_length_a": 10.0,
    "displacement_a": 0.02,
    "mesh_length_a": 50.0,
    "imaginary_limit_thz": 0.2,
    "max_temperature_k": 900.0,
    "temperature_step_k": 5.0,
}


def test_every_setting_is_covered_here():
    assert set(OTHER_RELAX) == set(RelaxMethod.model_fields)
    assert set(OTHER_PHONON) == set(PhononMethod.model_fields)


@pytest.mark.parametrize(("name", "value"), OTHER_RELAX.items())
def test_every_relaxation_setting_but_the_number_of_steps_counts(name, value):
    changed = RelaxMethod(**{name: value})
    for prop, phonon in (("relax", None), ("static", None), ("phonon", PhononMethod())):
        same = method_record(prop, changed, phonon) == method_record(prop, RelaxMethod(), phonon)
        assert same is (name == "max_steps")


@pytest.mark.parametrize(("name", "value"), OTHER_PHONON.items())
def test_every_phonon_setting_counts(name, value):
    record = method_record("phonon", RelaxMethod(), PhononMethod(**{name: value}))
    assert record[f"phonon_{name}"] == value
    assert record != method_record("phonon", RelaxMethod(), PhononMethod())


def test_properties_have_records_of_their_own():
    assert method_record("relax", RelaxMethod()) != method_record("static", RelaxMethod())
    assert not [key for key in method_record("static", RelaxMethod()) if key.startswith("phonon")]


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
    ],
)
def test_senseless_settings_are_refused(model, values):
    with pytest.raises(ValueError, match=next(iter(values))):
        model(**values)
