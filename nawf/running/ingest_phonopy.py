"""Folders of phonopy, whoever made them: force sets, force constants, or displaced cells that VASP calculated.

phonopy's own classes read the files; nothing is looked for in the current folder, as ``phonopy.load`` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from nawf.engines.run_records import joined_run
from nawf.errors import CalculationError, NawfError
from nawf.flows.phonon import coulomb_ev_a, mesh_properties, sum_rule_violation
from nawf.results.crystal import Crystal
from nawf.results.fingerprint import ID_LENGTH, Fingerprint, differences
from nawf.results.methods import PhononMethod, RelaxMethod
from nawf.results.outputs import Calculation, PhononResult, RunRecord
from nawf.results.symmetry import face_heights_a
from nawf.running.ingest_files import content_of, phonopy_yaml
from nawf.running.ingest_match import same_atoms
from nawf.running.ingest_vasp import UNKNOWN_HOST, VaspRun

AT_LEAST_A = (4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0)
"""A supercell of unknown rule counts as one of the largest of these lengths that it reaches."""

_UNITS_OF_VASP = (None, "vasp")
_DISPLACED_A = 5e-4


@dataclass(frozen=True)
class PhonopyFolder:
    """A folder with force constants, or with what gives them.

    ``used`` are the sources of runs of displaced cells, which are no results of their own.
    """

    folder: Path
    unitcell: Crystal
    phonon: Any
    method: PhononMethod
    calculation: Calculation
    run: RunRecord
    net_force_ev_per_a: float
    source: str
    used: frozenset[str]

    def result(self, relax_method: RelaxMethod) -> PhononResult:
        """Phonons on nawf's mesh and temperatures.

        Raises
        ------
        CalculationError
            When phonopy cannot calculate them.
        """
        phonon = self.phonon
        try:
            constants, primitive = phonon.force_constants, phonon.primitive
            is_full = constants.shape[0] == constants.shape[1]
            violation = sum_rule_violation(constants, primitive.p2s_map) if is_full else None
            if phonon.dataset is not None:
                phonon.symmetrize_force_constants(show_drift=False)
            # The primitive cell is cut out of the supercell, and its matrix is relative to that.
            to_supercell = np.linalg.inv(primitive.primitive_matrix)
            return PhononResult(
                crystal=_crystal(primitive),
                supercell_matrix=tuple(_triple(row) for row in np.rint(to_supercell)),
                n_supercell_atoms=len(phonon.supercell),
                n_displacements=len(_first_atoms(phonon.dataset)),
                **mesh_properties(phonon, self.method),
                net_force_ev_per_a=self.net_force_ev_per_a,
                sum_rule_violation=violation,
                calculation=self.calculation,
                method=self.method,
                relax_method=relax_method,
                run=self.run,
            )
        except NawfError:
            raise
        except Exception as error:  # phonopy has no errors of its own
            raise _not_understood(self.folder, error) from error


def read_phonopy(folder: Path, runs: Sequence[VaspRun]) -> PhonopyFolder:
    """Read a folder of phonopy.

    Parameters
    ----------
    folder : Path
    runs : sequence of VaspRun
        Runs below it, among which displaced cells are looked for.

    Raises
    ------
    CalculationError
        When something is missing or cannot be understood, or displaced cells were not calculated alike.
    """
    digest = hashlib.sha256()
    try:
        phonon, constants, nac = _cells(folder, digest)
        _read_nac(folder, phonon, nac, digest)
        displaced = _displaced_runs(phonon, runs)
        has_forces = _read_forces(folder, phonon, displaced, digest)
        if has_forces:
            phonon.produce_force_constants(show_drift=False)
        elif not _read_constants(folder, phonon, constants, digest):
            raise CalculationError(_what_is_missing(phonon, displaced), where=str(folder))
        if not np.isfinite(phonon.force_constants).all():
            raise CalculationError("some of its force constants are not finite", where=str(folder))
        forces = np.array([d["forces"] for d in _first_atoms(phonon.dataset)]) if has_forces else np.zeros((1, 1, 3))
        used = [run for run in displaced if run is not None]
        every = used if used and len(used) == len(displaced) else []
        for run in used:
            digest.update(run.source.encode())
        source = digest.hexdigest()
        return PhonopyFolder(
            folder=folder,
            unitcell=_crystal(phonon.unitcell),
            phonon=phonon,
            method=_method(phonon, has_forces),
            calculation=_settings(every, folder, source),
            run=joined_run([run.run for run in every]) if every else _run_of_files(folder),
            net_force_ev_per_a=float(np.linalg.norm(forces.sum(axis=1), axis=1).max()),
            source=source,
            used=frozenset(run.source for run in used),
        )
    except NawfError:
        raise
    except Exception as error:  # phonopy has no errors of its own
        raise _not_understood(folder, error) from error


def _not_understood(folder: Path, error: Exception) -> CalculationError:
    reason = str(error).strip().partition("\n")[0] or "no more is known"
    return CalculationError(f"phonopy cannot make sense of it: {type(error).__name__}: {reason}", where=str(folder))


def _cells(folder: Path, digest: Any) -> tuple[Any, Any, Any]:
    """Phonopy's object, and the force constants and parameters of the non-analytical term in its file, if any."""
    from phonopy import Phonopy
    from phonopy.interface.phonopy_yaml import PhonopyYaml
    from phonopy.interface.vasp import read_vasp

    path = phonopy_yaml(folder)
    if path is not None:
        digest.update(content_of(path))
        yaml = PhonopyYaml()
        yaml.read(path)
        if yaml.calculator not in _UNITS_OF_VASP:
            raise CalculationError(f"is in the units of {yaml.calculator}; VASP's are needed", where=str(path))
        if yaml.unitcell is None:
            raise CalculationError("has no unit cell", where=str(path))
        matrix = np.eye(3, dtype=int) if yaml.supercell_matrix is None else yaml.supercell_matrix
        phonon = Phonopy(yaml.unitcell, matrix, primitive_matrix=yaml.primitive_matrix, log_level=0)
        if yaml.dataset is not None:
            phonon.dataset = yaml.dataset
        return phonon, yaml.force_constants, yaml.nac_params
    paths = folder / "POSCAR", folder / "SPOSCAR"
    for path in paths:
        digest.update(content_of(path))
    unitcell, supercell = map(read_vasp, paths)
    rows = supercell.cell @ np.linalg.inv(unitcell.cell)
    if np.abs(rows - np.rint(rows)).max() > 1e-3:
        raise CalculationError("SPOSCAR is no supercell of POSCAR", where=str(folder))
    return Phonopy(unitcell, np.rint(rows).astype(int).T, primitive_matrix="auto", log_level=0), None, None


