"""The k-points of a VASP run as a setting: the rule that made them where there is one, or else the mesh itself.

Phases have unlike cells, so that meshes cannot be compared; rules can. A spacing is a rule of its own. What a
campaign does beyond that, it declares, and what was run is held against the declaration: where the two disagree, the
mesh or spacing that was run is the setting, and does not meet the others.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nawf.errors import EngineError

Matrix = Sequence[Sequence[float]]

DEFAULT_SPACING_PER_A = 0.5
"""KSPACING where there is neither that tag nor a KPOINTS file."""
_MESH_STYLES = {"gamma": 0.0, "monkhorst": 0.5}
_SPACING_DIGITS = 6


@dataclass(frozen=True)
class Mesh:
    """Divisions along the reciprocal vectors, and the first point in units of a division (0 where Γ is a point)."""

    divisions: tuple[int, int, int]
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def text(self) -> str:
        text = "mesh " + "x".join(map(str, self.divisions))
        return text if not any(self.offset) else f"{text} off Γ by {', '.join(f'{o:g}' for o in self.offset)}"


@dataclass(frozen=True)
class GapSpacing:
    """A spacing that follows the band gap, from ``least_per_a`` for metals to ``most_per_a`` (Å⁻¹).

    ``formula`` names how: two formulas over one range are two rules.
    """

    least_per_a: float
    most_per_a: float
    formula: str

    @property
    def text(self) -> str:
        return f"gap-dependent spacing {self.least_per_a:g} to {self.most_per_a:g} 1/A ({self.formula})"

    def covers(self, run: Mesh | float) -> bool:
        """Whether a spacing can have come from this rule."""
        return isinstance(run, float) and self.least_per_a - 1e-6 <= run <= self.most_per_a + 1e-6


@dataclass(frozen=True)
class FixedSpacing:
    """One spacing for all cells, Å⁻¹; a KPOINTS file with the ``mesh`` that it gives a cell counts as well.

    Strained cells share the mesh of the cell at rest (:func:`spacing_mesh`), for which there is no tag.
    """

    spacing_per_a: float
    mesh: Mesh

    @property
    def text(self) -> str:
        return f"spacing {self.spacing_per_a:g} 1/A"

    def covers(self, run: Mesh | float) -> bool:
        """Whether a run had this mesh or this spacing."""
        return run in (self.mesh, self.spacing_per_a)


@dataclass(frozen=True)
class DeclaredMesh:
    """The mesh that a campaign declares for a phase, as part of a rule that has a name."""

    rule: str
    mesh: Mesh

    @property
    def text(self) -> str:
        return f"declared: {self.rule}"

    def covers(self, run: Mesh | float) -> bool:
        """Whether it was the declared mesh that was run."""
        return run == self.mesh


KRule = GapSpacing | FixedSpacing | DeclaredMesh

MP24_SPACING = GapSpacing(0.22, 0.5, "MP24")
"""KSPACING of pymatgen's MP24 sets with ``auto_kspacing``: 0.22 for metals, 0.44 at a gap of 4.5 eV, at most 0.5."""
MPSCAN_SPACING = GapSpacing(0.22, 0.44, "MPScan")
"""KSPACING of pymatgen's MPScan sets: Wisesa, McGill, Mueller, Phys. Rev. B 93, 155109 (2016), capped at 0.44."""


def k_setting(
    spacing_per_a: float | None,
    gamma_centred: bool,
    kpoints: Any,
    *,
    lattice_a: Matrix | None = None,
    rule: KRule | None = None,
) -> str:
    """The k-points of a run in words that are equal where the rule is.

    Parameters
    ----------
    spacing_per_a : float or None
        KSPACING of the INCAR, Å⁻¹.
    gamma_centred : bool
        KGAMMA.
    kpoints : pymatgen Kpoints, its dictionary, or None
        The k-points that were run, from a KPOINTS file or as vasprun.xml reports them.
    lattice_a : (3, 3) array_like, optional
        Lattice vectors in rows, Å. With them, a mesh that KSPACING would not have made is found out: VASP lets a
        KPOINTS file go before the tag.
    rule : KRule, optional
        What the campaign declares.

    Raises
    ------
    EngineError
        When the k-points are of an unknown kind.
    """
    found = None if kpoints is None else _mesh_or_text(kpoints)
    if spacing_per_a is not None and isinstance(found, Mesh) and lattice_a is not None:
        made = spacing_mesh(spacing_per_a, lattice_a, gamma_centred=gamma_centred)
        if found != made:
            spacing_per_a = None
    if spacing_per_a is None and found is None:
        spacing_per_a = DEFAULT_SPACING_PER_A
    if spacing_per_a is None and isinstance(found, str):
        return found
    run = found if spacing_per_a is None else round(spacing_per_a, _SPACING_DIGITS)
    assert isinstance(run, Mesh | float)
    if rule is not None and rule.covers(run) and (isinstance(run, Mesh) or gamma_centred):
        return rule.text
    if isinstance(run, Mesh):
        return run.text
    return f"spacing {run:g} 1/A" + ("" if gamma_centred else " off Γ")


def spacing_mesh(spacing_per_a: float, lattice_a: Matrix, *, gamma_centred: bool = True) -> Mesh:
    """Mesh that VASP makes of KSPACING: along each axis the fewest points that are no further apart than that."""
    reciprocal = 2 * math.pi * np.linalg.inv(np.asarray(lattice_a, dtype=float)).T
    lengths = np.linalg.norm(reciprocal, axis=1)
    # A length that is a multiple of the spacing but for rounding must not ask for one point more.
    a, b, c = (max(1, math.ceil(length / spacing_per_a - 1e-6)) for length in lengths)
    return _mesh((a, b, c), 0.0 if gamma_centred else 0.5, (0.0, 0.0, 0.0))


def _mesh(divisions: Sequence[int], centre: float, shift: Sequence[float]) -> Mesh:
    """Monkhorst-Pack meshes (``centre`` 0.5) have Γ where the number of points is odd."""
    offset = [(centre if n % 2 == 0 else 0.0) + s for n, s in zip(divisions, shift, strict=True)]
    a, b, c = divisions
    x, y, z = (round(o - math.floor(o), 6) for o in offset)
    return Mesh((a, b, c), (x, y, z))


def _mesh_or_text(kpoints: Any) -> Mesh | str:
    content: Mapping[str, Any] = kpoints if isinstance(kpoints, Mapping) else kpoints.as_dict()
    style = str(content.get("generation_style", "")).lower()
    points: Sequence[Any] = content.get("kpoints") or ()
    shift = [float(s) for s in content.get("usershift") or (0, 0, 0)]
    if style in _MESH_STYLES and len(points) == 1 and len(points[0]) == 3:
        return _mesh([int(n) for n in points[0]], _MESH_STYLES[style], shift)
    if style == "automatic" and points:
        return f"automatic length {float(points[0][0]):g} A"
    if not points:
        raise EngineError("the k-points of the run are of an unknown kind", hint="give the mesh, or KSPACING")
    listed = json.dumps([[round(float(x), 6) for x in point] for point in points])
    return f"list of {len(points)} points {hashlib.sha256(listed.encode()).hexdigest()[:12]}"
