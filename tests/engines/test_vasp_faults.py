"""Faults of VASP in campaigns of two phases, as a user sees them: what the run says, and what is stored.

One phase is struck; the other one has to be finished all the same.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("atomate2")

from pymatgen.core import Lattice, Structure

from nawf.engines import vasp_handlers, vasp_run
from nawf.phases.add import NewPhase, add_phase
from nawf.phases.card import Origin
from nawf.phases.library import load_library
from nawf.results.documents import ResultDocument
from nawf.store.query import load_results
from nawf.store.stores import open_stores

STRUCK, OTHER = "toy-nas", "toy-na"
CAMPAIGN = f"""\
name: toy
title: Two phases of the toy potential
phases: {{ids: [{OTHER}, {STRUCK}]}}
properties: [relax, static]
engine: vasp-rehearsal
"""
RELAX = "when FORMULA=NaS METAGGA=R2SCAN NSW=99"
STATIC = "when FORMULA=NaS METAGGA=R2SCAN NSW=0"
# The cell of "PBEsol" is 3 % smaller, so that the relaxation with "r2SCAN" has some way to go.
PROGRAM = """#!{python}
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from toy_potential import evaluate
from nawf.rehearsal.run import run
from nawf.results.crystal import Crystal

scale = 1.0 if "METAGGA" in Path("INCAR").read_text().upper() else 1.03

def scaled(crystal):
    larger = Crystal.from_arrays(scale * crystal.matrix_a, crystal.species, crystal.frac_coords)
    energy, forces, stress = evaluate(larger)
    return energy, scale * forces, scale**3 * stress

