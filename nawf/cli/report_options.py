"""The options that all reports share, declared once, and the decorator that gives them to a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from nawf.cli.options import (
    FormatOption,
    OptionalCampaignArgument,
    OutOption,
    ReferenceOption,
    StoreOption,
    StructuresOption,
)
from nawf.errors import InputError
from nawf.reports.tables import Format

if TYPE_CHECKING:
    from nawf.campaigns.schema import Campaign
    from nawf.thermo.conditions import Condition

TemperatureOption = Annotated[
    list[str] | None,
    typer.Option("--temperature", "-T", metavar="K", help="Kelvin, or the word static; may be repeated."),
]
ChosenPhasesOption = Annotated[str | None, typer.Option("--phases", metavar="ID,ID...", help="Only these phases.")]
SystemOption = Annotated[str | None, typer.Option("--system", help="Only phases of this chemical system (Na-S).")]
ExcludeOption = Annotated[str | None, typer.Option("--exclude", metavar="ID,ID...", help="Leave these phases out.")]
ExcludeTagOption = Annotated[
    list[str] | None, typer.Option("--exclude-tag", help="Leave phases with this tag out; may be repeated.")
]
ExcludeOriginOption = Annotated[
    list[str] | None, typer.Option("--exclude-origin", help="experimental, dft or prototype; may be repeated.")
]
ReferencePhaseOption = Annotated[
    list[str] | None,
    typer.Option("--reference-phase", metavar="EL=ID", help="Reference phase of an element, such as Na=na-bcc."),
]
SoftOption = Annotated[
    bool | None,
    typer.Option("--include-soft/--leave-out-soft", help="Keep phases with imaginary modes at T ≥ 0 K, marked."),
]
FingerprintOption = Annotated[
    str | None, typer.Option("--fingerprint", help="Start of a fingerprint or calculation; several by commas.")
]
EngineFilterOption = Annotated[str | None, typer.Option("--engine", help="Only this engine's results.")]


@dataclass(frozen=True)
class ReportOptions:
    """Which results a report takes, and how it is printed."""

    campaign: OptionalCampaignArgument = None
    phases: ChosenPhasesOption = None
    system: SystemOption = None
    exclude: ExcludeOption = None
    exclude_tag: ExcludeTagOption = None
    exclude_origin: ExcludeOriginOption = None
    fingerprint: FingerprintOption = None
    engine: EngineFilterOption = None
    store: StoreOption = None
    reference: ReferenceOption = False
    structures: StructuresOption = None
    fmt: FormatOption = Format.TABLE
    out: OutOption = None

    def load_campaign(self) -> Campaign | None:
        """The campaign, if one was named."""
        from nawf.campaigns.schema import load_campaign

        return load_campaign(self.campaign) if self.campaign else None


@dataclass(frozen=True)
class EnergyOptions(ReportOptions):
    """Further options of reports of energies: at which conditions, and counted from which elements."""

    temperature: TemperatureOption = None
    reference_phase: ReferencePhaseOption = None
    include_soft: SoftOption = None

    def named_references(self) -> dict[str, str]:
        """Reference phases of the command line by element."""
        named = {}
        for text in self.reference_phase or []:
            element, _, phase = (part.strip() for part in text.partition("="))
            if not (element and phase):
                raise InputError(f"--reference-phase {text!r} is not of the form EL=ID", hint="such as Na=na-bcc")
            named[element] = phase
        return named

    def conditions(self) -> tuple[Condition, ...]:
        """Conditions asked for on the command line."""
        from nawf.thermo.conditions import Condition

        return tuple(dict.fromkeys(Condition.parse(text) for text in self.temperature or ()))

    def keeps_soft(self, campaign: Campaign | None) -> bool:
        """Whether phases with imaginary modes take part at T > 0."""
        if self.include_soft is None:
            return campaign is not None and campaign.soft_phases == "include"
        return self.include_soft


def report_command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command all options of the class that its first argument is annotated with; it gets them as that."""
    own_hints = get_type_hints(function, include_extras=True)
    first, *own = inspect.signature(function).parameters.values()
    kind: type[ReportOptions] = own_hints[first.name]
    hints = get_type_hints(kind, include_extras=True)
    campaign, *shared = (
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in fields(kind)
    )
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own_hints[p.name]) for p in own]

    @wraps(function)
    def command(**values: Any) -> None:
        options = kind(**{f.name: values.pop(f.name) for f in fields(kind)})
        function(**{first.name: options}, **values)

    parameters = [campaign, *own, *shared]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    del command.__wrapped__
    return command
