"""Against what VASP itself reported, the published input sets, and the tags that error handlers change."""

import importlib.resources
import warnings

import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.inputs import Kpoints
from pymatgen.io.vasp.outputs import Vasprun
from pymatgen.io.vasp.sets import (
    MatPESStaticSet,
    MP24RelaxSet,
    MP24StaticSet,
    MPHSERelaxSet,
    MPRelaxSet,
    MPScanRelaxSet,
    MPScanStaticSet,
)

from nawf.engines.vasp_kpoints import MP24_SPACING, MPSCAN_SPACING
from nawf.engines.vasp_settings import vasp_calculation
from nawf.errors import EngineError, ReportError
from nawf.results.fingerprint import Fingerprint, differences
from nawf.results.selection import select_comparable

TITLES = {
    "Na": "PAW_PBE Na_pv 19Sep2006",
    "S": "PAW_PBE S 06Sep2000",
}
STRUCTURES = {
    "na": Structure(Lattice.cubic(4.2), ["Na", "Na"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "na2s": Structure.from_spacegroup("Fm-3m", Lattice.cubic(6.53), ["Na", "S"], [[0.25, 0.25, 0.25], [0, 0, 0]]),
}
R2SCAN = {"METAGGA": "R2SCAN", "ENCUT": 680, "PREC": "Accurate", "LASPH": True, "ISMEAR": -5, "KSPACING": 0.22}


def potcars(*elements, release="64"):
    """Titles as they are, hashes made up."""
    return [{"titel": TITLES[e], "hash": f"{i:x}".rjust(30, "0") + release} for i, e in enumerate(elements)]


def calculation(incar, *elements, **arguments):
    arguments = {"potcars": potcars(*(elements or ("Na", "S"))), "version": "6.4.2"} | arguments
    return vasp_calculation(incar, **arguments)


def of_set(kind, phase="na2s", release="64", arguments=None, **choices):
    """Record of a run with a published input set; only its INCAR is made, as POTCARs are not to be had."""
    structure = STRUCTURES[phase]
    elements = [str(e) for e in structure.composition.elements]
    made = kind(structure, **choices)
    arguments = {"kpoints": made.kpoints, "potcars": potcars(*elements, release=release)} | (arguments or {})
    return calculation(made.incar, **arguments)


def changed(one, other):
    """Settings in which two records differ."""
    found = differences({"one": Fingerprint(calculation=one), "other": Fingerprint(calculation=other)})
    return {line.split(": ")[0] for line in found}


@pytest.fixture
def vasprun():
    """What VASP 6.3 reported, from the tests of ase."""

    def read(name):
        path = importlib.resources.files("ase") / "test" / "testdata" / "vasp" / f"vasprun_{name}.xml"
        if not path.is_file():
            pytest.skip("this ase comes without its test data")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*unconverged VASP run", category=UserWarning)
            return Vasprun(str(path), parse_potcar_file=False, parse_dos=False, parse_eigen=False)

    return read


def test_a_run_of_vasp(vasprun):
    run = vasprun("dfpt")
    found = vasp_calculation(
        run.incar, parameters=run.parameters, potcars=run.potcar_spec, version=run.vasp_version, kpoints=run.kpoints
    )
    assert found == {
        "engine": "vasp",
        "code_version": "6",
        "functional": "PBE",
        "hybrid": None,
        "dispersion": None,
        "gga_compat": True,
        "aspherical": False,
        "encut_ev": 400.0,
        "precision": "accurate",
        "projectors": "reciprocal space",
        "addgrid": True,
        "smearing": "Gaussian 0.1 eV",
        "spin": "none",
        "spin_orbit": False,
        "k_points": "mesh 3x3x3",
        "excess_electrons": 0.0,
        "further": None,
        "potential_Cl": "PAW_PBE Cl 06Sep2000 (no hash)",
        "potential_Na": "PAW_PBE Na 08Apr2002 (no hash)",
    }


def test_the_defaults_are_those_that_vasp_reports(vasprun):
    """Of this run the INCAR says PSTRESS only, and of the other one a dozen tags: the rest are defaults."""
    run = vasprun("pstress")
    arguments = {"potcars": run.potcar_spec, "version": run.vasp_version, "kpoints": run.kpoints}
    found = vasp_calculation(run.incar, parameters=run.parameters, **arguments)
    assert found == vasp_calculation({"PSTRESS": 1, "ENCUT": 400}, **arguments)
    assert found["functional"] == "LDA"
    assert found["smearing"] == "Methfessel-Paxton 1 0.2 eV"
    assert found["k_points"] == "mesh 4x4x4 off Γ by 0.5, 0.5, 0.5"
    assert found["further"] == "PSTRESS 1"
    run = vasprun("dfpt")
    arguments = {"potcars": run.potcar_spec, "version": run.vasp_version, "kpoints": run.kpoints}
    assert vasp_calculation(run.incar, parameters=run.parameters, **arguments) == (
        vasp_calculation(run.incar, **arguments)
    )


def test_emmet_documents_give_the_same(vasprun):
    calculations = pytest.importorskip("emmet.core.vasp.calculation")
    run = vasprun("dfpt")
    document = calculations.CalculationInput.from_vasprun(run)
    assert vasp_calculation(
        document.incar,
        parameters=document.parameters,
        potcars=document.potcar_spec,
        version="6.3.2",
        kpoints=document.kpoints,
        lattice_a=document.structure.lattice.matrix,
    ) == vasp_calculation(run.incar, potcars=run.potcar_spec, version="6.3.2", kpoints=run.kpoints.as_dict())


def test_widths_and_orders_of_smearing():
    def smearing(**tags):
        return calculation({"ENCUT": 500} | tags)["smearing"]

    assert smearing() == smearing(ISMEAR=1, SIGMA=0.2) == "Methfessel-Paxton 1 0.2 eV"
    assert smearing(ISMEAR=0, SIGMA=0.05) == "Gaussian 0.05 eV"
    assert smearing(ISMEAR=-1, SIGMA=0.025) == "Fermi 0.025 eV"
    assert smearing(ISMEAR=-5, SIGMA=0.3) == "tetrahedron (Blöchl)"
    assert smearing(ISMEAR=-15, SIGMA=0.02) == "tetrahedron (Blöchl), Fermi 0.02 eV"
    with pytest.raises(EngineError, match="ISMEAR = -7"):
        smearing(ISMEAR=-7)


# Published sets: what they share, and where they part.


def test_mp24_relaxations_and_energies_differ_in_smearing_only():
    """Forces are smeared and energies are from tetrahedra, on one energy scale: a property has its own smearing."""
    relaxed, static = of_set(MP24RelaxSet), of_set(MP24StaticSet)
    assert changed(relaxed, static) == {"smearing"}
    assert (relaxed["smearing"], static["smearing"]) == ("Gaussian 0.05 eV", "tetrahedron (Blöchl)")
    scales = {Fingerprint(calculation=c).calculation_id for c in (relaxed, static)}
    assert len(scales) == 1


def test_mp24_energies_of_unlike_phases_are_on_one_scale():
    sodium, sulfide = of_set(MP24StaticSet, "na"), of_set(MP24StaticSet, "na2s")
    assert changed(sodium, sulfide) == set()
    assert sodium["functional"] == "r2SCAN"
    assert set(sulfide) - set(sodium) == {"potential_S"}


def test_a_spacing_that_follows_the_gap_is_one_rule_if_it_is_declared():
    metal, insulator = of_set(MP24StaticSet, "na", bandgap=0.0), of_set(MP24StaticSet, "na2s", bandgap=2.4)
    assert changed(metal, insulator) == {"k_points"}
    declared = {"arguments": {"k_rule": MP24_SPACING}}
    gaps = [0.0, 0.5, 2.4, 4.4, 4.6, 6.0, 9.0, 15.0]
    records = [of_set(MP24StaticSet, bandgap=gap, **declared) for gap in gaps]
    assert {r["k_points"] for r in records} == {"gap-dependent spacing 0.22 to 0.5 1/A (MP24)"}
    # A run that departed from the rule says so.
    assert calculation(R2SCAN | {"KSPACING": 0.6}, k_rule=MP24_SPACING)["k_points"] == "spacing 0.6 1/A"
    assert calculation(R2SCAN | {"KSPACING": 0.2}, k_rule=MP24_SPACING)["k_points"] == "spacing 0.2 1/A"


def test_mpscan_and_mp24_part():
    """Their potentials have the same titles and are of two releases."""
    older = of_set(MPScanStaticSet, bandgap=2.4, release="54", arguments={"k_rule": MPSCAN_SPACING})
    newer = of_set(MP24StaticSet, bandgap=2.4, arguments={"k_rule": MP24_SPACING})
    assert changed(older, newer) == {"gga_compat", "k_points", "potential_Na", "potential_S"}
    relaxed = of_set(MPScanRelaxSet, bandgap=2.4, release="54", arguments={"k_rule": MPSCAN_SPACING})
    assert changed(relaxed, older) == {"projectors"}
    assert relaxed["projectors"] == "real space (Auto)"


def test_other_sets():
    assert of_set(MatPESStaticSet, xc_functional="R2SCAN")["gga_compat"] is True
    pbe = of_set(MPRelaxSet)
    assert (pbe["functional"], pbe["encut_ev"], pbe["k_points"][:5]) == ("PBE", 520.0, "mesh ")
    hybrid = of_set(MPHSERelaxSet)
    assert hybrid["functional"] == "HSE06"
    assert hybrid["hybrid"] == "AEXX 0.25, HFSCREEN 0.2, ALDAX 0.75, AGGAX 0.75, ALDAC 1, AGGAC 1, PRECFOCK fast"
    assert of_set(MP24StaticSet, xc_functional="PBEsol")["functional"] == "PBEsol"
    assert of_set(MP24StaticSet, dispersion="rVV10")["dispersion"] == "rVV10 (BPARAM 11.95, CPARAM 0.0093)"
    d4 = of_set(MP24StaticSet, dispersion="D4")["dispersion"]
    assert d4 == "D4 (VDW_A1 0.515592, VDW_A2 5.77343, VDW_S6 1, VDW_S8 0.601875)"
    for kind in (MP24RelaxSet, MP24StaticSet, MPScanRelaxSet, MPScanStaticSet, MatPESStaticSet, MPRelaxSet):
        assert of_set(kind)["further"] is None


# Functionals.


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({}, "PBE"),
        ({"GGA": "--"}, "PBE"),
        ({"GGA": "Ps"}, "PBEsol"),
        ({"GGA": "91"}, "PW91"),
        ({"METAGGA": "--", "GGA": "RP"}, "RPBE"),
        ({"METAGGA": "R2scan"}, "r2SCAN"),
        ({"METAGGA": "R2SCAN", "GGA": "PE"}, "r2SCAN with GGA PE"),
        (
            {"METAGGA": "LIBXC", "LIBXC1": "MGGA_X_R2SCAN", "LIBXC2": "MGGA_C_R2SCAN"},
            "libxc MGGA_X_R2SCAN+MGGA_C_R2SCAN",
        ),
        ({"LHFCALC": True}, "PBE0"),
        ({"LHFCALC": True, "HFSCREEN": 0.2}, "HSE06"),
        ({"LHFCALC": True, "HFSCREEN": 0.3}, "HSE03"),
        ({"LHFCALC": True, "HFSCREEN": 0.2, "GGA": "PS"}, "PBEsol hybrid"),
        ({"LHFCALC": True, "AEXX": 0.3}, "PBE hybrid"),
        ({"LHFCALC": True, "AEXX": 1}, "Hartree-Fock exchange, PBE"),
        ({"LHFCALC": True, "AEXX": 0.2, "GGA": "B3"}, "B3LYP"),
    ],
    ids=str,
)
def test_functionals(tags, name):
    found = calculation({"ENCUT": 500} | tags)
    assert found["functional"] == name
    assert found["further"] is None
    assert (found["hybrid"] is None) is ("LHFCALC" not in tags)


