"""Runs of others in the store: what enters, what is refused and why, and that a second time changes nothing."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from nawf.errors import CalculationError, EngineError, InputError
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.running.ingest import ingest
from nawf.running.ingest_files import RunFiles
from nawf.running.ingest_vasp import read_run
from nawf.store.builder import build
from nawf.store.query import load_results
from nawf.store.stores import open_stores
from nawf.units import GPA_PER_EV_PER_A3

LIBRARY = load_library()
HANDLER = {"@module": "custodian.vasp.handlers", "@class": "VaspErrorHandler"}
CUSTODIAN = json.dumps([{"job": {}, "corrections": [{"errors": ["edddav"], "handler": HANDLER, "actions": []}]}])


@pytest.fixture
def stores(tmp_path):
    with open_stores(str(tmp_path / "store.db")) as opened:
        yield opened


def bring(stores, *folders, **options):
    return ingest(folders, stores, LIBRARY, **options)


def everything(stores):
    return [sorted(map(repr, store.query())) for store in (stores.jobs.docs_store, stores.results)]


def run_in(folder, stage=""):
    return read_run(RunFiles(folder, stage, folder / "vasprun.xml"))


def content_of_all(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_relaxation_and_static_run_enter_with_verdict_and_provenance(finished, stores, vasp_runs):
    before = content_of_all(finished)
    summary = bring(stores, finished)
    assert [(i.phase.id, i.property) for i in summary.entered] == [("na-bcc", "relax"), ("na-bcc", "static")]
    assert (summary.refused, summary.unchanged, summary.not_built) == ([], 0, [])
    documents = {d.property: d for d in load_results(stores.results)}
    relax, static = documents["relax"], documents["static"]
    assert relax.provenance.run_directory == str(finished / "relax")
    assert (relax.provenance.campaign, relax.provenance.engine) == ("ingested", "vasp-rehearsal")
    assert relax.verdict.level == "pass"
    assert relax.calculation_id == static.calculation_id
    assert relax.record().crystal.volume_a3 == pytest.approx(4.2**3 / 2, rel=1e-4)
    assert relax.record().initial.volume_a3 == pytest.approx(4.28**3 / 2, rel=1e-6)
    # The static run stands on the relaxation that it started from.
    assert static.record().method == relax.record().method
    energy_ev, _, _ = vasp_runs.springs(static.record().crystal)
    assert static.record().energy_ev_per_atom == pytest.approx(energy_ev, abs=1e-6)
    assert relax.provenance.jobs == (relax.provenance.job,)
    assert content_of_all(finished) == before


def test_settings_are_those_that_nawf_reads_of_its_own_runs(finished):
    """Against emmet's task document, which nawf's own jobs read."""
    from emmet.core.tasks import TaskDoc

    from nawf.engines.vasp_outputs import electrons_converged, settings_of

    for name in ("relax", "static"):
        task = TaskDoc.from_directory(finished / name, parse_dos=False, parse_bandstructure=False)
        run = run_in(finished / name)
        assert run.calculation == settings_of(task)
        assert run.run.electronic_converged == electrons_converged(task.calcs_reversed[0])
        assert run.energy_ev_per_atom == pytest.approx(task.output.energy / len(run.final), abs=1e-12)
        assert "(no hash)" not in run.calculation["potential_Na"]


def test_a_second_time_changes_nothing(finished, stores):
    bring(stores, finished)
    before = everything(stores)
    again = bring(stores, finished)
    assert (again.entered, again.unchanged) == ([], 2)
    assert everything(stores) == before


def test_results_can_be_built_anew_from_the_raw_store(finished, stores):
    bring(stores, finished)
    before = load_results(stores.results)
    stores.results.remove_docs({})
    build(stores)
    assert load_results(stores.results) == before


def test_a_copy_elsewhere_packed_is_the_same_result(finished, stores, tmp_path):
    bring(stores, finished)
    before = everything(stores)
    for path in finished.rglob("*"):
        if path.is_file():
            target = tmp_path / "copy" / path.relative_to(finished)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_name(f"{target.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert bring(stores, tmp_path / "copy").unchanged == 2
    both = bring(stores, tmp_path / "copy", finished)
    assert (both.entered, both.unchanged, both.copies) == ([], 2, 2)
    assert everything(stores) == before


def test_a_dry_run_writes_nothing(finished, stores):
    assert len(bring(stores, finished, dry_run=True).entered) == 2
    assert len(ingest([finished], None, LIBRARY, dry_run=True).entered) == 2
    assert everything(stores) == [[], []]


def test_fingerprints_differ_from_those_of_nawf_s_own_runs(finished, stores):
    """The same settings of VASP, but a relaxation of which less is known."""
    from nawf.results.fingerprint import Fingerprint
    from nawf.results.methods import Methods, RelaxMethod

    bring(stores, finished)
    for document in load_results(stores.results):
        method = document.record().method
        values = method.model_dump(exclude={"criterion"})
        own = Methods(relax=RelaxMethod(**values)).record(document.property)
        assert Fingerprint(calculation=document.fingerprint.calculation, method=own).id != document.fingerprint_id


@pytest.mark.parametrize("suffixes", [(".relax1", ".relax2"), ("", "")], ids=["suffixes", "folders"])
def test_a_double_relaxation_is_one_result(vasp_runs, stores, tmp_path, suffixes):
    first = vasp_runs.make(tmp_path / "a", vasp_runs.crystal(4.35), vasp_runs.RELAX | {"EDIFFG": -0.02})
    second = vasp_runs.make(tmp_path / "b", vasp_runs.ended(first), vasp_runs.RELAX)
    top = tmp_path / "top"
    places = (top, top) if suffixes[0] else (top / "relax1", top / "relax2")
    vasp_runs.redated(first, places[0], "10:00:00", suffixes[0])
    vasp_runs.redated(second, places[1], "11:00:00", suffixes[1])
    (places[1] / "custodian.json").write_text(CUSTODIAN)
    summary = bring(stores, top)
    assert (len(summary.entered), summary.continued, summary.refused) == (1, 1, [])
    [document] = load_results(stores.results)
    result = document.record()
    runs = [run_in(first), run_in(second)]
    assert result.n_steps == sum(run.n_steps for run in runs)
    assert result.initial.volume_a3 == pytest.approx(4.35**3 / 2, rel=1e-6)
    assert result.method.force_ev_per_a == 0.001
    assert [c.handler for c in result.run.corrections] == ["VaspErrorHandler"]
    # Seen alone, the second is the same run with less known of it: the store keeps what it has.
    before = everything(stores)
    shutil.rmtree(places[0]) if not suffixes[0] else (top / "vasprun.xml.relax1").unlink()
    again = bring(stores, top)
    assert (again.entered, again.unchanged) == ([], 1)
    assert everything(stores) == before


def test_the_start_that_is_found_later_is_put_in(vasp_runs, stores, tmp_path):
    first = vasp_runs.make(tmp_path / "a", vasp_runs.crystal(4.35), vasp_runs.RELAX | {"EDIFFG": -0.02})
    second = vasp_runs.make(tmp_path / "b", vasp_runs.ended(first), vasp_runs.RELAX)
    vasp_runs.redated(first, first, "10:00:00")
    vasp_runs.redated(second, second, "11:00:00")
    bring(stores, second)
    summary = bring(stores, first, second)
    assert len(summary.entered) == 1
    [document] = load_results(stores.results)
    assert document.record().initial.volume_a3 == pytest.approx(4.35**3 / 2, rel=1e-6)


def test_runs_that_did_not_converge_are_listed_and_replace_nothing(vasp_runs, finished, stores, tmp_path):
    bring(stores, finished)
    before = everything(stores)
    vasp_runs.make(tmp_path / "runs/steps", vasp_runs.crystal(4.6), vasp_runs.RELAX | {"NSW": 2})
    vasp_runs.make(tmp_path / "runs/electrons", vasp_runs.crystal(), vasp_runs.STATIC | {"NELM": 3, "EDIFF": "1e-9"})
    summary = bring(stores, tmp_path / "runs")
    reasons = {Path(r.where).parent.name: r.reason for r in summary.refused}
    assert reasons == {
        "steps": "it did not converge: it ended after 2 ionic steps without reaching its EDIFFG",
        "electrons": "its electrons did not converge (NELM = 3)",
    }
    assert everything(stores) == before


def test_without_outcar_steps_and_forces_tell_whether_it_converged(vasp_runs, finished, tmp_path):
    used_up = vasp_runs.make(tmp_path / "a", vasp_runs.crystal(4.6), vasp_runs.RELAX | {"NSW": 2})
    done = shutil.copytree(finished / "relax", tmp_path / "b")
    stopped = shutil.copytree(done, tmp_path / "c")
    for folder in (used_up, done, stopped):
        (folder / "OUTCAR").unlink()
    xml = (stopped / "vasprun.xml").read_text()
    place = xml.index("<v>", xml.rindex('name="forces"'))
    (stopped / "vasprun.xml").write_text(xml[:place] + "<v> 0.0011 0 0 </v>" + xml[xml.index("</v>", place) + 4 :])
    assert run_in(done).unfinished == ""
    assert "did not converge" in run_in(used_up).unfinished
    assert "did not converge" in run_in(stopped).unfinished


def refusals(stores, folder):
    summary = bring(stores, folder)
    assert summary.entered == []
    [refused] = summary.refused
    return refused.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ISIF": 2}, "did not relax cell and ions alike (ISIF = 2)"),
        ({"EDIFFG": -0.3}, "was relaxed to 0.3 eV/Å only (EDIFFG)"),
    ],
)
def test_other_kinds_of_runs_are_refused(vasp_runs, stores, tmp_path, changes, reason):
    vasp_runs.make(tmp_path / "run", vasp_runs.crystal(), vasp_runs.RELAX | changes)
    assert refusals(stores, tmp_path / "run") == reason


def test_an_energy_criterion_is_another_fingerprint(vasp_runs, stores, tmp_path, finished):
    vasp_runs.make(tmp_path / "run", vasp_runs.crystal(), vasp_runs.RELAX | {"EDIFFG": "1e-6"})
    bring(stores, tmp_path / "run", finished)
    criteria = {d.record().method.criterion for d in load_results(stores.results, properties=["relax"])}
    assert criteria == {"VASP's EDIFFG -0.001 (forces, eV/Å)", "VASP's EDIFFG 1e-06 (energy, eV)"}


@pytest.mark.parametrize(
    ("length_a", "shear", "reason"),
    [(4.2, 0.01, "instead of Im-3m: displaced, strained or not relaxed"), (4.0, 0.0, "that is not relaxed: force")],
    ids=["strained", "compressed"],
)
def test_a_static_run_of_another_geometry_is_no_static_energy(vasp_runs, stores, tmp_path, length_a, shear, reason):
    cell = vasp_runs.crystal(length_a)
    bent = Crystal.from_arrays(
        cell.matrix_a @ (np.eye(3) + [[0, shear, 0], [shear, 0, 0], [0, 0, 0]]), ["Na"], [[0] * 3]
    )
    vasp_runs.make(tmp_path / "run", bent, vasp_runs.STATIC)
    assert reason in refusals(stores, tmp_path / "run")


def test_a_structure_that_the_library_does_not_have_is_refused_unless_it_is_said(vasp_runs, stores, tmp_path):
    cell = Crystal.from_arrays(np.diag([3.0, 3.0, 7.4]), ["Na", "Na"], [[0, 0, 0], [0.5, 0.5, 0.3]])
    vasp_runs.make(tmp_path / "run", cell, vasp_runs.RELAX | {"EDIFFG": "1", "ISYM": 0})
    reason = refusals(stores, tmp_path / "run")
    assert "its structure is none of those of Na in the library" in reason
    assert "--phase ID" in reason
    summary = bring(stores, tmp_path / "run", phase=LIBRARY.get("na-hcp"))
    assert [i.phase.id for i in summary.entered] == ["na-hcp"]
    other = bring(stores, tmp_path / "run", phase=LIBRARY.get("na2s"))
    assert [r.reason for r in other.refused] == ["is Na, and na2s is Na2S"]


def test_a_file_cut_off_anywhere_never_enters(finished, stores, tmp_path):
    """200 cuts: the end of a file system, a killed job, a copy that broke off."""
    whole = (finished / "relax" / "vasprun.xml").read_bytes()
    end = whole.rindex(b"</modeling>") + len(b"</modeling>")
    generator = random.Random(20261121)
    folder = tmp_path / "cut"
    for number in range(200):
        part = folder / f"{number:03d}"
        part.mkdir(parents=True)
        cut = whole[: generator.randrange(end)]
        packed = gzip.compress(whole)
        if number % 4 == 0:
            (part / "vasprun.xml.gz").write_bytes(packed[: generator.randrange(len(packed))])
        else:
            (part / "vasprun.xml").write_bytes(cut)
    summary = bring(stores, folder)
    assert summary.entered == []
    assert len(summary.refused) == 200
    assert everything(stores) == [[], []]


def test_a_file_with_a_hole_or_wrong_bytes_is_read_as_it_was_or_refused(finished, tmp_path):
    """What is in the middle of a file may be lost while its end is there."""
    path = tmp_path / "run" / "vasprun.xml"
    path.parent.mkdir()
    whole = (finished / "relax" / "vasprun.xml").read_bytes()
    generator = random.Random(7)
    n_refused = 0
    for _ in range(60):
        first = generator.randrange(len(whole) - 100)
        size = generator.choice([1, 20, 3000])
        filling = generator.choice([b"", b"\0" * size, b"*" * size])
        path.write_bytes(whole[:first] + filling + whole[first + size : -12] + whole[-12:])
        with contextlib.suppress(CalculationError, EngineError):
            run_in(path.parent)
            n_refused -= 1
        n_refused += 1
    assert n_refused > 20


def test_numbers_that_are_none_are_refused(finished, stores, tmp_path):
    shutil.copytree(finished / "static", tmp_path / "run")
    path = tmp_path / "run" / "vasprun.xml"
    text = path.read_text()
    start = text.index("<v>", text.index('name="stress"'))
    path.write_text(text[:start] + "<v> NaN NaN NaN </v>" + text[text.index("</v>", start) + 4 :])
    assert refusals(stores, tmp_path / "run") == "some of its numbers are not finite"


@pytest.mark.parametrize(
    ("name", "atoms", "version", "further", "pressure_gpa"),
    [("vasprun_pstress", ("C", "C"), "6.3.0", "PSTRESS 1", 0.1), ("vasprun_dfpt", ("Na", "Cl"), "6.3.2", None, 0.0)],
)
def test_files_of_vasp_itself_are_read_and_refused_for_what_they_are(
    name, atoms, version, further, pressure_gpa, stores, tmp_path
):
    """Carbon and NaCl, which ASE ships: VASP's own writing is understood; the phases are none of the library."""
    import ase.io

    source = Path(ase.__file__).parent / "test/testdata/vasp" / f"{name}.xml"
    if not source.is_file():
        pytest.skip("this ASE ships no VASP files")
    (tmp_path / "run").mkdir()
    shutil.copy(source, tmp_path / "run" / "vasprun.xml")
    run = run_in(tmp_path / "run")
    # Under pressure VASP gives the enthalpy.
    atoms_of_ase = ase.io.read(source)
    energy_ev = atoms_of_ase.get_potential_energy() + pressure_gpa / GPA_PER_EV_PER_A3 * atoms_of_ase.get_volume()
    assert (run.final.species, run.run.versions, run.moves, run.unfinished) == (atoms, {"vasp": version}, False, "")
    assert run.calculation["engine"] == "vasp"
    assert run.calculation["further"] == further
    assert run.energy_ev_per_atom == pytest.approx(energy_ev / 2, abs=1e-6)
    assert refusals(stores, tmp_path / "run").startswith("the library has no phase of the composition ")


