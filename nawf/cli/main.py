"""The ``nawf`` command: mounts the command groups, and turns expected errors into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from nawf import __version__
from nawf.cli.doctor import doctor
from nawf.cli.ingest import ingest
from nawf.cli.phases import phases_app
from nawf.cli.plan import campaigns, plan
from nawf.cli.query import query_app
from nawf.cli.rehearse import rehearse
from nawf.cli.report import report_app
from nawf.cli.run import run
from nawf.cli.status import cancel, resume, retry, status
from nawf.cli.store import build, store_app
from nawf.cli.submit import submit
from nawf.errors import NawfError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

app = typer.Typer(
    name="nawf",
    help="Phases of the Na-S-Sb-P-Sn system: from crystal structures to free energies, hulls and voltages.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(rehearse)
app.command()(submit)
app.command()(status)
app.command()(retry)
app.command()(resume)
app.command()(cancel)
app.command()(plan)
app.command()(campaigns)
app.command()(build)
app.command()(ingest)
app.command()(doctor)
app.add_typer(report_app, name="report")
app.add_typer(query_app, name="query")
app.add_typer(store_app, name="store")
app.add_typer(phases_app, name="phases")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nawf {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Read by :func:`main` and by the callback above."""


def main() -> None:
    """Entry point of the ``nawf`` command."""
    try:
        app()
    except NawfError as error:
        if "--debug" in sys.argv[1:]:
            raise
        print(f"nawf: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("nawf: stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output (head, less) has left. Python would complain again when it flushes, as below.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if "--debug" in sys.argv[1:] or (error.filename is None and error.errno not in _NO_ROOM):
            raise
        reason = (error.strerror or str(error)).lower()
        print(f"nawf: {error.filename or 'output'}: {reason}", file=sys.stderr)
        if error.filename is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)


if __name__ == "__main__":
    main()
