import pytest

from nawf.campaigns.plan import campaign_phases, properties_of, with_prerequisites
from nawf.campaigns.schema import Campaign, load_campaign, shipped_campaigns
from nawf.cli.context import set_up
from nawf.engines.registry import engine_spec
from nawf.errors import CampaignError, NawfError
from nawf.results.methods import ElasticMethod, Methods, PhononMethod, RelaxMethod
from nawf.settings import Settings

GOOD = """\
name: test
title: A test
phases:
  ids: [na-bcc, na2s]
properties: [static]
"""


@pytest.fixture
def campaign_file(tmp_path):
    """Writes a good campaign with texts replaced and lines added, and returns the path."""

    def write(changes=None, more=""):
        text = GOOD + more
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "test.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_defaults(campaign_file):
    campaign = load_campaign(campaign_file())
    assert campaign.engine == "chgnet-r2scan"
    assert (campaign.protocol, campaign.temperatures_k, campaign.soft_phases) == (None, (0, 300, 400), "leave-out")
    base = Methods(phonon=PhononMethod(min_length_a=9.0))
    assert campaign.methods(base) == base


@pytest.mark.parametrize("name", shipped_campaigns())
def test_shipped_campaigns_can_be_run(library, name):
    path = shipped_campaigns()[name]
    campaign = load_campaign(name)
    assert campaign.name == name == path.stem
    assert load_campaign(path) == load_campaign(str(path)) == campaign
    phases = {p.id: p for p in campaign_phases(campaign, library)}
    assert engine_spec(campaign.engine, campaign.protocol).name == campaign.engine
    elements = frozenset().union(*(p.elements for p in phases.values()))
    # Every diagram needs its elements, every profile its ion, and everything to skip must be there.
    for element in elements - {"Cr", "O", "N"}:
        assert any(p.elements == {element} for p in phases.values()), f"no phase of {element}"
    for task in campaign.voltage:
        assert task.ion in elements
        assert set(task.skip) <= set(phases)
        assert task.host in elements | set(phases) | {p.formula for p in phases.values()}


def test_there_are_the_shipped_campaigns_that_the_readme_speaks_of():
    assert {"ji2024", "na-s", "na-s-sb-p-sn"} <= set(shipped_campaigns())


def test_ji2024_is_that_papers_set(library):
    campaign = load_campaign("ji2024")
    six = {"na-bcc", "s-alpha", "na2s", "na2s2-alpha", "na2s4", "na2s5-alpha"}
    assert {p.id for p in campaign_phases(campaign, library)} == six
    assert campaign.temperatures_k == (0.0, 300.0, 400.0)
    assert set(campaign.properties) == {"relax", "static", "phonon"}
    assert campaign.reference == "10.1039/d4ee03160a"


def test_the_largest_campaign_has_every_phase(library):
    assert len(campaign_phases(load_campaign("na-s-sb-p-sn"), library)) == len(library)
    assert {p.id for p in campaign_phases(load_campaign("na-s"), library)} == {
        p.id for p in library if p.elements <= {"Na", "S"}
    }


def test_a_file_comes_before_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_campaign("ji2024").name == "ji2024"
    (tmp_path / "ji2024").write_text(GOOD)
    assert load_campaign("ji2024").name == "test"


def refusal(attempt):
    with pytest.raises(NawfError) as caught:
        attempt()
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "\n" not in message
    assert "pydantic" not in message
    assert "input_value" not in message
    return message


