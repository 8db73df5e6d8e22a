"""The card of a phase: what it is, where its structure came from, and what is doubtful about it."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nawf.errors import StructureError
from nawf.phases.formula import parse_formula
from nawf.strict_yaml import read_yaml_model

PHASE_ID_PATTERN = r"[a-z0-9][a-z0-9-]*"

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
_Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Angle = Annotated[float, Field(gt=0, lt=180, allow_inf_nan=False)]
_Doi = Annotated[str, Field(pattern=r"^10\.[0-9]{4,9}/\S+$")]
_Temperature = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Origin(StrEnum):
    """Where cell and coordinates came from."""

    EXPERIMENTAL = "experimental"
    DFT = "dft"
    PROTOTYPE = "prototype"

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return {
            Origin.EXPERIMENTAL: "cell and coordinates refined from diffraction",
            Origin.DFT: "cell and coordinates relaxed with density-functional theory, not measured",
            Origin.PROTOTYPE: "coordinates of a structure type, cell scaled or quoted: not measured",
        }[self]


class SpaceGroup(BaseModel):
    """Short Hermann-Mauguin symbol, such as ``P6_3/mmc``, and number in the International Tables."""

    model_config = _STRICT

    symbol: str = Field(min_length=2)
    number: int = Field(ge=1, le=230)


class MeasuredCell(BaseModel):
    """A measured cell, in the setting of the phase's CIF, to compare calculated cells with (Å, degrees)."""

    model_config = _STRICT

    a_angstrom: _Length
    b_angstrom: _Length
    c_angstrom: _Length
    alpha_deg: _Angle = 90.0
    beta_deg: _Angle = 90.0
    gamma_deg: _Angle = 90.0
    temperature_k: _Temperature | None = None
    reference: str = Field(min_length=1)
    doi: _Doi | None = None

    @property
    def lengths_angstrom(self) -> tuple[float, float, float]:
        """Cell edges a, b, c (Å)."""
        return self.a_angstrom, self.b_angstrom, self.c_angstrom

    @property
    def angles_deg(self) -> tuple[float, float, float]:
        """Cell angles α, β, γ (degrees)."""
        return self.alpha_deg, self.beta_deg, self.gamma_deg


class PhaseCard(BaseModel):
    """What is known of a phase beside its atoms.

    Attributes
    ----------
    id : str
        Name in campaigns and results; lower case letters, digits and hyphens.
    formula : str
        One formula unit, as a chemist writes it (``P4S10``, not ``P2S5``).
    name : str
        Name of the polymorph.
    space_group : SpaceGroup
        Space group of the structure in the CIF.
    z : int
        Formula units in the conventional cell.
    origin : Origin
        Where cell and coordinates came from.
    reference : str
        Source of cell and coordinates.
    doi : str or None
        DOI of that source, only where it describes this very phase.
    measured_temperature_k : float or None
        Temperature of the measurement (K); experimental structures only.
    tags : tuple of str
        Keywords; those of the shipped cards are explained in ``nawf.phases.tags``.
    measured_cell : MeasuredCell or None
        For structures that are not experimental: a measured cell of the same phase, where one is known.
    notes : tuple of str
        Sentences on disorder, doubt, changed settings and quoted numbers.
    """

    model_config = _STRICT

    id: str
    formula: str
    name: str = Field(min_length=1)
    space_group: SpaceGroup
    z: int = Field(ge=1)
    origin: Origin
    reference: str = Field(min_length=1)
    doi: _Doi | None = None
    measured_temperature_k: _Temperature | None = None
    tags: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")], ...] = ()
    measured_cell: MeasuredCell | None = None
    notes: tuple[Annotated[str, Field(min_length=1)], ...] = ()

    @field_validator("id")
    @classmethod
    def _id_is_plain(cls, value: str) -> str:
        if not re.fullmatch(PHASE_ID_PATTERN, value):
            raise ValueError(
                f"{value!r} is not a phase id (lower case letters, digits and hyphens, beginning with a letter "
                "or digit)"
            )
        return value

    @field_validator("formula")
    @classmethod
    def _formula_is_plain(cls, value: str) -> str:
        parse_formula(value)
        return value

    @field_validator("tags")
    @classmethod
    def _tags_are_unique(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a tag is given twice")
        return value

    @model_validator(mode="after")
    def _measured_only_if_experimental(self) -> PhaseCard:
        if self.origin is not Origin.EXPERIMENTAL and self.measured_temperature_k is not None:
            raise ValueError(
                f"measured_temperature_k is for experimental structures, and the origin is {self.origin.value}; "
                "put a measured cell under measured_cell"
            )
        if self.origin is Origin.EXPERIMENTAL and self.measured_cell is not None:
            raise ValueError("measured_cell is for structures that are not experimental: the CIF has the cell")
        return self

    @cached_property
    def composition(self) -> dict[str, int]:
        """Elements and their counts in one formula unit, in the order of the formula."""
        return parse_formula(self.formula)

    @property
    def elements(self) -> frozenset[str]:
        """Element symbols."""
        return frozenset(self.composition)

    @property
    def chemical_system(self) -> str:
        """Elements in alphabetical order, joined by hyphens."""
        return "-".join(sorted(self.composition))

    @property
    def n_atoms(self) -> int:
        """Atoms in the conventional cell."""
        return self.z * sum(self.composition.values())


def read_card(path: Path | str) -> PhaseCard:
    """Read a card from its YAML file.

    Raises
    ------
    StructureError
        If the file is unreadable, has an unknown key or a wrong value, or is not named after the phase.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise StructureError("is not a file", where=str(path))  # reading a pipe would wait for ever
    card = read_yaml_model(path, PhaseCard, error=StructureError)
    if card.id != path.stem:
        raise StructureError(
            f"the card is of phase {card.id!r}, so its file must be named {card.id}.yaml", where=str(path)
        )
    return card


def card_yaml(card: PhaseCard) -> str:
    """YAML text of a card, readable back by :func:`read_card`; what is not known is left out, save the DOI."""
    data: dict[str, Any] = card.model_dump(mode="json", exclude_defaults=True)
    ordered = {key: data.get(key) for key in PhaseCard.model_fields if key in data or key == "doi"}
    return yaml.dump(ordered, Dumper=_CardDumper, sort_keys=False, allow_unicode=True, width=110)


class _CardDumper(yaml.SafeDumper):
    """Writes the space group and the tags on one line each, and indents lists below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style=False)
        for key, value in node.value:
            if key.value in {"space_group", "tags"}:
                value.flow_style = True
        return node
