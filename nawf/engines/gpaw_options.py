"""How and where GPAW is run: never part of a result."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nawf.settings import Settings, load_settings

_KEYS = {"command": "gpaw_command", "run_folder": "run_folder", "start": "gpaw_start", "hessian": "gpaw_hessian"}


class GpawOptions(BaseModel):
    """Settings of the machine that plans; they travel inside jobs, and those of the machine of a job go before them.

    Attributes
    ----------
    command : str
        What starts the processes of a parallel run, such as ``mpiexec -n 8``; empty for one process.
    run_folder : str
        Where runs have their places.
    start : str
        Where relaxations begin: ``given``, at the structure itself, or ``potential``, where the embedded engine
        relaxes it to.
    hessian : str
        What minimisers begin with: ``potential``, the Hessian of the embedded engine, where that is installed, or
        ``none``, one stiffness for all directions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str = ""
    run_folder: str
    start: str = "given"
    hessian: str = "potential"

    @classmethod
    def of_settings(cls) -> GpawOptions:
        """Of this machine: ``nawf.yaml`` in the current folder and ``NAWF_*``."""
        return cls(**_options(load_settings()))

    def here(self) -> GpawOptions:
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
    # Jobs run elsewhere than where a relative path was meant from.
    values["run_folder"] = str(Path(values["run_folder"]).expanduser().absolute())
    return values
