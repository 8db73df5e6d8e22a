"""One run: the input of a folder in, VASP's files out."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

import numpy as np

from nawf.rehearsal import ions, outcar, small_files, vasprun
from nawf.rehearsal.bands import density_of_states, make_bands
from nawf.rehearsal.faults import Faults, Message, read_faults
from nawf.rehearsal.incar import Incar
from nawf.rehearsal.inputs import Inputs, read_incar, read_inputs
from nawf.rehearsal.outputs import Outputs
from nawf.rehearsal.response import DIRECTIONS, STEPS, make_response
from nawf.rehearsal.scf import ElectronicStep, History, make_history
from nawf.rehearsal.stop import StopError, box
from nawf.rehearsal.version import NOTICE, VERSION
from nawf.results.crystal import Crystal
from nawf.units import GPA_PER_EV_PER_A3, KBAR_PER_GPA

Evaluate = Callable[[Crystal], tuple[float, np.ndarray, np.ndarray]]
"""Energy (eV), forces (eV/Å, shape (n, 3)) and stress (eV/Å³, shape (3, 3), positive under tension)."""

SECONDS_VARIABLE = "NAWF_REHEARSAL_STEP_SECONDS"
"""How long an ionic step takes at least, so that there is time to stop a run."""

_STEPS_BEFORE_FAULT = 3
_FORTRAN_WRITE_ERROR = 38
_CORES_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_NTASKS")


def run(
    folder: Path | str,
    evaluate: Evaluate,
    *,
    log: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> int:
    """Do what INCAR asks for with the files in ``folder``.

    Parameters
    ----------
    folder : Path or str
        With INCAR, POSCAR, POTCAR and, unless INCAR has KSPACING, KPOINTS.
    evaluate : callable
        The potential; called first when the input has been checked.
    log : text file, optional
        Where VASP's standard output goes; standard output by default.
    environ : mapping, optional
        ``os.environ`` by default; see :mod:`nawf.rehearsal.faults`.

    Returns
    -------
    int
        Exit code: 0 also for a run that did not converge, as with VASP.
    """
    with Outputs(Path(folder), log or sys.stdout) as outputs:
        try:
            _Run(outputs, evaluate, os.environ if environ is None else environ).whole()
        except StopError as stop:
            outputs.say_raw(box("ERROR", *stop.lines) + "\n")
            outputs.say(*stop.lines, "I REFUSE TO CONTINUE WITH THIS SICK JOB ... BYE!!!")
            return 1
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            print(
                f"forrtl: {error.strerror}\nforrtl: severe (38): error during write, {error.filename}",
                file=sys.stderr,
            )
            return _FORTRAN_WRITE_ERROR
    return 0


class _Run:
    """The state of a run."""

    def __init__(self, outputs: Outputs, evaluate: Evaluate, environ: Mapping[str, str]) -> None:
        self.outputs = outputs
        self.evaluate = evaluate
        self.environ = environ
        self.started = time.time()
        self.faults = Faults()
        self.is_stopped = False
        self.is_stalled = False
        self.seconds_per_step = 0.0
        self.inputs: Inputs

    def whole(self) -> None:
        incar = self.start()
        self.inputs = self.prepare(incar)
        crystal = self.relax()
        self.finish(crystal)

    def start(self) -> Incar:
        """Head of the files, and INCAR."""
        try:
            self.seconds_per_step = max(0.0, float(self.environ.get(SECONDS_VARIABLE) or 0.0))
        except ValueError:
            raise StopError(f"nawf rehearsal: {SECONDS_VARIABLE} is not a number of seconds") from None
        cores = next((int(self.environ[v]) for v in _CORES_VARIABLES if self.environ.get(v, "").isdigit()), 1)
        now = time.localtime(self.started)
        self.outputs.say(f"running on {cores:4d} total cores", f"vasp.{VERSION} ({NOTICE})")
        self.outputs.outcar(outcar.heading(cores, now))
        self.outputs.vasprun(vasprun.generator(now))
        incar = read_incar(self.outputs.folder)
        self.outputs.vasprun(vasprun.incar_block(incar))
        if incar.unknown:
            self.warn(f"INCAR has tags that VASP does not know: {', '.join(incar.unknown)}", "They have no effect.")
        return incar

    def prepare(self, incar: Incar) -> Inputs:
        """Read the other files, and write down what was read."""
        inputs = read_inputs(self.outputs.folder, incar)
        cell, controls = inputs.cell, inputs.controls
        names = " ".join(symbol for symbol, _ in cell.groups)
        self.outputs.say(
            f"POSCAR found type information on POSCAR {names}",
            f"POSCAR found : {len(cell.groups):2d} types and {len(cell.crystal):7d} ions",
        )
        self.faults = read_faults(self.outputs.folder, {**incar, "FORMULA": cell.formula}, self.environ)
        if self.faults.due(["potcar"]):
            raise StopError("WARNING: type information on POSCAR and POTCAR are incompatible", f"POSCAR {names}")
        if controls.ismear < -1 and controls.algo in ("all", "damped"):
            self.warn("ALGO=A and IALGO=5X tend to fail with the tetrahedron method")
        self.outputs.vasprun(
            vasprun.kpoints_block(inputs.kpoints)
            + vasprun.parameters_block(controls.parameters)
            + vasprun.atominfo_block(inputs.potentials, cell.counts)
            + vasprun.structure_block(cell.crystal, "initialpos", cell.free)
        )
        self.outputs.outcar(
            outcar.setup(controls, inputs.potentials, cell.counts, inputs.kpoints)
            + outcar.plane_waves(inputs.kpoints, cell.crystal, controls.encut_ev)
        )
        self.outputs.rewrite("IBZKPT", small_files.ibzkpt(inputs.kpoints))
        self.say_fault(self.faults.message("start"))
        self.outputs.say("POSCAR, INCAR and KPOINTS ok, starting setup")
        self.outputs.say("found WAVECAR, reading the header" if controls.istart else "WAVECAR not read")
        self.outputs.say("entering main loop")
        return inputs

    def relax(self) -> Crystal:
        """The ionic loop. Returns the last structure that was calculated."""
        cell, controls = self.inputs.cell, self.inputs.controls
        motion = ions.Motion.of(controls.isif, cell.free)
        optimiser = ions.make_optimiser(controls) if controls.relaxes else None
        crystal = cell.crystal
        previous_ev: float | None = None
        last_step = max(controls.nsw, 1)
        for step in range(1, last_step + 1):
            began = time.time()
            energy_ev, forces, stress = self.calculate(crystal)
            history = self.electrons(energy_ev, step)
            energy_ev = history.energy_ev
            change_ev = None if previous_ev is None else energy_ev - previous_ev
            driving = ions.driving_force(crystal, forces, stress, motion)
            relaxed = optimiser is not None and ions.is_relaxed(driving, change_ev, controls.ediffg, len(crystal))
            self.write_step(step, crystal, history, forces, stress, change_ev)
            self.outputs.outcar(outcar.loop_time(time.time() - began))
            self.say_fault(self.faults.message("ionic", step) if optimiser is not None else None)
            if self.faults.due(["walltime"], step):
                (self.outputs.folder / "STOPCAR").write_text("LSTOP = .TRUE.\n")
            self.obey_stopcar("LSTOP")
            if relaxed:
                self.outputs.say("reached required accuracy - stopping structural energy minimisation")
                self.outputs.outcar(" reached required accuracy - stopping structural energy minimisation\n")
            if relaxed or self.is_stopped or step == last_step:
                break
            self.outputs.vasprun(vasprun.END_OF_CALCULATION)
            previous_ev = energy_ev
            if optimiser is not None:
                crystal = ions.moved(crystal, optimiser.send(driving))
        return crystal

    def calculate(self, crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray]:
        """Energy, and forces and stress with the symmetry of the start."""
        try:
            energy_ev, forces, stress = self.evaluate(crystal)
        except ValueError as error:
            raise StopError(f"nawf rehearsal: the potential cannot calculate this structure: {error}") from error
        if not (np.isfinite(energy_ev) and np.isfinite(forces).all() and np.isfinite(stress).all()):
            raise StopError("nawf rehearsal: the potential gives no finite energy for this structure")
        operations, matrix_a = self.inputs.operations, crystal.matrix_a
        return energy_ev, operations.forces(forces, matrix_a), operations.tensor(stress, matrix_a)

    def electrons(self, energy_ev: float, step: int) -> History:
        """The electronic loop of an ionic step."""
        controls = self.inputs.controls
        self.is_stalled = self.is_stalled or self.faults.due(["nelm"], step) is not None
        history = make_history(
            energy_ev, controls, len(self.inputs.kpoints), first=step == 1, stalled=self.is_stalled
        )
        pause = self.seconds_per_step / len(history.steps)
        self.outputs.oszicar(small_files.oszicar_head())
        self.outputs.vasprun(" <calculation>\n")
        for electronic in history.steps:
            self.outputs.oszicar(small_files.oszicar_line(controls.label, electronic))
            self.outputs.outcar(outcar.iteration(electronic, step, controls.n_electrons))
            self.outputs.vasprun(vasprun.scstep(electronic, whole=electronic.number in (1, len(history.steps))))
            if electronic.number == min(_STEPS_BEFORE_FAULT, len(history.steps)):
                self.fail_in_the_loop(step)
            time.sleep(pause)
            if self.obey_stopcar("LABORT"):
                return History(history.steps[: electronic.number], converged=False)
        return history

    def fail_in_the_loop(self, step: int) -> None:
        """Faults of the electronic loop."""
        self.say_fault(self.faults.message("electronic", step))
        if self.faults.due(["kill"], step):
            os.kill(os.getpid(), signal.SIGKILL)
        is_hanging = self.faults.due(["hang"], step) is not None
        while is_hanging:
            time.sleep(1.0)

    def write_step(
        self,
        step: int,
        crystal: Crystal,
        history: History,
        forces: np.ndarray,
        stress_ev_per_a3: np.ndarray,
        change_ev: float | None,
    ) -> None:
        """Results of an ionic step."""
        cell, controls = self.inputs.cell, self.inputs.controls
        energy_ev = history.energy_ev
        stress_kbar = None if controls.isif == 0 else -stress_ev_per_a3 * GPA_PER_EV_PER_A3 * KBAR_PER_GPA
        if stress_kbar is not None and controls.isif == 1:
            stress_kbar = np.eye(3) * np.trace(stress_kbar) / 3
        self.outputs.disk_is_full = self.faults.due(["disk-full"], step) is not None
        self.outputs.outcar(
            outcar.end_of_loop(history.converged)
            + outcar.ionic_step(crystal, energy_ev, forces, stress_kbar, controls.encut_ev)
        )
        self.outputs.vasprun(vasprun.ionic_results(crystal, energy_ev, forces, stress_kbar))
        change = energy_ev if change_ev is None else change_ev
        self.outputs.oszicar(small_files.oszicar_summary(step, energy_ev, change, spin=controls.ispin == 2))
        if step == 1 or crystal.lattice_a != cell.crystal.lattice_a:
            self.outputs.xdatcar(small_files.xdatcar_head(crystal, cell.groups, cell.comment))
        self.outputs.xdatcar(small_files.xdatcar_frame(crystal, step))
        self.outputs.rewrite("CONTCAR", small_files.contcar(crystal, cell.groups, cell.comment, cell.free))
        if not history.converged:
            self.warn("The electronic self-consistency was not achieved in the given number of steps (NELM).")

    def finish(self, crystal: Crystal) -> None:
        """Electronic structure and placeholders, and the ends of the files."""
        inputs, controls = self.inputs, self.inputs.controls
        cell, spins = inputs.cell, controls.ispin
        if controls.lepsilon and not self.is_stopped:
            self.respond(crystal)
        bands = make_bands(controls, inputs.kpoints, crystal.species)
        density = density_of_states(bands, inputs.kpoints.weights, controls.nedos)
        self.outputs.outcar(outcar.fermi(bands))
        if spins == 2 and controls.lorbit >= 10:
            self.outputs.outcar(outcar.magnetization(len(crystal)))
        self.outputs.vasprun(vasprun.electrons(bands, density, spins) + vasprun.END_OF_CALCULATION)
        size, n_electrons, comment = len(crystal), controls.n_electrons, cell.comment
        eigenval = small_files.eigenval(bands, inputs.kpoints, size, n_electrons, spins, comment)
        self.outputs.rewrite("EIGENVAL", eigenval)
        self.outputs.rewrite("DOSCAR", small_files.doscar(density, bands.fermi_ev, size, spins, comment))
        self.outputs.rewrite("PCDAT", small_files.pcdat(comment))
        self.write_placeholders(crystal)
        self.outputs.vasprun(vasprun.structure_block(crystal, "finalpos", cell.free) + vasprun.END)
        self.outputs.outcar(outcar.closing(time.time() - self.started))
        if self.faults.due(["truncated"]):
            file = self.outputs.folder / "vasprun.xml"
            os.truncate(file, file.stat().st_size * 2 // 3)
        if self.faults.due(["empty-contcar"]):
            self.outputs.rewrite("CONTCAR", "")

    def respond(self, crystal: Crystal) -> None:
        """Electronic loops under fields, whose energies are another quantity's, and what comes of them."""
        controls = self.inputs.controls
        self.outputs.say("Linear response to external fields")
        energy_ev = -controls.n_electrons
        for _ in range(DIRECTIONS):
            self.outputs.oszicar(small_files.oszicar_head())
            for number in range(1, STEPS + 1):
                change_ev = energy_ev if number == 1 else 10.0 ** (-2 * number)
                step = ElectronicStep(number, energy_ev, change_ev, change_ev / 2, controls.n_bands, change_ev, None)
                self.outputs.oszicar(small_files.oszicar_line("RMM", step))
                self.outputs.vasprun(vasprun.scstep(step, whole=False))
        found = make_response(crystal.species)
        self.outputs.outcar(outcar.response(found))
        self.outputs.vasprun(vasprun.response(found))

    def write_placeholders(self, crystal: Crystal) -> None:
        """Small files in place of the charge density and its like; empty where INCAR does not want them."""
        controls, groups = self.inputs.controls, self.inputs.cell.groups
        self.outputs.say("writing wavefunctions")
        charge = small_files.volumetric(crystal, groups, controls.n_electrons, controls.ispin)
        potential = small_files.volumetric(crystal, groups, 0.0, controls.ispin)
        wanted = {
            "WAVECAR": small_files.WAVECAR if controls.writes_wave else "",
            "CHGCAR": charge if controls.writes_charge else "",
            "CHG": charge if controls.writes_charge else "",
        }
        if controls.writes_potential:
            wanted["LOCPOT"] = potential
        if controls.writes_all_electron:
            wanted |= {"AECCAR0": potential, "AECCAR1": potential, "AECCAR2": charge}
        for name, text in wanted.items():
            self.outputs.rewrite(name, text)

    def obey_stopcar(self, tag: str) -> bool:
        """Whether STOPCAR asks for an end: after an ionic step (LSTOP) or an electronic one (LABORT)."""
        file = self.outputs.folder / "STOPCAR"
        if self.is_stopped or not file.is_file():
            return False
        asked = re.search(rf"\b{tag}\s*=\s*\.?[Tt]", file.read_text(encoding="utf-8", errors="replace"))
        if asked is None:
            return False
        self.is_stopped = True
        kind = "soft" if tag == "LSTOP" else "hard"
        self.outputs.say(f"{kind} stop encountered!  aborting job ...")
        self.outputs.outcar(f" {kind} stop encountered!  aborting job ...\n")
        if os.access(file, os.W_OK):
            file.unlink()
        return True

    def say_fault(self, message: Message | None) -> None:
        """Say what a fault says, and stop where it stops."""
        if message is None:
            return
        if message.stops:
            raise StopError(*message.lines)
        self.outputs.say(*message.lines)

    def warn(self, *lines: str) -> None:
        text = box("WARNING", *lines) + "\n"
        self.outputs.say_raw(text)
        self.outputs.outcar(text)
