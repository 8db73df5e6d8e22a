"""Options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nawf.errors import InputError
from nawf.reports.tables import Format

CampaignArgument = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="Campaign file, or the name of a shipped one such as ji2024.")
]
OptionalCampaignArgument = Annotated[
    str | None,
    typer.Argument(metavar="[CAMPAIGN]", help="Report on this campaign; without it, on everything in the store."),
]
ReferenceOption = Annotated[
    bool, typer.Option("--reference", help="Read the reference results that come with nawf, not a store.")
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="STORE",
        help="The store, instead of nawf.db (of nawf-rehearsal.db in rehearsals): a file, "
        "or mongodb://user@host:27017/database.",
    ),
]
StructuresOption = Annotated[
    list[Path] | None,
    typer.Option("--structures", metavar="DIR", help="Folder with phases of your own; may be repeated."),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print.")]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to a file instead.")]
EngineOption = Annotated[
    str | None, typer.Option("--engine", help="Engine, instead of the campaign's (such as chgnet-r2scan).")
]
ProtocolOption = Annotated[str | None, typer.Option("--protocol", help="Protocol of the engine.")]
PhasesOption = Annotated[
    str | None, typer.Option("--phases", metavar="ID,ID...", help="Only these phases of the campaign.")
]
PropertiesOption = Annotated[
    str | None,
    typer.Option("--properties", metavar="NAME,NAME...", help="Only these: relax, static, phonon, elastic."),
]


def elements_of(system: str) -> frozenset[str]:
    """Elements of a ``--system``; InputError where it is not written as in ``Na-S``."""
    from nawf.phases.formula import parse_system

    try:
        return parse_system(system)
    except ValueError as error:
        raise InputError(str(error), where="--system") from None


def comma_separated(text: str | None) -> tuple[str, ...]:
    """Names of an option such as ``a,b``, none where it was not given; white space and empty ones are dropped.

    Raises
    ------
    InputError
        If it was given and names nothing, as an empty variable of a shell does: all is not meant then.
    """
    names = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    if text is not None and not names:
        raise InputError(f"an option with names was given {text!r}, which names nothing", hint="leave the option out")
    return names
