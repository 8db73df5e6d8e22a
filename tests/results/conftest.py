"""The shipped library as crystals, read once."""

import pytest

from nawf.phases.library import load_library
from nawf.results.crystal import Crystal


@pytest.fixture(scope="session")
def library():
    return load_library()


@pytest.fixture(scope="session")
def shipped_crystal(library):
    """Crystal of a shipped phase, as in its CIF."""

    def get(phase_id):
        return Crystal.from_structure(library.get(phase_id).structure())

    return get
