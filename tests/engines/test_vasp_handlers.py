"""What the error handlers may change: every correction that is kept is applied to our own inputs, and looked at."""

from __future__ import annotations

import shutil
import warnings

import pytest

pytest.importorskip("atomate2")

from atomate2.vasp.run import DEFAULT_HANDLERS
from custodian.vasp.handlers import (
    NonConvergingErrorHandler,
    StdErrHandler,
    UnconvergedErrorHandler,
    VaspErrorHandler,
)
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.inputs import Incar, Kpoints

from nawf.engines.vasp_handlers import (
    LEFT_OUT,
    ElectronsUnconvergedHandler,
    ScalapackHandler,
    handlers,
    run_vasp_kwargs,
)
from nawf.engines.vasp_protocols import Step, input_set
from nawf.engines.vasp_settings import vasp_calculation
from nawf.rehearsal.potcar import make_potcar_library
from nawf.rehearsal.run import run

FCC = Lattice([[0, 3.25, 3.25], [3.25, 0, 3.25], [3.25, 3.25, 0]])
NA2S = Structure(FCC, ["Na", "Na", "S"], [[0.25] * 3, [0.75] * 3, [0] * 3])
POTCARS = [{"titel": "PAW_PBE Na_pv 19Sep2006", "hash": "a"}, {"titel": "PAW_PBE S 06Sep2000", "hash": "b"}]
KEPT = sorted(set(VaspErrorHandler.error_msgs) - LEFT_OUT)
# KSPACING with Gaussian smearing and with tetrahedra, and a KPOINTS file.
KINDS = [("mp24", Step.RELAX), ("mp24", Step.STATIC), ("ji2024", Step.STRAINED)]


@pytest.fixture(scope="module")
def templates(tmp_path_factory, toy_potential):
    """Folders with the inputs of each kind, and what a run leaves beside them: that of the stand-in."""
    from pymatgen.core import SETTINGS

    root = tmp_path_factory.mktemp("inputs")
    library = make_potcar_library(root / "potcars", symbols=["Na_pv", "S"])
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(library))
        warnings.simplefilter("ignore", category=UserWarning)
        for protocol, step in KINDS:
            mesh = (4, 4, 4) if step is Step.STRAINED else None
            where = root / protocol / step
            input_set(protocol, step, mesh=mesh).get_input_set(NA2S).write_input(where)
            with (where / "vasp.out").open("w") as log:
                run(where, toy_potential.evaluate, log=log, environ={})
            (where / "std_err.txt").write_text("")
    return root


@pytest.fixture
def folder(tmp_path, templates):
    """A new folder with the inputs of a kind."""

    def copy(protocol, step):
        return shutil.copytree(templates / protocol / step, tmp_path / protocol / step)

    return copy


def scale(where):
    """Energy scale of the inputs in a folder."""
    mesh = Kpoints.from_file(where / "KPOINTS") if (where / "KPOINTS").is_file() else None
    return vasp_calculation(Incar.from_file(where / "INCAR"), potcars=POTCARS, version="6.4.2", kpoints=mesh)


def corrected(handler, where):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UserWarning)
        handler.correct(directory=str(where))


@pytest.mark.parametrize("error", KEPT)
def test_no_correction_of_the_master_handler_changes_the_energy_scale(folder, error):
    for protocol, step in KINDS:
        handler = VaspErrorHandler()
        where = folder(protocol, step)
        before = scale(where)
        for _ in range(5):  # what is tried depends on what was tried
            handler.errors = {error}
            corrected(handler, where)
            assert scale(where) == before, (protocol, step)


@pytest.mark.parametrize(
    ("handler", "kinds"),
    [
        (StdErrHandler, KINDS),
        # It looks at more than ten ionic steps, which a static run has not.
        (NonConvergingErrorHandler, [KINDS[0], KINDS[2]]),
    ],
)
def test_nor_do_those_of_the_others(folder, handler, kinds):
    for protocol, step in kinds:
        where = folder(protocol, step)
        before, acting = scale(where), handler()
        for _ in range(5):
            acting.errors = {"kpoints_trans", "out_of_memory", "grad_not_orth"}
            corrected(acting, where)
            assert scale(where) == before


@pytest.mark.parametrize("error", ["tet", "dentet", "brmix", "algo_tet", "triple_product"])
def test_what_is_left_out_would(folder, error):
    """Each is left out for a reason that is still there; the check above can fail."""
    changed = False
    for protocol, step in KINDS:
        handler = VaspErrorHandler()
        where = folder(protocol, step)
        before, lattice = scale(where), (where / "POSCAR").read_text()
        for _ in range(5):
            handler.errors = {error}
            corrected(handler, where)
            changed = changed or scale(where) != before or (where / "POSCAR").read_text() != lattice
    assert changed


