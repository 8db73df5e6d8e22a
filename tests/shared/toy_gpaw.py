"""A stand-in for the module gpaw: the calculator is a toy potential that can be told to fail."""

from __future__ import annotations

import types
from dataclasses import dataclass, field

import ase.io.formats  # noqa: F401 - it looks for formats in the real gpaw when it is first loaded
import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress

from nawf.engines.ase_relax import crystal_of


class ConvergenceError(Exception):
    """As GPAW's."""


@dataclass
class Toy:
    """What was asked of the stand-in, and what it is to do.

    ``fails`` gets the settings of a calculator and the number of the calculation, and raises or does nothing.
    """

    evaluate: object
    made: list = field(default_factory=list)
    cells: list = field(default_factory=list)
    fails: object = lambda settings, number: None

    def install(self, monkeypatch):
        """Put it in GPAW's place."""
        module = types.ModuleType("gpaw")
        module.GPAW = lambda **settings: _Calculator(self, settings)
        module.ConvergenceError = ConvergenceError
        module.get_libraries = lambda: {"libxc": "6.5.4"}
        monkeypatch.setitem(__import__("sys").modules, "gpaw", module)
        for place in ("nawf.engines.gpaw_versions.version", "nawf.engines.base.version"):
            monkeypatch.setattr(place, lambda name: "1.2.3")
        # The toy has no grid that symmetries could be too many for.
        monkeypatch.setattr("nawf.engines.gpaw_scf.symmetry_choice", lambda *asked: {})
        return self


class _Calculator:
    def __init__(self, toy, settings):
        self.toy, self.settings, self.results = toy, settings, {}
        toy.made.append(settings)
        potentials = [
            types.SimpleNamespace(
                symbol=s, fingerprint=s.lower() * 16, data=types.SimpleNamespace(stdfilename=f"{s}.PBE")
            )
            for s in ("Na", "S")
        ]
        self.dft = types.SimpleNamespace(setups=potentials, scf_loop=types.SimpleNamespace(niter=7))

    def get_potential_energy(self, atoms):
        self.toy.cells.append(atoms.cell.array.copy())
        self.toy.fails(self.settings, len(self.toy.cells))
        energy, self.forces, stress = self.toy.evaluate(crystal_of(atoms))
        self.stress = full_3x3_to_voigt_6_stress(stress)
        return energy

    def get_forces(self, atoms):
        return np.array(self.forces)

    def get_stress(self, atoms):
        return self.stress
