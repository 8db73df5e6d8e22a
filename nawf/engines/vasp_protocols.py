"""VASP inputs of every step in every protocol: the published sets, and what is changed in them.

- ``mp24``: the current r2SCAN settings of the Materials Project, potentials PBE_64.
- ``mpscan``: its older ones (10.1103/PhysRevMaterials.6.013801), potentials PBE_54.
- ``ji2024``: those of Ji et al., see :mod:`nawf.engines.vasp_ji2024`.

The sets are those of atomate2's makers. :data:`CHANGES` holds every departure from them:

- One rule for k-points. The Materials Project widens KSPACING with the band gap of the run before, so that the mesh
  of a phase depends on its history, and those of two phases in one reaction on their gaps. Here it is 0.22 1/Å for
  all phases and steps, the densest of that rule; MP's validator asks for no less than its own. Supercells get the
  same density by the same rule. Strained cells share the mesh of the cell at rest: a point more or less between two
  strains would be a step in the stress.
- r2SCAN in every step but the pre-relaxation and the Born charges (LEPSILON is not to be had with METAGGA).
- Gaussian smearing of 0.05 eV wherever ions or cells respond to forces; those of the tetrahedron method are not the
  derivatives of its energies in a metal. Energies of ``mp24`` and ``mpscan`` are tetrahedron energies, as published.
- Projectors in reciprocal space (LREAL) in all steps, and energies converged for the forces that are asked for.
- No files that nobody reads. ADDGRID stays off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from typing import Any

from atomate2.vasp.jobs.base import BaseVaspMaker
from atomate2.vasp.jobs.mp import (
    MP24PreRelaxMaker,
    MP24RelaxMaker,
    MP24StaticMaker,
    MPMetaGGARelaxMaker,
    MPMetaGGAStaticMaker,
    MPPreRelaxMaker,
)
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Kpoints
from pymatgen.io.vasp.sets import VaspInputSet

from nawf.engines.vasp import K_SPACING_PER_A, STEPS_PER_RUN
from nawf.engines.vasp_ji2024 import K_RULE, Ji2024Set, k_mesh
from nawf.engines.vasp_kpoints import DeclaredMesh, FixedSpacing, Mesh, spacing_mesh


class Step(StrEnum):
    """What one run of VASP is for."""

    PRE_RELAX = "pre-relax"
    RELAX = "relax"
    STATIC = "static"
    DISPLACED = "displaced"
    STRAINED = "strained"
    BORN_GAP = "born-gap"
    BORN = "born"


_NO_FILES = {"LAECHG": False, "LCHARG": False, "LVTOT": False, "LWAVE": False, "LELF": False}
_SMEARED = {"ISMEAR": 0, "SIGMA": 0.05}
_BORN = {
    **_NO_FILES,
    **_SMEARED,
    "LREAL": False,
    "EDIFF": 1e-8,
    "EDIFFG": None,
    "IBRION": -1,
    "ISIF": 2,
    "NSW": 0,
}

CHANGES: dict[Step, dict[str, Any]] = {
    Step.PRE_RELAX: {**_NO_FILES, "LREAL": False},
    Step.RELAX: {**_NO_FILES, "LREAL": False, "EDIFF": 1e-7},
    # LELF forbids parallel k-points; forces and stress are held against those of the relaxation.
    Step.STATIC: {"LELF": False, "KPAR": None, "EDIFF": 1e-7},
    Step.DISPLACED: {**_NO_FILES, **_SMEARED, "KPAR": None, "EDIFF": 1e-8},
    Step.STRAINED: {**_NO_FILES, **_SMEARED, "LREAL": False, "EDIFF": 1e-8, "ISIF": 2},
    Step.BORN_GAP: _BORN,
    # Without the response to displacements, of which the charges need nothing.
    Step.BORN: _BORN | {"LEPSILON": True, "LPEAD": True},
}
"""INCAR settings that differ from the published set; None takes one out. EDIFFG comes with the method."""

_NAMES = {
    Step.PRE_RELAX: "PBEsol pre-relaxation",
    Step.RELAX: "r2SCAN relaxation",
    Step.STATIC: "r2SCAN static",
    Step.DISPLACED: "r2SCAN displaced cell",
    Step.STRAINED: "r2SCAN strained cell",
    Step.BORN_GAP: "PBEsol band gap",
    Step.BORN: "PBEsol Born charges",
}
_MP24 = {
    Step.PRE_RELAX: MP24PreRelaxMaker,
    Step.RELAX: MP24RelaxMaker,
    Step.STATIC: MP24StaticMaker,
    Step.DISPLACED: MP24StaticMaker,
    Step.STRAINED: MP24RelaxMaker,
    Step.BORN_GAP: MP24PreRelaxMaker,
    Step.BORN: MP24PreRelaxMaker,
}
_MPSCAN = {
    Step.PRE_RELAX: MPPreRelaxMaker,
    Step.RELAX: MPMetaGGARelaxMaker,
    Step.STATIC: MPMetaGGAStaticMaker,
    Step.DISPLACED: MPMetaGGAStaticMaker,
    Step.STRAINED: MPMetaGGARelaxMaker,
    Step.BORN_GAP: MPPreRelaxMaker,
    Step.BORN: MPPreRelaxMaker,
}
_JI2024: dict[Step, dict[str, Any]] = {
    Step.PRE_RELAX: {"METAGGA": None, "GGA": "PS"},
    Step.RELAX: {},
    Step.STATIC: {"NSW": 0},
    Step.DISPLACED: {"NSW": 0},
    Step.STRAINED: {},
    Step.BORN_GAP: {"METAGGA": None, "GGA": "PS"},
    Step.BORN: {"METAGGA": None, "GGA": "PS"},
}


def published_set(protocol: str, step: Step) -> VaspInputSet:
    """Input set of a step as it is published, before nawf's changes."""
    if protocol == "ji2024":
        return Ji2024Set(user_incar_settings=dict(_JI2024[step]))
    makers = _MP24 if protocol == "mp24" else _MPSCAN
    return makers[step]().input_set_generator


