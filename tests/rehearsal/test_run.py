"""Whole runs: every file, read by pymatgen, against the formula of the potential."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nawf.results.crystal import Crystal

KBAR_PER_EV_PER_A3 = 1602.1766208


@pytest.fixture(scope="module")
def relaxed(kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished relaxation of a shaken, compressed cell with spin."""
    home = kit.cubic_na2s(6.5)
    start = kit.shaken(kit.cubic_na2s(6.4))
    case = kit.Case(tmp_path_factory.mktemp("run") / "relax")
    case.write(start, kit.RELAX | {"ISPIN": 2, "LORBIT": 11, "LVTOT": ".TRUE.", "LAECHG": "T"}, kit.GAMMA_222)
    code, log = case.run(kit.Springs(home))
    assert code == 0, log
    return case, start, kit.Springs(home), log


def as_crystal(structure: Any) -> Crystal:
    return Crystal.from_structure(structure)


def test_vasprun_has_every_step_to_its_digits(relaxed: Any) -> None:
    case, start, springs, _ = relaxed
    vasprun = case.vasprun(parse_potcar_file=True)
    assert vasprun.converged
    assert 3 < len(vasprun.ionic_steps) < 40
    assert as_crystal(vasprun.initial_structure).frac_coords == pytest.approx(np.array(start.frac_coords), abs=1e-8)
    for step in vasprun.ionic_steps:
        energy, forces, stress = springs(as_crystal(step["structure"]))
        for key in ("e_fr_energy", "e_wo_entrp", "e_0_energy"):
            assert step[key] == pytest.approx(energy, abs=2e-7)  # positions have eight decimals
            assert step["electronic_steps"][-1][key] == step[key]
        assert step["forces"] == pytest.approx(forces, abs=1e-6)
        assert step["stress"] == pytest.approx(-stress * KBAR_PER_EV_PER_A3, abs=1e-4)
    assert vasprun.final_energy == pytest.approx(springs.energy_ev, abs=1e-5)
    assert vasprun.final_structure.volume == pytest.approx(6.5**3, rel=1e-4)


def test_vasprun_has_the_input(relaxed: Any) -> None:
    case, *_ = relaxed
    vasprun = case.vasprun()
    assert vasprun.vasp_version == "6.4.2-rehearsal"
    assert vasprun.incar["EDIFFG"] == -0.001
    assert vasprun.parameters["NELM"] == 60
    assert vasprun.parameters["NELECT"] == 8 * 7 + 4 * 6
    assert vasprun.potcar_symbols == ["PAW_PBE Na_pv REHEARSAL", "PAW_PBE S REHEARSAL"]
    assert vasprun.atomic_symbols == ["Na"] * 8 + ["S"] * 4
    assert vasprun.kpoints.kpts == [(2, 2, 2)]
    assert str(vasprun.kpoints.style) == "Gamma"
    assert sum(vasprun.actual_kpoints_weights) == pytest.approx(1)
    assert vasprun.final_structure._charge == 0
    assert vasprun.is_spin
    assert vasprun.run_type == "GGA"


def test_bands_and_density_of_states(relaxed: Any) -> None:
    case, *_ = relaxed
    vasprun = case.vasprun()
    gap, _, _, direct = vasprun.eigenvalue_band_properties
    assert (gap, direct) == (2.0, True)
    assert not vasprun.dos_has_errors
    assert vasprun.complete_dos.get_gap() == pytest.approx(2.0, abs=0.2)
    assert len(vasprun.tdos.energies) == vasprun.parameters["NEDOS"]
    assert vasprun.get_band_structure(efermi="smart").get_band_gap()["energy"] == pytest.approx(2.0)
    occupied = sum(
        weight * np.array(vasprun.eigenvalues[spin])[k, :, 1].sum()
        for spin in vasprun.eigenvalues
        for k, weight in enumerate(vasprun.actual_kpoints_weights)
    )
    assert occupied == pytest.approx(80)


