"""What is to be calculated for a phase: the message from a plan to whoever runs it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from nawf.results.crystal import Crystal
from nawf.results.methods import Methods

PROPERTIES = ("relax", "static", "phonon", "elastic")
"""Properties in the order in which they build on one another."""


class PhaseTask(BaseModel):
    """What to calculate for one phase, and what is known of it; everything a worker needs.

    Attributes
    ----------
    properties : tuple of str
        What is missing, a subset of :data:`PROPERTIES`.
    start : Crystal
        The library's structure.
    relaxed : Crystal or None
        The symmetrised relaxed cell where relaxation is already done.
    card : dict
        Facts of the phase card that results carry along: name, formula, origin, hash ...
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    phase: str
    campaign: str
    properties: tuple[str, ...]
    start: Crystal
    relaxed: Crystal | None = None
    methods: Methods
    card: dict[str, Any]
