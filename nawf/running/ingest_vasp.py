"""One finished run of VASP, whoever ran it, in plain numbers; or the reason why it cannot be one."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nawf.engines.vasp import REHEARSAL
from nawf.engines.vasp_outputs import corrections_of, stress_gpa
from nawf.engines.vasp_settings import vasp_calculation
from nawf.errors import CalculationError, NawfError
from nawf.rehearsal.version import is_rehearsal
from nawf.results.crystal import Crystal, vector
from nawf.results.methods import RelaxMethod
from nawf.results.outputs import Calculation, Correction, ForcesAndStress, Matrix, RunRecord, Voigt
from nawf.running.ingest_files import RunFiles, content_of

LOOSEST = RelaxMethod(force_ev_per_a=0.1, stress_gpa=1.0, polish_steps=0)
"""A relaxation of which nothing else is known is held against the loosest tolerances that there can be."""

UNKNOWN_HOST = "unknown"
_END = b"</modeling>"
_HEAD_BYTES = 5000
_ROUNDING = 1.001
_RELAXED = b"reached required accuracy - stopping structural energy minimisation"


@dataclass(frozen=True)
class VaspRun(ForcesAndStress):
    """A run whose files are whole.

    Attributes
    ----------
    source : str
        Hash of what was read.
    initial, final : Crystal
        Atoms in the order of the run's own POSCAR.
    moves : bool
        Whether ions and cell were relaxed.
    unfinished : str
        Why it is no result, empty if it is one.
    method : RelaxMethod
        How it was relaxed, as far as its files tell; for runs that move nothing, that nothing is known.
    """

    where: str
    folder: str
    source: str
    initial: Crystal
    final: Crystal
    moves: bool
    unfinished: str
    energy_ev_per_atom: float
    forces_ev_per_a: Matrix
    stress_gpa: Voigt
    n_steps: int
    calculation: Calculation
    method: RelaxMethod
    run: RunRecord


@dataclass(frozen=True)
class _Log:
    """One of custodian's runs."""

    corrections: Any


@dataclass(frozen=True)
class _Task:
    custodian: tuple[_Log, ...]


UNKNOWN_GEOMETRY = LOOSEST.model_copy(update={"criterion": "not known"})


def read_run(files: RunFiles) -> VaspRun:
    """Read a run.

    Raises
    ------
    NawfError
        When a file is cut off or malformed, something is missing, or the run is of a kind that gives no result here.
    """
    try:
        return _read(files)
    except NawfError:
        raise
    except Exception as error:  # what is missing in a broken file shows where it is looked for
        raise _not_understood(files.vasprun, error) from error


def _not_understood(path: Path, error: Exception) -> CalculationError:
    reason = str(error).strip().partition("\n")[0] or "no more is known"
    return CalculationError(f"cannot be understood: {type(error).__name__}: {reason}", where=str(path))


def _read(files: RunFiles) -> VaspRun:
    xml = content_of(files.vasprun)
    outcar_path, potcar_path = files.own("OUTCAR"), files.shared("POTCAR") or files.shared("POTCAR.spec")
    outcar = b"" if outcar_path is None else content_of(outcar_path)
    corrections, log = _corrections(files.shared("custodian.json"))
    vasprun = parsed(files.vasprun, xml)
    potcars, potcar = _potcars(potcar_path, vasprun)
    started_at = _started_at(xml, files.where)
    digest = hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in (xml, outcar, potcar, log)))
    last = vasprun.ionic_steps[-1] if vasprun.ionic_steps else {}
    if "forces" not in last or "stress" not in last:
        raise CalculationError("has no forces or no stress", where=files.where)
    initial, final = (
        Crystal.from_structure(s) for s in (vasprun.initial_structure, vasprun.ionic_steps[-1]["structure"])
    )
    moves = _moves(vasprun, files.where)
    numbers = [vasprun.final_energy, *np.ravel(last["forces"]), *np.ravel(last["stress"])]
    numbers += [*np.ravel(final.lattice_a), *np.ravel(final.frac_coords)]
    if not np.isfinite(np.array(numbers, dtype=float)).all():
        raise CalculationError("some of its numbers are not finite", where=files.where)
    return VaspRun(
        where=files.where,
        folder=str(files.folder),
        source=digest.hexdigest(),
        initial=initial,
        final=final if not moves else Crystal.from_structure(vasprun.final_structure),
        moves=moves,
        unfinished=_unfinished(vasprun, outcar, moves),
        energy_ev_per_atom=float(vasprun.final_energy) / len(initial),
        forces_ev_per_a=tuple(map(vector, last["forces"])),
        stress_gpa=stress_gpa(last["stress"]),
        n_steps=len(vasprun.ionic_steps),
        calculation=vasp_calculation(
            vasprun.incar,
            potcars=potcars,
            version=vasprun.vasp_version,
            parameters=vasprun.parameters,
            kpoints=vasprun.kpoints,
            lattice_a=vasprun.initial_structure.lattice.matrix,
            engine=REHEARSAL if is_rehearsal(vasprun) else "vasp",
        ),
        method=_method(vasprun, files.where) if moves else UNKNOWN_GEOMETRY,
        run=RunRecord(
            host=UNKNOWN_HOST,
            started_at=started_at,
            finished_at=started_at + _elapsed(outcar),
            versions={"vasp": vasprun.vasp_version},
            electronic_converged=bool(vasprun.converged_electronic),
            corrections=corrections,
        ),
    )


