"""CHGNet's energy, forces and stress with a third of the package's work: same network, same weights, float32.

What differs from the forward and backward pass of the ``chgnet`` package, none of it in the mathematics:

- The first linear layer of every gated unit acts on the joined features of an atom, a bond and an atom (or of
  two bonds, an angle and an atom). It is linear in each of them, so here it is applied to atoms and bonds
  before they are joined: a few hundred atoms instead of thousands of directed bonds.
- Forces and stress come from one backward pass, which keeps nothing for third derivatives.
- Indices have 64 bits: torch adds rows by 32-bit indices three times slower.
- Magnetic moments and site energies, which nothing here reads, are left out, and so is the last update of the
  angles, which nothing reads at all.

Tests compare it with the package's own results. It reads the layers of chgnet 0.4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nawf.results.crystal import Crystal


@dataclass(frozen=True)
class Topology:
    """Which atoms, bonds and angles see each other. Holds for any positions as long as no bond is missing.

    A bond longer than a cutoff does no harm: it weighs nothing in the network.

    Attributes
    ----------
    species : (atoms,)
        Index of the element, hydrogen = 0.
    center, neighbour : (directed bonds,)
        Atoms at both ends.
    image : (directed bonds, 3)
        Lattice translation of the neighbour.
    bond : (directed bonds,)
        Undirected bond of a directed one.
    direction : (bonds,)
        A directed bond of every undirected one.
    short : (short bonds,)
        Undirected bonds that form angles.
    angle_atom : (angles,)
        Atom at the vertex.
    angle_bonds, angle_directions : (2, angles)
        Legs of the angles as positions in ``short``, and as directed bonds.
    """

    species: Tensor
    center: Tensor
    neighbour: Tensor
    image: Tensor
    bond: Tensor
    direction: Tensor
    short: Tensor
    angle_atom: Tensor
    angle_bonds: Tensor
    angle_directions: Tensor

    @classmethod
    def from_graph(cls, graph: Any) -> Topology:
        """Take over a graph of the package's converter."""
        legs = graph.bond_graph.long().reshape(-1, 5)  # atom, bond, directed bond, bond, directed bond
        short, angle_bonds = torch.unique(legs[:, [1, 3]], return_inverse=True)
        return cls(
            species=graph.atomic_number.long() - 1,
            center=graph.atom_graph[:, 0].long(),
            neighbour=graph.atom_graph[:, 1].long(),
            image=graph.neighbor_image,
            bond=graph.directed2undirected.long(),
            direction=graph.undirected2directed.long(),
            short=short,
            angle_atom=legs[:, 0].contiguous(),
            angle_bonds=angle_bonds.T.contiguous(),
            angle_directions=legs[:, [2, 4]].T.contiguous(),
        )

    def repeated(self, times: int) -> Topology:
        """Topology of several equal cells side by side."""

        def shifted(index: Tensor, by: int) -> Tensor:
            return torch.cat([index + k * by for k in range(times)], dim=-1)

        atoms, bonds, directed, short = map(len, (self.species, self.direction, self.center, self.short))
        return Topology(
            species=self.species.repeat(times),
            center=shifted(self.center, atoms),
            neighbour=shifted(self.neighbour, atoms),
            image=self.image.repeat(times, 1),
            bond=shifted(self.bond, bonds),
            direction=shifted(self.direction, directed),
            short=shifted(self.short, bonds),
            angle_atom=shifted(self.angle_atom, atoms),
            angle_bonds=shifted(self.angle_bonds, short),
            angle_directions=shifted(self.angle_directions, directed),
        )


class _Gate:
    """A gated unit of the network over features that are gathered, not joined."""

    def __init__(self, unit: Any) -> None:
        core, gate = (
            [m for m in branch.layers if isinstance(m, nn.Linear)] for branch in (unit.mlp_core, unit.mlp_gate)
        )
        weight, bias = (torch.cat([getattr(core[0], name), getattr(gate[0], name)]) for name in ("weight", "bias"))
        self.width = core[0].out_features
        self.first = [block.T.contiguous() for block in weight.split(self.width, dim=1)]
        self.bias = bias
        self.second = (core[1], gate[1]) if len(core) > 1 else None
        self.norms = (unit.bn1, unit.bn2)

    def __call__(self, *sources: tuple[Tensor, Tensor | None]) -> Tensor:
        """Output for rows that take one row of each source, by index or, without one, in order."""
        total = self.bias
        for (features, index), weight in zip(sources, self.first, strict=True):
            if index is None:
                part = features @ weight
            elif len(index) < len(features):
                part = features.index_select(0, index) @ weight
            else:
                part = (features @ weight).index_select(0, index)
            total = part.add_(total)
        branches = total.split(self.width, dim=1)
        if self.second is not None:
            branches = functional.silu(total).split(self.width, dim=1)
            branches = tuple(layer(branch) for layer, branch in zip(self.second, branches, strict=True))
        core, gate = (norm(branch) for norm, branch in zip(self.norms, branches, strict=True))
        return functional.silu(core) * torch.sigmoid(gate)


