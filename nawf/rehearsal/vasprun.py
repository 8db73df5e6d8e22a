"""Pieces of vasprun.xml."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape

import numpy as np

from nawf.rehearsal.bands import Bands, Density
from nawf.rehearsal.formats import fixed, fortran_e, row
from nawf.rehearsal.incar import Incar
from nawf.rehearsal.kpoints import KPoints
from nawf.rehearsal.potcar import Pseudopotential
from nawf.rehearsal.response import Response
from nawf.rehearsal.scf import ElectronicStep
from nawf.rehearsal.tags import Kind, Value, known_tags
from nawf.rehearsal.version import NOTICE, VERSION
from nawf.results.crystal import Crystal

END = "</modeling>\n"
END_OF_CALCULATION = " </calculation>\n"


def generator(started: time.struct_time) -> str:
    """Start of the file, and what wrote it."""
    facts = {
        "program": "vasp",
        "version": VERSION,
        "subversion": NOTICE,
        "platform": "rehearsal",
        "date": time.strftime("%Y %m %d", started),
        "time": time.strftime("%H:%M:%S", started),
    }
    items = "".join(f'  <i name="{key}" type="string">{text} </i>\n' for key, text in facts.items())
    return f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n <generator>\n{items} </generator>\n'


def incar_block(incar: Incar) -> str:
    """The tags that were read."""
    return " <incar>\n" + "".join(_item(name, known_tags()[name], v) for name, v in incar.items()) + " </incar>\n"


def parameters_block(sections: Mapping[str, Sequence[tuple[str, Kind, Value]]]) -> str:
    """All settings, defaults filled in."""
    text = ""
    for section, entries in sections.items():
        items = "".join(f" {_item(name, kind, value)}" for name, kind, value in entries)
        text += f'  <separator name="{section}" >\n{items}  </separator>\n'
    return f" <parameters>\n{text} </parameters>\n"


def kpoints_block(kpoints: KPoints) -> str:
    """Generation and list of the irreducible k-points."""
    text = " <kpoints>\n"
    if kpoints.mesh is not None:
        text += f'  <generation param="{kpoints.style}">\n'
        text += f'   <v type="int" name="divisions">{"".join(f"{n:9d}" for n in kpoints.mesh)} </v>\n'
        text += f'   <v name="usershift">{row(kpoints.shift, 17, 8)} </v>\n'
        for i, vector in enumerate(np.diag(1 / np.array(kpoints.mesh)), start=1):
            text += f'   <v name="genvec{i}">{row(vector, 17, 8)} </v>\n'
        text += f'   <v name="shift">{row((0.0, 0.0, 0.0), 17, 8)} </v>\n  </generation>\n'
    text += _varray("kpointlist", kpoints.points, 2)
    return text + _varray("weights", kpoints.weights[:, None], 2) + " </kpoints>\n"


def atominfo_block(potentials: Sequence[Pseudopotential], counts: Sequence[int]) -> str:
    """Atoms and their potentials."""
    types = list(enumerate(zip(potentials, counts, strict=True), start=1))
    atoms = "".join(
        f"    <rc><c>{p.element:<2}</c><c>{kind:4d}</c></rc>\n" for kind, (p, count) in types for _ in range(count)
    )
    kinds = "".join(
        f"    <rc><c>{count:4d}</c><c>{p.element:<2}</c><c>{p.mass_u:16.8f}</c>"
        f"<c>{p.valence_electrons:16.8f}</c><c>  {escape(p.header):<40}</c></rc>\n"
        for _, (p, count) in types
    )
    return (
        f" <atominfo>\n  <atoms>{sum(counts):8d} </atoms>\n  <types>{len(counts):8d} </types>\n"
        '  <array name="atoms" >\n   <dimension dim="1">ion</dimension>\n'
        '   <field type="string">element</field>\n   <field type="int">atomtype</field>\n'
        f"   <set>\n{atoms}   </set>\n  </array>\n"
        '  <array name="atomtypes" >\n   <dimension dim="1">type</dimension>\n'
        '   <field type="int">atomspertype</field>\n   <field type="string">element</field>\n'
        "   <field>mass</field>\n   <field>valence</field>\n"
        '   <field type="string">pseudopotential</field>\n'
        f"   <set>\n{kinds}   </set>\n  </array>\n </atominfo>\n"
    )


def structure_block(crystal: Crystal, name: str = "", free: np.ndarray | None = None) -> str:
    """Cell and positions; ``name`` is initialpos, finalpos or nothing."""
    label = f' name="{name}"' if name else ""
    text = f" <structure{label} >\n  <crystal>\n" + _varray("basis", crystal.matrix_a, 3)
    text += f'   <i name="volume">{fixed(crystal.volume_a3, 17, 8)} </i>\n'
    text += _varray("rec_basis", np.linalg.inv(crystal.matrix_a).T, 3) + "  </crystal>\n"
    text += _varray("positions", np.array(crystal.frac_coords), 2)
    if free is not None:
        rows = "".join(f'   <v type="logical" > {" ".join("FT"[int(f)] for f in flags)} </v>\n' for flags in free)
        text += f'  <varray type="logical" name="selective" >\n{rows}  </varray>\n'
    return text + " </structure>\n"


def scstep(step: ElectronicStep, *, whole: bool) -> str:
    """One electronic step. VASP gives the first and the last of a loop with all parts of the energy."""
    return f"  <scstep>\n{_energies(step.energy_ev, 3, entropy=whole)}  </scstep>\n"


def ionic_results(crystal: Crystal, energy_ev: float, forces: np.ndarray, stress_kbar: np.ndarray | None) -> str:
    """Structure, forces, stress and energy of an ionic step."""
    text = structure_block(crystal) + _varray("forces", forces, 2)
    if stress_kbar is not None:
        text += _varray("stress", stress_kbar, 2)
    return text + _energies(energy_ev, 2, entropy=False)


def response(found: Response) -> str:
    """Dielectric tensor and Born charges; the first index is that of the field."""
    text = _varray("epsilon", found.dielectric, 2)
    text += '  <array name="born_charges" >\n   <dimension dim="1">ion</dimension>\n'
    for charge in found.charges_e:
        text += "   <set>\n" + "".join(f"    <v>{row(values, 17, 8)} </v>\n" for values in charge) + "   </set>\n"
    return text + "  </array>\n"


def electrons(bands: Bands, density: Density, n_spins: int) -> str:
    """Eigenvalues and density of states at the end of the run."""
    text = "  <eigenvalues>\n   <array>\n"
    for i, dimension in enumerate(("band", "kpoint", "spin"), start=1):
        text += f'    <dimension dim="{i}">{dimension}</dimension>\n'
    text += "    <field>eigene</field>\n    <field>occ</field>\n    <set>\n"
    one_spin = ""
    for k, (energies, occupations) in enumerate(zip(bands.energies_ev, bands.occupations, strict=True), start=1):
        one_spin += f'      <set comment="kpoint {k}">\n'
        one_spin += "".join(
            f"       <r>{e:11.4f}{o:11.4f} </r>\n" for e, o in zip(energies, occupations, strict=True)
        )
        one_spin += "      </set>\n"
    text += "".join(f'     <set comment="spin {s}">\n{one_spin}     </set>\n' for s in range(1, n_spins + 1))
    return text + "    </set>\n   </array>\n  </eigenvalues>\n" + _dos(bands.fermi_ev, density, n_spins)


def _dos(fermi_ev: float, density: Density, n_spins: int) -> str:
    both = 2 / n_spins  # without spin polarisation the two spins are in one
    rows = "".join(
        f"      <r>{e:12.4f}{both * d:12.4f}{both * i:12.4f} </r>\n"
        for e, d, i in zip(density.energies_ev, density.density, density.integrated, strict=True)
    )
    text = f'  <dos>\n   <i name="efermi">{fermi_ev:16.8f} </i>\n   <total>\n   <array>\n'
    text += '    <dimension dim="1">gridpoints</dimension>\n    <dimension dim="2">spin</dimension>\n'
    text += "    <field>energy</field>\n    <field>total</field>\n    <field>integrated</field>\n    <set>\n"
    text += "".join(f'     <set comment="spin {s}">\n{rows}     </set>\n' for s in range(1, n_spins + 1))
    return text + "    </set>\n   </array>\n   </total>\n  </dos>\n"


def _energies(energy_ev: float, indent: int, *, entropy: bool) -> str:
    pad = " " * indent
    names = ["eentropy"] if entropy else []
    values = {"eentropy": 0.0, "e_fr_energy": energy_ev, "e_wo_entrp": energy_ev, "e_0_energy": energy_ev}
    names += ["e_fr_energy", "e_wo_entrp", "e_0_energy"]
    items = "".join(f'{pad} <i name="{name}">{fixed(values[name], 17, 8)} </i>\n' for name in names)
    return f"{pad}<energy>\n{items}{pad}</energy>\n"


def _item(name: str, kind: Kind, value: Value) -> str:
    if kind == "string":
        return f'  <i type="string" name="{name}">{escape(str(value))}</i>\n'
    if kind == "logical":
        return f'  <i type="logical" name="{name}"> {"T" if value else "F"}  </i>\n'
    if kind == "int":
        return f'  <i type="int" name="{name}">{value:6d}</i>\n'
    if isinstance(value, list):
        if kind == "ints":
            return f'  <v type="int" name="{name}">{"".join(f"{v:6d}" for v in value)}</v>\n'
        return f'  <v name="{name}">{"".join(f" {_real(float(v))}" for v in value)}</v>\n'
    return f'  <i name="{name}">{_real(float(str(value)))}</i>\n'


def _real(value: float) -> str:
    """Eight decimals, as VASP writes settings; exponential where that would lose them all."""
    return fixed(value, 16, 8) if value == 0 or abs(value) >= 5e-9 else fortran_e(value, 16, 8)


def _varray(name: str, rows: Iterable[Iterable[float]], indent: int) -> str:
    pad = " " * indent
    lines = "".join(f"{pad} <v>{row(values, 17, 8)} </v>\n" for values in rows)
    return f'{pad}<varray name="{name}" >\n{lines}{pad}</varray>\n'
