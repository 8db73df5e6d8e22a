"""The condition a table is made at: static energies, or free energies at a temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nawf.errors import InputError


@dataclass(frozen=True)
class Condition:
    """Static energies, or Gibbs energies at a temperature and zero pressure.

    Parameters
    ----------
    temperature_k : float or None
        None is "static": no zero-point energy. 0.0 has it.

    Raises
    ------
    InputError
        For a negative or non-finite temperature.
    """

    temperature_k: float | None = None

    def __post_init__(self) -> None:
        if self.temperature_k is None:
            return
        if not math.isfinite(self.temperature_k) or self.temperature_k < 0:
            raise InputError(
                f"{self.temperature_k} is no temperature",
                hint="give kelvin, zero or more, or the word static",
            )
        # Adding 0.0 turns -0.0 into 0.0, which would otherwise show in labels.
        object.__setattr__(self, "temperature_k", float(self.temperature_k) + 0.0)

    @property
    def is_static(self) -> bool:
        """Whether vibrations are left out altogether."""
        return self.temperature_k is None

    @property
    def label(self) -> str:
        """Text for people: ``static``, ``0 K``, ``298.15 K``."""
        return "static" if self.temperature_k is None else f"{self.temperature_k:.10g} K"

    @classmethod
    def parse(cls, value: str | float) -> Condition:
        """Condition from ``"static"``, ``"300"``, ``"300 K"`` or a number of kelvin.

        Raises
        ------
        InputError
            When it is neither.
        """
        if isinstance(value, str):
            text = value.strip()
            if text.lower() == "static":
                return STATIC
            try:
                return cls(float(text.removesuffix("K")))
            except ValueError:
                pass
        elif isinstance(value, int | float) and not isinstance(value, bool):
            return cls(value)
        raise InputError(f"{value!r} is no temperature", hint="give kelvin, or the word static")


STATIC = Condition()