class Network:
    """Evaluates crystals with the weights of a loaded CHGNet model."""

    def __init__(self, model: Any) -> None:
        self._model = model.eval().requires_grad_(False)
        self._device = next(model.parameters()).device
        self._atom_gates = [_Gate(layer.twoBody_atom) for layer in model.atom_conv_layers]
        self._bond_gates = [_Gate(layer.twoBody_bond) for layer in model.bond_conv_layers]
        self._angle_gates = [_Gate(layer.twoBody_bond) for layer in model.angle_layers]

    def topology(self, crystal: Crystal, skin_a: float = 0.0) -> Topology:
        """Topology of a crystal that stays valid while no bond shrinks by more than ``skin_a`` (Å).

        Raises
        ------
        ValueError
            When an atom has no neighbour inside the cutoff.
        """
        from chgnet.graph import CrystalGraphConverter

        own = self._model.graph_converter
        converter = CrystalGraphConverter(
            atom_graph_cutoff=own.atom_graph_cutoff + skin_a,
            bond_graph_cutoff=own.bond_graph_cutoff + skin_a,
            on_isolated_atoms="error",
        )
        return Topology.from_graph(converter(crystal.to_structure()).to(self._device))

    def evaluate(self, crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray]:
        """Energy (eV), forces (eV/Å, shape (atoms, 3)) and stress (eV/Å³, shape (3, 3), positive under tension)."""
        topology = self.topology(crystal)
        lattice = self._tensor(crystal.matrix_a)
        strain = torch.zeros_like(lattice, requires_grad=True)
        deformation = torch.eye(3, device=self._device) + strain
        positions = (self._tensor(crystal.frac_coords) @ lattice) @ deformation
        energy = self._energies(topology, positions, lattice @ deformation, 1)
        by_position, by_strain = torch.autograd.grad(energy.sum(), [positions, strain])
        reference = self._model.composition_model.fc.weight[0].index_select(0, topology.species)
        energy_ev = float(energy.detach()) + float(reference.double().sum())
        return energy_ev, -_array(by_position), _array(by_strain) / crystal.volume_a3

    def forces(self, topology: Topology, lattice_a: np.ndarray, positions_a: np.ndarray) -> np.ndarray:
        """Forces on several cells of one topology and lattice.

        Parameters
        ----------
        topology : Topology
        lattice_a : array, shape (3, 3)
            Å.
        positions_a : array, shape (cells, atoms, 3)
            Cartesian, Å.

        Returns
        -------
        array, shape (cells, atoms, 3)
            eV/Å.
        """
        cells = len(positions_a)
        positions = self._tensor(positions_a.reshape(-1, 3)).requires_grad_()
        energies = self._energies(topology.repeated(cells), positions, self._tensor(lattice_a), cells)
        (gradient,) = torch.autograd.grad(energies.sum(), positions)
        return -_array(gradient).reshape(positions_a.shape)

    def _tensor(self, values: Any) -> Tensor:
        return torch.tensor(np.asarray(values), dtype=torch.float32, device=self._device)

    def _energies(self, t: Topology, positions: Tensor, lattice: Tensor, cells: int) -> Tensor:
        """Energies of ``cells`` equal cells without the atomic references (eV), shape (cells,)."""
        m = self._model
        towards = positions.index_select(0, t.center) - positions.index_select(0, t.neighbour) - t.image @ lattice
        distance = torch.linalg.vector_norm(towards, dim=1)
        length = distance.index_select(0, t.direction)
        basis = m.bond_basis_expansion.rbf_expansion_ag(length)
        atom, bond = m.atom_embedding(t.species), m.bond_embedding(basis)
        weight = m.bond_weights_ag(basis).index_select(0, t.bond)
        angles = self._angles(t, towards, distance, length) if len(t.angle_atom) else None
        for k, layer in enumerate(m.atom_conv_layers):
            message = self._atom_gates[k]((atom, t.center), (bond, t.bond), (atom, t.neighbour)) * weight
            atom = layer.mlp_out(_summed(message, t.center, len(atom))) + atom
            if angles is not None and k < len(self._bond_gates):
                bond, angles = self._updated(k, t, atom, bond, angles)
        return m.mlp(m.readout_norm(atom)).reshape(cells, -1).double().sum(dim=1)

    def _angles(self, t: Topology, towards: Tensor, distance: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Features and weights of the angles."""
        m = self._model
        legs = (towards.index_select(0, d) / distance.index_select(0, d)[:, None] for d in t.angle_directions)
        features = m.angle_embedding(m.angle_basis_expansion(*legs))
        weight = m.bond_weights_bg(m.bond_basis_expansion.rbf_expansion_bg(length.index_select(0, t.short)))
        first, second = t.angle_bonds
        return features, weight.index_select(0, first) * weight.index_select(0, second)

    def _updated(
        self, k: int, t: Topology, atom: Tensor, bond: Tensor, angles: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Bonds and angles after layer ``k``. Only short bonds change."""
        features, weight = angles
        first, second = t.angle_bonds
        short = bond.index_select(0, t.short)
        message = (
            self._bond_gates[k]((short, first), (short, second), (features, None), (atom, t.angle_atom)) * weight
        )
        change = self._model.bond_conv_layers[k].mlp_out(_summed(message, first, len(short)))
        if k < len(self._bond_gates) - 1:
            short = short + change
            gated = self._angle_gates[k]((short, first), (short, second), (features, None), (atom, t.angle_atom))
            features = gated + features
        return bond.index_add(0, t.short, change), (features, weight)


def _summed(rows: Tensor, owner: Tensor, n: int) -> Tensor:
    return rows.new_zeros(n, rows.shape[1]).index_add_(0, owner, rows)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(float)
