"""Settings of machines that travel inside jobs, and that give way to those of the machine where a job runs."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict

from nawf.settings import Settings, load_settings


class MachineOptions(BaseModel):
    """How and where a program is run: never part of a result.

    Attributes
    ----------
    run_folder : str
        Where runs have their places.
    host : str
        Machine that the folder was named on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    KEYS: ClassVar[dict[str, str]] = {"run_folder": "run_folder"}
    """Settings, by the names of the options."""

    FOLDERS: ClassVar[tuple[str, ...]] = ("run_folder",)

    run_folder: str
    host: str = ""

    @classmethod
    def of_settings(cls) -> Self:
        """Of this machine: ``nawf.yaml`` in the current folder and ``NAWF_*``."""
        return cls(**cls._values(load_settings()), host=socket.gethostname())

    def here(self) -> Self:
        """The same on the machine where a job runs: what is set there goes first."""
        settings = load_settings()
        given = settings.model_fields_set
        own = {k: v for k, v in self._values(settings).items() if self.KEYS[k] in given}
        if "run_folder" in own:
            own["host"] = socket.gethostname()
        return self.model_copy(update=own)

    @property
    def root(self) -> Path:
        """Folder of the places of all runs, made when the first one begins; see :attr:`is_known`."""
        return Path(self.run_folder) if self.is_known else Path.cwd()

    @property
    def is_known(self) -> bool:
        """Whether the folder means something on this machine, where a job may have brought its name from another.

        Where it does not, runs have their places in the folder of the job, where nothing can be taken up again.
        """
        return self.host == socket.gethostname() or Path(self.run_folder).parent.is_dir()

    @classmethod
    def _values(cls, settings: Settings) -> dict[str, str]:
        values = {name: str(getattr(settings, key)) for name, key in cls.KEYS.items()}
        for name in cls.FOLDERS:
            # Jobs run elsewhere than where a relative path was meant from.
            values[name] = str(Path(values[name]).expanduser().absolute()) if values[name] else ""
        return values
