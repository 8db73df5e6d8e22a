"""A phase of the toy potential whose relaxation hangs in its second ionic step, so that there is something to hit."""

from __future__ import annotations

from pathlib import Path

CAMPAIGN = """\
name: toy
title: A phase of the toy potential
phases: {ids: [toy-nas]}
properties: [relax, static]
engine: vasp-rehearsal
"""
HANG = "hang@2 once when METAGGA=R2SCAN NSW=99"
STEPS = ("vasp_pre_relax", "vasp_relax", "symmetrise_relaxed", "vasp_static")


def is_hanging(folder: Path) -> bool:
    """Whether the relaxation of the site in a folder is in its second step."""
    files = folder.glob("runs/toy-nas/relax-*/attempt-01/OSZICAR")
    return any(file.read_text().count(" F= ") >= 1 for file in files)
