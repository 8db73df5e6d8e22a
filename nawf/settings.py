"""Settings of a user or a project: ``nawf.yaml`` in the current folder, ``NAWF_*`` variables, command-line flags.

Later ones win. Unknown keys are errors, so that a misspelt setting is never silently without effect.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nawf.errors import InputError
from nawf.strict_yaml import describe_validation_error, read_yaml_mapping

SETTINGS_FILE = "nawf.yaml"
PREFIX = "NAWF_"
_PASSWORD = PREFIX + "STORE_PASSWORD"
"""Read where a store is opened, and kept out of all settings, which are shown and passed on."""
_LIST_SEPARATOR = os.pathsep


class ClusterSettings(BaseModel):
    """How jobs are handed to a cluster: the section ``cluster`` of ``nawf.yaml``.

    Attributes
    ----------
    via : str
        What carries jobs there, where a command does not say.
    project : str
        Project of jobflow-remote; empty for its own setting.
    worker : str
        Worker for calculations; empty for the first of the project.
    analysis_worker : str
        Worker for jobs of seconds on one core: making cells, collecting, analysing; empty for ``worker``.
    batch_worker : str
        Batch worker for displaced and strained cells, many in one job of the queue; empty for ``worker``.
    resources : dict
        What a step asks of the queue, in the words of the worker's scheduler; without an entry, the worker's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    via: Literal["jobflow-remote", "fireworks"] = "jobflow-remote"
    project: str = ""
    worker: str = ""
    analysis_worker: str = ""
    batch_worker: str = ""
    resources: dict[Literal["relax", "static", "displacement", "strain", "born", "analysis"], dict[str, Any]] = Field(
        default_factory=dict
    )


class Settings(BaseModel):
    """All settings, with their defaults.

    Attributes
    ----------
    store : str
        File of the embedded store, or a MongoDB database as ``mongodb://user@host:27017/database``.
    store_password_file : str
        File with the password of the MongoDB user, where neither the address nor ``NAWF_STORE_PASSWORD`` has it.
    structures : tuple of str
        Folders with the user's own phases, besides the shipped ones.
    device : str
        Device of a potential: ``cpu`` or ``cuda``.
    workers, threads : int
        Phases calculated at a time and threads for each; 0 chooses by the number of cores.
    batch_size : int
        Displaced cells evaluated at a time by an engine that can.
    vasp_command, vasp_gamma_command : str
        How VASP is called where jobs run, such as ``srun vasp_std``; empty for atomate2's settings.
    vasp_rehearsal_command : str
        The same for its stand-in, such as ``srun nawf-vasp-rehearsal``; empty for the one of this installation.
    vasp_start : str
        What relaxes a crystal before r2SCAN does: ``pbesol``, or ``potential`` for the embedded engine.
    potcar_folder : str
        Library of POTCARs where jobs run; empty for pymatgen's setting.
    gpaw_command : str
        What starts the processes of a parallel run of GPAW, such as ``mpiexec -n 8``; empty for one process.
    gpaw_start : str
        Where relaxations by GPAW begin: ``given``, at the structure itself, or ``potential``, where the embedded
        engine relaxes it to.
    gpaw_hessian : str
        What minimisers of GPAW's relaxations begin with: ``potential``, the Hessian of the embedded engine where
        that is installed, or ``none``, one stiffness for all directions.
    run_folder : str
        Folder in which runs of VASP and GPAW are kept, and taken up again after they were cut off.
    cluster : ClusterSettings
        How jobs are handed to a cluster.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str = Field(default="nawf.db", min_length=1, repr=False)  # it may hold a password
    store_password_file: str = ""
    structures: tuple[str, ...] = ()
    device: str = Field(default="cpu", pattern=r"^(cpu|cuda(:[0-9]+)?)$")
    workers: int = Field(default=0, ge=0, le=256)
    threads: int = Field(default=0, ge=0, le=256)
    batch_size: int = Field(default=4, ge=1, le=1024)
    vasp_command: str = ""
    vasp_gamma_command: str = ""
    vasp_rehearsal_command: str = ""
    vasp_start: str = Field(default="pbesol", pattern=r"^(pbesol|potential)$")
    potcar_folder: str = ""
    gpaw_command: str = ""
    gpaw_start: str = Field(default="given", pattern=r"^(given|potential)$")
    gpaw_hessian: str = Field(default="potential", pattern=r"^(potential|none)$")
    run_folder: str = Field(default="nawf-runs", min_length=1)
    cluster: ClusterSettings = ClusterSettings()

    @field_validator("store", "store_password_file")
    @classmethod
    def _place(cls, value: str) -> str:
        return at_home(value)

    @field_validator("structures")
    @classmethod
    def _places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(at_home, value))

    @field_validator("vasp_command", "vasp_gamma_command", "vasp_rehearsal_command", "gpaw_command")
    @classmethod
    def _command_has_words(cls, value: str) -> str:
        try:
            shlex.split(value)
        except ValueError as error:
            raise ValueError(f"cannot be split into words: {str(error).lower()}") from None
        return value


def at_home(path: str) -> str:
    """The path with ``~`` and ``~user`` replaced; whatever else reads it takes it as it is.

    Raises
    ------
    ValueError
        If there is no such user.
    """
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        raise ValueError(f"{path.partition('/')[0]} is nobody's home folder; ./{path} is a name") from None


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from the file, the environment and the command line, in rising order.

    Parameters
    ----------
    flags : mapping, optional
        Values given on the command line; None values were not given.
    folder : Path, optional
        Where ``nawf.yaml`` is looked for; the current folder by default.
    environment : mapping, optional
        ``os.environ`` by default.

    Raises
    ------
    InputError
        For an unknown key or a wrong value, naming where it came from.
    """
    path = (folder or Path.cwd()) / SETTINGS_FILE
    values: dict[str, Any] = {}
    if path.is_file():
        values = read_yaml_mapping(path)
        _validated(values, str(path))
    given = _from_environment(os.environ if environment is None else environment)
    _validated(given, "environment")
    values |= given
    values |= {k: v for k, v in (flags or {}).items() if v is not None}
    return _validated(values, "command line")


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in environment.items():
        is_other = name == _PASSWORD or name.startswith((PREFIX + "TEST_", PREFIX + "REHEARSAL_"))
        if name.startswith(PREFIX) and not is_other:
            key = name.removeprefix(PREFIX).lower()
            is_list = key == "structures"
            values[key] = tuple(filter(None, text.split(_LIST_SEPARATOR))) if is_list else text
    return values


def _validated(values: Mapping[str, Any], where: str) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise InputError(f"settings: {describe_validation_error(error)}", where=where) from None
