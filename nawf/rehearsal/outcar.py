"""Pieces of OUTCAR: what people and parsers look for, in VASP's layout, not all that VASP writes."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence

import numpy as np

from nawf.rehearsal.bands import Bands
from nawf.rehearsal.controls import Controls
from nawf.rehearsal.formats import fixed, fortran_e, row
from nawf.rehearsal.kpoints import KPoints
from nawf.rehearsal.potcar import Pseudopotential
from nawf.rehearsal.response import Response
from nawf.rehearsal.scf import ElectronicStep
from nawf.rehearsal.version import NOTICE, VERSION
from nawf.results.crystal import Crystal

_RULE = "-" * 104


def heading(n_cores: int, started: time.struct_time) -> str:
    """First lines."""
    return (
        f" vasp.{VERSION}\n {NOTICE}\n\n"
        f" executed on             rehearsal date {time.strftime('%Y.%m.%d  %H:%M:%S', started)}\n"
        f" running on {n_cores:4d} total cores\n distrk:  each k-point on {n_cores:4d} cores, {1:4d} groups\n\n"
    )


def setup(controls: Controls, potentials: Sequence[Pseudopotential], counts: Sequence[int], kpoints: KPoints) -> str:
    """Potentials, dimensions and settings as they were read."""
    value = {name: v for section in controls.parameters.values() for name, _, v in section}
    text = "".join(f" POTCAR:    {p.title}\n" for p in potentials)
    text += "".join(f"   VRHFIN ={p.element}:\n   TITEL  = {p.title}\n" for p in potentials)
    text += "   POMASS =" + "".join(f"{p.mass_u:7.2f}" for p in potentials)
    text += "\n   ZVAL   =" + "".join(f"{p.valence_electrons:7.2f}" for p in potentials)
    grid, fine = ([int(str(value[f"NG{a}{f}"])) for a in "XYZ"] for f in ("", "F"))
    text += (
        "\n\n Dimension of arrays:\n"
        f"   k-points           NKPTS = {len(kpoints):6d}   k-points in BZ     NKDIM = {len(kpoints):6d}"
        f"   number of bands    NBANDS= {controls.n_bands:6d}\n"
        f"   number of dos      NEDOS = {controls.nedos:6d}   number of ions     NIONS = {sum(counts):6d}\n"
        f"   total plane-waves  NPLWV = {int(np.prod(grid)):6d}\n"
        f"   dimension x,y,z NGX = {grid[0]:5d} NGY ={grid[1]:5d} NGZ ={grid[2]:5d}\n"
        f"   dimension x,y,z NGXF= {fine[0]:5d} NGYF={fine[1]:5d} NGZF={fine[2]:5d}\n"
        f"   ions per type =             {''.join(f'{n:4d}' for n in counts)}\n\n"
    )
    return text + _settings(controls, value)


def _settings(controls: Controls, value: Mapping[str, object]) -> str:
    lines = (
        ("PREC", f"{value['PREC']!s:>7}", "precision"),
        ("ISTART", f"{controls.istart:6d}", "job   : 0-new  1-cont  2-samecut"),
        ("ICHARG", f"{value['ICHARG']:6d}", "charge: 1-file 2-atom 10-const"),
        ("ISPIN", f"{controls.ispin:6d}", "spin polarized calculation?"),
        ("LNONCOLLINEAR", f"{'F':>6}", "non collinear calculations"),
        ("ENCUT", f"{controls.encut_ev:7.1f} eV", "cut-off"),
        ("NELM", f"{controls.nelm:6d};   NELMIN= {controls.nelmin}; NELMDL= {controls.nelmdl}", "# of ELM steps"),
        ("EDIFF", f"{fortran_e(controls.ediff_ev, 8, 1)}", "stopping-criterion for ELM"),
        ("EDIFFG", f"{fortran_e(controls.ediffg, 8, 1)}", "stopping-criterion for IOM"),
        ("NSW", f"{controls.nsw:6d}", "number of steps for IOM"),
        ("IBRION", f"{controls.ibrion:6d}", "ionic relax: 0-MD 1-quasi-New 2-CG"),
        ("ISIF", f"{controls.isif:6d}", "stress and relaxation"),
        ("ISYM", f"{controls.isym:6d}", "0-nonsym 1-usesym 2-fastsym"),
        ("POTIM", f"{controls.potim:8.4f}", "time-step for ionic-motion"),
        ("NELECT", f"{controls.n_electrons:12.4f}", "total number of electrons"),
        ("ISMEAR", f"{controls.ismear:6d};   SIGMA  = {controls.sigma_ev:6.2f}", "broadening in eV"),
        ("LEPSILON", f"{'FT'[controls.lepsilon]:>6}", "determine dielectric tensor"),
    )
    return "".join(f"   {name:<6} = {text:>8}    {what}\n" for name, text, what in lines) + "\n"


def plane_waves(kpoints: KPoints, crystal: Crystal, encut_ev: float) -> str:
    """Number of plane waves at every k-point, from the volume of the sphere."""
    n = int(crystal.volume_a3 * (encut_ev / 3.80998) ** 1.5 / (6 * np.pi**2))
    lines = "".join(
        f" k-point{i:4d} :  {row(point, 7, 4)}  plane waves: {n:6d}\n"
        for i, point in enumerate(kpoints.points, start=1)
    )
    return f"\n\n\n{_RULE}\n\n\n{lines}\n maximum and minimum number of plane-waves per node :  {n:8d} {n:8d}\n\n"


def iteration(step: ElectronicStep, ionic_step: int, n_electrons: float) -> str:
    """One electronic step."""
    return (
        f"{'-' * 39} Iteration {ionic_step:6d}({step.number:4d})  {'-' * 39}\n\n"
        "      LOOP:  cpu time      0.0000: real time      0.0000\n\n"
        f" eigenvalue-minimisations  :{step.n_applications:6d}\n"
        f" total energy-change (2. order) :{fortran_e(step.change_ev, 14, 7)}"
        f"  ({fortran_e(step.band_change_ev, 14, 7)})\n"
        f" number of electron {n_electrons:15.7f} magnetization {0.0:15.7f}\n"
        f" augmentation part  {0.0:15.7f} magnetization {0.0:15.7f}\n\n"
        " Free energy of the ion-electron system (eV)\n  ---------------------------------------------------\n"
        f"  entropy T*S    EENTRO = {-0.0:18.8f}\n  ---------------------------------------------------\n"
        f"  free energy    TOTEN  = {fixed(step.energy_ev, 18, 8)} eV\n\n"
        f"  energy without entropy = {fixed(step.energy_ev, 17, 8)}"
        f"  energy(sigma->0) = {fixed(step.energy_ev, 17, 8)}\n\n"
    )


def end_of_loop(converged: bool) -> str:
    """Why the electronic loop ended."""
    reason = "because EDIFF is reached" if converged else "EDIFF was not reached (unconverged)"
    return f"{'-' * 24} aborting loop {reason} {'-' * 40}\n\n"


def fermi(bands: Bands) -> str:
    """Fermi energy."""
    return f" E-fermi : {bands.fermi_ev:9.4f}     XC(G=0): {0.0:9.4f}     alpha+bet :{0.0:9.4f}\n\n"


def magnetization(n_atoms: int) -> str:
    """Moments of the ions; an interatomic potential has none."""
    zeros = "".join(f"{0.0:8.3f}" for _ in range(4))
    rows = "".join(f"{i:5d}      {zeros}\n" for i in range(1, n_atoms + 1))
    head = " magnetization (x)\n\n# of ion       s       p       d       tot\n"
    return f"{head}{'-' * 42}\n{rows}{'-' * 50}\ntot        {zeros}\n\n"


def ionic_step(
    crystal: Crystal, energy_ev: float, forces: np.ndarray, stress_kbar: np.ndarray | None, encut_ev: float
) -> str:
    """Stress, cell, positions, forces and energy of an ionic step."""
    text = ""
    if stress_kbar is not None:
        (xx, xy, xz), (_, yy, yz), (_, _, zz) = stress_kbar
        voigt = np.array([xx, yy, zz, xy, yz, xz])
        per_kbar = crystal.volume_a3 / 1602.1766208
        text += (
            "  FORCE on cell =-STRESS in cart. coord.  units (eV):\n"
            "  Direction    XX          YY          ZZ          XY          YZ          ZX\n"
            f"  {'-' * 86}\n  Total   {row(voigt * per_kbar, 12, 5)}\n  in kB   {row(voigt, 12, 5)}\n"
            f"  external pressure = {np.trace(stress_kbar) / 3:12.2f} kB  Pullay stress = {0.0:12.2f} kB\n\n"
        )
    reciprocal = np.linalg.inv(crystal.matrix_a).T
    rows = "".join(
        f"  {row(a, 13, 9)}    {row(b, 13, 9)}\n" for a, b in zip(crystal.matrix_a, reciprocal, strict=True)
    )
    positions = np.array(crystal.frac_coords) @ crystal.matrix_a
    table = "".join(f" {row(p, 13, 5)}    {row(f, 14, 6)}\n" for p, f in zip(positions, forces, strict=True))
    rule = " " + "-" * 83
    return text + (
        f" VOLUME and BASIS-vectors are now :\n {'-' * 77}\n  energy-cutoff  :  {encut_ev:12.2f}\n"
        f"  volume of cell :  {crystal.volume_a3:12.2f}\n"
        f"      direct lattice vectors                 reciprocal lattice vectors\n{rows}\n\n"
        f" POSITION                                       TOTAL-FORCE (eV/Angst)\n{rule}\n{table}{rule}\n"
        f"    total drift:                          {row(forces.sum(axis=0), 14, 6)}\n\n\n"
        f"{_RULE}\n\n  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n"
        "  ---------------------------------------------------\n"
        f"  free  energy   TOTEN  = {fixed(energy_ev, 18, 8)} eV\n\n"
        f"  energy  without entropy={fixed(energy_ev, 17, 8)}  energy(sigma->0) ={fixed(energy_ev, 17, 8)}\n\n"
    )


def response(found: Response) -> str:
    """Dielectric tensor and Born charges; the first index is that of the field."""
    tensor = "".join(f"      {row(values, 13, 6)}\n" for values in found.dielectric)
    charges = "".join(
        f" ion {ion:4d}\n" + "".join(f"{i:5d}{row(values, 12, 5)}\n" for i, values in enumerate(charge, start=1))
        for ion, charge in enumerate(found.charges_e, start=1)
    )
    rule = " " + "-" * 54
    return (
        f" {NOTICE}: the response to fields is made up\n\n"
        f" MACROSCOPIC STATIC DIELECTRIC TENSOR (including local field effects in DFT)\n{rule}\n{tensor}{rule}\n\n"
        f" BORN EFFECTIVE CHARGES (including local field effects) (in |e|, cummulative output)\n"
        f" {'-' * 81}\n{charges}\n{_RULE}\n\n"
    )


def loop_time(seconds: float) -> str:
    """Time of an ionic step."""
    return f"     LOOP+:  cpu time {seconds:10.4f}: real time {seconds:10.4f}\n\n"


def closing(seconds: float) -> str:
    """Resources used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    lines = (
        ("Total CPU time used (sec)", f"{usage.ru_utime + usage.ru_stime:12.3f}"),
        ("User time (sec)", f"{usage.ru_utime:12.3f}"),
        ("System time (sec)", f"{usage.ru_stime:12.3f}"),
        ("Elapsed time (sec)", f"{seconds:12.3f}"),
        ("Maximum memory used (kb)", f"{float(usage.ru_maxrss):11.0f}."),
        ("Average memory used (kb)", f"{'N/A':>12}"),
    )
    body = "".join(f"{name:>44}: {text}\n" for name, text in lines)
    return f"\n\n General timing and accounting informations for this job:\n {'=' * 56}\n\n{body}\n"
