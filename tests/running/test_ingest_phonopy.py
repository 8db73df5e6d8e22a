"""Folders of phonopy against phonopy itself."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import phonopy
import pytest

from nawf.errors import CalculationError
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.running.ingest import ingest
from nawf.running.ingest_phonopy import read_phonopy
from nawf.running.ingest_vasp import UNKNOWN_GEOMETRY
from nawf.store.query import load_results
from nawf.store.stores import open_stores
from nawf.units import KJ_PER_MOL_PER_EV

LIBRARY = load_library()
SIZE = 3


@pytest.fixture
def stores(tmp_path):
    with open_stores(str(tmp_path / "store.db")) as opened:
        yield opened


def phonopy_of(vasp_runs, *, conventional=False, length_a=4.2, noise_ev_per_a=2e-4):
    """phonopy's object with displacements and forces of the springs."""
    primitive = vasp_runs.crystal(length_a)
    cell = primitive
    if conventional:
        cell = Crystal.from_arrays(np.eye(3) * length_a, ["Na"] * 2, [[0] * 3, [0.5] * 3])
    matrix = "auto" if conventional else None
    phonon = phonopy.Phonopy(cell.to_phonopy(), np.eye(3, dtype=int) * SIZE, primitive_matrix=matrix, log_level=0)
    phonon.generate_displacements(distance=0.02)
    forces = np.array([vasp_runs.springs(crystal_of(c))[1] for c in phonon.supercells_with_displacements])
    # Forces of real calculations have noise, which symmetrisation takes out.
    phonon.forces = forces + np.random.default_rng(1).normal(0, noise_ev_per_a, forces.shape)
    return phonon


def crystal_of(cell):
    return Crystal.from_arrays(cell.cell, cell.symbols, cell.scaled_positions)


def free_energy(phonon, mesh_length_a=80.0):
    """Free energy of phonopy per atom, eV, at 0, 10 ... 1000 K."""
    phonon.run_mesh(mesh_length_a)
    phonon.run_thermal_properties(t_min=0, t_max=1000, t_step=10, cutoff_frequency=0.01)
    functions = phonon.get_thermal_properties_dict()
    return functions["free_energy"] / KJ_PER_MOL_PER_EV / len(phonon.primitive)


def write_poscars(phonon, folder: Path):
    from phonopy.interface.vasp import write_vasp

    write_vasp(folder / "POSCAR", phonon.unitcell)
    write_vasp(folder / "SPOSCAR", phonon.supercell)


def with_params(phonon, folder):
    phonon.save(folder / "phonopy_params.yaml")
    return phonopy.load(folder / "phonopy_params.yaml", log_level=0)


