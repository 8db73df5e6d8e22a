"""What thermo needs to know of a phase: its static energy and its vibrational free energy, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class VibrationalFreeEnergy:
    """Harmonic vibrational functions of a phase on a temperature grid.

    Attributes
    ----------
    temperatures_k : tuple of float, shape (n,)
        Rising, from 0 K.
    free_energy_ev_per_atom : tuple of float, shape (n,)
        Helmholtz free energy, zero-point energy included.
    entropy_ev_per_k_per_atom, heat_capacity_ev_per_k_per_atom : tuple of float, shape (n,)
        Entropy, and heat capacity at constant volume.
    imaginary_fraction : float
        Share of the mesh modes (by weight) below the negative of the stated limit; these are missing from F.
    lowest_frequency_thz : float
        Lowest frequency on the mesh; imaginary modes count as negative.
    soft_mode_shift_ev_per_atom : tuple of float, shape (n,) or ()
        Change of F if imaginary modes counted as real ones of the same size; empty where it is not known.
    """

    temperatures_k: tuple[float, ...]
    free_energy_ev_per_atom: tuple[float, ...]
    entropy_ev_per_k_per_atom: tuple[float, ...]
    heat_capacity_ev_per_k_per_atom: tuple[float, ...]
    imaginary_fraction: float = 0.0
    lowest_frequency_thz: float = 0.0
    soft_mode_shift_ev_per_atom: tuple[float, ...] = ()

    @property
    def is_soft(self) -> bool:
        """Whether modes were left out of F because they are imaginary."""
        return self.imaginary_fraction > 0.0


@dataclass(frozen=True)
class PhaseEnergetics:
    """Static energy and vibrations of one phase, under one fingerprint.

    Attributes
    ----------
    phase : str
        Identifier of the phase, such as ``na2s2-alpha``.
    formula : str
        Reduced or conventional formula, such as ``Na2S2``; no brackets.
    static_energy_ev_per_atom : float
        Energy of the relaxed cell, without zero-point energy.
    vibrations : VibrationalFreeEnergy or None
        None where no phonons were calculated.
    origin : str
        Where the structure came from: experimental, dft or prototype.
    warnings : tuple of str
        Reasons of a ``warn`` verdict of relaxation or static energy, shown beside the phase.
    vibration_warnings : tuple of str
        Those of the phonons, which concern its free energy alone.
    rejected : str or None
        Reason for which the phase may enter no diagram at all (its relaxation failed its checks).
    vibrations_rejected : str or None
        Reason for which its free energy may not be used, its static energy being sound.
    """

    phase: str
    formula: str
    static_energy_ev_per_atom: float
    vibrations: VibrationalFreeEnergy | None = None
    origin: str = "experimental"
    warnings: tuple[str, ...] = field(default=())
    rejected: str | None = None
    vibrations_rejected: str | None = None
    vibration_warnings: tuple[str, ...] = field(default=())