@pytest.mark.parametrize(
    ("changes", "more", "words"),
    [
        ({}, "colour: red\n", "colour: unknown key"),
        ({"  ids:": "  id:"}, "", "phases.id: unknown key"),
        ({"[static]": "[optics]"}, "", "properties.0: "),
        ({"[static]": "[]"}, "", "properties: "),
        ({"[static]": "static"}, "", "properties: "),
        ({"  ids: [na-bcc, na2s]": "  exclude_ids: [na2s]"}, "", "phases: names no phases"),
        ({"  ids: [na-bcc, na2s]": "  ids: []"}, "", "phases: names no phases"),
        ({"name: test": "name: My Test"}, "", "name: "),
        ({"title: A test": "title: ''"}, "", "title: "),
        ({"title: A test\n": ""}, "", "title: is missing"),
        ({}, "temperatures_k: [0, -10]\n", "temperatures_k.1: "),
        ({}, "temperatures_k: [.nan]\n", "temperatures_k.0: "),
        ({}, "temperatures_k: [.inf]\n", "temperatures_k.0: "),
        ({}, "temperatures_k: ['300']\n", "temperatures_k.0: "),
        ({}, "temperatures_k: 300\n", "temperatures_k: "),
        ({}, "temperatures_k: [300, 300.0]\n", "temperatures_k: "),
        ({}, "soft_phases: maybe\n", "soft_phases: "),
        ({}, "references: [na-bcc]\n", "references: "),
        ({}, "voltage: [{ion: Na}]\n", "voltage.0.host: is missing"),
        ({}, "voltage: [{host: S, skip_shallower_than_mev: -1}]\n", "voltage.0.skip_shallower_than_mev: "),
        ({}, "voltage: [{host: S, skip_shallower_than_mev: .nan}]\n", "voltage.0.skip_shallower_than_mev: "),
        ({}, "phonon: {min_length: 12}\n", "phonon.min_length: unknown key"),
        ({}, "phonon: {min_length_a: 2}\n", "min_length_a: "),
        ({}, "relax: {force_ev_per_a: 5}\n", "force_ev_per_a: "),
        ({}, "relax: {max_steps: 1.5}\n", "relax.max_steps: "),
        ({}, "name: again\n", "key 'name' is given twice"),
        ({"  ids:": "  ids: [na2s]\n  ids:"}, "", "key 'ids' is given twice"),
        (
            {"title: A test": "title: !!python/object/apply:os.getcwd []"},
            "",
            "is not valid YAML: could not determine",
        ),
        ({"title: A test": "title: !!python/name:os.system"}, "", "is not valid YAML: could not determine"),
        ({"title: A test": "title: !!python/object:nawf.errors.NawfError {}"}, "", "is not valid YAML"),
        ({"  ids: [na-bcc, na2s]": "  ids: [na-bcc"}, "", "is not valid YAML"),
        ({GOOD: "- just\n- a list\n"}, "", "does not hold a YAML mapping"),
    ],
)
def test_mistakes_in_the_file_are_one_line_with_its_name(campaign_file, changes, more, words):
    path = campaign_file(changes, more)
    message = refusal(lambda: load_campaign(path))
    assert message.startswith(f"{path}: ")
    assert words in message


def test_temperatures_beyond_the_phonon_grid_are_refused_before_anything_is_run(campaign_file):
    changes = {"[static]": "[static, phonon]"}
    path = campaign_file(changes, "temperatures_k: [1500]\n")
    assert "1500" in refusal(lambda: load_campaign(path))
    fine = "temperatures_k: [1500]\nphonon: {max_temperature_k: 2000}\n"
    assert load_campaign(campaign_file(changes, fine)).temperatures_k == (1500.0,)


def test_a_missing_file_lists_the_shipped_campaigns(tmp_path):
    message = refusal(lambda: load_campaign(tmp_path / "none.yaml"))
    assert message.startswith(f"{tmp_path / 'none.yaml'}: there is no such campaign file")
    assert "ji2024" in message
    assert "there is no such campaign file" in refusal(lambda: load_campaign(tmp_path))
    assert "there is no such campaign file" in refusal(lambda: load_campaign(""))


@pytest.mark.parametrize(
    ("changes", "more", "words"),
    [
        ({"na2s]": "na2t]"}, "", "there is no phase 'na2t'"),
        ({"  ids: [na-bcc, na2s]": "  systems: [Na-Xx]"}, "", "'Xx' is not an element"),
        ({"  ids: [na-bcc, na2s]": "  systems: [Au-Pt]"}, "", "no phase in the chemical system Au-Pt"),
        ({"  ids: [na-bcc, na2s]": "  tags: [colourful]"}, "", "there is no tag 'colourful'"),
        ({"na2s]": "na2s]\n  exclude_ids: [nonsense]"}, "", "there is no phase 'nonsense'"),
        ({"na2s]": "na2s]\n  exclude_ids: [na2s, na-bcc]"}, "", "no phase is left of the selection"),
        ({}, "references: {Na: na-bbc}\n", "there is no phase 'na-bbc'"),
        ({}, "references: {Na: na-hcp}\n", "reference na-hcp is not among its phases"),
        ({}, "references: {Na: na2s}\n", "reference na2s is not a phase of Na"),
        ({}, "references: {S: na-bcc}\n", "reference na-bcc is not a phase of S"),
        ({}, "voltage: [{host: S, skip: [na2s9]}]\n", "na2s9"),
    ],
)
def test_phases_that_are_not_there_are_one_line_with_the_campaign(library, campaign_file, changes, more, words):
    def attempt():
        campaign_phases(load_campaign(campaign_file(changes, more)), library)

    message = refusal(attempt)
    assert words in message
    assert "test" in message.split(":")[0]


