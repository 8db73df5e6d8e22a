import pytest

from nawf.errors import ReportError
from nawf.results.groups import fingerprint_groups
from nawf.results.methods import PhononMethod, RelaxMethod
from nawf.results.selection import select_comparable

NA, OTHER_NA, S, P, OTHER_P = "Na_pv md5:1", "Na_pv md5:2", "S md5:3", "P md5:4", "P md5:5"


@pytest.fixture
def result(records):
    """A result of a phase with these potentials."""

    def build(phase, prop="static", functional="r2SCAN", smearing="tetrahedron", changes=None, **potentials):
        calculation = {"engine": "vasp", "functional": functional, "smearing": smearing}
        calculation |= {f"potential_{e}": value for e, value in potentials.items()}
        record = getattr(records, prop)(calculation=calculation, **(changes or {}))
        elements = "-".join(sorted(potentials)) or "Na"
        return records.document(phase, prop, record, engine="vasp", chemical_system=elements)

    return build


def phases(groups):
    return [sorted(g.phases) for g in groups]


def test_phases_of_unlike_elements_are_one_group(result):
    documents = [result("na", Na=NA), result("s", S=S), result("na2s", Na=NA, S=S)]
    (group,) = fingerprint_groups(documents)
    assert group.documents == tuple(documents)
    assert group.apart == {}
    assert group.fingerprint.potentials == {"Na": NA, "S": S}
    assert group.fingerprint.calculation_id == documents[0].calculation_id


def test_a_group_for_each_calculation_property_and_method(result):
    short = {"method": PhononMethod(min_length_a=8.0)}
    coarse = {"method": RelaxMethod(force_ev_per_a=0.01)}
    documents = [
        result("na", Na=NA),
        result("na2s", functional="PBE", Na=NA, S=S),
        result("na", prop="phonon", Na=NA),
        result("na2s", prop="phonon", changes=short, Na=NA, S=S),
        result("na", changes=coarse, Na=NA),
        result("s", smearing="Gaussian 0.05 eV", S=S),
    ]
    groups = fingerprint_groups(documents)
    assert len(groups) == 6
    apart = {(g.documents[0].phase, g.documents[0].property): g.apart for g in groups if len(g.phases) == 1}
    assert apart["na2s", "phonon"] == {"phonon_min_length_a": 8.0}
    assert apart["na", "phonon"] == {"phonon_min_length_a": 12.0}
    assert apart["na2s", "static"] == {}
    assert apart["s", "static"]["smearing"] == "Gaussian 0.05 eV"


def test_potentials_in_dispute_are_in_groups_of_their_own(result):
    """Sulfur may join either sodium."""
    documents = [result("na", Na=NA), result("na2s", Na=OTHER_NA, S=S), result("s", S=S), result("nap", Na=NA, P=P)]
    groups = fingerprint_groups(documents)
    found = {tuple(sorted(g.phases)): g.apart for g in groups}
    assert found == {
        ("na", "nap"): {"potential_Na": NA},
        ("na2s",): {"potential_Na": OTHER_NA},
        ("s",): {},
    }


def test_a_dispute_between_properties_shows_in_both(result):
    documents = [result("na", Na=NA), result("na", prop="phonon", Na=OTHER_NA)]
    assert [g.apart for g in fingerprint_groups(documents)] == [{"potential_Na": OTHER_NA}, {"potential_Na": NA}]


def test_every_group_can_be_picked_by_its_name(result):
    documents = [
        result("na", Na=NA),
        result("na2s", Na=OTHER_NA, S=S),
        result("p", P=P),
        result("p2", P=OTHER_P),
        result("nap", Na=NA, P=OTHER_P),
    ]
    with pytest.raises(ReportError):
        select_comparable(documents)
    groups = fingerprint_groups(documents)
    assert sorted(phases(groups)) == [["na"], ["na2s"], ["nap"], ["p"], ["p2"]]
    for group in groups:
        # Two elements are in dispute: the group and another one that settles what it leaves open.
        wanted = {d.result_id for d in group.documents}
        settled = []
        for other in groups:
            try:
                kept = select_comparable(documents, fingerprint=f"{group.fingerprint_id},{other.fingerprint_id}")
            except ReportError:
                continue
            settled.append({d.result_id for d in kept})
        assert settled
        assert all(wanted <= kept for kept in settled)


def test_nothing_makes_no_groups():
    assert fingerprint_groups([]) == []