sys.exit(run(".", scaled))
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with two phases and a program that acts as VASP."""
    folder = tmp_path_factory.mktemp("machine")
    own = folder / "own"
    own.mkdir()
    structures = {
        OTHER: Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.4), ["Na"], [[0, 0, 0]]),
        STRUCK: Structure(Lattice.cubic(3.2), ["S", "Na"], [[0, 0, 0], [0.5] * 3]),
    }
    for name, structure in structures.items():
        structure.to(filename=str(folder / f"{name}.cif"))
        new = NewPhase(id=name, reference="made up", origin=Origin.PROTOTYPE)
        add_phase(folder / f"{name}.cif", new, folder=own, library=load_library())
    program = folder / "toy-vasp"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(Path(__file__).parent)))
    program.chmod(0o755)
    return folder


@dataclass
class Site:
    """A folder with a campaign, and the command that runs it."""

    nawf: Any
    folder: Path
    patch: pytest.MonkeyPatch

    def run(self, fault: str = "") -> Any:
        self.patch.setenv("NAWF_REHEARSAL_FAULT", fault)
        return self.nawf("run", "toy.yaml")

    def documents(self, phase: str) -> dict[str, ResultDocument]:
        """Stored results by property."""
        with open_stores(str(self.folder / "nawf.db"), read_only=True) as stores:
            return {d.property: d for d in load_results(stores.results, phases={phase})}

    def attempts(self, phase: str) -> dict[str, list[str]]:
        """Attempts of each run, by step."""
        folders = sorted((self.folder / "runs" / phase).glob("*/attempt-*"))
        found: dict[str, list[str]] = {}
        for folder in folders:
            found.setdefault(folder.parent.name.rsplit("-", 1)[0], []).append(folder.name)
        return found


@pytest.fixture
def site(nawf: Any, machine: Path, vasp_program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    _, potcars = vasp_program
    (tmp_path / "toy.yaml").write_text(CAMPAIGN)
    values = {
        "NAWF_VASP_REHEARSAL_COMMAND": machine / "toy-vasp",
        "NAWF_POTCAR_FOLDER": potcars,
        "NAWF_RUN_FOLDER": tmp_path / "runs",
        "NAWF_STRUCTURES": machine / "own",
        "NAWF_REHEARSAL_COUNTS": tmp_path / "counts",
        "NAWF_WORKERS": 1,
        "OMP_NUM_THREADS": 1,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    monkeypatch.setattr(vasp_run, "POLL_S", 0.05)
    return Site(nawf, tmp_path, monkeypatch)


def corrections(document: ResultDocument) -> list[tuple[str, str, str]]:
    return [(c.handler, ", ".join(c.errors), "; ".join(c.actions)) for c in document.record().run.corrections]


def told(document: ResultDocument) -> str:
    """What the gate says of corrections."""
    return "; ".join(r.message for r in document.verdict.reasons if r.rule == "corrections")


def assert_the_other_is_finished(site: Site) -> None:
    found = site.documents(OTHER)
    assert set(found) == {"relax", "static"}
    assert all(not d.verdict.failed and not corrections(d) for d in found.values())
    assert all(names == ["attempt-01"] for names in site.attempts(OTHER).values())


@pytest.mark.parametrize(
    ("fault", "handler", "error", "action"),
    [
        (f"zbrent@2 once {RELAX}", "VaspErrorHandler", "zbrent", "CONTCAR copied to POSCAR; INCAR: EDIFF = 1e-08"),
        (f"edddav {RELAX} until ALGO=All", "VaspErrorHandler", "edddav", "INCAR: ALGO = All"),
        (
            f"pssyevx@2 {RELAX} until LSCALAPACK=F",
            "ScalapackHandler",
            "pssyevx",
            "CONTCAR copied to POSCAR; INCAR: LSCALAPACK = False",
        ),
        (f"nelm {RELAX} until ALGO=All", "ElectronsUnconvergedHandler", "Unconverged", "INCAR: ALGO = All"),
        (f"brmix {RELAX}", "VASP", "brmix", ""),
        (f"subspacematrix {RELAX}", "VASP", "subspacematrix", ""),
        ("zbrent@2 once when FORMULA=NaS GGA=PS NSW=99", "VaspErrorHandler", "zbrent", "CONTCAR copied to POSCAR"),
    ],
    ids=["zbrent", "edddav", "pssyevx", "nelm", "brmix", "subspacematrix", "zbrent in the pre-relaxation"],
)
def test_what_is_recovered_from_is_recorded_and_listed(
    site: Site, fault: str, handler: str, error: str, action: str
) -> None:
    ended = site.run(fault)
    assert ended.code == 0, ended.err
    found = site.documents(STRUCK)
    assert not any(d.verdict.failed for d in found.values())
    ((by, what, how),) = corrections(found["relax"])
    assert (by, what) == (handler, error)
    assert action in how
    assert f"once: {handler} found {error}, changed {how.replace('; ', ', ') or 'nothing'}" in told(found["relax"])
    assert corrections(found["static"]) == []
    # No correction has changed the energy scale.
    assert found["relax"].calculation_id == found["static"].calculation_id
    assert_the_other_is_finished(site)


def test_a_run_that_hangs_is_ended_and_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 4 s of patience in place of six hours."""
    frozen, arguments = vasp_handlers.FrozenJobErrorHandler, vasp_run.run_vasp_kwargs

    def often(*given: Any) -> Any:
        found = arguments(*given)
        found["custodian_kwargs"]["monitor_freq"] = 10
        return found

    monkeypatch.setattr(vasp_handlers, "FrozenJobErrorHandler", lambda: frozen(timeout=4))
    monkeypatch.setattr(vasp_run, "run_vasp_kwargs", often)
    assert site.run(f"hang@2 once {RELAX}").code == 0
    relax = site.documents(STRUCK)["relax"]
    assert corrections(relax) == [("FrozenJobErrorHandler", "Frozen job", "CONTCAR copied to POSCAR")]
    assert "FrozenJobErrorHandler found Frozen job" in told(relax)
    assert_the_other_is_finished(site)


