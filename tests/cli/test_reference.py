"""``--reference``: reports straight after the installation."""

import json


def test_voltages_of_sulfur_come_without_a_store(nawf, tmp_path):
    done = nawf("report", "voltage", "--host", "S", "-T", "static", "--reference", "--format", "json")
    assert done.code == 0, done.err
    (table,) = json.loads(done.out) if isinstance(json.loads(done.out), list) else [json.loads(done.out)]
    reactions = [row["reaction"] for row in table["rows"]]
    assert reactions[0].startswith("5 S")
    assert reactions[-1].endswith("2 Na2S")
    assert not any("na3p" in note for note in table["notes"])
    assert not list(tmp_path.glob("*.db"))


def test_a_campaign_chooses_its_phases_and_queries_read_them_too(nawf):
    done = nawf("report", "hull", "na-s", "--reference")
    assert done.code == 0, done.err
    assert "na2s2-alpha" in done.out
    assert "na3sb " not in done.out
    listed = nawf("query", "--reference", "--phase", "na2s", "--format", "json")
    assert listed.code == 0
    assert "na2s/elastic/" in listed.out
    assert "chgnet-r2scan" in nawf("query", "fingerprints", "--reference").out


def test_a_store_and_the_reference_results_exclude_each_other(nawf):
    done = nawf("report", "hull", "--reference", "--store", "my.db")
    assert done.code == 2
    assert "--reference reads no store" in done.err


def test_what_is_not_there_is_said(nawf):
    done = nawf("report", "hull", "--reference", "--engine", "vasp")
    assert done.code == 2
    assert "reference" in done.err
