"""Bringing finished runs into the store: found, read, matched to phases, written as raw documents, built.

The raw documents are like those of nawf's own jobs, so that the phase store can be built anew from them. Their
identifiers follow from the content of the files, so that the same files make the same documents. Fingerprints of
results of others differ from those of nawf's own: how they were relaxed is in them, in words.

A run that did not converge is listed, and no result: whoever made it will go on from it, and as a failed result it
could take the place of an earlier one that is sound.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nawf.errors import NawfError
from nawf.phases.library import Library, Phase
from nawf.results.documents import fingerprint_of
from nawf.running.ingest_files import Found, Refused, RunFiles, find
from nawf.running.ingest_match import PhaseFinder
from nawf.running.ingest_phonopy import PhonopyFolder, read_phonopy
from nawf.running.ingest_records import Item, Relaxations, item_of
from nawf.running.ingest_vasp import VaspRun, read_run
from nawf.store.builder import build
from nawf.store.stores import Stores

CAMPAIGN = "ingested"
_NAMES = uuid.UUID("5c0f63c2-0a0e-5d53-9a0c-6f1f3d6f7c11")
_AT_ONCE = 200

Tell = Callable[[int, int], None]


@dataclass
class IngestSummary:
    """What an ingest did, or would do.

    Attributes
    ----------
    entered : list of Item
        New in the store, or changed in it.
    unchanged : int
        Results that the store has already.
    refused : list of Refused
        What is no result, and why.
    copies, continued, displaced : int
        Runs that are copies of others, that a later relaxation went on from, and that belong to phonons.
    not_built : list of str
        Raw documents of which no result could be built.
    """

    entered: list[Item] = field(default_factory=list)
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)
    copies: int = 0
    continued: int = 0
    displaced: int = 0
    not_built: list[str] = field(default_factory=list)


def ingest(
    folders: Iterable[Path],
    stores: Stores | None,
    library: Library,
    *,
    phase: Phase | None = None,
    dry_run: bool = False,
    tell: Tell | None = None,
) -> IngestSummary:
    """Bring finished runs of VASP and folders of phonopy into the store.

    Parameters
    ----------
    folders : iterable of Path
        Searched with all folders below them; nothing is written there.
    stores : Stores or None
        None for a dry run without a store.
    library : Library
    phase : Phase, optional
        The phase that all of it is; otherwise structures tell.
    dry_run : bool
        Write nothing.
    tell : callable, optional
        Is told how many runs and folders of how many have been looked at.

    Raises
    ------
    InputError
        When a folder does not exist.
    """
    found = find(folders)
    summary = IngestSummary(refused=found.refused)
    items = sorted(_items(found, PhaseFinder(library, phase), summary, tell or _nobody), key=lambda item: item.where)
    summary.refused.sort(key=lambda refused: refused.where)
    changed: set[str] = set()
    for first in range(0, len(items), _AT_ONCE):
        _write(items[first : first + _AT_ONCE], stores, summary, changed, dry_run=dry_run)
    if stores is not None and not dry_run and items:
        for phases, anew in (({item.phase.id for item in items} - changed, False), (changed, True)):
            if phases:
                summary.not_built += build(stores, phases=phases, rebuild=anew, library=library).refused
    return summary


def _nobody(done: int, total: int) -> None:
    """Nobody wants to know."""


def _items(found: Found, finder: PhaseFinder, summary: IngestSummary, tell: Tell) -> Iterator[Item]:
    """Results among what was found; what is none goes into the summary."""
    total = len(found.runs) + len(found.phonopy)
    runs = list(_runs(found.runs, summary, lambda done: tell(done, total)))
    relaxations = Relaxations(runs)
    used: set[str] = set()
    for done, folder in enumerate(found.phonopy, start=len(found.runs) + 1):
        below = [run for run in runs if Path(run.folder).is_relative_to(folder)]
        with _refusing(summary, str(folder)):
            read = read_phonopy(folder, below)
            used |= read.used
            yield _phonons(read, relaxations, finder)
        tell(done, total)
    summary.displaced = len(used)
    for run in runs:
        if run.source in used:
            continue
        if run.moves and relaxations.is_continued(run):
            summary.continued += 1
        elif run.unfinished:
            summary.refused.append(Refused(run.where, run.unfinished))
        else:
            with _refusing(summary, run.where):
                yield item_of(run, relaxations, finder)


@contextmanager
def _refusing(summary: IngestSummary, where: str) -> Iterator[None]:
    """Put an expected error into the list of what was refused."""
    try:
        yield
    except NawfError as error:
        reason = f"{error.what} ({error.hint})" if error.hint else error.what
        is_path = error.where is not None and Path(error.where).is_absolute()
        summary.refused.append(Refused(str(error.where) if is_path else where, reason))


def _runs(files: Sequence[RunFiles], summary: IngestSummary, tell: Callable[[int], None]) -> Iterator[VaspRun]:
    seen: set[str] = set()
    for done, one in enumerate(files, start=1):
        with _refusing(summary, one.where):
            run = read_run(one)
            summary.copies += run.source in seen
            if run.source not in seen:
                seen.add(run.source)
                yield run
        tell(done)


def _phonons(read: PhonopyFolder, relaxations: Relaxations, finder: PhaseFinder) -> Item:
    phase = finder.phase_of(relaxations.start_of(read.unitcell))
    result = read.result(relaxations.method_of(read.unitcell))
    where = str(read.folder)
    return Item(phase, "phonon", result, (*sorted(read.used), read.source), where, where)


def _write(
    items: Sequence[Item], stores: Stores | None, summary: IngestSummary, changed: set[str], *, dry_run: bool
) -> None:
    """Write what the store does not have yet."""
    documents = [_document(item) for item in items]
    there: dict[str, Any] = {}
    if stores is not None:
        ids = [document["uuid"] for document in documents]
        there = {d["uuid"]: d for d in stores.jobs.query({"uuid": {"$in": ids}}, load=True)}
    new = []
    for item, document in zip(items, documents, strict=True):
        old = there.get(document["uuid"])
        if old is not None and not _says_more(document, old):
            summary.unchanged += 1
            continue
        if old is not None:
            changed.add(item.phase.id)
        there[document["uuid"]] = document
        new.append(document)
        summary.entered.append(item)
    if new and stores is not None and not dry_run:
        stores.jobs.update(new)


def _document(item: Item) -> dict[str, Any]:
    """Raw document, as jobflow would have stored it."""
    from monty.json import jsanitize

    intent = fingerprint_of(item.property, item.result).id
    name = f"ingest {item.property} {item.phase.id}"
    own = str(uuid.uuid5(_NAMES, f"{item.sources[-1]}/{item.phase.id}/{item.property}"))
    card = item.phase.card
    return {
        "uuid": own,
        "index": 1,
        "output": jsanitize(item.result, strict=True, enum_values=True, allow_bson=True),
        "completed_at": item.result.run.finished_at.replace(tzinfo=None).isoformat(),
        "metadata": {
            "nawf": {
                "campaign": CAMPAIGN,
                "phase": item.phase.id,
                "property": item.property,
                "step": "ingest",
                "final": True,
                "engine": str(item.result.calculation["engine"]),
                "protocol": CAMPAIGN,
                "intent": intent,
                "card": {
                    "name": card.name,
                    "formula": card.formula,
                    "origin": card.origin.value,
                    "tags": list(card.tags),
                    "reference": card.reference,
                    "card_hash": item.phase.card_hash,
                },
                "run_directory": item.folder,
                "sources": list(item.sources),
            }
        },
        "hosts": [own],
        "name": name,
    }


def _says_more(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether a document is another than that in the store, and knows at least as much."""
    if not set(old["metadata"]["nawf"].get("sources", ())) <= set(new["metadata"]["nawf"]["sources"]):
        return False
    return _content(new) != _content(old)


def _content(document: Mapping[str, Any]) -> tuple[Any, Any]:
    """What counts of a document: not where the files were found, nor the date that stands for files without one."""
    nawf = {key: value for key, value in document["metadata"]["nawf"].items() if key != "run_directory"}
    return nawf, {key: value for key, value in document["output"].items() if key != "run"}