def _read_nac(folder: Path, phonon: Any, params: Any, digest: Any) -> None:
    from phonopy.file_IO import parse_BORN

    path = folder / "BORN"
    if params is None and path.is_file():
        digest.update(content_of(path))
        params = parse_BORN(phonon.primitive, filename=path)
    if params is not None:
        phonon.nac_params = {"factor": coulomb_ev_a()} | {
            key: value for key, value in params.items() if value is not None
        }


def _displaced_runs(phonon: Any, runs: Sequence[VaspRun]) -> list[VaspRun | None]:
    """For each displaced cell the run that calculated it; empty where no displacements are known."""
    if phonon.dataset is None or "first_atoms" not in phonon.dataset:
        return []
    cells = phonon.supercells_with_displacements or []
    usable = [run for run in runs if not run.moves and not run.unfinished]
    return [
        next((run for run in usable if same_atoms(run.initial, _crystal(cell), _DISPLACED_A)), None) for cell in cells
    ]


def _read_forces(folder: Path, phonon: Any, displaced: Sequence[VaspRun | None], digest: Any) -> bool:
    """Put the forces of the displaced cells into the object; False where there are none."""
    from phonopy.file_IO import parse_FORCE_SETS

    first_atoms = _first_atoms(phonon.dataset)
    if first_atoms and all("forces" in d for d in first_atoms):
        return True
    path = next((p for end in ("", ".gz", ".xz") if (p := folder / f"FORCE_SETS{end}").is_file()), None)
    if path is not None:
        digest.update(content_of(path))
        dataset = parse_FORCE_SETS(natom=len(phonon.supercell), filename=path)
        if "first_atoms" not in dataset:
            raise CalculationError(
                "moves all atoms at once: give the force constants in place of it", where=str(path)
            )
        phonon.dataset = dataset
        return True
    found = [run for run in displaced if run is not None]
    if not found or len(found) < len(displaced):
        return False
    phonon.forces = np.array([run.forces_ev_per_a for run in found])
    return True