def test_a_wrong_phase_of_a_campaign_is_an_error_of_the_campaign(library, campaign_file):
    with pytest.raises(CampaignError, match="did you mean na2s"):
        campaign_phases(load_campaign(campaign_file({"na2s]": "na2z]"})), library)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("engine: chgnet\n", "unknown engine 'chgnet' (did you mean chgnet-r2scan?)"),
        ("protocol: fast\n", "engine chgnet-r2scan has no protocol 'fast'"),
    ],
)
def test_an_engine_that_is_not_there_is_one_line_with_the_campaign(campaign_file, more, words):
    path = campaign_file({}, more)
    message = refusal(lambda: set_up(str(path), Settings()))
    assert words in message
    assert "test" in message.split(":")[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"phases": ["na2s4"]}, "test: has no phase 'na2s4' (it has na-bcc, na2s)"),
        ({"properties": ["optics"]}, "unknown property 'optics' (choose from relax, static, phonon, elastic)"),
        ({"engine": "vsap"}, "unknown engine 'vsap'"),
        ({"protocol": "sed"}, "engine chgnet-r2scan has no protocol 'sed' (did you mean seed?)"),
    ],
)
def test_options_that_do_not_fit_are_one_line(campaign_file, options, words):
    path = campaign_file()
    assert words in refusal(lambda: set_up(str(path), Settings(), **options))


def test_changes_of_methods_are_laid_over_the_protocol(campaign_file):
    more = "phonon: {min_length_a: 9, displacement_a: 0.02}\nrelax: {max_steps: 20}\nelastic: {strains: [0.004]}\n"
    campaign = load_campaign(campaign_file({}, more))
    base = Methods(
        relax=RelaxMethod(force_ev_per_a=0.01),
        phonon=PhononMethod(min_length_a=20.0, mesh_length_a=33.0),
        elastic=ElasticMethod(force_ev_per_a=0.002),
    )
    assert campaign.methods(base) == Methods(
        relax=RelaxMethod(force_ev_per_a=0.01, max_steps=20),
        phonon=PhononMethod(min_length_a=9.0, displacement_a=0.02, mesh_length_a=33.0),
        elastic=ElasticMethod(strains=(0.004,), force_ev_per_a=0.002),
    )


def test_some_phases_get_more_properties(library, campaign_file):
    more = "also:\n- properties: [elastic]\n  phases: {systems: [Na], exclude_ids: [na-hcp]}\n"
    campaign = load_campaign(campaign_file({}, more))
    own = tuple(campaign.properties)
    assert campaign.all_properties == (*own, "elastic")
    assert properties_of(library.get("na-bcc"), campaign) == with_prerequisites({*own, "elastic"})
    for other in ("na2s", "na-hcp"):
        assert properties_of(library.get(other), campaign) == with_prerequisites(own)


@pytest.mark.parametrize("system", ["{systems: [Na-Xx]}", "{tags: [nonsense]}", "{ids: [na2s9]}", "{}"])
def test_phases_with_more_properties_must_exist(library, campaign_file, system):
    path = campaign_file({}, f"also:\n- properties: [elastic]\n  phases: {system}\n")
    assert refusal(lambda: campaign_phases(load_campaign(path), library))


def test_phases_are_united_and_excluded(library, campaign_file):
    lines = "  systems: [Na-S]\n  tags: [additive]\n  exclude_origins: [prototype]\n  exclude_ids: [na-hcp]"
    campaign = load_campaign(campaign_file({"  ids: [na-bcc, na2s]": lines}))
    found = {p.id for p in campaign_phases(campaign, library)}
    expected = {
        p.id
        for p in library
        if (p.elements <= {"Na", "S"} or "additive" in p.card.tags)
        and p.card.origin.value != "prototype"
        and p.id != "na-hcp"
    }
    assert found == expected
    assert "na2o" in found


def test_a_campaign_does_not_change():
    campaign = Campaign.model_validate_json(
        '{"name": "a", "title": "t", "phases": {"ids": ["na2s"]}, "properties": ["static"]}'
    )
    with pytest.raises(ValueError, match="frozen"):
        campaign.title = "other"
