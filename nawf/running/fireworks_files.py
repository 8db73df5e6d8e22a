"""FireWorks' own files: where they are, and what they become. FireWorks looks for them in its own way."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nawf.running.backend import QueueError

PATIENCE_MS = 10_000
"""For the database to answer."""


@dataclass(frozen=True)
class FireWorksFiles:
    """Paths of the three files; None for one that FireWorks does not find."""

    launchpad: Path | None
    worker: Path | None
    adapter: Path | None


def find_files() -> FireWorksFiles:
    """Files that FireWorks would use in the current folder.

    Raises
    ------
    QueueError
        When FireWorks is not installed, or its configuration cannot be read.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where it found more than one
            from fireworks import fw_config
    except ImportError:
        raise QueueError("FireWorks is not installed", hint="pip install 'nawf[fireworks]'") from None
    except Exception as error:  # its configuration is read at import; any parser's error may come
        what = f"FireWorks cannot read its configuration: {type(error).__name__}"
        raise QueueError(what, hint="see FW_CONFIG_FILE and ~/.fireworks/FW_config.yaml") from error
    paths = [getattr(fw_config, name) for name in ("LAUNCHPAD_LOC", "FWORKER_LOC", "QUEUEADAPTER_LOC")]
    return FireWorksFiles(*(Path(path).absolute() if path else None for path in paths))


def open_launchpad(file: Path | None) -> Any:
    """Connected ``LaunchPad`` of a file.

    Raises
    ------
    QueueError
        When there is no file, it cannot be read, or its database does not answer; without what may be secret.
    """
    from pymongo.errors import PyMongoError

    if file is None:
        raise QueueError(
            "FireWorks finds no my_launchpad.yaml",
            hint="put it into ~/.fireworks, or name it in the file that FW_CONFIG_FILE names",
        )
    launchpad = _loaded("LaunchPad", file)
    try:
        # A connection is made at the first question.
        launchpad.connection.admin.command("ping")
    except PyMongoError as error:
        raise QueueError(
            f"the database of FireWorks does not answer or does not let you in ({type(error).__name__})",
            where=str(file),
            hint="is MongoDB running, and are host, port, user and password right?",
        ) from None
    return launchpad


def load_worker(file: Path | None) -> Any:
    """``FWorker`` of a file, or the one that FireWorks takes without one."""
    if file is None:
        from fireworks import FWorker

        return FWorker()
    return _loaded("FWorker", file)


def load_adapter(file: Path) -> Any:
    """Queue adapter of a file: what a job of the cluster's queue looks like."""
    return _loaded("", file)


def _loaded(kind: str, file: Path) -> Any:
    """Object of a file; a file that cannot be read is said without its content, which may hold a password."""
    import fireworks
    import yaml
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter
    from fireworks.utilities.fw_serializers import load_object

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise TypeError("no mapping")
        if kind == "LaunchPad":
            more = dict(values.get("mongoclient_kwargs") or {})
            values["mongoclient_kwargs"] = {"serverSelectionTimeoutMS": PATIENCE_MS, **more}
            values["strm_lvl"] = "ERROR"
            return fireworks.LaunchPad.from_dict(_complete(values))
        if kind:
            return getattr(fireworks, kind).from_dict(values)
        return CommonAdapter.from_dict(values) if _is_common(values) else load_object(values)
    except OSError as error:
        raise QueueError(f"cannot be read: {error.strerror}", where=str(file)) from None
    except Exception as error:  # noqa: BLE001 - parsers and constructors of FireWorks raise what they like
        what = f"is not what FireWorks takes for {kind or 'a queue adapter'}: {type(error).__name__}"
        raise QueueError(what, where=str(file), hint="compare it with the one in nawf's folder deploy") from None


def _is_common(values: dict[str, Any]) -> bool:
    """Whether it is the adapter that comes with FireWorks; for others it imports all packages of its users."""
    return values.get("_fw_name") == "CommonAdapter"


def _complete(values: dict[str, Any]) -> dict[str, Any]:
    """What ``LaunchPad.from_dict`` asks for, though most of it may be missing in a file."""
    defaults = {
        "host": "localhost",
        "port": 27017,
        "name": "fireworks",
        "username": None,
        "password": None,
        "logdir": None,
    }
    return defaults | values