def test_hybrids_of_unlike_numbers_are_unlike_whatever_their_name():
    one, other = (calculation({"ENCUT": 500, "LHFCALC": True, "AEXX": x}) for x in (0.3, 0.35))
    assert changed(one, other) == {"hybrid"}
    # Outside a hybrid the tags would mean something else, if anything.
    assert calculation({"ENCUT": 500, "AEXX": 0.3})["further"] == "AEXX 0.3"


def test_the_functional_of_the_potcars_is_the_default():
    lda = [{"titel": "PAW Na_pv 28Sep2000", "hash": "a" * 32}]
    assert vasp_calculation({"ENCUT": 500}, potcars=lda, version="6.4.2")["functional"] == "LDA"
    with pytest.raises(EngineError, match="PAW, PAW_PBE do not tell the functional"):
        vasp_calculation({"ENCUT": 500}, potcars=[*lda, *potcars("S")], version="6.4.2")
    assert vasp_calculation({"ENCUT": 500, "GGA": "PE"}, potcars=[*lda, *potcars("S")], version="6")


def test_a_meta_gga_without_a_name_is_no_gga():
    with pytest.raises(EngineError, match="does not tell which"):
        calculation({"ENCUT": 500}, parameters={"LMETAGGA": True, "GGA": "PE"})


