"""Records of an elastic tensor: the strained cells, their stresses, and what follows from them.

Voigt order is xx, yy, zz, yz, xz, xy. Strains are Green-Lagrange strains with engineering shears, (E11, E22, E33,
2 E23, 2 E13, 2 E12); stresses are positive under tension.
"""

from __future__ import annotations

from math import isfinite

from nawf.results.crystal import Crystal
from nawf.results.methods import ElasticMethod, Methods, RelaxMethod
from nawf.results.outputs import Calculation, Record, RunRecord, Voigt

VoigtMatrix = tuple[Voigt, Voigt, Voigt, Voigt, Voigt, Voigt]


class StrainedCells(Record):
    """A crystal and the strains to apply to it, one cell each.

    ``crystal`` is the relaxed primitive cell with its Cartesian axes along those of the IEEE standard; strains and
    stresses refer to these axes. :func:`nawf.results.strain.strained` makes the cells.
    """

    crystal: Crystal
    strains: tuple[Voigt, ...]
    method: ElasticMethod


class StrainedState(Record):
    """A strained cell after its ions were relaxed at fixed cell.

    ``stress_gpa`` is the Cauchy stress in the Cartesian axes of the strained cell as it was given.
    """

    stress_gpa: Voigt
    max_force_ev_per_a: float
    n_steps: int
    converged: bool

    @property
    def has_stress(self) -> bool:
        """Whether the stress is a number."""
        return all(map(isfinite, self.stress_gpa))

    @property
    def is_usable(self) -> bool:
        """Whether the ions came to rest and the stress is a number."""
        return self.converged and self.has_stress


class StressesOutput(Record):
    """Strained cells in the order of the strains; None where a calculation ended without a stress."""

    states: tuple[StrainedState | None, ...]
    calculation: Calculation
    run: RunRecord


class Moduli(Record):
    """Moduli of a polycrystal and what follows from them, with standard errors propagated from the fit.

    Attributes
    ----------
    bulk_voigt_gpa, bulk_reuss_gpa, bulk_hill_gpa, shear_voigt_gpa, shear_reuss_gpa, shear_hill_gpa : float
        Upper bound, lower bound and their mean.
    young_gpa, poisson : float
        Of the Hill averages.
    pugh_ratio : float
        G/B of the Hill averages; above 0.571 a solid counts as brittle.
    universal_anisotropy : float
        5 G_V/G_R + K_V/K_R - 6; zero for an isotropic solid.
    debye_temperature_k : float or None
        From the mean speed of sound; None where the averages are not positive.
    errors : dict of str to float
        Standard errors of the fields above, by name, where there are any.
    """

    bulk_voigt_gpa: float
    bulk_reuss_gpa: float
    bulk_hill_gpa: float
    shear_voigt_gpa: float
    shear_reuss_gpa: float
    shear_hill_gpa: float
    young_gpa: float
    poisson: float
    pugh_ratio: float
    universal_anisotropy: float
    debye_temperature_k: float | None
    errors: dict[str, float]


class ElasticResult(Record):
    """Elastic tensor of a phase in IEEE axes.

    Attributes
    ----------
    crystal : Crystal
        Relaxed primitive cell in the Cartesian axes of the tensor.
    crystal_system : str
        ``cubic``, ``trigonal`` ...
    strains, states : tuple
        What was calculated; a state is None where a calculation ended without a stress.
    stiffness_gpa, stiffness_error_gpa : 6 x 6
        Tensor with the symmetry of the crystal, and standard errors of its components.
    n_constants : int
        Independent components.
    rest_stress_gpa : Voigt
        Stress at zero strain, from the fit.
    fit_residual_gpa : float
        Root mean square difference between the stresses and the fit.
    symmetry_residual_gpa : float
        Largest difference between a component as one strain alone gives it and that of the symmetrised tensor.
    eigenvalues_gpa : six floats, rising
        Of the tensor in Mandel notation; a crystal is stable (Born) where all are positive.
    moduli : Moduli
    uses_unrelaxed : bool
        Whether the strained cells whose ions came to rest do not determine the tensor, so that the others were
        fitted too. Such a tensor is kept to show what went wrong, never as a result.
    """

    crystal: Crystal
    crystal_system: str
    strains: tuple[Voigt, ...]
    states: tuple[StrainedState | None, ...]
    stiffness_gpa: VoigtMatrix
    stiffness_error_gpa: VoigtMatrix
    n_constants: int
    rest_stress_gpa: Voigt
    fit_residual_gpa: float
    symmetry_residual_gpa: float
    eigenvalues_gpa: Voigt
    moduli: Moduli
    uses_unrelaxed: bool = False
    calculation: Calculation
    method: ElasticMethod
    relax_method: RelaxMethod
    run: RunRecord

    @property
    def methods(self) -> Methods:
        return Methods(relax=self.relax_method, elastic=self.method)

    @property
    def n_missing(self) -> int:
        """Strained cells without a usable stress."""
        return sum(state is None or not state.is_usable for state in self.states)