def test_eigenval_agrees_with_vasprun(relaxed: Any) -> None:
    from pymatgen.io.vasp.outputs import Eigenval

    case, *_ = relaxed
    eigenval, vasprun = Eigenval(case.folder / "EIGENVAL"), case.vasprun()
    assert (eigenval.ispin, eigenval.nelect, eigenval.nkpt) == (2, 80, len(vasprun.actual_kpoints))
    assert eigenval.nbands == vasprun.parameters["NBANDS"]
    assert eigenval.kpoints_weights == pytest.approx(vasprun.actual_kpoints_weights, abs=1e-6)
    for spin, values in vasprun.eigenvalues.items():
        assert eigenval.eigenvalues[spin][:, :, 0] == pytest.approx(values[:, :, 0], abs=1e-4)
        assert eigenval.eigenvalues[spin][:, :, 1] == pytest.approx(values[:, :, 1])


def test_outcar(relaxed: Any) -> None:
    from pymatgen.io.vasp.outputs import Outcar

    case, *_ = relaxed
    outcar, vasprun = Outcar(case.folder / "OUTCAR"), case.vasprun()
    n_steps = len(vasprun.ionic_steps)
    assert outcar.final_energy == outcar.final_fr_energy == vasprun.final_energy
    assert outcar.efermi == pytest.approx(vasprun.efermi, abs=1e-4)
    assert (outcar.nelect, outcar.total_mag, outcar.spin, outcar.is_stopped) == (80.0, 0.0, True, False)
    assert [m["tot"] for m in outcar.magnetization] == [0.0] * 12
    assert outcar.data["nbands"] == vasprun.parameters["NBANDS"]
    assert len(outcar.drift) == n_steps
    assert len(outcar.data["nplwvs_at_kpoints"]) == len(vasprun.actual_kpoints)
    assert outcar.run_stats["cores"] == 1
    assert outcar.run_stats["Total CPU time used (sec)"] > 0
    outcar.read_pattern({"kbar": r"in kB\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)"}, postprocess=float)
    assert len(outcar.data["kbar"]) == n_steps
    xx, yy, zz, xy, yz, zx = outcar.data["kbar"][0]
    written = np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]])
    assert written == pytest.approx(np.array(vasprun.ionic_steps[0]["stress"]), abs=1e-5)
    table = outcar.read_table_pattern(
        header_pattern=r"TOTAL-FORCE \(eV/Angst\)\n\s-+",
        row_pattern=r"\s+".join([r"([+-]?\d+\.\d+)"] * 6),
        footer_pattern=r"-+",
        postprocess=float,
        last_one_only=False,
    )
    assert len(table) == n_steps
    assert np.array(table[0])[:, 3:] == pytest.approx(np.array(vasprun.ionic_steps[0]["forces"]), abs=1e-6)


def test_oszicar(relaxed: Any) -> None:
    from pymatgen.io.vasp.outputs import Oszicar

    case, *_ = relaxed
    oszicar, vasprun = Oszicar(case.folder / "OSZICAR"), case.vasprun()
    energies = [s["e_0_energy"] for s in vasprun.ionic_steps]
    assert [s["E0"] for s in oszicar.ionic_steps] == pytest.approx(energies, rel=1e-7)
    changes = [energies[0], *np.diff(energies)]
    assert [s["dE"] for s in oszicar.ionic_steps] == pytest.approx(changes, rel=1e-5, abs=1e-7)
    assert [len(e) for e in oszicar.electronic_steps] == [len(s["electronic_steps"]) for s in vasprun.ionic_steps]
    assert oszicar.electronic_steps[0][-1]["E"] == pytest.approx(energies[0], abs=6e-9)


def test_structures(relaxed: Any) -> None:
    from pymatgen.io.vasp.inputs import Poscar
    from pymatgen.io.vasp.outputs import Xdatcar

    case, _, springs, _ = relaxed
    vasprun = case.vasprun()
    contcar = Poscar.from_file(case.folder / "CONTCAR")
    assert contcar.comment == "Na2S test"
    assert contcar.site_symbols == ["Na", "S"]
    assert np.allclose(contcar.structure.frac_coords, vasprun.final_structure.frac_coords, atol=1e-8)
    assert np.allclose(contcar.structure.lattice.matrix, vasprun.final_structure.lattice.matrix, atol=1e-8)
    # To all its digits, which vasprun.xml has not.
    assert springs(as_crystal(contcar.structure))[0] == pytest.approx(vasprun.final_energy, abs=6e-9)
    frames = Xdatcar(case.folder / "XDATCAR").structures
    assert len(frames) == len(vasprun.ionic_steps)
    for frame, step in zip(frames, vasprun.structures, strict=True):
        assert np.allclose(frame.frac_coords, step.frac_coords, atol=2e-8)
        assert np.allclose(frame.lattice.matrix, step.lattice.matrix, atol=1e-6)


