"""Structure files that are right or wrong in one known way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

CIF = """\
data_test
_cell_length_a 4.0
_cell_length_b 4.0
_cell_length_c 4.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_symmetry_equiv_pos_as_xyz
'x,y,z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0 0 0 1
S1 S 0.5 0.5 0.5 1
"""


CifWriter = Callable[..., Path]


@pytest.fixture
def cif_file(tmp_path: Path) -> CifWriter:
    """Writes a NaS of CsCl type, with texts replaced, and returns the path."""

    def write(changes: dict[str, str] | None = None, name: str = "test.cif") -> Path:
        text = CIF
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
