"""Everything a user can get wrong ends in one line on standard error, exit code 2, and nothing half-written."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from refused_commands import assert_one_clear_line

from nawf.cli.main import main
from nawf.store.stores import open_stores

Nawf = Callable[..., Any]

GOOD = "name: mine\ntitle: Mine\nphases: {ids: [na-bcc]}\nproperties: [relax, static]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "colour: blue\n", ["mine.yaml", "colour", "unknown key"]),
        (GOOD.replace("na-bcc", "na-bcx"), ["na-bcx", "did you mean", "na-bcc"]),
        (GOOD.replace("static]", "elasticity]"), ["mine.yaml", "properties", "phonon"]),
        (GOOD + "engine: xtb\n", ["xtb", "choose from"]),
        (GOOD + "engine: chgnet\n", ["chgnet", "did you mean chgnet-r2scan?"]),
        (GOOD + "engine: chgnet-r2scan\nprotocol: loose\n", ["loose", "seed"]),
        (GOOD + "temperatures_k: [-5]\n", ["mine.yaml", "temperatures_k"]),
        (GOOD + "relax: {force_ev_per_a: 7}\n", ["mine.yaml", "force_ev_per_a"]),
        (GOOD + "references: {Na: na-hcp}\n", ["na-hcp", "not among its phases"]),
        (GOOD + "references: {S: na-bcc}\n", ["na-bcc", "not a phase of S"]),
        (GOOD + "also: [{properties: [elastic], phases: {ids: [na2s]}}]\n", ["also: na2s is not among its phases"]),
        (GOOD + "also: [{properties: [elastic], phases: {tags: [oxide]}}]\n", ["also: ", "takes none"]),
        (GOOD.replace("{ids: [na-bcc]}", "{}"), ["mine.yaml", "no phases"]),
        (
            GOOD.replace("ids: [na-bcc]", "systems: [Na-S], exclude_origins: [nowhere]"),
            ["mine.yaml", "exclude_origins"],
        ),
        ("name: [unclosed\n", ["mine.yaml", "not valid YAML"]),
        ("name: !!python/object/apply:os.system ['true']\n", ["mine.yaml", "not valid YAML"]),
        ("", ["mine.yaml", "empty"]),
    ],
)
def test_campaign_files(nawf: Nawf, tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    for command in ("plan", "run"):
        assert_one_clear_line(nawf(command, "mine.yaml"), *words)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.yaml"]


def test_a_campaign_that_is_not_there(nawf: Nawf) -> None:
    assert_one_clear_line(nawf("run", "nowhere.yaml"), "nowhere.yaml", "ji2024")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engine", "gpawww"), ["gpawww"]),
        (("--phases", "na2s"), ["na2s", "na-bcc"]),
        (("--properties", "elasticity"), ["elasticity", "relax, static, phonon, elastic"]),
        (("--structures", "nowhere"), ["nowhere", "no such folder"]),
        (("--phases", ""), ["names nothing"]),
        (("--properties", ","), ["names nothing"]),
    ],
)
def test_options_of_plan(nawf: Nawf, tmp_path: Path, arguments: tuple[str, ...], words: list[str]) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    assert_one_clear_line(nawf("plan", "mine.yaml", *arguments), *words)


@pytest.mark.parametrize(
    "command",
    [
        ("report", "formation"),
        ("report", "hull"),
        ("report", "voltage", "--host", "S"),
        ("report", "elastic"),
        ("report", "lattice"),
        ("report", "quality"),
        ("report", "formation", "ji2024"),
        ("query",),
        ("query", "fingerprints"),
        ("store", "info"),
    ],
)
def test_a_store_that_is_not_there_is_not_made_by_reading(
    nawf: Nawf, tmp_path: Path, command: tuple[str, ...]
) -> None:
    assert_one_clear_line(nawf(*command), "nawf.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        ("formation",),
        ("hull",),
        ("voltage", "--host", "S"),
        ("elastic",),
        ("lattice",),
        ("quality",),
        ("formation", "ji2024"),
        ("quality", "ji2024"),
    ],
)
def test_reports_of_an_empty_store(nawf: Nawf, command: tuple[str, ...]) -> None:
    with open_stores("nawf.db"):
        pass
    assert_one_clear_line(nawf("report", *command), "no results", "nawf run")


def _not_sqlite(path: Path) -> None:
    path.write_bytes(b"This is a letter to my aunt.\n" * 100)


def _somebody_elses(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("create table stamps(country text)")


def _from_the_future(path: Path) -> None:
    with open_stores(str(path)):
        pass
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("pragma user_version = 999")


@pytest.mark.parametrize("make", [_not_sqlite, _somebody_elses, _from_the_future])
def test_a_file_that_is_not_our_store_is_refused_and_left_alone(
    nawf: Nawf, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "nawf.db")
    before = (tmp_path / "nawf.db").read_bytes()
    for command in (("report", "formation"), ("query",), ("store", "info"), ("store", "verify"), ("run", "ji2024")):
        assert_one_clear_line(nawf(*command), "nawf.db")
    assert (tmp_path / "nawf.db").read_bytes() == before


def test_a_store_in_a_folder_that_cannot_be_written(nawf: Nawf) -> None:
    # /proc refuses even root.
    assert_one_clear_line(nawf("run", "ji2024", "--store", "/proc/nawf.db"), "/proc/nawf.db")


def test_output_to_a_folder_that_is_not_there(nawf: Nawf) -> None:
    assert_one_clear_line(nawf("phases", "list", "--out", "no/where.txt"), "no/where.txt")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_to_a_full_disk(nawf: Nawf) -> None:
    assert_one_clear_line(nawf("phases", "list", "--out", "/dev/full"), "/dev/full", "no space left")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_standard_output_on_a_full_disk() -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "nawf.cli.main", "phases", "list"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (2, "nawf: output: no space left on device\n")


@pytest.mark.parametrize(
    "command",
    [
        ("plan", "LONG.yaml"),
        ("plan", "na-s", "--store", "LONG.db"),
        ("plan", "na-s", "--structures", "LONG"),
        ("store", "info", "--store", "LONG.db"),
        ("store", "export", "LONG.zip", "--store", "there.db"),
        ("build", "--store", "LONG.db"),
        ("phases", "check", "LONG.cif"),
        ("phases", "list", "--out", "LONG.txt"),
    ],
)
def test_names_that_are_too_long(nawf: Nawf, records: Any, command: tuple[str, ...]) -> None:
    if "there.db" in command:
        with open_stores("there.db") as stores:
            stores.results.update(records.document().model_dump(mode="json"))
    long = "x" * 300
    words = [word.replace("LONG", long) for word in command]
    assert_one_clear_line(nawf(*words), long, "ile name too long")


def test_a_pipe_among_the_structures(nawf: Nawf, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    os.mkfifo(tmp_path / "own" / "x.yaml")
    assert_one_clear_line(nawf("phases", "list", "--structures", "own"), "x.yaml", "is not a file")


MALFORMED: list[dict[str, Any]] = [
    {"schema_version": "two"},
    {"schema_version": None},
    {"provenance": None},
    {"provenance": {"job": {"index": "first"}}},
    {"phase": 5},
    {"property": "colour"},
    {"result": {}},
]


@pytest.mark.parametrize("change", MALFORMED, ids=[next(iter(change)) for change in MALFORMED])
def test_malformed_results_are_named(nawf: Nawf, records: Any, change: dict[str, Any]) -> None:
    name = records.document().result_id
    with open_stores("nawf.db") as stores:
        stores.results.update(records.document().model_dump(mode="json") | change)
    assert_one_clear_line(nawf("query"), name)
    outcome = nawf("store", "verify")
    assert outcome.code == 2
    assert name in outcome.err
    assert "Traceback" not in outcome.err
    assert nawf("build").code == 0
    assert nawf("store", "migrate").code == 0
    assert nawf("store", "copy", "nawf.db", "other.db").code == 0
    assert nawf("store", "copy", "nawf.db", "other.db").code == 0


@pytest.mark.parametrize("without", ["phase", "provenance", "property", "result_id"])
def test_malformed_results_of_an_older_schema_are_left(nawf: Nawf, records: Any, without: str) -> None:
    old = records.document().model_dump(mode="json") | {"schema_version": 1}
    with open_stores("nawf.db") as stores:
        stores.results.update({k: v for k, v in old.items() if k != without}, key="card")
    outcome = nawf("store", "migrate")
    assert outcome.code == 1
    assert "its raw document is missing" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_disk_that_fills_up_during_a_run(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: writing fails in the same way."""
    (tmp_path / "mine.yaml").write_text(GOOD)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    ended = subprocess.run(
        [sys.executable, "-m", "nawf.cli.main", "run", "mine.yaml", "--workers", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert ended.returncode in (1, 2), ended.stderr
    assert "Traceback" not in ended.stderr
    assert "nawf.db" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hull", "--plot", "hull.bmp"), ["hull.bmp", ".png"]),
        (("window", "--plot", "hull.bmp"), ["hull.bmp", ".png"]),
        (("window", "--electrolyte", ","), ["names nothing"]),
        (("interface", "--between", "na-bcc"), ["A,B"]),
        (("voltage",), ["--host"]),
        (("formation", "-T", "warm"), ["warm"]),
        (("formation", "-T", "-3"), ["-3"]),
        (("formation", "--reference-phase", "Na"), ["EL=ID"]),
        (("formation", "--fingerprint", "abc"), []),
        (("formation", "--exclude", "unobtainium"), ["unobtainium"]),
    ],
)
def test_options_of_reports(nawf: Nawf, tmp_path: Path, arguments: tuple[str, ...], words: list[str]) -> None:
    with open_stores("nawf.db"):
        pass
    assert_one_clear_line(nawf("report", *arguments), *words)
    assert not list(tmp_path.glob("hull*"))


