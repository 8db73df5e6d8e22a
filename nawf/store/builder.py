"""From the raw store to the phase store: fingerprint, gate, one document per phase, property and fingerprint.

Building is incremental and repeatable: what is already built from the newest raw document is left as it is,
and rebuilding everything changes nothing that is still true. Where jobs of unlike intentions ended with the same
settings, theirs is one result, that of the newest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from monty.json import MontyDecoder
from pydash import get

from nawf.quality.gate import judge
from nawf.results.documents import (
    RESULT_TYPES,
    SCHEMA_VERSION,
    CardFacts,
    JobRecord,
    Provenance,
    ResultDocument,
    fingerprint_of,
    result_id,
)
from nawf.store.polymorphs import Polymorphs
from nawf.store.stores import Stores

if TYPE_CHECKING:
    from nawf.phases.library import Library

META = "metadata.nawf"


@dataclass
class BuildSummary:
    """What a build did: results built, how many were left as they were, and raw documents it could not use."""

    built: list[str] = field(default_factory=list)
    unchanged: int = 0
    refused: list[str] = field(default_factory=list)


def build(
    stores: Stores,
    *,
    phases: Collection[str] | None = None,
    rebuild: bool = False,
    library: Library | None = None,
) -> BuildSummary:
    """Bring the phase store up to date with the raw store.

    Parameters
    ----------
    stores : Stores
    phases : collection of str, optional
        Only these phases.
    rebuild : bool
        Build also what is up to date, for instance after the gate's rules changed.
    library : Library, optional
        Where to look for the phase that a relaxed crystal may have become; the shipped phases, if not given.
    """
    summary = BuildSummary()
    polymorphs = Polymorphs(library)
    known, standing = _known(stores, phases)
    raws = _newest(stores, phases)
    ages = {(raw["uuid"], raw["index"]): _age(raw) for raw in raws}
    for raw in raws:
        nawf = raw["metadata"]["nawf"]
        key = (nawf["phase"], nawf["property"], nawf["intent"])
        if not rebuild and known.get(key) == (raw["uuid"], raw["index"], str(raw["completed_at"]), SCHEMA_VERSION):
            summary.unchanged += 1
            continue
        document, problem = _document(stores, raw, polymorphs)
        if document is None:
            summary.refused.append(problem)
            continue
        own, other = (raw["uuid"], raw["index"]), standing.get(document.result_id)
        if other in ages and (ages[other], other) > (ages[own], own):
            summary.unchanged += 1
            continue
        standing[document.result_id] = own
        content = document.model_dump(mode="json") | {"last_updated": datetime.now(UTC)}
        stores.results.update(content, key="result_id")
        summary.built.append(document.result_id)
    return summary


def _known(
    stores: Stores, phases: Collection[str] | None
) -> tuple[dict[tuple[Any, ...], tuple[Any, ...]], dict[str, tuple[Any, ...]]]:
    """What has been built, by phase, property and intent, and from what each document was built, by its name.

    A job that was repeated has ended at another time.
    """
    found = stores.results.query(
        {} if phases is None else {"phase": {"$in": sorted(phases)}},
        properties=["result_id", "phase", "property", "provenance.intent", "provenance.job", "schema_version"],
    )
    known, standing = {}, {}
    for d in found:
        # A malformed document is one that nothing is known of: it is built anew.
        job = (get(d, "provenance.job.uuid"), get(d, "provenance.job.index"))
        ended = get(d, "provenance.job.completed_at")
        known[d.get("phase"), d.get("property"), get(d, "provenance.intent")] = (*job, ended, d.get("schema_version"))
        standing[str(d.get("result_id"))] = job
    return known, standing


def _newest(stores: Stores, phases: Collection[str] | None) -> list[dict[str, Any]]:
    """The newest final raw document of every phase, property and intent; outputs are not loaded yet."""
    criteria: dict[str, Any] = {f"{META}.final": True}
    if phases is not None:
        criteria[f"{META}.phase"] = {"$in": sorted(phases)}
    newest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for raw in stores.jobs.query(criteria, properties=["uuid", "index", "name", "completed_at", "hosts", "metadata"]):
        nawf = raw["metadata"]["nawf"]
        key = (nawf["phase"], nawf["property"], nawf["intent"])
        if key not in newest or _age(newest[key]) < _age(raw):
            newest[key] = raw
    return [newest[key] for key in sorted(newest)]


def _age(raw: dict[str, Any]) -> tuple[str, int]:
    return str(raw["completed_at"]), int(raw["index"])


def _document(stores: Stores, raw: dict[str, Any], polymorphs: Polymorphs) -> tuple[ResultDocument | None, str]:
    """Result document of a raw one, or None and the reason in words."""
    nawf = raw["metadata"]["nawf"]
    prop = nawf["property"]
    full = stores.jobs.query_one({"uuid": raw["uuid"], "index": raw["index"]}, load=True)
    if full is None or full.get("output") is None:
        return None, f"{raw['name']} ({raw['uuid']}): the output is missing"
    result = MontyDecoder().process_decoded(full["output"])
    if not isinstance(result, RESULT_TYPES[prop]):
        return None, f"{raw['name']} ({raw['uuid']}): the output is not a {prop} result"
    fingerprint = fingerprint_of(prop, result)
    card = CardFacts.model_validate(nawf["card"])
    jobs = _jobs(stores, raw)
    document = ResultDocument(
        result_id=result_id(nawf["phase"], prop, fingerprint),
        phase=nawf["phase"],
        property=prop,
        card=card,
        chemical_system="-".join(sorted(set(result.crystal.species))),
        fingerprint_id=fingerprint.id,
        calculation_id=fingerprint.calculation_id,
        fingerprint=fingerprint,
        verdict=judge(result, polymorphs=polymorphs.of(nawf["phase"], result.crystal), formula=card.formula),
        provenance=Provenance(
            campaign=nawf["campaign"],
            engine=nawf["engine"],
            protocol=nawf["protocol"],
            intent=nawf["intent"],
            job=_job_record(raw),
            jobs=jobs,
            host=result.run.host,
            started_at=result.run.started_at,
            finished_at=result.run.finished_at,
            versions=result.run.versions,
            run_directory=nawf.get("run_directory", ""),
        ),
        result=result.model_dump(mode="json"),
    )
    return document, ""


def _jobs(stores: Stores, raw: dict[str, Any]) -> tuple[JobRecord, ...]:
    """All raw documents of the same property in the same flow, in order of completion."""
    nawf = raw["metadata"]["nawf"]
    criteria = {f"{META}.phase": nawf["phase"], f"{META}.property": nawf["property"]}
    if raw.get("hosts"):
        criteria["hosts"] = raw["hosts"][-1]
    found = stores.jobs.query(criteria, properties=["uuid", "index", "name", "completed_at"])
    return tuple(_job_record(d) for d in sorted(found, key=_age))


def _job_record(raw: dict[str, Any]) -> JobRecord:
    return JobRecord(uuid=raw["uuid"], index=raw["index"], name=raw["name"], completed_at=str(raw["completed_at"]))
