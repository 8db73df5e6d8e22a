"""How and where VASP is run: never part of a result."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nawf.settings import Settings, load_settings

_KEYS = {
    "command": "vasp_command",
    "gamma_command": "vasp_gamma_command",
    "rehearsal_command": "vasp_rehearsal_command",
    "potcar_folder": "potcar_folder",
    "run_folder": "run_folder",
    "start": "vasp_start",
}


class VaspOptions(BaseModel):
    """Settings of the machine that plans; they travel inside jobs, and those of the machine of a job go before them.

    Attributes
    ----------
    command, gamma_command : str
        How VASP is called; empty for atomate2's settings.
    rehearsal_command : str
        How its stand-in is called; empty for the one of this installation.
    potcar_folder : str
        Library of POTCARs; empty for pymatgen's setting.
    run_folder : str
        Where runs have their places.
    start : str
        What relaxes a crystal first: ``pbesol``, or ``potential`` for the embedded engine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str = ""
    gamma_command: str = ""
    rehearsal_command: str = ""
    potcar_folder: str = ""
    run_folder: str
    start: str = "pbesol"

    @classmethod
    def of_settings(cls) -> VaspOptions:
        """Of this machine: ``nawf.yaml`` in the current folder and ``NAWF_*``."""
        return cls(**_options(load_settings()))

    def here(self) -> VaspOptions:
        """The same on the machine where a job runs: what is set there goes first."""
        settings = load_settings()
        given = settings.model_fields_set
        return self.model_copy(update={k: v for k, v in _options(settings).items() if _KEYS[k] in given})

    @property
    def root(self) -> Path:
        """Folder of the places of all runs.

        On a machine that does not know the folder it would lie in, that is the folder of the job, where nothing can
        be taken up again.
        """
        folder = Path(self.run_folder)
        return folder if folder.parent.is_dir() else Path.cwd()


def _options(settings: Settings) -> dict[str, str]:
    values = {name: str(getattr(settings, key)) for name, key in _KEYS.items()}
    for name in ("potcar_folder", "run_folder"):
        # Jobs run elsewhere than where a relative path was meant from.
        values[name] = str(Path(values[name]).expanduser().absolute()) if values[name] else ""
    return values
