"""The control of failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from nawf.rehearsal.faults import DEEDS, MESSAGES, Fault, Faults, parse_faults, read_faults
from nawf.rehearsal.stop import StopError
from nawf.settings import load_settings


def test_grammar() -> None:
    text = """
    zbrent@2 once            # a comment; with a semicolon
    edddav until ALGO=All; kill@3 2 times when FORMULA=Na2S NSW=99
    brmix:once
    """
    assert parse_faults(text) == (
        Fault("zbrent", 2, 1),
        Fault("edddav", until=(("ALGO", "All"),)),
        Fault("kill", 3, 2, when=(("FORMULA", "Na2S"), ("NSW", "99"))),
        Fault("brmix", 1, 1),
    )
    assert parse_faults("") == parse_faults(" ; \n # nothing") == ()


@pytest.mark.parametrize(
    "text", ["zbrend", "zbrent twice", "zbrent 2", "zbrent when", "kill@x", "zbrent when ALGO", "@2", "zbrent at 3"]
)
def test_misspelt_faults_end_the_run(text: str) -> None:
    with pytest.raises(StopError, match="rehearsal"):
        parse_faults(text)


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        ("when ALGO=fast", True),
        ("when ALGO=Normal", False),
        ("when NSW=5.0 LREAL=Auto", True),
        ("when NSW=5 LREAL=False", False),
        ("when LWAVE=.FALSE.", True),
        ("when IMIX=*", False),
        ("when NSW=*", True),
        ("until ALGO=Fast", False),
        ("until ALGO=Fast NSW=6", True),
        ("until IMIX=1", True),
        ("when FORMULA=Na2S until NSW=5", False),
        ("", True),
    ],
)
def test_conditions_look_at_the_tags(condition: str, applies: bool) -> None:
    tags = {"ALGO": "Fast", "NSW": 5, "LREAL": "Auto", "LWAVE": False, "FORMULA": "Na2S"}
    (fault,) = parse_faults(f"zbrent {condition}")
    assert fault.applies(tags) is applies


def faults(folder: Path, text: str) -> Faults:
    return read_faults(folder, {"ALGO": "Fast"}, {"NAWF_REHEARSAL_FAULT": text})


def test_once_is_once_over_restarts_and_twice_is_twice(tmp_path: Path) -> None:
    def happens(text: str) -> bool:
        return faults(tmp_path, text).due(["kill"]) == "kill"

    assert [happens("kill once") for _ in range(3)] == [True, False, False]
    assert [happens("kill 2 times when ALGO=Fast") for _ in range(3)] == [True, True, False]
    assert [happens("kill") for _ in range(3)] == [True, True, True]
    assert [happens("hang once") for _ in range(2)] == [False, False]


def test_a_fault_comes_once_in_a_run_when_its_step_is_reached(tmp_path: Path) -> None:
    found = faults(tmp_path, "kill@3")
    assert [found.due(["kill"], step) for step in (1, 2, 3, 4)] == [None, None, "kill", None]


def test_counts_can_be_shared_between_folders(tmp_path: Path) -> None:
    environ = {"NAWF_REHEARSAL_FAULT": "kill once", "NAWF_REHEARSAL_COUNTS": str(tmp_path / "counts")}
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found.append(read_faults(tmp_path / name, {}, environ).due(["kill"]))
    assert found == ["kill", None]
    assert list((tmp_path / "a").iterdir()) == []


def test_a_file_in_the_folder_asks_too(tmp_path: Path) -> None:
    (tmp_path / "REHEARSAL").write_text("nelm@2\n")
    found = faults(tmp_path, "hang")
    assert found.due(["hang"]) == "hang"
    assert found.due(["nelm"], 2) == "nelm"


def test_the_variables_are_no_unknown_settings(tmp_path: Path) -> None:
    names = ("FAULT", "COUNTS", "STEP_SECONDS")
    settings = load_settings(folder=tmp_path, environment={f"NAWF_REHEARSAL_{name}": "1" for name in names})
    assert settings == load_settings(folder=tmp_path, environment={})


def test_messages_are_found_by_custodian() -> None:
    handlers = pytest.importorskip("custodian.vasp.handlers")
    for name, message in MESSAGES.items():
        text = "\n".join(message.lines)
        assert any(words in text for words in handlers.VaspErrorHandler.error_msgs[name]), name
    assert not set(MESSAGES) & set(DEEDS)


@pytest.mark.parametrize(("moment", "name"), [("start", "posmap"), ("electronic", "edddav"), ("ionic", "zbrent")])
def test_messages_have_their_moment(tmp_path: Path, moment: str, name: str) -> None:
    for asked in ("start", "electronic", "ionic"):
        message = faults(tmp_path, name).message(asked)  # type: ignore[arg-type]
        assert (message == MESSAGES[name]) is (asked == moment)
