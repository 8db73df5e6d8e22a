"""``nawf rehearse`` around its runs: where commands find a server, and where not."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("chgnet")
pytest.importorskip("atomate2")

import nawf.cli.rehearse
from nawf.engines.rehearsal_server import VARIABLE

CAMPAIGN = "name: one\ntitle: Na\nphases: {ids: [na-bcc]}\nproperties: [relax]\nengine: vasp\ntemperatures_k: [0]\n"


@pytest.fixture
def seen(monkeypatch, tmp_path):
    """What jobs would find as the path of a server, in place of running them."""
    found = []

    def carry_out(setup, campaign, *, command, prepare):
        prepare(SimpleNamespace(tasks=["one"]))
        path = os.environ.get(VARIABLE)
        found.append((path, path is not None and Path(path).is_socket()))

    monkeypatch.setattr(nawf.cli.rehearse, "carry_out", carry_out)
    monkeypatch.setattr(nawf.cli.rehearse, "_make_potcars", lambda made, folder: None)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("NAWF_VASP_REHEARSAL_COMMAND", raising=False)
    (tmp_path / "one.yaml").write_text(CAMPAIGN)
    return found


def test_jobs_find_a_server_that_is_gone_afterwards(nawf, seen):
    assert nawf("rehearse", "one.yaml").code == 0
    ((path, is_there),) = seen
    assert is_there
    assert not Path(path).parent.exists()
    assert VARIABLE not in os.environ


def test_another_command_gets_none(nawf, seen, monkeypatch):
    monkeypatch.setenv("NAWF_VASP_REHEARSAL_COMMAND", "my-own-vasp")
    assert nawf("rehearse", "one.yaml").code == 0
    assert seen == [(None, False)]
