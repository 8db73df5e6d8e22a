"""Born charges and dielectric tensors of the stand-in, as pymatgen and phonopy read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nawf.rehearsal.response import DIELECTRIC, make_response
from nawf.results.crystal import Crystal


@pytest.mark.parametrize(
    ("formula", "charges"),
    [
        ({"Na": 2, "S": 1}, {"Na": 1, "S": -2}),
        ({"Na": 3, "P": 1, "S": 4}, {"Na": 1, "P": 5, "S": -2}),
        ({"Na": 2, "S": 4}, {"Na": 1, "S": -0.5}),
        ({"S": 8}, {"S": 0}),
        ({"Sn": 1, "S": 2}, {"Sn": 4, "S": -2}),
    ],
)
def test_charges_are_those_of_the_periodic_table(formula: dict[str, int], charges: dict[str, float]) -> None:
    species = [element for element, n in formula.items() for _ in range(n)]
    found = make_response(species)
    for element, charge in zip(species, found.charges_e, strict=True):
        assert charge == pytest.approx(charges[element] * np.eye(3))
    assert found.charges_e.sum(axis=0) == pytest.approx(np.zeros((3, 3)))


@pytest.fixture(scope="module")
def ended(kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished run with LEPSILON."""
    case = kit.Case(tmp_path_factory.mktemp("born") / "run")
    home = kit.na2s(6.5)
    tags = {"LEPSILON": ".TRUE.", "LPEAD": ".TRUE.", "IBRION": -1, "ISPIN": 2, "LORBIT": 11, "NELM": 60}
    case.write(home, kit.STATIC | tags, kit.GAMMA_222)
    code, log = case.run(kit.Springs(home))
    assert code == 0, log
    return case


EXPECTED = np.array([1, 1, -2])[:, None, None] * np.eye(3)


def test_pymatgen_reads_them(ended: Any) -> None:
    from pymatgen.io.vasp.outputs import Outcar

    outcar, vasprun = Outcar(ended.folder / "OUTCAR"), ended.vasprun()
    assert outcar.born == pytest.approx(EXPECTED)
    assert outcar.dielectric_tensor == pytest.approx(DIELECTRIC * np.eye(3))
    assert vasprun.epsilon_static == pytest.approx(DIELECTRIC * np.eye(3))
    assert vasprun.parameters["LEPSILON"] is True
    assert vasprun.converged
    # The loops under fields are not those of the ground state.
    assert vasprun.final_energy == pytest.approx(-10.0)
    assert "made up" in (ended.folder / "OUTCAR").read_text()


def test_phonopy_reads_them(ended: Any) -> None:
    from phonopy.interface.vasp import VasprunxmlExpat, get_born_OUTCAR

    with (ended.folder / "vasprun.xml").open("rb") as file:
        vasprun = VasprunxmlExpat(file)
        vasprun.parse()
    assert vasprun.born == pytest.approx(EXPECTED)
    assert vasprun.epsilon == pytest.approx(DIELECTRIC * np.eye(3))
    charges, dielectric, atoms = get_born_OUTCAR(
        poscar_filename=ended.folder / "POSCAR",
        outcar_filename=ended.folder / "OUTCAR",
        primitive_matrix=np.eye(3),
        supercell_matrix=np.eye(3, dtype=int),
    )
    assert list(atoms) == [0, 2]  # those that symmetry does not repeat
    assert charges == pytest.approx(EXPECTED[[0, 2]])
    assert dielectric == pytest.approx(DIELECTRIC * np.eye(3))


def test_a_run_without_the_tag_has_none(kit: Any, case: Any) -> None:
    from pymatgen.io.vasp.outputs import Outcar

    home = kit.na2s(6.5)
    case.write(home, kit.STATIC, kit.GAMMA_222).run(kit.Springs(home))
    assert not Outcar(case.folder / "OUTCAR").lepsilon
    assert case.vasprun().epsilon_static == []


def test_a_metal_has_none(kit: Any, case: Any) -> None:
    crystal = Crystal.from_arrays(np.eye(3) * 4.0, ["Na"], [[0, 0, 0]])
    case.write(crystal, kit.STATIC | {"LEPSILON": "T"}, kit.GAMMA_222)
    code, log = case.run(kit.Springs(crystal))
    assert code == 1
    assert "LEPSILON = .TRUE. without a band gap is not rehearsed" in log


def test_a_meta_gga_has_none(kit: Any, case: Any) -> None:
    home = kit.na2s(6.5)
    case.write(home, kit.STATIC | {"LEPSILON": "T", "METAGGA": "R2SCAN"}, kit.GAMMA_222)
    code, log = case.run(kit.Springs(home))
    assert code == 1
    assert "not implemented for meta-GGA" in log
