"""Inputs after Ji, Tu et al., Energy Environ. Sci. 17, 9255 (2024), 10.1039/d4ee03160a.

The paper states r2SCAN, PAW, 680 eV and Γ-centred meshes for four phases: Na2S 3×3×3, Na2S2 5×5×2, Na2S4 4×4×4,
Na2S5 4×3×1. It does not say for which cells. Read here as the conventional cells of Na2S, β-Na2S2 (the only Na2S2
that 5×5×2 samples evenly) and α-Na2S5 (axes in rising order), and the primitive cell of Na2S4: a mesh of 21 Å,
rounded to the nearest whole number of points, then is the published one for three of them, and one of 30 Å for
Na2S4. Any length from 20.5 to 21.3 Å does so. Phases of the paper in other cells, and all others, take 21 Å; what
has neither S nor P is a metal and takes twice that, for its Fermi surface. Where the paper is silent (smearing,
convergence, potentials) the settings are those of the Materials Project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Kpoints
from pymatgen.io.vasp.sets import MPScanRelaxSet, VaspInputSet

K_LENGTH_A = 21.0
"""Points along a reciprocal axis of spacing 2π/L: this length over L, rounded."""

K_RULE = "Ji 2024"
"""Name of the rule, for results that were made with it."""

K_LENGTH_NA2S4_A = 30.0
K_LENGTH_METALS_A = 42.0

_INCAR: dict[str, Any] = {
    "ALGO": "Normal",
    "EDIFF": 1e-5,
    "EDIFFG": -0.02,
    "ENCUT": 680,
    "IBRION": 2,
    "ISIF": 3,
    "ISMEAR": 0,
    "ISPIN": 2,
    "LASPH": True,
    "LCHARG": False,
    "LMAXMIX": 6,
    "LMIXTAU": True,
    "LORBIT": 11,
    "LREAL": False,
    "LWAVE": False,
    "MAGMOM": {},
    "METAGGA": "R2SCAN",
    "NELM": 200,
    "NSW": 99,
    "PREC": "Accurate",
    "SIGMA": 0.05,
}


def k_length_a(structure: Structure) -> float:
    """Length of the k-mesh for a composition, Å."""
    if not {"S", "P"} & {element.symbol for element in structure.composition.elements}:
        return K_LENGTH_METALS_A
    return K_LENGTH_NA2S4_A if structure.composition.reduced_formula == "NaS2" else K_LENGTH_A


def k_mesh(structure: Structure) -> tuple[int, int, int]:
    """Divisions along the three reciprocal axes of any cell, supercells among them."""
    lengths = np.array(structure.lattice.reciprocal_lattice_crystallographic.abc)
    x, y, z = (max(1, int(n)) for n in np.floor(k_length_a(structure) * lengths + 0.5))
    return x, y, z


@dataclass
class Ji2024Set(VaspInputSet):
    """Relaxation inputs; other steps change INCAR settings only."""

    config_dict: dict[str, Any] | None = None
    user_potcar_functional: Any = "PBE_54"
    _valid_potcars: Sequence[str] | None = ("PBE_52", "PBE_54", "PBE_64")

    def __post_init__(self) -> None:
        """Settings of the paper, with the potentials that the Materials Project takes."""
        potentials = dict(MPScanRelaxSet.CONFIG["POTCAR"])
        self.config_dict = {"INCAR": dict(_INCAR), "POTCAR": potentials, "POTCAR_FUNCTIONAL": "PBE_54"}
        super().__post_init__()

    @property
    def kpoints_updates(self) -> Kpoints:
        """Γ-centred mesh of the structure."""
        return Kpoints.gamma_automatic(k_mesh(self.structure))
