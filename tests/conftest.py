"""Fixtures that several folders share."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

pytest_plugins = ["mongo_fixtures", "jobflow_remote_site", "ssh_server", "fireworks_site"]


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
        """Phonons of an Einstein solid on a coarse grid; they pass the gate. Imaginary modes are missing from F."""
        from nawf.results.methods import PhononMethod, RelaxMethod
        from nawf.results.outputs import PhononResult

        values = {
            "crystal": self.crystal(4.25),
            "supercell_matrix": ((2, 0, 0), (0, 2, 0), (0, 0, 2)),
            "n_supercell_atoms": 8,
            "n_displacements": 1,
            "mesh": (9, 9, 9),
            **_einstein_functions(3.5, (0.0, 500.0, 1000.0), 1 - changes.get("imaginary_fraction", 0.0)),
            "soft_mode_shift_ev_per_atom": (0.0, 0.0, 0.0),
            "lowest_frequency_thz": 0.0,
            "highest_frequency_thz": 3.5,
            "imaginary_fraction": 0.0,
            "net_force_ev_per_a": 1e-6,
            "sum_rule_violation": 1e-6,
            "calculation": self.calculation,
            "method": PhononMethod(),
            "relax_method": RelaxMethod(),
            "run": self.run(),
        }
        return PhononResult(**(values | changes))

    def elastic(self, **changes: Any) -> Any:
        """Elastic tensor of a stable cubic solid, every number derived from three constants; it passes the gate."""
        from nawf.results.crystal import Crystal
        from nawf.results.elastic import ElasticResult, StrainedState
        from nawf.results.methods import ElasticMethod, RelaxMethod

        c11, c12, c44 = 57.7, 17.2, 19.9
        stiffness = np.diag([c11 - c12] * 3 + [c44] * 3)
        stiffness[:3, :3] += c12
        method = ElasticMethod()
        sizes = [sign * size for size in method.strains for sign in (1, -1)]
        strains = [[size if axis == i else 0.0 for i in range(6)] for axis in (0, 3) for size in sizes]
        stresses = [_cauchy_stress_gpa(stiffness, np.array(strain)) for strain in strains]
        edge_a = 6.53
        antifluorite = [[0.0] * 3, [0.25] * 3, [0.75] * 3]
        values = {
            "crystal": Crystal.from_arrays(edge_a / 2 * (1 - np.eye(3)), ("S", "Na", "Na"), antifluorite),
            "crystal_system": "cubic",
            "strains": tuple(map(tuple, strains)),
            "states": tuple(
                StrainedState(stress_gpa=tuple(stress), max_force_ev_per_a=5e-4, n_steps=7, converged=True)
                for stress in stresses
            ),
            "stiffness_gpa": tuple(map(tuple, stiffness.tolist())),
            "stiffness_error_gpa": tuple(map(tuple, (2e-3 * stiffness).tolist())),
            "n_constants": 3,
            "rest_stress_gpa": (1e-3, 1e-3, 1e-3, 0.0, 0.0, 0.0),
            "fit_residual_gpa": 1e-3,
            "symmetry_residual_gpa": 0.1,
            "eigenvalues_gpa": tuple(sorted([c11 + 2 * c12, *[c11 - c12] * 2, *[2 * c44] * 3])),
            "moduli": _cubic_moduli(c11, c12, c44, atoms_per_a3=12 / edge_a**3, mean_mass_amu=78.04 / 3),
            "calculation": self.calculation,
            "method": method,
            "relax_method": RelaxMethod(),
            "run": self.run(),
        }
        return ElasticResult(**(values | changes))

    def fingerprint(self, prop: str, result: Any) -> Any:
        """Fingerprint of a record: its calculation, and the methods that it carries."""
        from nawf.results.documents import fingerprint_of

        return fingerprint_of(prop, result)

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


def _einstein_functions(
    frequency_thz: float, temperatures_k: tuple[float, ...], share: float
) -> dict[str, tuple[float, ...]]:
    """F, S and Cv of three oscillators for each atom, or of a share of them."""
    boltzmann, quantum = 8.617333262e-5, 4.135667696e-3 * frequency_thz
    free, entropy, capacity = [1.5 * quantum], [0.0], [0.0]
    for temperature in temperatures_k[1:]:
        x = quantum / (boltzmann * temperature)
        free.append(3 * (quantum / 2 + boltzmann * temperature * math.log(-math.expm1(-x))))
        entropy.append(3 * boltzmann * (x / math.expm1(x) - math.log(-math.expm1(-x))))
        capacity.append(3 * boltzmann * x**2 * math.exp(x) / math.expm1(x) ** 2)
    return {
        "temperatures_k": temperatures_k,
        "free_energy_ev_per_atom": tuple(share * value for value in free),
        "entropy_ev_per_k_per_atom": tuple(share * value for value in entropy),
        "heat_capacity_ev_per_k_per_atom": tuple(share * value for value in capacity),
    }


def _cauchy_stress_gpa(stiffness_gpa: np.ndarray, strain: np.ndarray) -> list[float]:
    """Stress of a linear solid under a Green-Lagrange strain, pushed forward with the symmetric deformation."""
    xx, yy, zz, yz, xz, xy = strain / [1, 1, 1, 2, 2, 2]
    values, axes = np.linalg.eigh(np.eye(3) + 2 * np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    deformation = axes @ np.diag(np.sqrt(values)) @ axes.T
    xx, yy, zz, yz, xz, xy = stiffness_gpa @ strain
    second_piola = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    cauchy = deformation @ second_piola @ deformation.T / np.linalg.det(deformation)
    return [float(cauchy[i, j]) for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))]


def _cubic_moduli(c11: float, c12: float, c44: float, *, atoms_per_a3: float, mean_mass_amu: float) -> Any:
    """Moduli of a cubic solid by the textbook formulas, and Anderson's Debye temperature."""
    from nawf.results.elastic import Moduli

    bulk = (c11 + 2 * c12) / 3
    voigt = (c11 - c12 + 3 * c44) / 5
    reuss = 5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12))
    shear = (voigt + reuss) / 2
    density_kg_m3 = atoms_per_a3 * 1e30 * mean_mass_amu * 1.66053906892e-27
    transverse, longitudinal = np.sqrt(np.array([shear, bulk + 4 * shear / 3]) * 1e9 / density_kg_m3)
    mean_m_s = (3 / (2 / transverse**3 + 1 / longitudinal**3)) ** (1 / 3)
    wave_vector_per_m = (6 * np.pi**2 * atoms_per_a3) ** (1 / 3) * 1e10
    return Moduli(
        bulk_voigt_gpa=bulk,
        bulk_reuss_gpa=bulk,
        bulk_hill_gpa=bulk,
        shear_voigt_gpa=voigt,
        shear_reuss_gpa=reuss,
        shear_hill_gpa=shear,
        young_gpa=9 * bulk * shear / (3 * bulk + shear),
        poisson=(3 * bulk - 2 * shear) / (2 * (3 * bulk + shear)),
        pugh_ratio=shear / bulk,
        universal_anisotropy=5 * voigt / reuss - 5,
        debye_temperature_k=float(1.054571817e-34 * wave_vector_per_m * mean_m_s / 1.380649e-23),
        errors={"bulk_hill_gpa": 0.04, "shear_hill_gpa": 0.03, "young_gpa": 0.07, "pugh_ratio": 0.001},
    )


@pytest.fixture(scope="session")
def records() -> Records:
    """Builder of result records and documents."""
    return Records()
