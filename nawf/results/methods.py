"""How a property is obtained: the settings of relaxations and phonons, independent of the engine."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Method(BaseModel):
    """Strict, immutable settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RelaxMethod(Method):
    """Relaxation of cell and ions at zero pressure, the space group kept.

    The defaults are tight enough for phonons: a residual force of 1 meV/Å is a tenth of what a displacement of
    0.01 Å causes in the softest of the phases here.

    Attributes
    ----------
    force_ev_per_a, stress_gpa : float
        A relaxation is converged when no force and no component of the stress is larger.
    polish_steps : int
        How many steps a converged relaxation may go on towards a fifth of these. Soft phonons want it, and a
        potential with kinks may not allow it.
    max_steps : int
        When to give up.
    symprec_a : float
        Tolerance for finding the space group, Å.
    """

    force_ev_per_a: float = Field(default=0.001, gt=0, le=0.1)
    stress_gpa: float = Field(default=0.01, gt=0, le=1.0)
    polish_steps: int = Field(default=100, ge=0)
    max_steps: int = Field(default=1000, ge=1)
    symprec_a: float = Field(default=0.01, gt=0, le=0.1)


class PhononMethod(Method):
    """Harmonic phonons by finite displacements.

    Attributes
    ----------
    min_length_a : float
        Smallest distance between periodic images of a displaced atom (height of the supercell over each of
        its faces), Å.
    displacement_a : float
        Length of a displacement, Å.
    mesh_length_a : float
        Density of the q-mesh as a length: about ``mesh_length_a / a`` points along an axis of length a.
    imaginary_limit_thz : float
        A mode below the negative of this counts as imaginary.
    max_temperature_k, temperature_step_k : float
        Grid on which F, S and Cv are kept; it starts at 0 K.
    """

    min_length_a: float = Field(default=12.0, ge=4.0, le=60.0)
    displacement_a: float = Field(default=0.01, gt=0, le=0.2)
    mesh_length_a: float = Field(default=80.0, ge=10.0, le=400.0)
    imaginary_limit_thz: float = Field(default=0.1, ge=0.0, le=2.0)
    max_temperature_k: float = Field(default=1000.0, ge=100.0, le=5000.0)
    temperature_step_k: float = Field(default=10.0, ge=1.0, le=50.0)


def method_record(
    prop: str, relax: RelaxMethod, phonon: PhononMethod | None = None
) -> dict[str, str | int | float | bool | None]:
    """Method part of the fingerprint of a property: every setting that can change its value.

    The largest number of steps is no part of it: it says when to give up, not what a finished result is.
    """
    record: dict[str, str | int | float | bool | None] = {"property": prop}
    record |= {f"relax_{k}": v for k, v in relax.model_dump(exclude={"max_steps"}).items()}
    if phonon is not None:
        record |= {f"phonon_{k}": v for k, v in phonon.model_dump().items()}
    return record