def with_packed_params(phonon, folder):
    expected = with_params(phonon, folder)
    path = folder / "phonopy_params.yaml"
    (folder / "phonopy_params.yaml.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return expected


def with_force_sets(phonon, folder):
    from phonopy.file_IO import write_FORCE_SETS

    phonon.save(folder / "phonopy_disp.yaml", settings={"force_sets": False})
    write_FORCE_SETS(phonon.dataset, filename=folder / "FORCE_SETS")
    return phonopy.load(folder / "phonopy_disp.yaml", force_sets_filename=folder / "FORCE_SETS", log_level=0)


def with_poscars(phonon, folder):
    from phonopy.file_IO import write_FORCE_SETS

    write_poscars(phonon, folder)
    write_FORCE_SETS(phonon.dataset, filename=folder / "FORCE_SETS")
    return phonopy.load(
        unitcell_filename=folder / "POSCAR",
        supercell_matrix=[SIZE] * 3,
        force_sets_filename=folder / "FORCE_SETS",
        log_level=0,
    )


def with_constants(phonon, folder, *, is_compact=False, hdf5=False):
    from phonopy.file_IO import write_FORCE_CONSTANTS, write_force_constants_to_hdf5

    phonon.produce_force_constants(calculate_full_force_constants=not is_compact)
    p2s = phonon.primitive.p2s_map
    name = "force_constants.hdf5" if hdf5 else "FORCE_CONSTANTS"
    write = write_force_constants_to_hdf5 if hdf5 else write_FORCE_CONSTANTS
    write(phonon.force_constants, filename=folder / name, p2s_map=p2s)
    write_poscars(phonon, folder)
    return phonopy.load(
        unitcell_filename=folder / "POSCAR",
        supercell_matrix=[SIZE] * 3,
        force_constants_filename=folder / name,
        log_level=0,
    )


def with_compact_constants(phonon, folder):
    return with_constants(phonon, folder, is_compact=True)


def with_hdf5(phonon, folder):
    return with_constants(phonon, folder, hdf5=True)


@pytest.mark.parametrize("conventional", [False, True], ids=["primitive", "conventional"])
@pytest.mark.parametrize(
    "write",
    [
        with_params,
        with_packed_params,
        with_force_sets,
        with_poscars,
        with_constants,
        with_compact_constants,
        with_hdf5,
    ],
)
def test_free_energy_is_that_of_phonopy(vasp_runs, stores, tmp_path, monkeypatch, write, conventional):
    folder = tmp_path / "phonons"
    folder.mkdir()
    expected = free_energy(write(phonopy_of(vasp_runs, conventional=conventional), folder))
    # Files of another calculation in the current folder are not taken up.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/FORCE_SETS").write_text("nonsense")
    (tmp_path / "elsewhere/BORN").write_text("nonsense")
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = {p: p.read_bytes() for p in folder.iterdir()}
    summary = ingest([folder], stores, LIBRARY)
    assert summary.refused == []
    assert [(i.phase.id, i.property) for i in summary.entered] == [("na-bcc", "phonon")]
    [document] = load_results(stores.results)
    result = document.record()
    assert np.array(result.temperatures_k) == pytest.approx(np.arange(0, 1001, 10))
    assert np.array(result.free_energy_ev_per_atom) == pytest.approx(expected, abs=2e-6)
    assert len(result.crystal) == 1
    assert abs(np.linalg.det(result.supercell_matrix)) == pytest.approx(result.n_supercell_atoms)
    assert document.fingerprint.calculation["functional"] == "unknown"
    assert {p: p.read_bytes() for p in folder.iterdir()} == before
    again = ingest([folder], stores, LIBRARY)
    assert (again.entered, again.unchanged) == ([], 1)


def test_the_non_analytical_term_of_a_born_file_is_that_of_phonopy(tmp_path, stores):
    """Na2S with springs between all near atoms and charges of its ions."""
    structure = LIBRARY.get("na2s").structure().get_primitive_structure()
    cell = Crystal.from_structure(structure).to_phonopy()
    phonon = phonopy.Phonopy(cell, np.eye(3, dtype=int) * 2, log_level=0)
    phonon.generate_displacements(distance=0.02)
    perfect = phonon.supercell
    vectors = perfect.scaled_positions[:, None] - perfect.scaled_positions[None]
    vectors = (vectors - np.round(vectors)) @ perfect.cell
    lengths = np.linalg.norm(vectors, axis=2)
    stiffness = np.where((lengths > 0) & (lengths < 3.5), 1.0, 0.0) + np.where(
        (lengths > 3.5) & (lengths < 4.8), 0.2, 0
    )
    along = vectors / np.where(lengths > 0, lengths, 1)[..., None]
    constants = -stiffness[..., None, None] * along[..., :, None] * along[..., None, :]
    constants[np.diag_indices(len(perfect))] = -constants.sum(axis=1)
    moves = [c.scaled_positions - perfect.scaled_positions for c in phonon.supercells_with_displacements]
    phonon.forces = np.array([-np.einsum("ijab,jb->ia", constants, (m - np.round(m)) @ perfect.cell) for m in moves])
    folder = tmp_path / "phonons"
    folder.mkdir()
    phonon.save(folder / "phonopy_params.yaml")
    without = free_energy(phonopy.load(folder / "phonopy_params.yaml", log_level=0))
    symbols = list(phonon.primitive.symbols)
    first = symbols[0]
    charges = {"Na": 1.0, "S": -2.0}
    rows = [np.eye(3) * 2.5, np.eye(3) * charges[first], np.eye(3) * charges["S" if first == "Na" else "Na"]]
    lines = ["14.399652", *(" ".join(f"{x:.6f}" for x in row.ravel()) for row in rows)]
    (folder / "BORN").write_text("\n".join(lines) + "\n")
    expected = free_energy(
        phonopy.load(folder / "phonopy_params.yaml", born_filename=folder / "BORN", is_nac=True, log_level=0)
    )
    assert np.abs(expected - without).max() > 1e-4
    assert ingest([folder], stores, LIBRARY).refused == []
    [document] = load_results(stores.results)
    assert np.array(document.record().free_energy_ev_per_atom) == pytest.approx(expected, abs=2e-6)
    assert document.record().method.origin == "phonopy, forces of displaced cells, non-analytical term"


@pytest.fixture(scope="module")
def displaced(vasp_runs, tmp_path_factory):
    """What a person leaves: a relaxation, and phonons of what it ended with, one folder a displaced cell."""
    top = tmp_path_factory.mktemp("displaced")
    relax = vasp_runs.make(top / "relax", vasp_runs.crystal(), vasp_runs.RELAX)
    cell = vasp_runs.ended(relax)
    phonon = phonopy.Phonopy(cell.to_phonopy(), np.eye(3, dtype=int) * SIZE, log_level=0)
    phonon.generate_displacements(distance=0.02, is_plusminus=True)
    for number, supercell in enumerate(phonon.supercells_with_displacements, start=1):
        vasp_runs.make(top / f"phonon/disp-{number:03d}", crystal_of(supercell), vasp_runs.STATIC | {"ISYM": 0})
    vasp_runs.make(top / "static", cell, vasp_runs.STATIC)
    phonon.save(top / "phonon/phonopy_disp.yaml")
    return top


def test_displaced_cells_that_vasp_calculated(vasp_runs, displaced, stores):
    summary = ingest([displaced], stores, LIBRARY)
    assert summary.refused == []
    assert {(i.phase.id, i.property) for i in summary.entered} == {
        ("na-bcc", "relax"),
        ("na-bcc", "static"),
        ("na-bcc", "phonon"),
    }
    documents = {d.property: d for d in load_results(stores.results)}
    phonon = documents["phonon"]
    assert summary.displaced == phonon.record().n_displacements
    # Everything is on one scale and one geometry: what a report needs to add them up.
    assert len({d.calculation_id for d in documents.values()}) == 1
    assert phonon.record().relax_method == documents["relax"].record().method
    edge_a = (2 * documents["relax"].record().crystal.volume_a3) ** (1 / 3)
    expected = phonopy_of(vasp_runs, length_a=edge_a, noise_ev_per_a=0.0)
    expected.produce_force_constants()
    expected.symmetrize_force_constants()
    assert np.array(phonon.record().free_energy_ev_per_atom) == pytest.approx(free_energy(expected), abs=2e-5)
    assert phonon.record().method.displacement_a == 0.02
    assert phonon.verdict.level == "pass", phonon.verdict


def test_displaced_cells_of_unlike_settings_are_refused(vasp_runs, displaced, stores, tmp_path):
    top = tmp_path / "copy"
    shutil.copytree(displaced / "phonon", top)
    again = top / "disp-002"
    cell = crystal_of(phonopy.load(top / "phonopy_disp.yaml", log_level=0).supercells_with_displacements[1])
    shutil.rmtree(again)
    missing = ingest([top], stores, LIBRARY)
    assert missing.entered == []
    reasons = {r.where: r.reason for r in missing.refused}
    assert reasons[str(top)] == "has no forces; of its 2 displaced cells, no finished run is below it of 2"
    assert "displaced, strained or not relaxed" in reasons[str(top / "disp-001/vasprun.xml")]
    vasp_runs.make(again, cell, vasp_runs.STATIC | {"ISYM": 0, "ENCUT": 320})
    unlike = ingest([top], stores, LIBRARY)
    assert unlike.entered == []
    [reason] = [r.reason for r in unlike.refused if r.where == str(top)]
    assert reason.startswith("its displaced cells were not calculated alike: encut_ev: 300.0 in ")


def test_displaced_cells_alone_are_no_static_results(displaced, stores):
    cells = sorted((displaced / "phonon").glob("disp-*"))
    summary = ingest(cells, stores, LIBRARY)
    assert summary.entered == []
    assert len(summary.refused) == len(cells)


def test_what_cannot_be_understood_is_refused(vasp_runs, stores, tmp_path):
    phonon = phonopy_of(vasp_runs)
    for name in ("cut", "units", "short", "empty", "small"):
        (tmp_path / "top" / name).mkdir(parents=True)
    top = tmp_path / "top"
    phonon.save(top / "cut/phonopy_params.yaml")
    text = (top / "cut/phonopy_params.yaml").read_text()
    (top / "cut/phonopy_params.yaml").write_text(text[: len(text) // 2])
    other = phonopy.Phonopy(phonon.unitcell, np.eye(3, dtype=int) * SIZE, calculator="qe", log_level=0)
    other.dataset = phonon.dataset
    other.save(top / "units/phonopy_params.yaml")
    with_force_sets(phonon, top / "short")
    lines = (top / "short/FORCE_SETS").read_text().splitlines()
    (top / "short/FORCE_SETS").write_text("\n".join(lines[:-3]))
    (top / "empty/phonopy.yaml").touch()
    small = phonopy.Phonopy(vasp_runs.crystal(4.2).to_phonopy(), np.eye(3, dtype=int), log_level=0)
    small.generate_displacements(distance=0.02)
    small.forces = np.zeros((len(small.supercells_with_displacements), 1, 3))
    small.save(top / "small/phonopy_params.yaml")
    summary = ingest([top], stores, LIBRARY)
    assert summary.entered == []
    reasons = {Path(r.where).relative_to(top).parts[0]: r.reason for r in summary.refused}
    assert set(reasons) == {"cut", "units", "short", "empty", "small"}
    assert reasons["units"] == "is in the units of qe; VASP's are needed"
    assert "only 3.0 Å across" in reasons["small"]
    assert all("\n" not in reason for reason in reasons.values())


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_params_file_cut_off_never_gives_other_numbers(vasp_runs, tmp_path, share):
    phonon = phonopy_of(vasp_runs)
    folder = tmp_path / "cut"
    folder.mkdir()
    phonon.save(folder / "phonopy_params.yaml")
    text = (folder / "phonopy_params.yaml").read_text()
    (folder / "phonopy_params.yaml").write_text(text[: int(share * len(text))])
    with pytest.raises(CalculationError):
        read_phonopy(folder, []).result(UNKNOWN_GEOMETRY)
