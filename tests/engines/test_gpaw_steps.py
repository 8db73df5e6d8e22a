"""Steps of the engine gpaw with a toy potential in GPAW's place: results, places, kills and the ladder."""

import json

import numpy as np
import pytest
import toy_gpaw

from nawf.engines.ase_hessian import first_hessian
from nawf.engines.ase_relax import calculator_of, relax_with_ase
from nawf.engines.base import Label
from nawf.engines.gpaw_log import EVALUATIONS
from nawf.engines.gpaw_protocols import PROTOCOLS
from nawf.engines.gpaw_scf import RUNGS, SMEARINGS_EV, OneProcessFellError
from nawf.engines.gpaw_steps import Gpaw, intended_calculation
from nawf.errors import CalculationError
from nawf.flows.elastic import elastic_result
from nawf.flows.phonon import displaced_cells, phonon_result
from nawf.results.crystal import Crystal
from nawf.results.fingerprint import Fingerprint
from nawf.results.methods import ElasticMethod, PhononMethod, RelaxMethod
from nawf.results.strain import strained_cells

METHOD = RelaxMethod(force_ev_per_a=1e-3, stress_gpa=1e-3, polish_steps=0)
LABEL = Label(phase="toy")

# Of the CsCl type, sodium aside, in a cell that asks for reduction.
SHEARED = np.array([[1, 0, 0], [2, 1, 0], [-1, 2, 1]])
CRYSTAL = Crystal.from_arrays(
    3.3 * SHEARED, ["Na", "S"], np.array([[0.02, 0, 0], [0.5, 0.5, 0.5]]) @ np.linalg.inv(SHEARED)
)


class KilledError(BaseException):
    """Nothing catches it: as if the process were gone."""


@pytest.fixture
def toy(toy_potential, monkeypatch):
    return toy_gpaw.Toy(toy_potential.evaluate).install(monkeypatch)


@pytest.fixture
def gpaw(toy, tmp_path):
    return Gpaw("fast", tmp_path)


def lines(tmp_path, kind=""):
    found = [json.loads(line) for path in tmp_path.glob(f"toy/*{kind}*/{EVALUATIONS}") for line in path.open()]
    return [line for line in found if "energy_ev" in line]


def test_a_relaxation_is_that_of_the_potential_in_the_cell_that_was_asked_for(gpaw, toy, toy_potential):
    found = gpaw.relax(CRYSTAL, METHOD, LABEL)
    alone = relax_with_ase(CRYSTAL, calculator_of(toy_potential.evaluate), METHOD)
    assert found.converged
    assert found.energy_ev_per_atom == pytest.approx(alone.energy_ev_per_atom, abs=1e-7)
    assert np.allclose(found.crystal.matrix_a, alone.crystal.matrix_a, atol=1e-5)
    assert np.allclose(found.crystal.frac_coords, alone.crystal.frac_coords, atol=1e-5)
    # GPAW saw short edges and right angles.
    assert np.linalg.norm(toy.cells[0], axis=1) == pytest.approx([3.3] * 3)


def test_a_static_calculation_has_forces_and_stress_in_the_axes_of_the_crystal(gpaw, toy_potential):
    found = gpaw.static(CRYSTAL, METHOD, LABEL)
    energy, forces, stress = toy_potential.evaluate(CRYSTAL)
    assert found.energy_ev_per_atom == pytest.approx(energy / 2)
    assert found.max_force_ev_per_a == pytest.approx(np.linalg.norm(forces, axis=1).max())
    xx, yy, zz, yz, xz, xy = np.array(found.stress_gpa) / 160.21766208
    assert [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]] == pytest.approx(stress)
    assert found.run.electronic_converged is True
    assert found.run.versions["libxc"] == "6.5.4"


def test_a_killed_relaxation_goes_on_with_the_step_it_was_at(toy, tmp_path):
    undisturbed = Gpaw("fast", tmp_path / "other").relax(CRYSTAL, METHOD, LABEL)
    n_calls = len(toy.cells)
    assert n_calls > 5

    def kill(settings, number):
        if number == n_calls + 4:
            raise KilledError

    toy.fails = kill
    with pytest.raises(KilledError):
        Gpaw("fast", tmp_path).relax(CRYSTAL, METHOD, LABEL)
    assert len(lines(tmp_path)) == 3
    found = Gpaw("fast", tmp_path).relax(CRYSTAL, METHOD, LABEL)
    # Three were kept, the fourth was lost: as many calculations as without the kill, and the one that it cost.
    assert len(toy.cells) == 2 * n_calls + 1
    assert found.crystal == undisturbed.crystal
    assert found.n_steps == undisturbed.n_steps
    (resumed,) = found.run.corrections
    assert resumed.handler == "resume"
    assert found.run.started_at < found.run.finished_at