# The rest.


def test_releases_of_one_major_version_agree():
    assert calculation(R2SCAN, version="6.3.0") == calculation(R2SCAN, version=" 6.4.2 ")
    assert changed(calculation(R2SCAN, version="5.4.4"), calculation(R2SCAN, version="6.4.2")) == {"code_version"}
    assert calculation(R2SCAN, version="rehearsal 6.4.2")["code_version"] == "rehearsal 6.4.2"
    with pytest.raises(EngineError, match="version"):
        calculation(R2SCAN, version=" ")


def test_whoever_acts_as_vasp_is_not_vasp():
    assert changed(calculation(R2SCAN), calculation(R2SCAN, engine="rehearsal")) == {"engine"}


def test_charge():
    assert calculation(R2SCAN)["excess_electrons"] == 0.0
    # The report always has the number, which says nothing without the valences.
    assert calculation(R2SCAN, parameters={"NELECT": 20.0, "ENMAX": 680.0}) == calculation(R2SCAN)
    for neutral, excess in ((20.0, 0.0), (19.0, 1.0), (20.5, -0.5)):
        found = calculation(R2SCAN, parameters={"NELECT": 20.0, "ENMAX": 680.0}, neutral_electrons=neutral)
        assert found["excess_electrons"] == excess
    assert calculation(R2SCAN | {"NELECT": 20}, neutral_electrons=20.0) == calculation(R2SCAN)
    assert calculation(R2SCAN | {"NELECT": 20})["excess_electrons"] == "NELECT 20"


