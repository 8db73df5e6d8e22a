"""Born charges from a document made by hand: the stand-in for VASP has none."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("atomate2")

from pymatgen.io.vasp.inputs import Kpoints

from nawf.engines.vasp_born import born_charges
from nawf.engines.vasp_protocols import Step, input_set
from nawf.errors import CalculationError
from nawf.results.crystal import Crystal
from nawf.results.outputs import RunRecord

# S first, as no POSCAR of pymatgen has it.
CRYSTAL = Crystal.from_arrays(
    np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 3.25, ["S", "Na", "Na"], [[0, 0, 0], [0.25] * 3, [0.75] * 3]
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunRecord(host="n", started_at=NOW, finished_at=NOW, versions={})
CHARGES = [np.eye(3) * 1.0, np.eye(3) * 1.02, np.eye(3) * -2.05]


def task(**changes):
    structure = CRYSTAL.to_structure().get_sorted_structure()
    chosen = input_set("mp24", Step.BORN)
    chosen.structure = structure
    given = SimpleNamespace(
        incar=dict(chosen.incar),
        parameters={"ISPIN": 2},
        structure=structure,
        kpoints=Kpoints.gamma_automatic((8, 8, 8)),
        potcar_spec=[{"titel": "PAW_PBE Na_pv 19Sep2006"}, {"titel": "PAW_PBE S 06Sep2000"}],
    )
    values = {"outcar": {"born": CHARGES}, "epsilon_static": np.eye(3) * 3.1, "bandgap": 2.4} | changes
    calculation = SimpleNamespace(input=given, output=SimpleNamespace(**values))
    return SimpleNamespace(calcs_reversed=[calculation], dir_name="here:/x", vasp_version="6.4.2")


def test_charges_are_in_the_order_of_the_crystal_and_add_up_to_nothing():
    found = born_charges(task(), CRYSTAL, RUN, "mp24")
    diagonal = np.array(found.charges_e)[:, 0, 0]
    assert diagonal == pytest.approx([-2.04, 1.01, 1.03])
    np.testing.assert_allclose(np.array(found.charges_e).sum(axis=0), 0.0, atol=1e-12)
    assert found.dielectric == ((3.1, 0.0, 0.0), (0.0, 3.1, 0.0), (0.0, 0.0, 3.1))


def test_the_functional_is_not_that_of_the_forces():
    calculation = born_charges(task(), CRYSTAL, RUN, "mp24").calculation
    assert calculation["functional"] == "PBEsol"
    assert calculation["k_points"] == "spacing 0.22 1/A"
    assert calculation["further"] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcar": None}, "no Born charges for all atoms"),
        ({"outcar": {"born": CHARGES[:2]}}, "no Born charges for all atoms"),
        ({"epsilon_static": None}, "no Born charges for all atoms"),
        ({"bandgap": 0.0}, "without a band gap"),
        ({"outcar": {"born": [np.eye(3)] * 3}}, "leave 1 e per atom over"),
    ],
)
def test_what_cannot_be_used_is_refused(changes, words):
    with pytest.raises(CalculationError, match=words):
        born_charges(task(**changes), CRYSTAL, RUN, "mp24")