def test_other_files(relaxed: Any) -> None:
    from pymatgen.io.vasp.inputs import Kpoints
    from pymatgen.io.vasp.outputs import Chgcar, Locpot

    case, _, _, log = relaxed
    vasprun = case.vasprun()
    ibzkpt = Kpoints.from_file(case.folder / "IBZKPT")
    assert np.array(ibzkpt.kpts) == pytest.approx(np.array(vasprun.actual_kpoints))
    assert sum(ibzkpt.kpts_weights) == 8
    charge = Chgcar.from_file(str(case.folder / "CHGCAR"))
    assert charge.data["total"].mean() == pytest.approx(80)
    assert "rehearsal" in charge.poscar.comment
    assert Locpot.from_file(case.folder / "LOCPOT").data["spin_up"].shape == charge.data["total"].shape
    for name in ("CHG", "AECCAR0", "AECCAR2", "WAVECAR", "DOSCAR", "PCDAT"):
        assert (case.folder / name).stat().st_size > 0
    assert "reached required accuracy - stopping structural energy minimisation" in log
    assert "rehearsal" in log


def test_energies_do_not_depend_on_the_functional(kit: Any, case: Any) -> None:
    springs = kit.Springs(kit.na2s())
    for tags in ({"METAGGA": "R2SCAN"}, {"GGA": "PS"}):
        case.write(kit.na2s(6.6), kit.STATIC | tags).run(springs)
        assert case.vasprun().final_energy == pytest.approx(springs(kit.na2s(6.6))[0], abs=1e-8)


@pytest.mark.parametrize(("isif", "shape"), [(0, None), (1, "pressure"), (2, "full")])
def test_stress_is_as_isif_asks(kit: Any, case: Any, isif: int, shape: str | None) -> None:
    crystal = kit.shaken(kit.cubic_na2s(6.4), 0.02)
    springs = kit.Springs(kit.cubic_na2s(6.5))
    case.write(crystal, kit.STATIC | {"ISIF": isif}).run(springs)
    step = case.vasprun().ionic_steps[0]
    if shape is None:
        assert "stress" not in step
        return
    stress = -springs(crystal)[2] * KBAR_PER_EV_PER_A3
    wanted = stress if shape == "full" else np.eye(3) * np.trace(stress) / 3
    assert step["stress"] == pytest.approx(wanted, abs=1e-6)
    assert np.trace(step["stress"]) > 0  # compressed: VASP's stress is a pressure


def test_a_run_that_needs_more_steps_ends_as_unconverged(kit: Any, case: Any) -> None:
    from pymatgen.io.vasp.outputs import UnconvergedVASPWarning

    start = kit.shaken(kit.cubic_na2s(6.3), 0.03)
    code, log = case.write(start, kit.RELAX | {"NSW": 2}).run(kit.Springs(kit.cubic_na2s()))
    with pytest.warns(UnconvergedVASPWarning):
        vasprun = case.vasprun()
    assert (code, len(vasprun.ionic_steps)) == (0, 2)
    assert (vasprun.converged_electronic, vasprun.converged_ionic) == (True, False)
    assert "reached required accuracy" not in log


def test_too_few_electronic_steps_leave_an_energy_above(kit: Any, case: Any) -> None:
    from pymatgen.io.vasp.outputs import UnconvergedVASPWarning

    _, log = case.write(kit.na2s(), kit.STATIC | {"NELM": 8}).run(kit.Springs(kit.na2s()))
    with pytest.warns(UnconvergedVASPWarning):
        vasprun = case.vasprun()
    assert not vasprun.converged_electronic
    assert vasprun.final_energy > -10.0 + 1e-6
    assert "was not achieved in the given number of steps" in log


def test_a_positive_ediffg_looks_at_the_energy(kit: Any, case: Any) -> None:
    start = kit.shaken(kit.cubic_na2s(), 0.02)
    case.write(start, kit.RELAX | {"EDIFFG": 1e-3, "ISIF": 2}).run(kit.Springs(kit.cubic_na2s()))
    energies = [s["e_0_energy"] for s in case.vasprun().ionic_steps]
    changes = np.abs(np.diff(energies))
    assert changes[-1] < 1e-3
    assert (changes[:-1] >= 1e-3).all()