def test_spin_that_was_shown_to_be_none():
    """A phase without moments is calculated without spin once that is known; beside it stand phases with moments."""
    with_spin, without = calculation(R2SCAN | {"ISPIN": 2}), calculation(R2SCAN | {"ISPIN": 1})
    assert (with_spin["spin"], without["spin"]) == ("collinear", "none")
    assert calculation(R2SCAN, non_magnetic=True) == with_spin
    relativistic = calculation(R2SCAN | {"LSORBIT": True})
    assert (relativistic["spin"], relativistic["spin_orbit"]) == ("non-collinear", True)


# From a run to a diagram.


@pytest.fixture
def document(records):
    def build(phase, tags, *elements, **arguments):
        result = records.static(calculation=calculation(tags, *elements, **arguments))
        return records.document(phase, "static", result, engine="vasp", chemical_system="-".join(sorted(elements)))

    return build


def test_a_run_whose_algo_was_changed_meets_the_others(document):
    documents = [
        document("na", R2SCAN, "Na"),
        document("na2s", R2SCAN | {"ALGO": "All", "NELM": 500, "AMIX": 0.2}, "Na", "S"),
    ]
    assert select_comparable(documents) == documents
    assert documents[1].fingerprint_id == document("na2s", R2SCAN, "Na", "S").fingerprint_id


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"ISMEAR": 0, "SIGMA": 0.05},
            'smearing: "tetrahedron (Blöchl)" in na (vasp); "Gaussian 0.05 eV" in na2s (vasp)',
        ),
        ({"ENCUT": 520}, "encut_ev: 680.0 in na (vasp); 520.0 in na2s (vasp)"),
        ({"KSPACING": 0.4}, 'k_points: "spacing 0.22 1/A" in na (vasp); "spacing 0.4 1/A" in na2s (vasp)'),
        ({"PREC": "Normal"}, 'precision: "accurate" in na (vasp); "normal" in na2s (vasp)'),
        ({"LREAL": "Auto"}, 'projectors: "reciprocal space" in na (vasp); "real space (Auto)" in na2s (vasp)'),
    ],
    ids=str,
)
def test_a_run_that_ended_with_other_settings_does_not(document, changes, words):
    with pytest.raises(ReportError) as caught:
        select_comparable([document("na", R2SCAN, "Na"), document("na2s", R2SCAN | changes, "Na", "S")])
    assert words in str(caught.value)


def test_meshes_meet_by_no_rule_but_a_declared_one(document):
    """Two explicit meshes may be of one density or not: nobody can tell."""
    tags = {k: v for k, v in R2SCAN.items() if k != "KSPACING"}
    documents = [
        document("na", tags, "Na", kpoints=Kpoints.gamma_automatic((12, 12, 12))),
        document("na2s", tags, "Na", "S", kpoints=Kpoints.gamma_automatic((6, 6, 6))),
    ]
    with pytest.raises(ReportError, match=r'k_points: "mesh 12x12x12" in na \(vasp\); "mesh 6x6x6" in na2s'):
        select_comparable(documents)