def parsed(path: Path, xml: bytes) -> Any:
    """Pymatgen's Vasprun of a file whose content is ``xml``.

    Raises
    ------
    CalculationError
        When the file is cut off, or anything in it cannot be understood.
    """
    from pymatgen.io.vasp.outputs import UnconvergedVASPWarning, Vasprun

    if not xml.strip():
        raise CalculationError("is empty", where=str(path))
    if not xml.rstrip().endswith(_END):
        raise CalculationError("ends before its time: the run is not finished, or was cut off", where=str(path))
    try:
        with warnings.catch_warnings():
            # Convergence is looked at below.
            warnings.filterwarnings("ignore", category=UnconvergedVASPWarning)
            return Vasprun(path, parse_dos=False, parse_eigen=False, parse_potcar_file=False)
    except Exception as error:  # whatever a parser makes of a broken file
        raise _not_understood(path, error) from error


def _moves(vasprun: Any, where: str) -> bool:
    """Whether a run relaxes; False if it only calculates."""
    tags = vasprun.parameters
    nsw, ibrion, isif = (int(tags.get(tag, default)) for tag, default in (("NSW", 0), ("IBRION", -1), ("ISIF", 2)))
    if int(tags.get("ICHARG", 0)) >= 10:
        raise CalculationError("its density was kept fixed (ICHARG): that is no energy of the crystal", where=where)
    if len(vasprun.ionic_steps) <= 1 and (nsw <= 1 or ibrion == -1):
        return False
    if ibrion not in (1, 2, 3):
        raise CalculationError(f"is no relaxation and no static run (IBRION = {ibrion})", where=where)
    if isif != 3:
        raise CalculationError(f"did not relax cell and ions alike (ISIF = {isif})", where=where)
    held = vasprun.initial_structure.site_properties.get("selective_dynamics")
    if held is not None and not np.all(held):
        raise CalculationError("some of its atoms were held where they are", where=where)
    return True


def _unfinished(vasprun: Any, outcar: bytes, moves: bool) -> str:
    """Why a run whose files are whole has no result."""
    if not vasprun.converged_electronic:
        return f"its electrons did not converge (NELM = {vasprun.parameters['NELM']})"
    if not moves:
        return ""
    relaxed = _RELAXED in outcar if outcar else _meets_its_criterion(vasprun)
    n_steps = len(vasprun.ionic_steps)
    return "" if relaxed else f"it did not converge: it ended after {n_steps} ionic steps without reaching its EDIFFG"


def _meets_its_criterion(vasprun: Any) -> bool:
    """Whether VASP ended a relaxation by itself, as far as vasprun.xml tells: with steps to spare, and relaxed."""
    criterion, steps = float(vasprun.parameters["EDIFFG"]), vasprun.ionic_steps
    if len(steps) >= int(vasprun.parameters["NSW"]):
        return False
    if criterion < 0:
        return bool(np.linalg.norm(steps[-1]["forces"], axis=1).max() <= -criterion * _ROUNDING)
    return len(steps) > 1 and abs(steps[-1]["e_fr_energy"] - steps[-2]["e_fr_energy"]) <= criterion * _ROUNDING