def input_set(
    protocol: str,
    step: Step,
    *,
    force_ev_per_a: float | None = None,
    max_steps: int | None = None,
    spin: bool = True,
    mesh: Sequence[int] | None = None,
) -> VaspInputSet:
    """Input set of a step.

    Parameters
    ----------
    protocol : str
    step : Step
    force_ev_per_a : float, optional
        Where the relaxation of ions ends, eV/Å; for the steps ``relax`` and ``strained``.
    max_steps : int, optional
        Ionic steps, no more than :data:`STEPS_PER_RUN` in one run.
    spin : bool
        False once a run with spin has found no moments.
    mesh : three int, optional
        Γ-centred mesh to use instead of the rule.
    """
    base = published_set(protocol, step)
    incar = base.user_incar_settings | CHANGES[step]
    if force_ev_per_a is not None:
        incar["EDIFFG"] = -force_ev_per_a
    if max_steps is not None:
        incar["NSW"] = min(max_steps, STEPS_PER_RUN)
    if not spin:
        # Moments are what LORBIT is for.
        incar |= {"ISPIN": 1, "LORBIT": None}
    arguments = {f.name: getattr(base, f.name) for f in fields(base) if f.init}
    arguments |= {"user_incar_settings": incar, "auto_kspacing": False, "inherit_incar": False, "auto_ismear": False}
    if mesh is not None:
        arguments["user_kpoints_settings"] = Kpoints.gamma_automatic(tuple(mesh))
    return type(base)(**arguments)


def vasp_maker(protocol: str, step: Step, run_vasp_kwargs: dict[str, Any], **choices: Any) -> BaseVaspMaker:
    """Maker of atomate2 for a step; ``choices`` are those of :func:`input_set`.

    A run that did not converge is kept and judged by what it says; atomate2 would raise an error without its numbers.
    """
    task: dict[str, Any] = {"store_volumetric_data": None, "parse_dos": False, "parse_bandstructure": False}
    return BaseVaspMaker(
        name=_NAMES[step],
        input_set_generator=input_set(protocol, step, **choices),
        run_vasp_kwargs=run_vasp_kwargs,
        task_document_kwargs=task,
        stop_children_kwargs={"handle_unsuccessful": False},
    )


def k_rule(protocol: str, structure: Structure) -> FixedSpacing | DeclaredMesh:
    """Rule of a protocol for the k-points of a cell, with the mesh that it makes of them."""
    if protocol == "ji2024":
        return DeclaredMesh(K_RULE, Mesh(k_mesh(structure)))
    return FixedSpacing(K_SPACING_PER_A, spacing_mesh(K_SPACING_PER_A, structure.lattice.matrix))