@pytest.mark.parametrize("error", ["subspacematrix", "rspher", "real_optlay", "nicht_konv"])
def test_some_have_no_cure_left_for_these_inputs(folder, error):
    """custodian ends a run when an error has no cure, and these may be mere warnings."""
    handler = VaspErrorHandler()
    where = folder("mp24", Step.RELAX)
    handler.errors = {error}
    assert handler.correct(directory=str(where))["actions"] == []


def test_handlers_that_set_smearing_or_mesh_are_not_among_ours():
    ours = {type(handler).__name__ for handler in handlers()}
    theirs = {type(handler).__name__ for handler in DEFAULT_HANDLERS}
    assert theirs - ours == {
        "LargeSigmaHandler",
        "IncorrectSmearingHandler",
        "KspacingMetalHandler",
        "UnconvergedErrorHandler",
    }
    assert ours - theirs == {"ElectronsUnconvergedHandler", "ScalapackHandler"}


@pytest.mark.parametrize("routine", ["PSSYEVX", "PDSYEVX"])
@pytest.mark.parametrize(("protocol", "step"), KINDS)
def test_a_solver_of_scalapack_that_fails_is_done_without(folder, protocol, step, routine):
    where = folder(protocol, step)
    before, algo = scale(where), Incar.from_file(where / "INCAR")["ALGO"]
    (where / "CONTCAR").write_text((where / "CONTCAR").read_text().replace("0.25", "0.26", 1))
    geometry = {name: (where / name).read_text() for name in ("POSCAR", "CONTCAR")}
    handler = ScalapackHandler()
    assert not handler.check(str(where))
    with (where / "vasp.out").open("a") as log:
        log.write(f"ERROR in subspace rotation {routine}: not enough eigenvalues found\n")
    assert handler.check(str(where))
    found = handler.correct(str(where))
    assert found["errors"] == [routine.lower()]
    assert Incar.from_file(where / "INCAR")["LSCALAPACK"] is False
    moves = Incar.from_file(where / "INCAR").get("NSW", 0) > 0
    assert (where / "POSCAR").read_text() == geometry["CONTCAR" if moves else "POSCAR"]
    assert (where / "error.1.tar.gz").is_file()
    # The master handler is not to act on the same words, and there is nothing else to try.
    assert not handlers()[0].check(str(where))
    assert algo == "Normal"
    assert handler.correct(str(where))["actions"] is None
    assert scale(where) == before


def test_an_unusual_algorithm_is_the_next_to_go(folder):
    where = folder("mp24", Step.RELAX)
    incar = Incar.from_file(where / "INCAR")
    incar.update({"ALGO": "All", "LSCALAPACK": False})
    incar.write_file(where / "INCAR")
    handler = ScalapackHandler()
    assert handler.correct(str(where))["actions"][-1] == {"dict": "INCAR", "action": {"_set": {"ALGO": "Normal"}}}
    assert handler.correct(str(where))["actions"] is None


def test_every_run_has_handlers_of_its_own():
    """They count what they have tried; counts of another run would end this one early."""
    one, two = handlers(), handlers()
    one[0].error_count["edddav"] += 1
    assert two[0].error_count["edddav"] == 0
    assert not any(a is b for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("ions", [True, False])
@pytest.mark.parametrize(("electrons", "acts"), [(True, False), (False, True)])
def test_ions_that_did_not_converge_are_left_to_the_next_run(monkeypatch, electrons, ions, acts):
    class Run:
        converged_electronic, converged_ionic, converged = electrons, ions, electrons and ions

    for module in ("custodian.vasp.handlers.load_vasprun", "nawf.engines.vasp_handlers.load_vasprun"):
        monkeypatch.setattr(module, lambda path: Run)
    assert UnconvergedErrorHandler().check() is not (electrons and ions)
    assert ElectronsUnconvergedHandler().check() is acts


def test_arguments_of_the_runner():
    found = run_vasp_kwargs("srun vasp_std", "srun vasp_gam", 3600, 0.5)
    assert (found["vasp_cmd"], found["vasp_gamma_cmd"], found["wall_time"]) == (
        "srun vasp_std",
        "srun vasp_gam",
        3600,
    )
    assert found["scratch_dir"] is None
    polling = found["custodian_kwargs"]
    assert polling["polling_time_step"] * polling["monitor_freq"] == 300
    plain = run_vasp_kwargs("", "", None, 1.0)
    assert not {"vasp_cmd", "vasp_gamma_cmd", "wall_time"} & set(plain)
