"""The connection to a MongoDB database: its password, its time limits, and errors in one plain line."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pymongo import MongoClient
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.uri_parser import parse_uri

from nawf.errors import StoreFileError
from nawf.files import read_text
from nawf.settings import load_settings
from nawf.store.location import database_name, redacted

if TYPE_CHECKING:
    from pymongo.database import Database

_T = TypeVar("_T")

PASSWORD_VARIABLE: Final = "NAWF_STORE_PASSWORD"
SELECTION_TIMEOUT_MS: Final = 5000
PATIENCE_S: Final = 60.0
"""How long a write waits for a server that went away."""

_AUTHENTICATION_FAILED: Final = 18
_UNAUTHORIZED: Final = 13
_ATLAS_ERROR: Final = 8000
_BAD_NAME: Final = set('/\\. "$*<>:|?')


class Connection:
    """One client of a server, shared by the collections of a store.

    Parameters
    ----------
    location : str
        MongoDB URI with a database. A password that is not in it is taken from ``NAWF_STORE_PASSWORD``, or from the
        file that the setting ``store_password_file`` names. Time limits, TLS and all else are options of the URI.
    """

    def __init__(self, location: str) -> None:
        self.shown = redacted(location)
        self._location = location
        self._client: MongoClient | None = None
        self._users = 0

    def __repr__(self) -> str:
        """Location without its password."""
        return f"Connection({self.shown!r})"

    @property
    def database(self) -> Database:
        """The open database."""
        if self._client is None:
            raise StoreFileError("is not open", where=self.shown, hint="call connect() first")
        return self._client[database_name(self._location)]

    def acquire(self) -> Database:
        """Open it, unless it is open; each ``acquire`` needs its ``release``.

        Raises
        ------
        StoreFileError
            When the address is malformed, nobody answers, or the user is not let in.
        """
        if self._client is None:
            self._client = self._opened()
        self._users += 1
        return self.database

    def release(self) -> None:
        """Close it once nobody uses it any more."""
        self._users = max(0, self._users - 1)
        if self._users == 0 and self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self) -> MongoClient:
        client = self._client_of_address()
        try:
            with self.plain_errors():
                client.admin.command("ping")
                # A server may let anyone ping it; whoever may list the collections may read them.
                client[database_name(self._location)].list_collection_names()
        except OperationFailure as error:
            client.close()
            message = str(error).split(", full error")[0]
            raise StoreFileError(f"the server refuses: {message}", where=self.shown) from error
        except BaseException:
            client.close()
            raise
        return client

    def _client_of_address(self) -> MongoClient:
        credentials = self._location.partition("://")[2].rpartition("@")[0]
        if set("@/?") & set(credentials) or credentials.count(":") > 1:
            hint = f"percent-encode @ : / ? and % in the password, or give it by {PASSWORD_VARIABLE}"
            raise StoreFileError("its address is malformed before the last @", where=self.shown, hint=hint)
        name = database_name(self._location)
        if not name or _BAD_NAME & set(name):
            hint = "give one as in mongodb://user@host:27017/nawf"
            raise StoreFileError("names no database", where=self.shown, hint=hint)
        try:
            return MongoClient(self._location, **self._options())
        except (PyMongoError, ValueError, TypeError, OSError) as error:
            # Not chained: what these say of a malformed address may hold a part of its password.
            raise self._malformed(error) from None

    def _malformed(self, error: Exception) -> StoreFileError:
        if isinstance(error, OSError) and error.filename is not None:
            what, hint = f"its file {error.filename} cannot be read", "check the tls options of the address"
        else:
            what = f"its address cannot be used: {self._reason()}"
            hint = "an address is mongodb://user@host:27017/database?options"
        return StoreFileError(what, where=self.shown, hint=hint)

    def _reason(self) -> str:
        """What is wrong with the address, found out without its credentials, so that no message can hold them."""
        scheme, _, rest = self.shown.partition("://")
        try:
            parse_uri(f"{scheme}://{rest.rpartition('@')[2]}")
        except (PyMongoError, ValueError, TypeError) as error:
            return str(error).split("\n")[0]
        return "user, password and options do not go together"

    def _options(self) -> dict[str, Any]:
        """What the address leaves open."""
        query = self._location.partition("?")[2].replace(";", "&")
        given = {part.partition("=")[0].lower() for part in query.split("&")}
        options: dict[str, Any] = {"appname": "nawf", "tz_aware": False}
        for name in ("serverSelectionTimeoutMS", "connectTimeoutMS"):
            if name.lower() not in given:
                options[name] = SELECTION_TIMEOUT_MS
        if not given & {"w", "j", "journal"}:
            options["journal"] = True  # a result that is announced is on the server's disk
        credentials, at, _ = self._location.partition("://")[2].rpartition("@")
        needs_password = not given & {"authmechanism", "tlscertificatekeyfile"}
        if at and ":" not in credentials and needs_password and (password := _password()) is not None:
            options["password"] = password
        return options

    # --- errors ------------------------------------------------------------------------------------------

    @contextmanager
    def plain_errors(self) -> Iterator[None]:
        """Turn a lost connection and a refused user into one line; other errors pass.

        Raises
        ------
        StoreFileError
        """
        try:
            yield
        except PyMongoError as error:
            plain = self._plain(error)
            if plain is None:
                raise
            raise plain from error

    def _plain(self, error: PyMongoError) -> StoreFileError | None:
        if isinstance(error, ConnectionFailure):
            return self._unreachable(error)
        code = error.code if isinstance(error, OperationFailure) else None
        if code == _AUTHENTICATION_FAILED or (code == _ATLAS_ERROR and "auth" in str(error)):
            return StoreFileError(
                "the server does not take this user or password",
                where=self.shown,
                hint=f"check {PASSWORD_VARIABLE}; a user of another database needs ?authSource=admin or so",
            )
        if code == _UNAUTHORIZED:
            return StoreFileError(
                "this user may not do that here", where=self.shown, hint="it needs the role readWrite on the database"
            )
        return self._malformed(error) if isinstance(error, ConfigurationError) else None

    def _unreachable(self, error: ConnectionFailure) -> StoreFileError:
        reason = str(error).split(", Timeout:")[0].split(" (configured timeouts")[0]
        if "SSL" in reason or "certificate" in reason:
            return StoreFileError(
                f"no secure connection: {reason}", where=self.shown, hint="check tls and tlsCAFile in the address"
            )
        what = "no MongoDB server answers" if isinstance(error, ServerSelectionTimeoutError) else "lost the server"
        return StoreFileError(
            f"{what}: {reason}", where=self.shown, hint="check that it runs and that this machine may reach it"
        )

    def patiently(self, write: Callable[[], _T]) -> _T:
        """Carry out a write that may be repeated, waiting a while for a server that went away.

        Raises
        ------
        StoreFileError
            When it does not come back.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return write()
            except ConnectionFailure as error:
                if time.monotonic() >= deadline:
                    raise self._unreachable(error) from error
            time.sleep(0.5)


def _password(environment: Mapping[str, str] | None = None) -> str | None:
    """Password from the environment, or from the file that the settings name."""
    given = (os.environ if environment is None else environment).get(PASSWORD_VARIABLE)
    if given:
        return given
    file = load_settings().store_password_file
    return read_text(file, error=StoreFileError).rstrip("\r\n") if file else None
