"""The structure library: the shipped phases and the user's own, found by id, chemical system or tag.

Listing needs the cards only; no structure is parsed, and no structure library imported, before
:meth:`Phase.structure` is called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nawf.errors import InputError, StructureError, did_you_mean, names_like
from nawf.files import read_text
from nawf.phases.card import MeasuredCell, Origin, PhaseCard, read_card
from nawf.phases.formula import parse_system
from nawf.phases.tags import TAGS
from nawf.shipped import shipped_folder

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class Phase:
    """A composition in a given crystal structure.

    Attributes
    ----------
    card : PhaseCard
        What is known of it.
    cif_path : Path
        Its structure file.
    """

    card: PhaseCard
    cif_path: Path

    @property
    def id(self) -> str:
        return self.card.id

    @property
    def formula(self) -> str:
        return self.card.formula

    @property
    def elements(self) -> frozenset[str]:
        """Element symbols."""
        return self.card.elements

    @property
    def n_atoms(self) -> int:
        """Atoms in the conventional cell."""
        return self.card.n_atoms

    def is_selected(
        self,
        ids: Collection[str] = (),
        systems: Collection[str] = (),
        tags: Collection[str] = (),
        exclude_ids: Collection[str] = (),
        exclude_tags: Collection[str] = (),
        exclude_origins: Collection[Origin | str] = (),
    ) -> bool:
        """Whether a selection takes this phase: named by id, system or tag (all, if none is given), not excluded."""
        taken = (
            not (ids or systems or tags)
            or self.id in ids
            or any(self.elements <= parse_system(system) for system in systems)
            or not set(tags).isdisjoint(self.card.tags)
        )
        left_out = (
            self.id in exclude_ids
            or not set(exclude_tags).isdisjoint(self.card.tags)
            or self.card.origin in exclude_origins
        )
        return taken and not left_out

    @property
    def is_shipped(self) -> bool:
        """Whether it came with nawf, and is none of the user's own."""
        return self.cif_path.is_relative_to(shipped_folder("structures").resolve())

    def structure(self) -> Structure:
        """Conventional cell as in the CIF; a new copy at each call, parsed once.

        Raises
        ------
        StructureError
            If the CIF is missing or cannot be parsed.
        """
        return self._parsed.copy()

    def measured_cell(self) -> MeasuredCell | None:
        """Measured cell to compare calculated ones with, or None if none is known.

        The cell of the CIF counts only if the structure is experimental; a relaxed, scaled or quoted cell is
        never returned.
        """
        if self.card.origin is not Origin.EXPERIMENTAL:
            return self.card.measured_cell
        lattice = self._parsed.lattice
        a, b, c = (round(float(value), 8) for value in lattice.abc)
        alpha, beta, gamma = (round(float(value), 8) for value in lattice.angles)
        return MeasuredCell(
            a_angstrom=a,
            b_angstrom=b,
            c_angstrom=c,
            alpha_deg=alpha,
            beta_deg=beta,
            gamma_deg=gamma,
            temperature_k=self.card.measured_temperature_k,
            reference=self.card.reference,
            doi=self.card.doi,
        )

    @cached_property
    def card_hash(self) -> str:
        """SHA-256 (hex) of what a calculation starts from: formula, Z, space group and the CIF's content.

        Name, reference, notes, tags and the CIF's comments and line ends do not enter, so correcting them
        leaves finished calculations valid.
        """
        content = {
            "formula": self.card.formula,
            "z": self.card.z,
            "space_group": self.card.space_group.number,
            "cif": structural_lines(read_text(self.cif_path, error=StructureError)),
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    @cached_property
    def _parsed(self) -> Structure:
        from nawf.phases.read import read_structure_file

        return read_structure_file(self.cif_path).structure


@dataclass(frozen=True)
class Library:
    """Phases with distinct ids, in a fixed order: elements first, then by chemical system, formula and id."""

    phases: tuple[Phase, ...]

    def __iter__(self) -> Iterator[Phase]:
        return iter(self.phases)

    def __len__(self) -> int:
        return len(self.phases)

    def __contains__(self, phase_id: object) -> bool:
        return phase_id in self._by_id

    @cached_property
    def _by_id(self) -> Mapping[str, Phase]:
        return {phase.id: phase for phase in self.phases}

    @cached_property
    def tags(self) -> frozenset[str]:
        """Tags that may be asked for: the documented ones and those of the user's own cards."""
        return frozenset(TAGS).union(*(phase.card.tags for phase in self.phases))

    def get(self, phase_id: str) -> Phase:
        """The phase of an id.

        Raises
        ------
        StructureError
            If there is none; ids like it are suggested.
        """
        try:
            return self._by_id[phase_id]
        except KeyError:
            same_formula = [p.id for p in self.phases if p.formula.lower() == phase_id.lower()]
            hint = did_you_mean(same_formula or names_like(phase_id, self._by_id))
            hint = hint or "nawf phases list shows all phases"
            raise StructureError(f"there is no phase {phase_id!r}", hint=hint) from None

    def in_system(self, system: str) -> tuple[Phase, ...]:
        """Phases whose elements all belong to a chemical system such as ``Na-S``, pure elements included.

        Raises
        ------
        StructureError
            If the system is not written so, or holds no phase.
        """
        try:
            elements = parse_system(system)
        except ValueError as error:
            raise StructureError(str(error)) from error
        found = tuple(phase for phase in self.phases if phase.elements <= elements)
        if not found:
            raise StructureError(f"the library has no phase in the chemical system {system}")
        return found

    def with_tag(self, tag: str) -> tuple[Phase, ...]:
        """Phases that carry a tag.

        Raises
        ------
        StructureError
            If no card uses the tag and none is documented of that name.
        """
        if tag not in self.tags:
            hint = did_you_mean(names_like(tag, self.tags)) or "nawf phases tags lists them"
            raise StructureError(f"there is no tag {tag!r}", hint=hint)
        return tuple(phase for phase in self.phases if tag in phase.card.tags)

    def select(
        self,
        *,
        ids: Iterable[str] = (),
        systems: Iterable[str] = (),
        tags: Iterable[str] = (),
        exclude_ids: Iterable[str] = (),
        exclude_tags: Iterable[str] = (),
        exclude_origins: Iterable[Origin | str] = (),
    ) -> tuple[Phase, ...]:
        """Phases named by id, chemical system or tag, together, less those excluded.

        Without ids, systems and tags, all phases are meant. A phase that is named by id is still left out if
        it is excluded.

        Parameters
        ----------
        ids, systems, tags : iterables of str
            What to take; the sets are united.
        exclude_ids, exclude_tags : iterables of str
            What to leave out.
        exclude_origins : iterable of Origin or str
            Origins to leave out, such as ``prototype``.

        Returns
        -------
        tuple of Phase
            In library order, each once; it may be empty.

        Raises
        ------
        StructureError
            If an id, system, tag or origin does not exist.
        """
        ids, systems, tags = tuple(ids), tuple(systems), tuple(tags)
        exclude_ids, exclude_tags = tuple(exclude_ids), tuple(exclude_tags)
        origins = tuple(parse_origin(origin) for origin in exclude_origins)
        for phase_id in (*ids, *exclude_ids):
            self.get(phase_id)
        for system in systems:
            self.in_system(system)
        for tag in (*tags, *exclude_tags):
            self.with_tag(tag)
        return tuple(p for p in self.phases if p.is_selected(ids, systems, tags, exclude_ids, exclude_tags, origins))


def parse_origin(origin: Origin | str) -> Origin:
    """Origin of a name.

    Raises
    ------
    StructureError
        If there is no such origin.
    """
    try:
        return Origin(origin)
    except ValueError:
        names = ", ".join(o.value for o in Origin)
        raise StructureError(f"there is no origin {origin!r}", hint=f"it is one of {names}") from None


def load_library(*extra_folders: Path | str) -> Library:
    """The shipped phases and those of the user's own folders.

    Parameters
    ----------
    extra_folders : Path or str
        Folders with ``ID.yaml`` cards and ``ID.cif`` structures, searched with their subfolders.

    Raises
    ------
    InputError
        If a folder does not exist.
    StructureError
        If a card is faulty, has no CIF, or repeats the id of another.
    """
    by_id: dict[str, Phase] = {}
    for card_path in library_cards(*extra_folders):
        phase = read_phase(card_path)
        if phase.id in by_id:
            raise StructureError(
                f"phase {phase.id!r} exists already in {by_id[phase.id].cif_path.parent}",
                where=str(card_path),
                hint="give your phase another id",
            )
        by_id[phase.id] = phase
    return Library(tuple(sorted(by_id.values(), key=_order)))


def library_folders(*extra_folders: Path | str) -> list[Path]:
    """The folder of the shipped phases and the extra ones, each once, none inside another before it.

    Raises
    ------
    InputError
        If a folder does not exist.
    """
    folders = [shipped_folder("structures").resolve()]
    for folder in map(Path, extra_folders):
        if not folder.is_dir():
            raise InputError("there is no such folder of structures", where=str(folder))
        if not any(folder.resolve().is_relative_to(known) for known in folders):
            folders.append(folder.resolve())
    return folders


def library_cards(*extra_folders: Path | str) -> list[Path]:
    """Cards of the shipped phases and of the extra folders, each once, however the folders lie in each other.

    Raises
    ------
    InputError
        If a folder does not exist.
    """
    found: dict[Path, Path] = {}
    for folder in library_folders(*extra_folders):
        for path in card_paths(folder):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def card_paths(folder: Path) -> list[Path]:
    """All cards (``*.yaml``) in a folder and its subfolders, hidden ones left out, in alphabetical order."""
    found = sorted(folder.rglob("*.yaml"))
    return [path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts)]


def read_phase(card_path: Path | str) -> Phase:
    """The phase of a card and of the CIF beside it.

    Raises
    ------
    StructureError
        If the card is faulty or has no CIF.
    """
    card_path = Path(card_path)
    card = read_card(card_path)
    cif_path = card_path.with_suffix(".cif")
    if not cif_path.is_file():
        raise StructureError(f"the structure {cif_path.name} is missing beside the card", where=str(card_path))
    return Phase(card, cif_path)


def structural_lines(cif_text: str) -> list[str]:
    """Lines of a CIF without comments, blank lines and white space at their ends."""
    lines = (line.strip() for line in cif_text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _order(phase: Phase) -> tuple[int, str, str, str]:
    return len(phase.elements), phase.card.chemical_system, phase.formula, phase.id
