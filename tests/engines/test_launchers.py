"""How many calculations are done at a time, by the processes that each of them starts."""

import pytest

import nawf.engines.launchers as launchers
from nawf.engines.launchers import processes_of, usual_workers
from nawf.running.local import choose_workers


class Launched:
    def __init__(self, command):
        self.command = lambda: command


@pytest.mark.parametrize(
    ("command", "processes"),
    [("", 1), ("mpirun -np 32 vasp_std", 32), ("mpiexec -n 8", 8), ("mpirun vasp_std", None), ("run-vasp", None)],
)
def test_processes_of_one_calculation(command, processes, monkeypatch):
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    assert processes_of(Launched(command)) == processes


def test_an_engine_that_launches_nothing_is_one_process():
    assert processes_of(object()) == 1


@pytest.mark.parametrize(("processes", "workers"), [(1, 4), (8, 4), (16, 2), (32, 1), (64, 1), (None, 1)])
def test_workers_share_the_cores_with_the_processes_they_start(processes, workers, monkeypatch):
    monkeypatch.setattr(launchers, "available_cores", lambda: 32)
    assert usual_workers(processes) == workers
    assert choose_workers(100, 0, 0, "cpu", processes)[0] == workers
    # What was asked for is done.
    assert choose_workers(100, 3, 0, "cpu", processes)[0] == 3
    assert choose_workers(100, 0, 0, "cuda", processes)[0] == 1
    assert choose_workers(1, 0, 0, "cpu", processes)[0] == 1
