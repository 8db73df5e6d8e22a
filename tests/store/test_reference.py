"""The reference results: whole, of one calculation for each engine, and read without an engine."""

import subprocess
import sys
from collections import Counter

import pytest

from nawf.errors import NawfError
from nawf.phases.library import load_library
from nawf.store.reference import reference_archives, reference_results


@pytest.fixture(scope="module")
def results():
    return reference_results()


def test_every_phase_of_the_library_has_a_relaxation(results):
    relaxed = {d.phase for d in results if d.property == "relax" and d.provenance.engine == "chgnet-r2scan"}
    assert relaxed == {phase.id for phase in load_library()}


def test_results_of_an_engine_stand_on_one_energy_scale(results):
    scales = Counter((d.provenance.engine, d.calculation_id) for d in results)
    assert len(scales) == len({engine for engine, _ in scales})
    assert len({d.result_id for d in results}) == len(results)


def test_failed_checks_are_kept_with_the_results(results):
    failed = {d.phase for d in results if d.property == "relax" and d.verdict.failed}
    assert "sn-beta" in failed


def test_some_phases(results):
    chosen = reference_results(["na2s", "na-bcc"])
    assert {d.phase for d in chosen} == {"na2s", "na-bcc"}
    assert [d for d in results if d.phase in ("na2s", "na-bcc")] == chosen


def test_a_broken_installation_is_said_so(tmp_path):
    with pytest.raises(NawfError, match="reference results are missing"):
        reference_archives(tmp_path)


def test_reading_them_loads_no_engine_and_no_database():
    code = "import sys; from nawf.store.reference import reference_results; assert reference_results(['na2s']); "
    code += "print(sorted({'torch', 'chgnet', 'gpaw', 'jobflow', 'maggma', 'pymongo'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
