"""How a property is obtained: the settings of relaxations, phonons and elastic tensors, independent of the engine."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nawf.results.fingerprint import Scalar


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
    criterion : str
        How a relaxation ended that nawf did not do, or that this is not known; empty for its own.
    """

    force_ev_per_a: float = Field(default=0.001, gt=0, le=0.1)
    stress_gpa: float = Field(default=0.01, gt=0, le=1.0)
    polish_steps: int = Field(default=100, ge=0)
    max_steps: int = Field(default=1000, ge=1)
    symprec_a: float = Field(default=0.01, gt=0, le=0.1)
    criterion: str = ""


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
    origin : str
        Whose force constants they are and what was done to them, where nawf did not make them; empty for its own.
    born : bool
        Whether Born charges and the dielectric tensor are calculated, for what the field of long-wave optical modes
        does to their frequencies (the non-analytical term).
    """

    min_length_a: float = Field(default=12.0, ge=4.0, le=60.0)
    displacement_a: float = Field(default=0.01, gt=0, le=0.2)
    mesh_length_a: float = Field(default=80.0, ge=10.0, le=400.0)
    imaginary_limit_thz: float = Field(default=0.1, ge=0.0, le=2.0)
    max_temperature_k: float = Field(default=1000.0, ge=100.0, le=5000.0)
    temperature_step_k: float = Field(default=10.0, ge=1.0, le=50.0)
    origin: str = ""
    born: bool = False


class ElasticMethod(Method):
    """Elastic tensor from stresses of strained cells, ions relaxed at fixed cell.

    Residual forces weigh in soft shears: with 1 meV/Å, C44 of Na2S from the embedded potential is 5 % too small.

    Attributes
    ----------
    strains : tuple of float
        Sizes of the Green-Lagrange strains; each is applied with both signs.
    symmetry_reduced : bool
        Whether only the strains are calculated that symmetry leaves independent.
    force_ev_per_a : float
        The ions of a strained cell are relaxed when no force is larger.
    polish_steps : int
        How many steps converged ions may go on towards a fifth of this.
    max_steps : int
        When to give up on a strained cell.
    """

    strains: tuple[float, ...] = Field(default=(0.005, 0.01), min_length=1)
    symmetry_reduced: bool = True
    force_ev_per_a: float = Field(default=0.0005, gt=0, le=0.1)
    polish_steps: int = Field(default=30, ge=0)
    max_steps: int = Field(default=150, ge=1)

    @field_validator("strains")
    @classmethod
    def _strains_are_small_and_distinct(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(1e-4 <= strain <= 0.05 for strain in value):
            raise ValueError("a strain must lie between 0.0001 and 0.05")
        if len(set(value)) != len(value):
            raise ValueError("a strain is given twice")
        return tuple(sorted(value))


_ONLY_IF_ANY = frozenset({"criterion", "origin", "born"})


class Methods(Method):
    """How every property is obtained.

    Raises
    ------
    pydantic.ValidationError
        When a setting is outside its limits.
    """

    relax: RelaxMethod = RelaxMethod()
    phonon: PhononMethod = PhononMethod()
    elastic: ElasticMethod = ElasticMethod()

    def record(self, prop: str) -> dict[str, Scalar]:
        """Method part of the fingerprint of a property: every setting that can change its value.

        The largest number of steps is no part of it: it says when to give up, not what a finished result is. Words
        on results of others are, where there are any, and so are Born charges.
        """
        parts = ["relax", *({prop} & {"phonon", "elastic"})]
        record: dict[str, Scalar] = {"property": prop}
        for part in parts:
            settings = getattr(self, part).model_dump(exclude={"max_steps"})
            present = {key: value for key, value in settings.items() if value or key not in _ONLY_IF_ANY}
            record |= {f"{part}_{key}": _scalar(value) for key, value in present.items()}
        return record


def _scalar(value: Scalar | tuple[float, ...]) -> Scalar:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value