@pytest.mark.parametrize("tag", ["NELM", "EDIFFG", "ENMAX"])
def test_a_file_that_lacks_a_setting_is_refused(finished, stores, tmp_path, tag):
    shutil.copytree(finished / "relax", tmp_path / "run")
    path = tmp_path / "run/vasprun.xml"
    (tmp_path / "run/OUTCAR").unlink()
    text = path.read_text().replace(f'name="{tag}"', 'name="OTHER"').replace('name="ENCUT"', 'name="OTHER"')
    path.write_text(text)
    assert "\n" not in refusals(stores, tmp_path / "run")


def test_odd_names_and_places_are_told(finished, stores, tmp_path):
    folder = tmp_path / "a folder [with] *odd* names"
    shutil.copytree(finished / "relax", folder / "run")
    (folder / "vasprun.xml.bak").write_text("x")
    (folder / "vasprun.xml").mkdir()
    (folder / "empty").mkdir()
    (folder / "empty/vasprun.xml").touch()
    os.mkfifo(folder / "empty/OUTCAR")
    (folder / "run/loop").symlink_to(folder)
    summary = bring(stores, folder)
    assert len(summary.entered) == 1
    assert {Path(r.where).name: r.reason.split(";")[0] for r in summary.refused} == {
        "vasprun.xml.bak": "its name is none that VASP or custodian gives",
        "vasprun.xml": "is empty",
    }


