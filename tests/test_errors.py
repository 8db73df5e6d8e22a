import pickle

import pytest

from nawf import errors
from nawf.errors import CalculationError, InputError, NawfError, StructureError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NawfError)]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (NawfError("is wrong"), "is wrong"),
        (NawfError("is wrong", where="a.cif"), "a.cif: is wrong"),
        (NawfError("is wrong", hint="mend it"), "is wrong (mend it)"),
        (NawfError("is wrong", where="a.cif", hint="mend it"), "a.cif: is wrong (mend it)"),
        (NawfError("is\n\n  very\r\nwrong\t", where="a\nb", hint="mend\u2028it"), "a b: is very wrong (mend it)"),
        (NawfError(""), ""),
    ],
)
def test_a_message_is_one_line(error, line):
    assert str(error) == line


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_an_exit_code_and_keeps_its_parts(kind):
    error = kind("is wrong", where="x", hint="mend it")
    assert isinstance(error, NawfError)
    assert (error.what, error.where, error.hint) == ("is wrong", "x", "mend it")
    assert kind.exit_code == (1 if kind is CalculationError else 2)


def test_bad_files_are_bad_input():
    assert issubclass(StructureError, InputError)
    with pytest.raises(InputError, match=r"^a\.cif: is empty$"):
        raise StructureError("is empty", where="a.cif")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_between_processes(kind):
    error = pickle.loads(pickle.dumps(kind("is wrong", where="x", hint="mend it")))
    assert type(error) is kind
    assert str(error) == "x: is wrong (mend it)"