def test_the_home_folder_is_one_place_for_all_commands(
    nawf: Nawf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own").mkdir()
    with open_stores("nawf.db"):
        pass
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("NAWF_STORE", "~/nawf.db")
    for command in (("store", "info"), ("store", "verify"), ("query",), ("phases", "tags", "--structures", "~/own")):
        assert nawf(*command).code == 0
    assert list((tmp_path / "work").iterdir()) == []


def test_settings(nawf: Nawf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nawf.yaml").write_text("stor: elsewhere.db\n")
    assert_one_clear_line(nawf("query"), "nawf.yaml", "stor", "unknown key")
    (tmp_path / "nawf.yaml").unlink()
    monkeypatch.setenv("NAWF_WORKERS", "many")
    assert_one_clear_line(nawf("query"), "environment", "workers")


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from nawf.errors import CampaignError

    monkeypatch.setattr(sys, "argv", ["nawf", "--debug", "plan", "nowhere.yaml"])
    with pytest.raises(CampaignError):
        main()


def test_an_unknown_option_is_a_usage_error(nawf: Nawf) -> None:
    outcome = nawf("plan", "ji2024", "--wat")
    assert outcome.code == 2
    assert "--wat" in outcome.err


def test_version_and_help(nawf: Nawf) -> None:
    from nawf import __version__

    assert nawf("--version").out.strip() == f"nawf {__version__}"
    assert "report" in nawf("--help").out


def test_a_reader_that_leaves_early_is_no_error() -> None:
    # Enough rows to fill the pipe, so that the command is still writing when its reader is gone.
    with subprocess.Popen(
        [sys.executable, "-m", "nawf.cli.main", "phases", "list", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