def _read_constants(folder: Path, phonon: Any, given: Any, digest: Any) -> bool:
    """Put force constants into the object; False where there are none."""
    from phonopy.file_IO import parse_FORCE_CONSTANTS, read_force_constants_hdf5

    phonon.dataset = None
    if given is None:
        p2s = phonon.primitive.p2s_map
        for name, read in (
            ("FORCE_CONSTANTS", parse_FORCE_CONSTANTS),
            ("force_constants.hdf5", read_force_constants_hdf5),
        ):
            if (path := folder / name).is_file():
                digest.update(content_of(path))
                given = read(filename=path, p2s_map=p2s)
                break
    if given is None:
        return False
    n_atoms = len(phonon.supercell)
    if given.shape not in ((n_atoms, n_atoms, 3, 3), (len(phonon.primitive), n_atoms, 3, 3)):
        raise CalculationError(f"its force constants are of another supercell: {given.shape}", where=str(folder))
    phonon.force_constants = given
    return True


def _what_is_missing(phonon: Any, displaced: Sequence[VaspRun | None]) -> str:
    if not displaced:
        return "has neither forces nor force constants"
    missing = [str(n) for n, run in enumerate(displaced, start=1) if run is None]
    return (
        f"has no forces; of its {len(displaced)} displaced cells, no finished run is below it of {', '.join(missing)}"
    )


def _method(phonon: Any, has_forces: bool) -> PhononMethod:
    """As far as it can be told from a finished calculation."""
    shortest_a = float(face_heights_a(np.array(phonon.supercell.cell)).min())
    reached = [length for length in AT_LEAST_A if length <= shortest_a + 1e-6]
    if not reached:
        raise CalculationError(f"its supercell is only {shortest_a:.1f} Å across")
    words = ["forces of displaced cells" if has_forces else "force constants, displacements not known"]
    if phonon.nac_params is not None:
        words.append("non-analytical term")
    values: dict[str, Any] = {"min_length_a": reached[-1], "origin": ", ".join(["phonopy", *words])}
    if has_forces:
        lengths = [float(np.linalg.norm(d["displacement"])) for d in _first_atoms(phonon.dataset)]
        if max(lengths) - min(lengths) > 1e-3:
            raise CalculationError(f"its displacements are of unlike sizes, {min(lengths):g} to {max(lengths):g} Å")
        values["displacement_a"] = round(max(lengths), 4)
    return PhononMethod.model_validate(values)


def _settings(runs: Sequence[VaspRun], folder: Path, source: str) -> Calculation:
    """Settings of the runs of all displaced cells; without these, a scale that nothing else is on."""
    if not runs:
        return {"engine": "unknown", "functional": "unknown", "phonopy_files": source[:ID_LENGTH]}
    unlike = differences({run.where: Fingerprint(calculation=run.calculation) for run in runs})
    if unlike:
        raise CalculationError(
            f"its displaced cells were not calculated alike: {'; '.join(unlike)}", where=str(folder)
        )
    return runs[0].calculation


def _run_of_files(folder: Path) -> RunRecord:
    """Files of phonopy have no date; that of the newest stands for it."""
    seconds = max(path.stat().st_mtime for path in folder.iterdir() if path.is_file())
    when = datetime.fromtimestamp(int(seconds), UTC)
    return RunRecord(host=UNKNOWN_HOST, started_at=when, finished_at=when, versions={})


def _first_atoms(dataset: Any) -> Sequence[Any]:
    found: Sequence[Any] = (dataset or {}).get("first_atoms", ())
    return found


def _crystal(cell: Any) -> Crystal:
    return Crystal.from_arrays(cell.cell, cell.symbols, cell.scaled_positions)


def _triple(values: Any) -> tuple[int, int, int]:
    x, y, z = (int(v) for v in values)
    return x, y, z
