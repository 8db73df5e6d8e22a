"""Campaign files: which phases, which properties, by which engine, and how to report them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nawf.errors import CampaignError
from nawf.results.methods import Methods
from nawf.results.tasks import PROPERTIES
from nawf.shipped import shipped_folder
from nawf.strict_yaml import describe_validation_error, read_yaml_model

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)

Property = Literal["relax", "static", "phonon", "elastic"]
_TemperatureK = Annotated[float, Field(ge=0, le=5000, allow_inf_nan=False)]


class PhaseSelection(BaseModel):
    """Phases to take (united), and phases to leave out of these."""

    model_config = _STRICT

    ids: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    exclude_ids: tuple[str, ...] = ()
    exclude_tags: tuple[str, ...] = ()
    exclude_origins: tuple[Literal["experimental", "dft", "prototype"], ...] = ()

    @model_validator(mode="after")
    def _takes_something(self) -> PhaseSelection:
        if not (self.ids or self.systems or self.tags):
            raise ValueError("names no phases: give ids, systems or tags")
        return self


class MoreProperties(BaseModel):
    """Further properties for some of a campaign's phases."""

    model_config = _STRICT

    properties: tuple[Property, ...] = Field(min_length=1)
    phases: PhaseSelection


class VoltageTask(BaseModel):
    """A voltage profile to report: what takes up which ion, and what a slow kinetics may skip."""

    model_config = _STRICT

    host: str
    ion: str = "Na"
    skip: tuple[str, ...] = ()
    skip_shallower_than_mev: float | None = Field(default=None, ge=0)


class RelaxChanges(BaseModel):
    """Departures from the protocol's relaxation settings."""

    model_config = _STRICT

    force_ev_per_a: float | None = None
    stress_gpa: float | None = None
    polish_steps: int | None = None
    max_steps: int | None = None
    symprec_a: float | None = None


class PhononChanges(BaseModel):
    """Departures from the protocol's phonon settings."""

    model_config = _STRICT

    min_length_a: float | None = None
    displacement_a: float | None = None
    mesh_length_a: float | None = None
    imaginary_limit_thz: float | None = None
    max_temperature_k: float | None = None
    temperature_step_k: float | None = None
    born: bool | None = None


class ElasticChanges(BaseModel):
    """Departures from the protocol's settings for elastic tensors."""

    model_config = _STRICT

    strains: tuple[float, ...] | None = None
    symmetry_reduced: bool | None = None
    force_ev_per_a: float | None = None
    polish_steps: int | None = None
    max_steps: int | None = None


class Campaign(BaseModel):
    """A campaign.

    Attributes
    ----------
    name, title : str
        Name (that of the file) and a line about it.
    reference : str or None
        DOI of the work that it repeats.
    phases : PhaseSelection
    properties : tuple of str
        What to calculate; a property brings along those that it builds on.
    also : tuple of MoreProperties
        What to calculate besides for some of the phases.
    engine, protocol : str
        ``protocol`` defaults to the engine's first.
    fingerprint : str or None
        Start of the calculation or fingerprint that reports take where the store holds several; see
        ``nawf query fingerprints``.
    temperatures_k : tuple of float
        Temperatures of the reports, besides the static column.
    references : dict of element to phase
        Element references by name; the lowest polymorph at each temperature where none is named.
    soft_phases : {"leave-out", "include"}
        What finite-temperature reports do with phases that have imaginary modes. They are marked either way.
    voltage : tuple of VoltageTask
        Profiles to report.
    """

    model_config = _STRICT

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = Field(min_length=1)
    reference: str | None = None
    phases: PhaseSelection
    properties: tuple[Property, ...] = Field(min_length=1)
    also: tuple[MoreProperties, ...] = ()
    engine: str = "chgnet-r2scan"
    protocol: str | None = None
    fingerprint: str | None = Field(default=None, min_length=1)
    temperatures_k: tuple[_TemperatureK, ...] = (0.0, 300.0, 400.0)
    references: dict[str, str] = {}
    soft_phases: Literal["leave-out", "include"] = "leave-out"
    voltage: tuple[VoltageTask, ...] = ()
    relax: RelaxChanges = RelaxChanges()
    phonon: PhononChanges = PhononChanges()
    elastic: ElasticChanges = ElasticChanges()

    @field_validator("temperatures_k")
    @classmethod
    def _temperatures_are_unique(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a temperature is given twice")
        return value

    @property
    def all_properties(self) -> tuple[str, ...]:
        """Properties that some phase is to have."""
        named = {*self.properties, *(p for more in self.also for p in more.properties)}
        return tuple(p for p in PROPERTIES if p in named)

    def methods(self, base: Methods) -> Methods:
        """The protocol's methods with the campaign's changes."""
        changes = {"relax": self.relax, "phonon": self.phonon, "elastic": self.elastic}
        settings = base.model_dump()
        return Methods.model_validate(
            {part: settings[part] | change.model_dump(exclude_none=True) for part, change in changes.items()}
        )


def shipped_campaigns() -> dict[str, Path]:
    """Files of the shipped campaigns by name."""
    return {path.stem: path for path in sorted(shipped_folder("workflows").glob("*.yaml"))}


def load_campaign(name_or_path: str | Path) -> Campaign:
    """Campaign of a file, or the shipped one of a name.

    Raises
    ------
    CampaignError
        When there is no such file, or it has an unknown key or a wrong value.
    """
    path = Path(name_or_path)
    if not path.is_file():
        shipped = shipped_campaigns()
        name = str(name_or_path)
        if name not in shipped:
            raise CampaignError(
                "there is no such campaign file", where=name, hint="shipped campaigns: " + ", ".join(shipped)
            )
        path = shipped[name]
    campaign = read_yaml_model(path, Campaign, error=CampaignError)
    _check_methods(campaign, path)
    return campaign


def _check_methods(campaign: Campaign, path: Path) -> None:
    """Changed settings must be within the limits of the methods, and temperatures within their grid."""
    try:
        phonon = campaign.methods(Methods()).phonon
    except ValidationError as error:
        raise CampaignError(describe_validation_error(error), where=str(path)) from None
    hottest = max(campaign.temperatures_k, default=0.0)
    if "phonon" in campaign.all_properties and hottest > phonon.max_temperature_k:
        end = f"{phonon.max_temperature_k:g} K"
        raise CampaignError(
            f"temperatures_k: {hottest:g} K is beyond the phonons' grid, which ends at {end}",
            where=str(path),
            hint="raise max_temperature_k under phonon",
        )
