"""Locations as they are shown, and what is beside them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nawf.store.location import database_name, is_mongo, log_path, redacted

PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=20)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("nawf.db", "nawf.db"),
        ("/a/b c@d:e.db", "/a/b c@d:e.db"),
        ("mongodb://host/db", "mongodb://host/db"),
        ("mongodb://h1:27017,h2:27018/db?replicaSet=rs", "mongodb://h1:27017,h2:27018/db?replicaSet=rs"),
        ("mongodb://[::1]:27017/db", "mongodb://[::1]:27017/db"),
        ("mongodb://me:hunter2@host:27017/db?tls=true", "mongodb://me@host:27017/db?tls=true"),
        ("mongodb+srv://me:hunter2@c.example.org/db", "mongodb+srv://me@c.example.org/db"),
        ("MONGODB://me:hunter2@host/db", "MONGODB://me@host/db"),
        ("mongodb://me:hun@ter/2?x@host/db", "mongodb://me@host/db"),
        ("mongodb://me:hunter2", "mongodb://me:***"),
        ("mongo://me:hunter2@host/db", "mongo://me@host/db"),
        ("mongodb:/me:hunter2@host/db", "mongodb:/me@host/db"),
        ("--store=postgres://me:hun@ter2@host/db", "--store=postgres://me@host/db"),
        ("--store=mongodb://me:hunter2@host/db", "--store=mongodb://me@host/db"),
        (
            "mongodb://h/db?tlsCertificateKeyFilePassword=hunter2&authMechanismProperties=TOKEN:hunter2&w=1",
            "mongodb://h/db?tlsCertificateKeyFilePassword=***&authMechanismProperties=***&w=1",
        ),
    ],
)
def test_what_is_shown(location: str, shown: str) -> None:
    assert redacted(location) == shown
    assert redacted(shown) == shown


@given(
    PASSWORDS,
    st.booleans(),
    st.sampled_from(["", "--store=", "opened "]),
    st.sampled_from(["mongodb://", "mongodb+srv://", "mongo://", "Mongodb:/", "postgres://", "http+x://"]),
)
def test_no_password_is_ever_shown(password: str, escaped: bool, before: str, scheme: str) -> None:
    secret = quote_plus(password) if escaped else password
    shown = redacted(f"{before}{scheme}someone:{secret}@server.example:27017/things?w=1")
    assert shown == f"{before}{scheme}someone@server.example:27017/things?w=1"


def test_databases_and_files_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    uri = "mongodb+srv://me:hunter2@host/things?w=1"
    assert is_mongo(uri)
    assert not is_mongo("mongodb.db")
    assert database_name(uri) == "things"
    assert database_name("mongodb://host:1") == ""
    assert log_path(uri) == tmp_path / "things.log"
    assert log_path("sub/nawf.db") == Path("sub/nawf.log")