def test_a_relaxation_begins_with_the_hessian_it_is_given_and_goes_on_with_that(toy, tmp_path, toy_potential):
    def rows(crystal):
        return tuple(map(tuple, first_hessian(crystal, toy_potential.evaluate).tolist()))

    plain = Gpaw("fast", tmp_path / "plain").relax(CRYSTAL, METHOD, LABEL)
    n_plain = len(toy.cells)
    helped = Gpaw("fast", tmp_path / "helped").relax(CRYSTAL, METHOD, LABEL, rows(CRYSTAL))
    n_helped = len(toy.cells) - n_plain
    assert n_helped < n_plain
    assert helped.energy_ev_per_atom == pytest.approx(plain.energy_ev_per_atom, abs=1e-6)

    def kill(settings, number):
        if number == n_plain + n_helped + 3:
            raise KilledError

    toy.fails = kill
    with pytest.raises(KilledError):
        Gpaw("fast", tmp_path).relax(CRYSTAL, METHOD, LABEL, rows(CRYSTAL))
    # Another Hessian, or none, would lead elsewhere than where the first attempt was.
    found = Gpaw("fast", tmp_path).relax(CRYSTAL, METHOD, LABEL, None)
    assert found.crystal == helped.crystal
    assert len(toy.cells) == n_plain + 2 * n_helped + 1
    # The place of an attempt without one is taken up again without one.
    again = Gpaw("fast", tmp_path / "plain").relax(CRYSTAL, METHOD, LABEL, rows(CRYSTAL))
    assert again.crystal == plain.crystal


def test_a_finished_step_is_not_calculated_again(gpaw, toy, tmp_path):
    first = gpaw.relax(CRYSTAL, METHOD, LABEL)
    n_calls = len(toy.cells)
    # Both protocols relax with the same settings; the rest of theirs differs, and so do their results.
    for protocol in ("fast", "accurate"):
        again = Gpaw(protocol, tmp_path).relax(CRYSTAL, METHOD, LABEL)
        assert len(toy.cells) == n_calls
        assert again.crystal == first.crystal
        assert again.run == first.run
    assert (
        Fingerprint(calculation=again.calculation).calculation_id
        != Fingerprint(calculation=first.calculation).calculation_id
    )
    gpaw.relax(CRYSTAL, METHOD.model_copy(update={"force_ev_per_a": 2e-3}), LABEL)
    assert len(toy.cells) > n_calls


def test_a_killed_set_of_displacements_loses_one(toy, tmp_path, toy_potential):
    relaxed = Gpaw("fast", None).relax(CRYSTAL, METHOD, LABEL).crystal
    cells = displaced_cells(relaxed, PhononMethod(min_length_a=6.0, displacement_a=0.02), 0.01)
    assert len(cells.displacements) == 2
    before = len(toy.cells)

    def kill(settings, number):
        if number == before + 2:
            raise KilledError

    toy.fails = kill
    with pytest.raises(KilledError):
        Gpaw("fast", tmp_path).forces(cells, LABEL)
    found = Gpaw("fast", tmp_path).forces(cells, LABEL)
    assert len(toy.cells) == before + 3
    phonon = phonon_result(cells, found, METHOD)
    assert phonon.imaginary_fraction == 0
    assert phonon.sum_rule_violation < 5e-3
    # Each cell has other symmetry, so each gets a calculator of its own, on the finer grid.
    assert [m.get("h") for m in toy.made[-2:]] == [PROTOCOLS["fast"].levels["displaced"].grid_a] * 2


def test_strained_cells_give_the_tensor_of_the_potential(toy, tmp_path, toy_potential):
    relaxed = relax_with_ase(CRYSTAL, calculator_of(toy_potential.evaluate), RelaxMethod(force_ev_per_a=1e-4)).crystal
    cells = strained_cells(relaxed, ElasticMethod(strains=(0.005, 0.01), polish_steps=0), 0.01)
    found = Gpaw("fast", tmp_path).stresses(cells, LABEL)
    tensor = elastic_result(cells, found, METHOD).stiffness_gpa

    def stress_gpa(strain):
        """Of a cell stretched along x, by central differences of the energy."""
        matrix = relaxed.matrix_a @ np.diag([1 + strain, 1, 1])
        step = 1e-4
        energies = [
            toy_potential.evaluate(
                Crystal.from_arrays(matrix @ np.diag([1 + s, 1, 1]), relaxed.species, relaxed.frac_coords)
            )[0]
            for s in (step, -step)
        ]
        return (energies[0] - energies[1]) / (2 * step) / relaxed.volume_a3 * 160.21766

    c11 = (stress_gpa(5e-4) - stress_gpa(-5e-4)) / 1e-3
    assert tensor[0][0] == pytest.approx(c11, rel=0.02)


