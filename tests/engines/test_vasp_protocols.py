"""Inputs, tag by tag, against the published sets and the paper; no POTCAR is needed for any of it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("atomate2")

from monty.json import MontyDecoder, MontyEncoder, jsanitize
from pymatgen.io.vasp.sets import MP24RelaxSet, MP24StaticSet, MPScanRelaxSet, MPScanStaticSet
from spglib import get_ir_reciprocal_mesh

from nawf.engines.vasp import K_SPACING_PER_A, METHODS
from nawf.engines.vasp_ji2024 import K_LENGTH_A, k_mesh
from nawf.engines.vasp_protocols import CHANGES, Step, input_set, k_rule, published_set, vasp_maker
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.symmetry import conventional_cell, primitive_cell

PHASES = {
    "na2s": ["Na_pv", "S"],
    "na2s2-alpha": ["Na_pv", "S"],
    "na2s4": ["Na_pv", "S"],
    "na2s5-alpha": ["Na_pv", "S"],
    "s-alpha": ["S"],
    "na-bcc": ["Na_pv"],
    "na3sbs4-tetragonal": ["Na_pv", "Sb", "S"],
    "na3ps4-alpha": ["Na_pv", "P", "S"],
    "na15sn4": ["Na_pv", "Sn_d"],
}
PROTOCOLS = ("mp24", "mpscan", "ji2024")
FORCE = 0.001

# Published: MP24RelaxSet.yaml and MPSCANRelaxSet.yaml of pymatgen as atomate2 uses them. Written out here, tag by
# tag, so that a change in either library is seen.
SHARED = {
    "ENCUT": 680,
    "ISMEAR": 0,
    "SIGMA": 0.05,
    "KSPACING": 0.22,
    "LASPH": True,
    "LMIXTAU": True,
    "LORBIT": 11,
    "NELM": 200,
    "PREC": "Accurate",
    "ISPIN": 2,
    # nawf's: projectors, and files that nobody reads.
    "LREAL": False,
    "LAECHG": False,
    "LCHARG": False,
    "LVTOT": False,
    "LWAVE": False,
    "LELF": False,
}
OF_PROTOCOL = {
    "mp24": {"ALGO": "Normal", "GGA_COMPAT": False, "LMAXMIX": 6},
    "mpscan": {"ALGO": "All"},
    "ji2024": {"ALGO": "Normal", "LMAXMIX": 6},
}
PBESOL, R2SCAN = {"GGA": "Ps"}, {"METAGGA": "R2scan"}
OF_STEP = {
    Step.PRE_RELAX: PBESOL | {"EDIFF": 1e-5, "EDIFFG": -0.02, "IBRION": 2, "ISIF": 3, "NSW": 99},
    Step.RELAX: R2SCAN | {"EDIFF": 1e-7, "EDIFFG": -FORCE, "IBRION": 2, "ISIF": 3, "NSW": 99},
    Step.STATIC: R2SCAN | {"EDIFF": 1e-7, "NSW": 0},
    Step.DISPLACED: R2SCAN | {"EDIFF": 1e-8, "NSW": 0},
    Step.STRAINED: R2SCAN | {"EDIFF": 1e-8, "EDIFFG": -FORCE, "IBRION": 2, "ISIF": 2, "NSW": 99},
    Step.BORN_GAP: PBESOL | {"EDIFF": 1e-8, "IBRION": -1, "ISIF": 2, "NSW": 0},
    Step.BORN: PBESOL | {"EDIFF": 1e-8, "IBRION": -1, "ISIF": 2, "NSW": 0, "LEPSILON": True, "LPEAD": True},
}
PUBLISHED_STATIC = {"ISMEAR": -5, "LAECHG": True, "LCHARG": True, "LVTOT": True}
EXCEPTIONS = {
    ("mp24", Step.STATIC): PUBLISHED_STATIC,
    ("mpscan", Step.STATIC): PUBLISHED_STATIC | {"ALGO": "Fast"},
    ("mpscan", Step.DISPLACED): {"ALGO": "Fast"},
    ("mpscan", Step.PRE_RELAX): {"EDIFFG": -0.05},
}


@pytest.fixture(scope="module")
def crystals():
    library = load_library()
    return {name: primitive_cell(Crystal.from_structure(library.get(name).structure()), 0.01) for name in PHASES}


def inputs(protocol, step, crystal, **choices):
    needs_force = step in (Step.RELAX, Step.STRAINED)
    chosen = input_set(protocol, step, force_ev_per_a=FORCE if needs_force else None, **choices)
    return chosen.get_input_set(crystal.to_structure(), potcar_spec=True)


def expected_incar(protocol, step, crystal):
    expected = SHARED | OF_PROTOCOL[protocol] | OF_STEP[step] | EXCEPTIONS.get((protocol, step), {})
    if protocol == "ji2024":
        del expected["KSPACING"]
        if step is Step.STATIC:
            del expected["LAECHG"], expected["LVTOT"]
    elif protocol == "mpscan" and {"Sb", "Sn"} & set(crystal.species):
        expected["LMAXMIX"] = 4  # d electrons; pymatgen adds it
    return expected | {"MAGMOM": [0.6] * len(crystal)}


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("phase", PHASES)
def test_every_tag_of_every_step(crystals, phase, protocol, step):
    found = inputs(protocol, step, crystals[phase])
    assert dict(found["INCAR"]) == expected_incar(protocol, step, crystals[phase])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("phase", PHASES)
def test_potentials(crystals, phase, protocol):
    for step in Step:
        chosen = input_set(protocol, step)
        chosen.structure = crystals[phase].to_structure()
        assert chosen.potcar_symbols == PHASES[phase]
        assert chosen.potcar_functional == {"mp24": "PBE_64"}.get(protocol, "PBE_54")


@pytest.mark.parametrize("phase", PHASES)
def test_mp24_is_what_pymatgen_calls_mp24(crystals, phase):
    """Against the sets themselves, so that what is left out above cannot hide a difference."""
    structure = crystals[phase].to_structure()
    relax = MP24RelaxSet(structure).incar
    static = MP24StaticSet(structure).incar
    changed = {"EDIFF", "EDIFFG", "LAECHG", "LCHARG", "LVTOT"}
    assert differing(inputs("mp24", Step.RELAX, crystals[phase])["INCAR"], relax) == changed
    assert differing(inputs("mp24", Step.STATIC, crystals[phase])["INCAR"], static) == {"EDIFF"}


@pytest.mark.parametrize("phase", PHASES)
def test_mpscan_is_what_pymatgen_calls_mpscan(crystals, phase):
    structure = crystals[phase].to_structure()
    relax = MPScanRelaxSet(structure, auto_ismear=False).incar
    static = MPScanStaticSet(structure, auto_ismear=False).incar
    changed = {"EDIFF", "EDIFFG", "LAECHG", "LCHARG", "LREAL", "LVTOT"}
    assert differing(inputs("mpscan", Step.RELAX, crystals[phase])["INCAR"], relax) == changed
    assert differing(inputs("mpscan", Step.STATIC, crystals[phase])["INCAR"], static) == {"EDIFF", "LVHAR"}


def differing(one, other):
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_changed_is_what_is_declared(crystals, protocol):
    """The table of changes is complete: the published set with these tags gives every INCAR."""
    crystal = crystals["na3sbs4-tetragonal"]
    for step in Step:
        base = published_set(protocol, step)
        base.auto_kspacing = False
        base.structure = crystal.to_structure()
        published, ours = base.incar, inputs(protocol, step, crystal)["INCAR"]
        chosen = {"EDIFFG"} if step in (Step.RELAX, Step.STRAINED) else set()
        # EDIFFG and MAGMOM are among the tags that fall away with NSW = 0 or 1.
        assert differing(published, ours) <= set(CHANGES[step]) | chosen, step


def test_r2scan_in_every_step_that_goes_into_a_result(crystals):
    for protocol in PROTOCOLS:
        for step in (Step.RELAX, Step.STATIC, Step.DISPLACED, Step.STRAINED):
            incar = inputs(protocol, step, crystals["na2s"])["INCAR"]
            assert incar["METAGGA"].upper() == "R2SCAN"
            assert "GGA" not in incar
            assert "ADDGRID" not in incar
            assert incar["LASPH"] is True


def test_without_spin_nothing_else_changes(crystals):
    for protocol in PROTOCOLS:
        with_spin = inputs(protocol, Step.DISPLACED, crystals["na2s"])["INCAR"]
        without = inputs(protocol, Step.DISPLACED, crystals["na2s"], spin=False)["INCAR"]
        assert differing(with_spin, without) == {"ISPIN", "LORBIT", "MAGMOM"}
        assert without["ISPIN"] == 1


def test_force_and_steps_are_those_of_the_method(crystals):
    incar = inputs("mp24", Step.RELAX, crystals["na2s"], max_steps=20)["INCAR"]
    assert (incar["EDIFFG"], incar["NSW"]) == (-FORCE, 20)
    assert inputs("mp24", Step.RELAX, crystals["na2s"], max_steps=5000)["INCAR"]["NSW"] == 99
    assert METHODS.relax.force_ev_per_a == FORCE
    assert METHODS.elastic.max_steps <= 99


@pytest.mark.parametrize("protocol", ["mp24", "mpscan"])
def test_k_points_by_spacing_need_no_file(crystals, protocol):
    for step in Step:
        assert inputs(protocol, step, crystals["na2s"])["KPOINTS"] is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_strained_cells_share_the_mesh_of_the_cell_at_rest(crystals, protocol):
    """A length that straddles the next division makes the rule itself give another mesh."""
    crystal = crystals["na2s"]
    rule = k_rule(protocol, crystal.to_structure())
    stretched = Crystal.from_arrays(crystal.matrix_a * 1.2, crystal.species, crystal.frac_coords)
    assert k_rule(protocol, stretched.to_structure()).mesh != rule.mesh
    found = inputs(protocol, Step.STRAINED, stretched, mesh=rule.mesh.divisions)
    assert "KSPACING" not in found["INCAR"]
    assert found["KPOINTS"].kpts == [rule.mesh.divisions]
    assert found["KPOINTS"].style.name == "Gamma"


def test_a_spacing_in_numbers(crystals):
    """Na2S, fcc: |b| = 2π √3 / a = 1.6743 1/Å at a = 6.5 Å, and 1.6743 / 0.22 = 7.6, so that 8 points are needed."""
    crystal = crystals["na2s"]
    a = 2 ** (1 / 2) * np.linalg.norm(crystal.matrix_a[0])
    assert 2 * np.pi * 3**0.5 / a / K_SPACING_PER_A == pytest.approx(7.6, abs=0.05)
    assert k_rule("mp24", crystal.to_structure()).mesh.divisions == (8, 8, 8)


def test_tetrahedra_have_the_four_points_that_they_need():
    """Static runs of mp24 and mpscan use tetrahedra; VASP gives up below four irreducible points."""
    for phase in load_library():
        crystal = primitive_cell(Crystal.from_structure(phase.structure()), 0.01)
        mesh = k_rule("mp24", crystal.to_structure()).mesh.divisions
        mapping, _ = get_ir_reciprocal_mesh(mesh, crystal.to_spglib())
        assert len(set(mapping)) >= 4, phase.id


@pytest.mark.parametrize(
    ("phase", "cell", "mesh"),
    [
        ("na2s", conventional_cell, (3, 3, 3)),
        ("na2s2-beta", conventional_cell, (5, 5, 2)),
        ("na2s4", primitive_cell, (4, 4, 4)),
    ],
)
def test_meshes_of_the_paper(phase, cell, mesh):
    structure = cell(Crystal.from_structure(load_library().get(phase).structure()), 0.01).to_structure()
    assert k_mesh(structure) == mesh


def test_mesh_of_the_paper_for_na2s5_with_its_axes_in_rising_order():
    crystal = primitive_cell(Crystal.from_structure(load_library().get("na2s5-alpha").structure()), 0.01)
    lengths = np.linalg.norm(crystal.matrix_a, axis=1)
    assert [k_mesh(crystal.to_structure())[i] for i in np.argsort(lengths)] == [4, 3, 1]


@pytest.mark.parametrize(("length", "holds"), [(20.4, False), (20.5, True), (21.3, True), (21.5, False)])
def test_the_range_of_lengths_that_gives_the_meshes_of_the_paper(length, holds):
    """|b|/2π of the cells above, and the meshes; the stated range is neither wider nor narrower."""
    cells = {(6.4968,): (3,), (4.489 * 3**0.5 / 2, 10.227): (5, 2), (5.846, 7.654, 14.51): (4, 3, 1)}
    found = {edges: tuple(int(np.floor(length / edge + 0.5)) for edge in edges) for edges in cells}
    assert (found == cells) is holds
    assert 20.5 <= K_LENGTH_A <= 21.3


def test_other_phases_of_the_paper_s_protocol(crystals):
    """Metals twice as dense: bcc Na at a = 4.29 Å has |b|/2π = 0.3296, times 42 Å is 13.8."""
    assert k_mesh(crystals["na-bcc"].to_structure()) == (14, 14, 14)
    assert k_mesh(crystals["na2s"].to_structure()) == (6, 6, 6)
    doubled = crystals["na2s4"].to_structure() * (2, 2, 2)
    assert k_mesh(doubled) == (2, 2, 2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_inputs_survive_the_way_to_another_machine(crystals, protocol):
    structure = crystals["na3sbs4-tetragonal"].to_structure()
    for step in Step:
        maker = vasp_maker(protocol, step, {}, mesh=(2, 3, 4) if step is Step.STRAINED else None)
        sent = jsanitize(maker, strict=True, enum_values=True)
        received = MontyDecoder().process_decoded(MontyDecoder().decode(MontyEncoder().encode(sent)))
        before = maker.input_set_generator.get_input_set(structure, potcar_spec=True)
        after = received.input_set_generator.get_input_set(structure, potcar_spec=True)
        assert dict(after["INCAR"]) == dict(before["INCAR"])
        assert str(after["KPOINTS"]) == str(before["KPOINTS"])


def test_the_validator_of_the_materials_project_accepts_the_relaxation_and_static_of_mp24(crystals):
    from pymatgen.io.validation.common import VaspFiles, VaspInputSafe
    from pymatgen.io.validation.validation import VaspValidator

    for crystal in crystals.values():
        for step in (Step.RELAX, Step.STATIC):
            chosen = input_set("mp24", step, force_ev_per_a=FORCE)
            chosen.structure = crystal.to_structure()
            with warnings.catch_warnings():
                # It makes sets of its own and is warned of metals in them.
                warnings.simplefilter("ignore", category=UserWarning)
                files = VaspFiles(user_input=VaspInputSafe.from_vasp_input_set(chosen))
                validator = VaspValidator.from_vasp_input(vasp_files=files, check_potcar=False)
            assert validator.reasons == [], step
            assert files.valid_input_set_name in ("MP24RelaxSet", "MP24StaticSet")


def test_the_validator_sees_what_it_should(crystals):
    """The check above can fail."""
    from pymatgen.io.validation.common import VaspFiles, VaspInputSafe
    from pymatgen.io.validation.validation import VaspValidator

    chosen = input_set("mp24", Step.STATIC)
    chosen.user_incar_settings = chosen.user_incar_settings | {"GGA_COMPAT": True}
    chosen.structure = crystals["na2s"].to_structure()
    files = VaspFiles(user_input=VaspInputSafe.from_vasp_input_set(chosen))
    validator = VaspValidator.from_vasp_input(vasp_files=files, check_potcar=False)
    assert any("GGA_COMPAT" in reason for reason in validator.reasons)