@pytest.mark.parametrize(
    ("fault", "step", "words", "resumed"),
    [
        (f"kill@3 once {RELAX}", "relax", "vasprun.xml breaks off after 2 ionic steps", "2 ionic steps; CONTCAR"),
        (f"walltime@2 once {RELAX}", "relax", "VASP was asked to stop", "2 ionic steps; CONTCAR"),
        (f"truncated once {RELAX}", "relax", "vasprun.xml breaks off after 7 ionic steps", "7 ionic steps; CONTCAR"),
        (
            f"truncated once {STATIC}",
            "static",
            "vasprun.xml breaks off after 1 ionic step;",
            "1 ionic steps; as given",
        ),
        (f"empty-contcar once {RELAX}", "relax", "CONTCAR missing or empty after 7", "7 ionic steps; XDATCAR"),
        (f"disk-full@2 once {RELAX}", "relax", "No space left on device", "1 ionic steps; CONTCAR"),
    ],
    ids=["kill", "walltime", "truncated", "truncated static", "empty CONTCAR", "disk full"],
)
def test_what_was_cut_off_says_why_and_goes_on_in_the_next_run(
    site: Site, fault: str, step: str, words: str, resumed: str
) -> None:
    ended = site.run(fault)
    assert ended.code == 1
    assert_it_failed(site, ended, step, words)
    done = {p: d.provenance.job.uuid for p, d in site.documents(STRUCK).items()}
    assert set(done) == ({"relax"} if step == "static" else set())

    assert site.run().code == 0
    found = site.documents(STRUCK)
    steps, source = resumed.split("; ")
    ((by, what, how),) = corrections(found[step])
    assert (by, what) == ("resume", f"attempt 1 cut off after {steps}")
    assert how == ("start: as given" if source == "as given" else f"start: {source} of attempt 1")
    assert what in told(found[step])
    assert not any(d.verdict.failed for d in found.values())
    # What was finished is neither calculated nor stored again.
    assert {p: found[p].provenance.job.uuid for p in done} == done
    attempts = site.attempts(STRUCK)
    assert [s for s, names in attempts.items() if len(names) > 1] == ["relax-1" if step == "relax" else "static"]
    assert_the_other_is_finished(site)


@pytest.mark.parametrize(
    ("fault", "step", "words"),
    [
        (f"zbrent@2 {RELAX}", "relax", "VaspErrorHandler found zbrent 5 times, and the corrections did not help"),
        (
            f"pssyevx {RELAX}",
            "relax",
            "ScalapackHandler found pssyevx 2 times, and there is no correction left to try (the eigenvalue solver "
            "of this VASP's libraries fails: try fewer ranks (other KPAR and NCORE), or another build; see ",
        ),
        (f"nelm {STATIC}", "static", "ElectronsUnconvergedHandler found Unconverged"),
        (f"potcar {RELAX}", "relax", "type information on POSCAR and POTCAR are incompatible"),
        (
            f"potcar {RELAX}",
            "relax",
            "(the POTCARs are not those of the elements: look at potcar_folder, and at what",
        ),
    ],
    ids=["zbrent", "pssyevx", "nelm", "potcar", "what to do about potcar"],
)
def test_what_has_no_cure_fails_with_its_cause(site: Site, fault: str, step: str, words: str) -> None:
    ended = site.run(fault)
    assert ended.code == 1
    assert_it_failed(site, ended, step, words)
    assert step not in site.documents(STRUCK)
    log = (site.folder / "nawf.log").read_text()
    assert any(said in log for said in ("Max errors per job reached", "Unrecoverable error", "Validation failed"))
    assert_the_other_is_finished(site)


def assert_it_failed(site: Site, ended: Any, step: str, words: str) -> None:
    """One line for the step that failed, with its cause, and nothing of tracebacks or of Python's objects."""
    (line,) = [line for line in ended.err.splitlines() if line.startswith("  failed:")]
    assert line.startswith(f"  failed: {STRUCK}, {step}: CalculationError: {STRUCK} {step}")
    assert words in line
    assert "repeat" in line
    assert not any(noise in ended.out + ended.err for noise in ("Traceback", " object at 0x", "custodian"))