@pytest.mark.parametrize(("name", "reason"), [("nowhere", "there is no such folder"), ("file", "is a file")])
def test_a_folder_that_is_none(tmp_path, name, reason):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=reason):
        ingest([tmp_path / name], None, LIBRARY, dry_run=True)


def test_corrections_of_custodian_are_kept(finished, stores, tmp_path):
    shutil.copytree(finished / "relax", tmp_path / "run")
    (tmp_path / "run/custodian.json").write_text(CUSTODIAN)
    bring(stores, tmp_path / "run")
    [document] = load_results(stores.results)
    assert [c.handler for c in document.record().run.corrections] == ["VaspErrorHandler"]
    (tmp_path / "run/custodian.json").write_text("{")
    assert refusals(stores, tmp_path / "run").startswith("cannot be understood")


def test_a_potcar_of_another_run_is_refused(finished, stores, tmp_path):
    from nawf.rehearsal.potcar import stand_in

    shutil.copytree(finished / "relax", tmp_path / "run")
    (tmp_path / "run/POTCAR").write_text(stand_in("Na_sv", "PBE_64", 9.0))
    assert refusals(stores, tmp_path / "run") == "is not the one of the run: vasprun.xml names other potentials"
    (tmp_path / "run/POTCAR").unlink()
    bring(stores, tmp_path / "run")
    [document] = load_results(stores.results)
    assert "(no hash)" in document.fingerprint.calculation["potential_Na"]


def test_the_command(finished, nawf, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "vasprun.xml").write_text("<modeling>")
    dry = nawf("ingest", finished, broken, "--dry-run")
    assert dry.code == 0
    assert "2 would enter, 0 in the store already, 1 not taken" in dry.out
    assert not (tmp_path / "nawf.db").exists()
    first = nawf("ingest", finished, broken)
    assert first.code == 0
    assert f"na-bcc relax: {finished / 'relax' / 'vasprun.xml'}" in first.out
    assert "2 entered, 0 in the store already, 1 not taken" in first.out
    assert f"not taken: {broken / 'vasprun.xml'}: ends before its time" in first.err
    assert "0 entered, 2 in the store already" in nawf("ingest", finished).out
    missing = nawf("ingest", tmp_path / "nowhere")
    assert (missing.code, missing.err.count("\n")) == (2, 1)
    wrong = nawf("ingest", finished, "--phase", "na-bc")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "na-bcc" in wrong.err
    assert "na-bcc" in nawf("query").out
