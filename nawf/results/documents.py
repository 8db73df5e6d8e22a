"""Documents of the phase store: one per phase, property and fingerprint."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from nawf.errors import StoreFileError
from nawf.results.elastic import ElasticResult
from nawf.results.energetics import PhaseEnergetics, VibrationalFreeEnergy
from nawf.results.fingerprint import Fingerprint
from nawf.results.outputs import PhononResult, RelaxResult, StaticResult
from nawf.results.verdict import Level, Verdict
from nawf.strict_yaml import describe_validation_error

SCHEMA_VERSION = 2

Result = RelaxResult | StaticResult | PhononResult | ElasticResult

RESULT_TYPES: dict[str, type[Result]] = {
    "relax": RelaxResult,
    "static": StaticResult,
    "phonon": PhononResult,
    "elastic": ElasticResult,
}


class CardFacts(BaseModel):
    """What a result keeps of its phase card, so that it can be read without the library."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    formula: str
    origin: str
    tags: tuple[str, ...] = ()
    reference: str = ""
    card_hash: str


class JobRecord(BaseModel):
    """A raw document that a result was built from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uuid: str
    index: int
    name: str
    completed_at: str


class Provenance(BaseModel):
    """Where a result came from. ``job`` is the raw document that holds it; ``jobs`` all that led to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    campaign: str
    engine: str
    protocol: str
    intent: str
    job: JobRecord
    jobs: tuple[JobRecord, ...]
    host: str
    started_at: datetime
    finished_at: datetime
    versions: dict[str, str]
    run_directory: str = ""


class ResultDocument(BaseModel):
    """One result with its fingerprint, verdict and provenance."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    result_id: str
    phase: str
    property: str
    card: CardFacts
    chemical_system: str
    fingerprint_id: str
    calculation_id: str
    fingerprint: Fingerprint
    verdict: Verdict
    provenance: Provenance
    result: dict[str, Any]

    def record(self) -> Result:
        """The typed result.

        Raises
        ------
        StoreFileError
            If it is malformed.
        """
        hint = "nawf build --rebuild makes it anew"
        if self.property not in RESULT_TYPES:
            raise StoreFileError(f"is of an unknown property {self.property!r}", where=self.result_id, hint=hint)
        try:
            return RESULT_TYPES[self.property].model_validate(self.result)
        except ValidationError as error:
            what = f"is malformed: {describe_validation_error(error)}"
            raise StoreFileError(what, where=self.result_id, hint=hint) from None


def fingerprint_of(prop: str, result: Result) -> Fingerprint:
    """Fingerprint of a result from the settings as its calculation ended."""
    return Fingerprint(calculation=result.calculation, method=result.methods.record(prop))


def result_id(phase: str, prop: str, fingerprint: Fingerprint) -> str:
    """Identifier of a result: there is one per phase, property and fingerprint."""
    return f"{phase}/{prop}/{fingerprint.id}"


def energetics(documents: Iterable[ResultDocument]) -> list[PhaseEnergetics]:
    """Join relaxation, static energy and phonons of each phase.

    All documents of one property must have one fingerprint, and all properties one calculation: choosing
    is the caller's part (see :mod:`nawf.results.selection`).
    """
    by_phase: dict[str, dict[str, ResultDocument]] = {}
    for document in documents:
        by_phase.setdefault(document.phase, {})[document.property] = document
    return [_joined(phase, docs) for phase, docs in sorted(by_phase.items()) if "static" in docs]


def _joined(phase: str, documents: dict[str, ResultDocument]) -> PhaseEnergetics:
    static, relax, phonon = documents["static"], documents.get("relax"), documents.get("phonon")
    result = static.record()
    assert isinstance(result, StaticResult)
    geometry = [relax, static] if relax is not None else [static]
    warnings = tuple(dict.fromkeys(m for d in geometry for m in d.verdict.messages(Level.WARN)))
    of_phonons = dict.fromkeys(phonon.verdict.messages(Level.WARN) if phonon is not None else ())
    rejected = _failure(geometry) or _stale("static energy", static, relax)
    vibrations_rejected = None
    if phonon is not None:
        # Soft modes are thermo's to judge: it knows the temperature and what was asked for.
        vibrations_rejected = _failure([phonon], ignore="imaginary-modes") or _stale("phonons", phonon, static)
    return PhaseEnergetics(
        phase=phase,
        formula=static.card.formula,
        static_energy_ev_per_atom=result.energy_ev_per_atom,
        vibrations=_vibrations(phonon) if phonon else None,
        origin=static.card.origin,
        warnings=warnings,
        vibration_warnings=tuple(m for m in of_phonons if m not in warnings),
        rejected=rejected,
        vibrations_rejected=vibrations_rejected,
    )


def _stale(what: str, document: ResultDocument, other: ResultDocument | None) -> str | None:
    """Two results of one phase that started from different structures do not belong together."""
    if other is None or document.card.card_hash == other.card.card_hash:
        return None
    return f"its {what} belongs to another version of the structure: run the campaign again"


def _failure(documents: Iterable[ResultDocument], ignore: str = "") -> str | None:
    """Reasons of failed verdicts in words."""
    reasons = [
        f"{d.property}: {r.message}"
        for d in documents
        for r in d.verdict.reasons
        if r.level is Level.FAIL and r.rule != ignore
    ]
    return "; ".join(reasons) or None


def _vibrations(document: ResultDocument) -> VibrationalFreeEnergy:
    result = document.record()
    assert isinstance(result, PhononResult)
    return VibrationalFreeEnergy(
        temperatures_k=result.temperatures_k,
        free_energy_ev_per_atom=result.free_energy_ev_per_atom,
        entropy_ev_per_k_per_atom=result.entropy_ev_per_k_per_atom,
        heat_capacity_ev_per_k_per_atom=result.heat_capacity_ev_per_k_per_atom,
        imaginary_fraction=result.imaginary_fraction,
        lowest_frequency_thz=result.lowest_frequency_thz,
        soft_mode_shift_ev_per_atom=result.soft_mode_shift_ev_per_atom,
    )
