"""Fixtures that several folders share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def nawf(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Outcome]:
    """Run the real entry point of the ``nawf`` command in an empty folder, in this process."""
    from nawf.cli.main import main

    monkeypatch.chdir(tmp_path)
    for name in ("NAWF_STORE", "NAWF_STRUCTURES"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["nawf", *map(str, arguments)])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1 if end.code else 0
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return run


class Records:
    """Result records and documents with plausible numbers; every argument changes one of them."""

    calculation: ClassVar = {"engine": "springs", "model_sha256": "a" * 64, "functional": "harmonic"}

    def crystal(self, length_a: float = 4.2, species: tuple[str, ...] = ("Na",)) -> Any:
        """Primitive bcc cell, or atoms along the diagonal of it."""
        from nawf.results.crystal import Crystal

        half = length_a / 2
        lattice = [[-half, half, half], [half, -half, half], [half, half, -half]]
        return Crystal.from_arrays(lattice, species, [[i / len(species)] * 3 for i in range(len(species))])

    def run(self) -> Any:
        from nawf.results.outputs import RunRecord

        start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        versions = {"nawf": "0.1.0", "python": "3.11"}
        return RunRecord(host="node1", started_at=start, finished_at=start + timedelta(seconds=90), versions=versions)

    def relax(self, **changes: Any) -> Any:
        """A relaxation that passes the gate."""
        from nawf.results.methods import RelaxMethod
        from nawf.results.outputs import RelaxResult, SpaceGroup

        group = SpaceGroup(number=229, symbol="Im-3m")
        values = {
            "initial": self.crystal(4.2),
            "crystal": self.crystal(4.25),
            "initial_space_group": group,
            "space_group": group,
            "volume_change": (4.25 / 4.2) ** 3 - 1,
            "symmetrisation_shift_a": 1e-6,
            "energy_ev_per_atom": -1.3,
            "max_force_ev_per_a": 5e-4,
            "max_stress_gpa": 5e-3,
            "n_steps": 12,
            "converged": True,
            "calculation": self.calculation,
            "method": RelaxMethod(),
            "run": self.run(),
        }
        return RelaxResult(**(values | changes))

    def static(self, **changes: Any) -> Any:
        """A static calculation that passes the gate."""
        from nawf.results.methods import RelaxMethod
        from nawf.results.outputs import StaticResult

        values = {
            "crystal": self.crystal(4.25),
            "energy_ev_per_atom": -1.3,
            "max_force_ev_per_a": 6e-4,
            "stress_gpa": (0.001, 0.001, 0.001, 0.0, 0.0, 0.0),
            "calculation": self.calculation,
            "method": RelaxMethod(),
            "run": self.run(),
        }
        return StaticResult(**(values | changes))

    def phonon(self, **changes: Any) -> Any:
        """Phonons of an Einstein solid on a coarse grid; they pass the gate."""
        from nawf.results.methods import PhononMethod, RelaxMethod
        from nawf.results.outputs import PhononResult

        values = {
            "crystal": self.crystal(4.25),
            "supercell_matrix": ((2, 0, 0), (0, 2, 0), (0, 0, 2)),
            "n_supercell_atoms": 8,
            "n_displacements": 1,
            "mesh": (9, 9, 9),
            "temperatures_k": (0.0, 500.0, 1000.0),
            "free_energy_ev_per_atom": (0.02, -0.1, -0.3),
            "entropy_ev_per_k_per_atom": (0.0, 4e-4, 6e-4),
            "heat_capacity_ev_per_k_per_atom": (0.0, 2.5e-4, 2.6e-4),
            "soft_mode_shift_ev_per_atom": (0.0, 0.0, 0.0),
            "lowest_frequency_thz": 0.0,
            "highest_frequency_thz": 3.5,
            "imaginary_fraction": 0.0,
            "net_force_ev_per_a": 1e-6,
            "calculation": self.calculation,
            "method": PhononMethod(),
            "relax_method": RelaxMethod(),
            "run": self.run(),
        }
        return PhononResult(**(values | changes))

    def fingerprint(self, prop: str, result: Any) -> Any:
        """Fingerprint of a record: its calculation, and the methods that it carries."""
        from nawf.results.fingerprint import Fingerprint
        from nawf.results.methods import method_record

        methods = (result.relax_method, result.method) if prop == "phonon" else (result.method, None)
        return Fingerprint(calculation=result.calculation, method=method_record(prop, *methods))

    def document(
        self,
        phase: str = "na-bcc",
        prop: str = "static",
        result: Any = None,
        *,
        card: dict[str, Any] | None = None,
        engine: str = "springs",
        protocol: str = "seed",
        **changes: Any,
    ) -> Any:
        """Document of a record, judged by the gate."""
        from nawf.quality.gate import judge
        from nawf.results.documents import CardFacts, JobRecord, Provenance, ResultDocument, result_id

        result = result if result is not None else getattr(self, prop)()
        fingerprint = self.fingerprint(prop, result)
        job = JobRecord(uuid=f"{phase}-{prop}", index=1, name=prop, completed_at="2026-01-02T03:05:35")
        facts = {"name": "bcc", "formula": "Na", "origin": "experimental", "card_hash": "c" * 64}
        provenance = Provenance(
            campaign="test",
            engine=engine,
            protocol=protocol,
            intent=fingerprint.id,
            job=job,
            jobs=(job,),
            host=result.run.host,
            started_at=result.run.started_at,
            finished_at=result.run.finished_at,
            versions=result.run.versions,
        )
        values = {
            "result_id": result_id(phase, prop, fingerprint),
            "phase": phase,
            "property": prop,
            "card": CardFacts(**(facts | (card or {}))),
            "chemical_system": "-".join(sorted(set(result.crystal.species))),
            "fingerprint_id": fingerprint.id,
            "calculation_id": fingerprint.calculation_id,
            "fingerprint": fingerprint,
            "verdict": judge(result),
            "provenance": provenance,
            "result": result.model_dump(mode="json"),
        }
        return ResultDocument(**(values | changes))


@pytest.fixture(scope="session")
def records() -> Records:
    """Builder of result records and documents."""
    return Records()
