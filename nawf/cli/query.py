"""``nawf query``: what the store holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nawf.cli.context import settings_for
from nawf.cli.options import FormatOption, OutOption, ReferenceOption, StoreOption, comma_separated, elements_of
from nawf.cli.output import emit, emit_tables
from nawf.cli.report_results import stored_results
from nawf.errors import InputError, did_you_mean, names_like
from nawf.reports.tables import Column, Format, Table

if TYPE_CHECKING:
    from nawf.results.documents import ResultDocument
    from nawf.results.groups import Group

_FINGERPRINT_COLUMNS = (
    Column("calculation", "calculation"),
    Column("fingerprint", "fingerprint"),
    Column("property", "property"),
    Column("phases", "phases", "d"),
    Column("results", "results", "d"),
    Column("engine", "engine"),
    Column("functional", "functional"),
    Column("apart", "set apart by"),
    Column("settings", "other settings"),
    Column("potentials", "potentials"),
)

query_app = typer.Typer(help="Look up results by phase, property, chemical system, engine or verdict.")

_COLUMNS = (
    Column("result_id", "result"),
    Column("formula", "formula"),
    Column("value", "value"),
    Column("verdict", "verdict"),
    Column("engine", "engine"),
    Column("finished_at", "finished (UTC)"),
    Column("reasons", "reasons"),
)


@query_app.callback(invoke_without_command=True)
def query(
    context: typer.Context,
    phase: Annotated[str | None, typer.Option("--phase", metavar="ID,ID...", help="Phases.")] = None,
    prop: Annotated[
        str | None, typer.Option("--property", help="relax, static, phonon or elastic; several by commas.")
    ] = None,
    system: Annotated[str | None, typer.Option("--system", help="Chemical system such as Na-S.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="Engine.")] = None,
    fingerprint: Annotated[
        str | None, typer.Option("--fingerprint", help="Start of a fingerprint or calculation; several by commas.")
    ] = None,
    verdict: Annotated[str | None, typer.Option("--verdict", help="pass, warn or fail.")] = None,
    store: StoreOption = None,
    reference: ReferenceOption = False,
    fmt: FormatOption = Format.TABLE,
    out: OutOption = None,
) -> None:
    """List results; all filters that are given must hold."""
    if context.invoked_subcommand is not None:
        return
    from nawf.results.tasks import PROPERTIES

    properties = comma_separated(prop)
    for name in properties:
        if name not in PROPERTIES:
            raise InputError(f"unknown property {name!r}", hint="choose from " + ", ".join(PROPERTIES))
    if verdict not in (None, "pass", "warn", "fail"):
        raise InputError(f"unknown verdict {verdict!r}", hint="choose from pass, warn, fail")
    elements = elements_of(system) if system else None
    phases, starts = comma_separated(phase), comma_separated(fingerprint)
    documents = [
        d
        for d in _load(store, reference, phases, properties)
        if (elements is None or set(d.chemical_system.split("-")) <= elements)
        and (engine is None or d.provenance.engine == engine)
        and (not starts or d.fingerprint_id.startswith(starts) or d.calculation_id.startswith(starts))
        and (verdict is None or d.verdict.level == verdict)
    ]
    notes = [f"{len(documents)} results"]
    is_unsure = set(phases) - {d.phase for d in documents} or not documents
    if is_unsure or len(starts) > 1:
        notes += _unknown(_load(store, reference, (), ()), phases, engine, starts)
    emit_tables([Table("Results", _COLUMNS, [_row(d) for d in documents], notes)], fmt, out)


def _unknown(
    documents: list[ResultDocument], phases: tuple[str, ...], engine: str | None, starts: tuple[str, ...]
) -> list[str]:
    """What was asked for and no result at all has, a line each."""
    lines = []
    for what, names, known in (
        ("is of phase", phases, {d.phase for d in documents}),
        ("is of engine", (engine,) if engine else (), {d.provenance.engine for d in documents}),
    ):
        for name in (name for name in names if name not in known):
            hint = did_you_mean(names_like(name, known))
            lines.append(f"No result here {what} {name!r}" + (f" ({hint})" if hint else ""))
    ids = {i for d in documents for i in (d.fingerprint_id, d.calculation_id)}
    unknown = [start for start in starts if not any(i.startswith(start) for i in ids)]
    return lines + [f"No fingerprint or calculation here begins with {start!r}" for start in unknown]


@query_app.command("show")
def show(
    result_id: Annotated[str, typer.Argument(metavar="RESULT", help="Result, as nawf query names it.")],
    store: StoreOption = None,
    reference: ReferenceOption = False,
    out: OutOption = None,
) -> None:
    """Print one result whole, as JSON: settings, verdict, provenance, numbers."""
    phase = result_id.split("/")[0]
    matching = [d for d in _load(store, reference, (phase,), ()) if d.result_id.startswith(result_id)]
    if len(matching) != 1:
        what = "no result has this name" if not matching else f"{len(matching)} results begin so"
        raise InputError(what, where=result_id, hint="nawf query lists the results")
    emit(json.dumps(matching[0].model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n", out)


@query_app.command("fingerprints")
def fingerprints(
    store: StoreOption = None,
    reference: ReferenceOption = False,
    fmt: FormatOption = Format.TABLE,
    out: OutOption = None,
) -> None:
    """List the settings under which the store holds results, with counts, and the names that --fingerprint takes."""
    from nawf.results.groups import fingerprint_groups

    groups = fingerprint_groups(_load(store, reference, (), ()))
    notes = [
        "Results of unlike calculations, with unlike potentials of an element or obtained in unlike ways never meet "
        "in a diagram.",
        "--fingerprint takes the start of a calculation, for all results on its energy scale, or of a fingerprint, "
        "for its results and those that can stand beside them; or several with commas between them.",
    ]
    emit_tables([Table("Fingerprints", _FINGERPRINT_COLUMNS, [_group_row(g) for g in groups], notes)], fmt, out)


def _load(
    store: str | None, reference: bool, phases: tuple[str, ...], properties: tuple[str, ...]
) -> list[ResultDocument]:
    location = settings_for(store).store
    return stored_results(location, reference=reference, phases=phases or None, properties=properties or None)


def _row(document: ResultDocument) -> dict[str, Any]:
    return {
        "result_id": document.result_id,
        "formula": document.card.formula,
        "value": None if document.verdict.failed else _value(document),
        "verdict": str(document.verdict.level),
        "engine": document.provenance.engine,
        "finished_at": document.provenance.finished_at.strftime("%Y-%m-%d %H:%M"),
        "reasons": "; ".join(document.verdict.messages()),
    }


def _group_row(group: Group) -> dict[str, Any]:
    from nawf.results.fingerprint import element_of, short

    def listed(settings: dict[str, Any]) -> str:
        return ", ".join(f"{k} {short(k, v)}" for k, v in settings.items() if v is not None)

    calculation = group.fingerprint.calculation
    own_columns = {"engine", "functional", *group.apart}
    potentials = {k: v for k, v in calculation.items() if element_of(k)}
    return {
        "calculation": group.documents[0].calculation_id,
        "fingerprint": group.fingerprint_id,
        "property": group.documents[0].property,
        "phases": len(group.phases),
        "results": len(group.documents),
        "engine": group.fingerprint.engine,
        "functional": group.fingerprint.functional,
        "apart": ", ".join(f"{k} {short(k, v)}" for k, v in group.apart.items()),
        "settings": listed({k: v for k, v in calculation.items() if k not in potentials and k not in own_columns}),
        "potentials": ", ".join(f"{element_of(k)}: {short(k, v)}" for k, v in potentials.items()),
    }


def _value(document: ResultDocument) -> str:
    """The number a person looks for first."""
    from nawf.results.elastic import ElasticResult
    from nawf.results.outputs import PhononResult, RelaxResult

    result = document.record()
    if isinstance(result, RelaxResult):
        return f"V = {result.crystal.volume_a3_per_atom:.3f} Å³/atom"
    if isinstance(result, PhononResult):
        return f"F(0 K) = {1e3 * result.free_energy_ev_per_atom[0]:.2f} meV/atom"
    if isinstance(result, ElasticResult):
        return f"K = {result.moduli.bulk_hill_gpa:.1f}, G = {result.moduli.shear_hill_gpa:.1f} GPa"
    return f"E = {result.energy_ev_per_atom:.5f} eV/atom"
