"""``nawf phases``: list, show, check and add crystal structures."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nawf.cli.options import FormatOption, OutOption, StructuresOption
from nawf.cli.output import emit
from nawf.reports.tables import Column, Format, Table, render

if TYPE_CHECKING:
    from nawf.phases.check import CheckReport
    from nawf.phases.library import Library, Phase

phases_app = typer.Typer(
    help="The structure library: which phases there are and where their structures come from.",
    no_args_is_help=True,
)

SymprecOption = Annotated[
    float, typer.Option("--symprec", help="Distance within which atoms count as symmetric (Å).", min=1e-6, max=1)
]

_LIST_COLUMNS = (
    Column("id", "id"),
    Column("formula", "formula"),
    Column("name", "name"),
    Column("space_group", "space group"),
    Column("z", "Z", "d"),
    Column("n_atoms", "atoms", "d"),
    Column("origin", "origin"),
)
_PROPERTY_COLUMNS = (Column("property", "property"), Column("value", "value"))
_CHECK_COLUMNS = (
    Column("source", "phase or file"),
    Column("verdict", "verdict"),
    Column("formula", "formula"),
    Column("space_group", "space group"),
    Column("n_atoms", "atoms", "d"),
    Column("findings", "findings"),
)


@phases_app.command("list")
def list_phases(
    system: Annotated[
        str | None, typer.Option("--system", help="Chemical system such as Na-S; its elements are included.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Tag such as electrolyte; may be repeated.")] = None,
    origin: Annotated[
        str | None, typer.Option("--origin", metavar="experimental|dft|prototype", help="Origin of the structure.")
    ] = None,
    element: Annotated[
        list[str] | None, typer.Option("--element", help="Element that must be present; may be repeated.")
    ] = None,
    structures: StructuresOption = None,
    fmt: FormatOption = Format.TABLE,
    out: OutOption = None,
) -> None:
    """List phases; all filters that are given must hold."""
    library = _load(structures)
    phases = _filtered(library, system, tag or [], origin, element or [])
    table = Table(
        title="Phases",
        columns=_LIST_COLUMNS,
        rows=[_list_row(phase) for phase in phases],
        notes=[f"{len(phases)} of {len(library)} phases; atoms are those of the conventional cell."],
    )
    emit(render(table, fmt), out)


@phases_app.command("show")
def show_phase(
    phase_id: Annotated[str, typer.Argument(metavar="ID", help="Phase, as nawf phases list names it.")],
    cif: Annotated[bool, typer.Option("--cif", help="Print the CIF instead.")] = False,
    structures: StructuresOption = None,
    fmt: FormatOption = Format.TABLE,
    out: OutOption = None,
) -> None:
    """Show one phase: card, cell, sites, density, shortest distance, notes."""
    from nawf.errors import StructureError
    from nawf.files import read_text

    phase = _load(structures).get(phase_id)
    if cif:
        emit(read_text(phase.cif_path, error=StructureError), out)
    elif fmt is Format.JSON:
        document = _phase_document(phase)
        emit(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", out)
    else:
        table = Table(f"{phase.id}: {phase.card.name}", _PROPERTY_COLUMNS, _phase_rows(phase))
        emit(render(table, fmt), out)


@phases_app.command("tags")
def list_tags(structures: StructuresOption = None, fmt: FormatOption = Format.TABLE, out: OutOption = None) -> None:
    """List the tags of the phases, with their meanings."""
    from nawf.phases.tags import TAGS

    library = _load(structures)
    rows = [
        {"tag": tag, "n_phases": len(library.with_tag(tag)), "meaning": TAGS.get(tag)}
        for tag in [*TAGS, *sorted(library.tags.difference(TAGS))]
    ]
    columns = (Column("tag", "tag"), Column("n_phases", "phases", "d"), Column("meaning", "meaning"))
    emit(render(Table("Tags", columns, rows), fmt), out)


@phases_app.command("check")
def check_phases(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILES]...", help="CIF or POSCAR files; without any, the whole library."),
    ] = None,
    structures: StructuresOption = None,
    symprec: SymprecOption = 0.01,
    fmt: FormatOption = Format.TABLE,
    out: OutOption = None,
) -> None:
    """Check structures: readable, ordered, no overlaps, and as the card says. Exit code 2 if one fails."""
    from nawf.cli.context import settings_for
    from nawf.phases.check import check_file, check_library

    if files:
        reports = [check_file(path, symprec_angstrom=symprec) for path in files]
    else:
        own = settings_for(structures=structures).structures
        reports = check_library(*own, symprec_angstrom=symprec)
    counts = {verdict: sum(r.verdict == verdict for r in reports) for verdict in ("pass", "warn", "fail")}
    table = Table(
        title="Structure check",
        columns=_CHECK_COLUMNS,
        rows=[_check_row(report, symprec) for report in reports],
        notes=[f"{len(reports)} checked: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items())],
    )
    emit(render(table, fmt), out)
    for report in reports:
        for failure in report.failures:
            typer.echo(f"nawf: {report.source}: {failure}", err=True)
    if counts["fail"]:
        raise typer.Exit(2)


@phases_app.command("add")
def add_structure(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CIF or POSCAR of the new phase.")],
    phase_id: Annotated[str, typer.Option("--id", help="Lower case letters, digits and hyphens.")],
    reference: Annotated[str, typer.Option("--reference", help="Where cell and coordinates come from.")],
    origin: Annotated[
        str, typer.Option("--origin", metavar="experimental|dft|prototype", help="Origin of the structure.")
    ],
    name: Annotated[str | None, typer.Option("--name", help="Name of the polymorph.")] = None,
    formula: Annotated[str | None, typer.Option("--formula", help="Formula unit, e.g. P4S10.")] = None,
    doi: Annotated[str | None, typer.Option("--doi", help="DOI of the reference.")] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="Temperature of the measurement (K).")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Tag; may be repeated.")] = None,
    note: Annotated[list[str] | None, typer.Option("--note", help="Sentence; may be repeated.")] = None,
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help="Where CIF and card go.")] = Path(
        "structures"
    ),
    structures: StructuresOption = None,
    symprec: SymprecOption = 0.01,
) -> None:
    """Add a phase of your own: checked, brought to the standard cell, written as CIF and card."""
    from nawf.phases.add import NewPhase, add_phase
    from nawf.phases.library import parse_origin

    new = NewPhase(
        id=phase_id,
        reference=reference,
        origin=parse_origin(origin),
        name=name,
        formula=formula,
        doi=doi,
        measured_temperature_k=temperature,
        tags=tuple(tag or ()),
        notes=tuple(note or ()),
    )
    own = [*(structures or []), *([folder] if folder.is_dir() else [])]
    phase, warnings = add_phase(file, new, folder=folder, library=_load(own), symprec_angstrom=symprec)
    card = phase.card
    typer.echo(
        f"added {card.id}: {card.formula}, {card.space_group.symbol}, Z = {card.z}, {card.n_atoms} atoms\n"
        f"  {phase.cif_path}\n  {phase.cif_path.with_suffix('.yaml')}\n"
        f"  use it with --structures {folder}, or set structures in nawf.yaml"
    )
    for warning in warnings:
        typer.echo(f"nawf: warning: {file}: {warning}", err=True)


def _load(structures: list[Path] | None) -> Library:
    from nawf.cli.context import library_for, settings_for

    return library_for(settings_for(structures=structures))


def _filtered(
    library: Library, system: str | None, tags: list[str], origin: str | None, elements: list[str]
) -> list[Phase]:
    from nawf.errors import InputError
    from nawf.phases.formula import ELEMENTS
    from nawf.phases.library import parse_origin

    unknown = [symbol for symbol in elements if symbol not in ELEMENTS]
    if unknown:
        raise InputError(f"{unknown[0]!r} is not an element symbol", where="--element")
    chosen = [library.in_system(system)] if system is not None else []
    chosen += [library.with_tag(tag) for tag in tags]
    wanted_origin = parse_origin(origin) if origin is not None else None
    return [
        phase
        for phase in library
        if all(phase in group for group in chosen)
        and phase.elements.issuperset(elements)
        and wanted_origin in (None, phase.card.origin)
    ]


def _list_row(phase: Phase) -> dict[str, Any]:
    card = phase.card
    return {
        "id": card.id,
        "formula": card.formula,
        "name": card.name,
        "space_group": card.space_group.symbol,
        "z": card.z,
        "n_atoms": card.n_atoms,
        "origin": card.origin.value,
    }


def _phase_document(phase: Phase) -> dict[str, Any]:
    """Everything that ``show`` tells of a phase, with units in the keys."""
    from nawf.errors import StructureError
    from nawf.phases.check import shortest_distance
    from nawf.phases.symmetry import describe_crystal

    structure = phase.structure()
    if not structure.is_ordered:
        where, hint = str(phase.cif_path), f"nawf phases check {phase.cif_path}"
        raise StructureError("has sites that are partly or jointly occupied", where=where, hint=hint)
    crystal = describe_crystal(structure)
    distance, pair = shortest_distance(structure)
    return {
        "card": phase.card.model_dump(mode="json"),
        "card_hash": phase.card_hash,
        "file": str(phase.cif_path),
        "n_atoms": len(structure),
        "lengths_angstrom": crystal.lengths_angstrom,
        "angles_deg": crystal.angles_deg,
        "volume_a3": structure.volume,
        "density_g_per_cm3": float(structure.density),
        "shortest_distance_angstrom": distance,
        "shortest_distance_pair": pair,
        "sites": [asdict(site) for site in crystal.sites],
    }


def _phase_rows(phase: Phase) -> list[dict[str, str]]:
    """Property and value pairs, in the order in which one reads about a phase."""
    card, found = phase.card, _phase_document(phase)
    volume, kelvin = found["volume_a3"], card.measured_temperature_k
    rows: list[tuple[str, str | None]] = [
        ("formula", card.formula),
        ("name", card.name),
        ("space group", f"{card.space_group.symbol} ({card.space_group.number})"),
        ("formula units in the cell", str(card.z)),
        ("atoms in the cell", str(card.n_atoms)),
        ("origin", f"{card.origin.value}: {card.origin.meaning}"),
        ("measured at", None if kelvin is None else f"{kelvin:g} K"),
        ("cell", _cell_text(found["lengths_angstrom"], found["angles_deg"])),
        ("volume", f"{volume:.3f} Å³, {volume / found['n_atoms']:.3f} Å³ per atom"),
        ("density", f"{found['density_g_per_cm3']:.3f} g/cm³"),
        (
            "shortest distance",
            f"{found['shortest_distance_angstrom']:.3f} Å ({found['shortest_distance_pair']})",
        ),
        *_site_rows(found["sites"]),
        ("measured cell", _measured_text(phase)),
        ("tags", ", ".join(card.tags) or None),
        ("reference", card.reference),
        ("DOI", card.doi),
        *(("note", note) for note in card.notes),
        ("card hash", phase.card_hash),
        ("file", str(phase.cif_path)),
    ]
    return [{"property": key, "value": value} for key, value in rows if value is not None]


def _cell_text(lengths_angstrom: tuple[float, ...], angles_deg: tuple[float, ...]) -> str:
    edges = ", ".join(f"{n} = {v:.7g}" for n, v in zip("abc", lengths_angstrom, strict=True))
    angles = ", ".join(f"{n} = {v:.7g}°" for n, v in zip("αβγ", angles_deg, strict=True))
    return f"{edges} Å; {angles}"


def _site_rows(sites: list[dict[str, Any]]) -> list[tuple[str, str]]:
    rows = []
    for number, site in enumerate(sites, start=1):
        wyckoff = f"{site['multiplicity']}{site['wyckoff_letter'] or ''}"
        x, y, z = site["frac_coords"]
        rows.append((f"site {number}: {site['element']} {wyckoff}", f"{x:.6f} {y:.6f} {z:.6f}"))
    return rows


def _measured_text(phase: Phase) -> str | None:
    cell = phase.card.measured_cell
    if cell is None:
        return None
    at = "" if cell.temperature_k is None else f" at {cell.temperature_k:g} K"
    return f"{_cell_text(cell.lengths_angstrom, cell.angles_deg)}{at} ({cell.reference})"


def _check_row(report: CheckReport, symprec_angstrom: float) -> dict[str, Any]:
    from nawf.phases.symmetry import find_space_group

    row: dict[str, Any] = {
        "source": report.source,
        "verdict": report.verdict,
        "findings": "; ".join(finding.message for finding in report.findings),
    }
    structure = report.structure
    if structure is not None and len(structure):
        row |= {"formula": structure.composition.reduced_formula, "n_atoms": len(structure)}
        if structure.is_ordered and report.verdict != "fail":
            found = find_space_group(structure, symprec_angstrom)
            row["space_group"] = found[0] if found else None
    return row
