"""Limits of the gate's rules, each with its reason."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GateLimits(BaseModel):
    """Limits of the rules; shares are fractions of one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # any result
    corrections_warn: int = Field(
        default=3,
        ge=0,
        description="a calculation that needed more corrections than this was hard to bring to an end",
    )
    rounding_share: float = Field(
        default=0.01, ge=0, description="forces and stresses may be read from files that hold few digits"
    )
    # relaxation
    volume_change_warn: float = Field(
        default=0.10, gt=0, description="a larger change on relaxation is another phase until someone looks"
    )
    cell_strain_warn: float = Field(
        default=0.10, gt=0, description="a cell can keep its volume and change its shape; functionals err by 1 to 3 %"
    )
    bonds_changed_fail: float = Field(
        default=0.30,
        gt=0,
        le=1,
        description="one bond of four may come or go; two of six, as in β-tin, make another structure",
    )
    bonds_changed_of_all_fail: float = Field(
        default=0.05, ge=0, le=1, description="a kind with few members, such as chance contacts, is not the structure"
    )
    bond_stretch_warn: float = Field(
        default=0.03,
        gt=0,
        description="functionals err by less than 2 % in bond lengths, and heat adds less than 1 %",
    )
    bond_stretch_fail: float = Field(
        default=0.05,
        gt=0,
        description="with the embedded potential no phase that kept its bonds exceeds 3.6 %, and none that lost "
        "some stays below 5.5 %; molecular crystals swell between their molecules and keep their bonds",
    )
    displacement_warn_a: float = Field(
        default=0.25,
        gt=0,
        description="measured structures that move further when relaxed are doubted (10.1107/S0108768110031873)",
    )
    # static
    residual_factor: float = Field(
        default=5.0,
        ge=1,
        description="symmetrising the relaxed crystal moves atoms by next to nothing: a larger multiple of the "
        "tolerances of the relaxation says that another crystal was calculated",
    )
    residual_force_fail_ev_per_a: float = Field(
        default=0.2,
        gt=0,
        description="a mode of 1 eV/Å² with such a force lies 20 meV above its minimum: that is no energy "
        "of the crystal at rest",
    )
    residual_stress_fail_gpa: float = Field(
        default=1.5,
        gt=0,
        description="a crystal with a bulk modulus of 15 GPa and 25 Å³/atom lies 12 meV/atom above its minimum",
    )
    # phonons
    net_force_warn_ev_per_a: float = Field(
        default=1e-3, gt=0, description="a larger total force on a displaced cell is noise in the forces"
    )
    sum_rule_warn: float = Field(
        default=0.1,
        gt=0,
        description="a translation costs no energy; the force constants are made to obey, which changes them by as "
        "much as they were off",
    )
    sum_rule_fail: float = Field(
        default=0.5, gt=0, description="with half of the largest force constant missing, the rest means nothing"
    )
    heat_capacity_share: float = Field(
        default=0.005,
        gt=0,
        description="of 3 k for each atom: what the acoustic modes at Γ and slightly negative ones beside it take",
    )
    thermal_share: float = Field(
        default=1e-3, gt=0, description="of k: rounding in F, S and Cv, which belong to one set of modes"
    )
    # elastic tensor
    stiffness_fail_gpa: float = Field(
        default=2000.0, gt=0, description="twice the stiffest component of diamond: no solid has it"
    )
    softness_fail_gpa: float = Field(
        default=0.1, gt=0, description="a tensor without a larger component is that of no solid"
    )
    fit_residual_warn: float = Field(
        default=0.1, gt=0, description="share of the stress that the fit leaves unexplained: noise or a jump"
    )
    fit_residual_fail: float = Field(
        default=0.3, gt=0, description="a third of the stress unexplained is no linear elasticity"
    )
    symmetry_residual_warn: float = Field(
        default=0.1, gt=0, description="components that symmetry makes equal differ by this share of the largest one"
    )
    symmetry_residual_fail: float = Field(
        default=0.3, gt=0, description="the stresses do not have the symmetry of the crystal"
    )
    component_error_warn: float = Field(
        default=0.1, gt=0, description="largest standard error of a component, as a share of the largest component"
    )
    component_error_fail: float = Field(
        default=0.5, gt=0, description="the components are not known to within themselves"
    )
    modulus_error_warn: float = Field(default=0.25, gt=0, description="standard error of K or G as a share of it")
    modulus_error_fail: float = Field(
        default=1.0, gt=0, description="a modulus smaller than its error may as well be zero"
    )
    missing_strains_fail: float = Field(
        default=0.25,
        ge=0,
        description="each missing stress takes a check away: with one of four gone, what is left may determine the "
        "tensor but hardly says how good it is",
    )
    bounds_share: float = Field(
        default=1e-6, ge=0, description="rounding; Reuss's average is never above Voigt's for a stable crystal"
    )