def _method(vasprun: Any, where: str) -> RelaxMethod:
    """What the INCAR asked for. VASP takes no tolerance of the stress, so the loosest is recorded."""
    criterion = float(vasprun.parameters["EDIFFG"])
    if criterion < -LOOSEST.force_ev_per_a:
        raise CalculationError(f"was relaxed to {-criterion:g} eV/Å only (EDIFFG)", where=where)
    kind = "forces, eV/Å" if criterion < 0 else "energy, eV"
    return LOOSEST.model_copy(
        update={
            "force_ev_per_a": -criterion if criterion < 0 else LOOSEST.force_ev_per_a,
            "max_steps": max(1, int(vasprun.parameters["NSW"])),
            "criterion": f"VASP's EDIFFG {criterion:g} ({kind})",
        }
    )


def _potcars(path: Path | None, vasprun: Any) -> tuple[list[Any], bytes]:
    """Potentials as the task documents of nawf's own runs have them, and the content of the file.

    Without a POTCAR, vasprun.xml has their titles.
    """
    if path is None:
        return list(vasprun.potcar_spec), b""
    content = content_of(path)
    specs = _given_specs(content) if ".spec" in path.name else list(_read_potcar(content, path.name))
    titles, asked = [str(s.get("titel")) for s in specs], list(vasprun.potcar_symbols)
    if [" ".join(t.split()) for t in titles] != [" ".join(t.split()) for t in asked]:
        if ".spec" in path.name:
            return list(vasprun.potcar_spec), content
        raise CalculationError("is not the one of the run: vasprun.xml names other potentials", where=str(path))
    return specs, content


@lru_cache(maxsize=32)
def _read_potcar(content: bytes, name: str) -> tuple[Any, ...]:
    """Potentials of a file; runs by the thousand share a few."""
    from emmet.core.vasp.calculation import PotcarSpec
    from pymatgen.io.vasp.inputs import Potcar, UnknownPotcarWarning

    try:
        with warnings.catch_warnings():
            # What is in it counts, not whether pymatgen has a list of it.
            warnings.filterwarnings("ignore", category=UnknownPotcarWarning)
            return tuple(PotcarSpec(**p.spec(extra_spec=[])) for p in Potcar.from_str(content.decode()))
    except Exception as error:  # pymatgen raises what its regular expressions stumble over
        raise CalculationError(f"its {name} cannot be understood: {type(error).__name__}") from error


def _given_specs(content: bytes) -> list[Any]:
    """What a POTCAR.spec of emmet says; pymatgen's lists symbols only, which vasprun.xml has as well."""
    try:
        listed = json.loads(content)
    except ValueError:
        return []
    is_list = isinstance(listed, list) and all(isinstance(item, dict) for item in listed)
    return listed if is_list else []


def _corrections(path: Path | None) -> tuple[tuple[Correction, ...], bytes]:
    if path is None:
        return (), b""
    content = content_of(path)
    try:
        listed = json.loads(content)
        logs = tuple(_Log(item.get("corrections")) for item in listed)
        return corrections_of(_Task(logs)), content
    except (ValueError, AttributeError, TypeError, NawfError) as error:
        raise CalculationError(f"cannot be understood: {error}", where=str(path)) from error


def _started_at(xml: bytes, where: str) -> datetime:
    """Date and time of the head; VASP writes no time zone, so its clock is taken for UTC."""
    head = xml[:_HEAD_BYTES].decode("utf-8", errors="replace")
    found = [re.search(rf'name="{name}"[^>]*>([^<]*)<', head) for name in ("date", "time")]
    try:
        date, clock = (str(match[1] if match else "").split() for match in found)
        year, month, day = map(int, date)
        hour, minute, second = map(int, "".join(clock).split(":"))
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise CalculationError("does not tell when it was run", where=where) from error


def _elapsed(outcar: bytes) -> timedelta:
    found = re.search(rb"Elapsed time \(sec\):\s*([0-9.]+)", outcar[-_HEAD_BYTES:])
    return timedelta(seconds=float(found[1]) if found else 0.0)