def test_electrons_are_tried_in_other_ways_before_the_smearing_is_touched(gpaw, toy):
    def fails(settings, number):
        if settings["mixer"] != RUNGS[2].mixer:
            raise toy_gpaw.ConvergenceError("too many\niterations")

    toy.fails = fails
    found = gpaw.static(CRYSTAL, METHOD, LABEL)
    assert [c.actions[0] for c in found.run.corrections] == [RUNGS[1].words, RUNGS[2].words]
    assert "too many iterations" in found.run.corrections[0].errors[0]
    assert found.calculation["smearing"] == "Fermi-Dirac 0.05 eV"
    assert toy.made[-1]["eigensolver"] == RUNGS[2].eigensolver
    assert [m["maxiter"] for m in toy.made] == [r.max_iterations for r in RUNGS]


def test_a_way_that_helped_is_kept_for_the_rest_of_the_step(gpaw, toy):
    def fails(settings, number):
        if number == 2:
            raise AssertionError

    toy.fails = fails
    found = gpaw.relax(CRYSTAL, METHOD, LABEL)
    assert found.converged
    assert len(found.run.corrections) == 1
    assert [m["mixer"] for m in toy.made] == [RUNGS[0].mixer, RUNGS[1].mixer]


def test_a_larger_smearing_is_another_calculation_from_the_start(gpaw, toy, tmp_path):
    def fails(settings, number):
        if number > 2 and settings["occupations"]["width"] < 0.1:
            raise toy_gpaw.ConvergenceError

    toy.fails = fails
    found = gpaw.relax(CRYSTAL, METHOD, LABEL)
    assert found.calculation["smearing"] == "Fermi-Dirac 0.1 eV"
    assert [c.handler for c in found.run.corrections] == ["gpaw-scf"] * len(RUNGS) + ["gpaw-smearing"]
    intended = Fingerprint(calculation=intended_calculation("fast"))
    assert Fingerprint(calculation=found.calculation).way != intended.way
    # Every step of the relaxation has the same smearing, the first one too.
    own = [line for line in lines(tmp_path) if line["smearing_ev"] == 0.1]
    assert own[0]["crystal"] == CRYSTAL.model_dump(mode="json")
    assert len(own) >= found.n_steps
    # It is known now, also after a kill, that the smaller one is no good.
    n_calls = len(toy.cells)
    assert Gpaw("fast", tmp_path).relax(CRYSTAL, METHOD, LABEL).run.corrections == found.run.corrections
    assert len(toy.cells) == n_calls


def test_electrons_at_loss_are_an_error(gpaw, toy):
    def fails(settings, number):
        raise toy_gpaw.ConvergenceError

    toy.fails = fails
    with pytest.raises(CalculationError, match=r"toy static: the electrons do not converge, not even with .* 0.2 eV"):
        gpaw.static(CRYSTAL, METHOD, LABEL)
    assert len(toy.made) == len(RUNGS) * len(SMEARINGS_EV)


def test_numbers_that_are_none_are_a_failure_of_the_electrons(gpaw, toy, toy_potential):
    def evaluate(crystal):
        energy, forces, stress = toy_potential.evaluate(crystal)
        return energy, forces * (np.nan if len(toy.cells) == 1 else 1.0), stress

    toy.evaluate = evaluate
    found = gpaw.static(CRYSTAL, METHOD, LABEL)
    assert "not finite" in found.run.corrections[0].errors[0]


def test_electrons_that_diverge_to_nan_climb_the_ladder(gpaw, toy):
    def fails(settings, number):
        if number == 1:
            raise ValueError("Some energy terms are NaN!")  # in GPAW's words

    toy.fails = fails
    found = gpaw.static(CRYSTAL, METHOD, LABEL)
    assert [c.actions for c in found.run.corrections] == [(RUNGS[1].words,)]
    assert "NaN" in found.run.corrections[0].errors[0]


def test_other_errors_do_not(gpaw, toy):
    class AtomsTooClose(ValueError):  # noqa: N818 - GPAW's name
        pass

    def fails(settings, number):
        raise AtomsTooClose("Atoms are too close, e.g. 0.1 Å") if number == 1 else ValueError("something else")

    toy.fails = fails
    with pytest.raises(CalculationError, match=r"too close .* 0\.1 Å"):
        gpaw.static(CRYSTAL, METHOD, LABEL)
    with pytest.raises(ValueError, match="something else"):
        gpaw.static(CRYSTAL, METHOD, LABEL)
    assert len(toy.made) == 2