def test_symmetry_is_kept_unless_it_is_switched_off(kit: Any, case: Any) -> None:
    """A potential that pulls atoms off their sites by force: only without symmetry can they go."""
    home = kit.shaken(kit.cubic_na2s(), 0.02)
    moves = {}
    for isym in (2, 0):
        case.write(kit.cubic_na2s(), kit.RELAX | {"ISIF": 2, "ISYM": isym}).run(kit.Springs(home))
        vasprun = case.vasprun()
        away = np.array(vasprun.final_structure.frac_coords) - np.array(kit.cubic_na2s().frac_coords)
        moves[isym] = np.abs(away).max()
        n_kpoints = len(vasprun.actual_kpoints)
        assert n_kpoints == {2: 4, 0: 8}[isym]  # Γ, X, M, R; and all of 2 x 2 x 2
    assert moves[2] == 0
    assert moves[0] > 0.01


def test_selective_dynamics(kit: Any, case: Any) -> None:
    start = kit.shaken(kit.na2s(), 0.02)
    case.write(start, kit.RELAX | {"ISIF": 2})
    lines = (case.folder / "POSCAR").read_text().splitlines()
    head, atoms = lines[:7], lines[8:11]
    flags = ["T T T", "F F F", "T F T"]
    rows = [" ".join(a.split()[:3]) + " " + f for a, f in zip(atoms, flags, strict=True)]
    (case.folder / "POSCAR").write_text("\n".join([*head, "Selective dynamics", "Direct", *rows]) + "\n")
    code, _ = case.run(kit.Springs(kit.na2s()))
    vasprun = case.vasprun()
    assert code == 0
    end = vasprun.final_structure
    moved = np.abs(end.frac_coords - np.array(start.frac_coords)) > 1e-6
    assert moved.tolist() == [[True] * 3, [False] * 3, [True, False, True]]
    assert np.array(end.site_properties["selective_dynamics"]).tolist() == [
        [True] * 3,
        [False] * 3,
        [True, False, True],
    ]
    assert end.frac_coords[0] == pytest.approx([0.25] * 3, abs=1e-3)


def test_a_metal_has_no_gap(kit: Any, case: Any) -> None:
    copper = Crystal.from_arrays([[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]], ["Cu"], [[0, 0, 0]])
    case.write(copper, kit.STATIC | {"ISMEAR": -5, "KSPACING": 0.4}).run(kit.Springs(copper))
    structure = case.vasprun().get_band_structure(efermi="smart")
    assert structure.is_metal()


def test_unknown_tags_are_warned_about(kit: Any, case: Any) -> None:
    code, log = case.write(kit.na2s(), kit.STATIC | {"ENCUTT": 500}).run(kit.Springs(kit.na2s()))
    assert code == 0
    assert "WARNING" in log
    assert "ENCUTT" in log
    assert "ENCUTT" not in case.vasprun().incar


def test_a_second_run_starts_from_the_first_ones_wavefunctions(kit: Any, case: Any) -> None:
    springs = kit.Springs(kit.na2s())
    lengths = []
    for _ in range(2):
        case.write(kit.na2s(), kit.STATIC).run(springs)
        lengths.append(len(case.vasprun().ionic_steps[0]["electronic_steps"]))
    assert lengths[1] < lengths[0]
    assert case.vasprun().parameters["ISTART"] == 1


def test_what_is_not_wanted_is_left_empty(kit: Any, case: Any) -> None:
    case.write(kit.na2s(), kit.STATIC | {"LCHARG": ".FALSE.", "LWAVE": "F"}).run(kit.Springs(kit.na2s()))
    assert [(case.folder / name).stat().st_size for name in ("CHGCAR", "CHG", "WAVECAR")] == [0, 0, 0]
    assert not (case.folder / "LOCPOT").exists()


def test_number_of_cores_is_the_launchers(kit: Any, case: Any) -> None:
    from pymatgen.io.vasp.outputs import Outcar

    case.environ["OMPI_COMM_WORLD_SIZE"] = "16"
    case.write(kit.na2s(), kit.STATIC).run(kit.Springs(kit.na2s()))
    assert Outcar(case.folder / "OUTCAR").run_stats["cores"] == 16