def test_what_was_given_up_is_tried_again_when_it_is_repeated(gpaw, toy):
    def fails(settings, number):
        raise AssertionError("a full disk, say")

    toy.fails = fails
    with pytest.raises(CalculationError, match="do not converge"):
        gpaw.static(CRYSTAL, METHOD, LABEL)
    toy.fails = lambda settings, number: None
    found = gpaw.static(CRYSTAL, METHOD, LABEL)
    assert found.calculation["smearing"] == "Fermi-Dirac 0.05 eV"
    # It was not cut off, and nothing of this attempt needed correction.
    assert found.run.corrections == ()


def test_an_attempt_that_came_to_its_end_was_not_cut_off(gpaw, toy, tmp_path):
    few = METHOD.model_copy(update={"max_steps": 2})
    assert not gpaw.relax(CRYSTAL, few, LABEL).converged
    n_calls = len(toy.cells)
    found = gpaw.relax(CRYSTAL, METHOD, LABEL)
    assert found.converged
    assert len(toy.cells) > n_calls
    assert [line["crystal"] for line in lines(tmp_path)].count(CRYSTAL.model_dump(mode="json")) == 1
    assert found.run.corrections == ()


def test_what_one_process_of_several_saw_ends_them_and_the_next_ones_know(toy, tmp_path):
    """Which processes: tests/engines/test_gpaw_process.py."""

    def fails(settings, number):
        if settings["mixer"] == RUNGS[0].mixer and number > 2:
            raise np.linalg.LinAlgError("not positive definite")

    toy.fails = fails
    # The one that falls is not the one that writes.
    with pytest.raises(OneProcessFellError):
        Gpaw("fast", tmp_path, writes=False, parallel=True).relax(CRYSTAL, METHOD, LABEL)
    found = Gpaw("fast", tmp_path, parallel=True).relax(CRYSTAL, METHOD, LABEL)
    assert found.converged
    assert [c.actions for c in found.run.corrections] == [(RUNGS[1].words,)]
    assert toy.made[-1]["mixer"] == RUNGS[1].mixer


def test_two_processes_do_not_calculate_in_one_place(gpaw, toy):
    def fails(settings, number):
        if number == 1:
            with pytest.raises(CalculationError, match="another process is calculating this step"):
                gpaw.static(CRYSTAL, METHOD, LABEL)

    toy.fails = fails
    assert gpaw.static(CRYSTAL, METHOD, LABEL).run.corrections == ()
    assert len(toy.cells) == 1


def test_other_potentials_or_another_mesh_are_another_place(gpaw, toy, tmp_path, monkeypatch):
    for name in ("here", "there"):
        for element in ("Na", "S"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{element}.PBE").write_text(f"{element} of {name}")
    monkeypatch.setenv("GPAW_SETUP_PATH", str(tmp_path / "here"))
    gpaw.static(CRYSTAL, METHOD, LABEL)
    gpaw.static(CRYSTAL, METHOD, LABEL)
    assert len(toy.cells) == 1
    monkeypatch.setenv("GPAW_SETUP_PATH", str(tmp_path / "there"))
    gpaw.static(CRYSTAL, METHOD, LABEL)
    assert len(toy.cells) == 2
    monkeypatch.setattr("nawf.engines.gpaw_protocols.KLengths.mesh", lambda *asked: (1, 2, 3))
    gpaw.static(CRYSTAL, METHOD, LABEL)
    assert len(toy.cells) == 3
    assert toy.made[-1]["kpts"]["size"] == (1, 2, 3)


def test_net_forces_are_taken_off_and_told(gpaw, toy, toy_potential):
    def evaluate(crystal):
        energy, forces, stress = toy_potential.evaluate(crystal)
        return energy, forces + np.array([0.004, 0, 0]), stress

    plain = gpaw.static(CRYSTAL, METHOD, LABEL)
    toy.evaluate = evaluate
    found = gpaw.static(CRYSTAL, METHOD, Label(phase="other"))
    assert found.max_force_ev_per_a == pytest.approx(plain.max_force_ev_per_a)
    assert [c.errors for c in found.run.corrections] == [("net force of up to 0.004 eV/Å for each atom",)]
    assert plain.run.corrections == ()


def test_potentials_and_versions_are_in_the_fingerprint(gpaw):
    settings = gpaw.static(CRYSTAL, METHOD, LABEL).calculation
    assert settings["potential_Na"] == "Na.PBE:" + "na" * 16
    assert settings["libxc_version"] == "6.5.4"
    assert settings["code_version"] == "1.2.3"
    assert Fingerprint(calculation=settings).potentials.keys() == {"Na", "S"}
    # What is known beforehand is what it ends with.
    assert intended_calculation("fast").items() <= settings.items()
