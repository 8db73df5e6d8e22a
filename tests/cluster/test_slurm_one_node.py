"""deploy/slurm-one-node: starts, can be repeated, stays on 127.0.0.1, stops what it started and nothing else."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.always]


def daemons(folder):
    return {name: int((folder / file).read_text()) for name, file in PID_FILES.items() if (folder / file).exists()}


PID_FILES = {"munged": "munge/munged.pid", "slurmctld": "slurmctld.pid", "slurmd": "slurmd.pid"}


def lives(pid):
    """Whether a process runs; one that nobody has asked for its end yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def sockets(pid):
    """Inodes of the sockets of a process; what it closes meanwhile is left out."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue
        if match := re.fullmatch(r"socket:\[(\d+)\]", target):
            yield match.group(1)


def wait_until(ready, most_s=300):
    end = time.monotonic() + most_s
    while not (found := ready()) and time.monotonic() < end:
        time.sleep(0.1)
    assert found
    return found


def test_a_job_runs_and_its_end_is_known(slurm, tmp_path):
    good = slurm.submit("echo from the job", "--output=out.txt", cwd=tmp_path)
    bad = slurm.submit("exit 3", cwd=tmp_path)
    assert slurm.wait(good) == "COMPLETED"
    assert (tmp_path / "out.txt").read_text() == "from the job\n"
    assert slurm.wait(bad) == "FAILED"
    assert slurm.facts(bad)["ExitCode"] == "3:0"
    assert {f"{good}", f"{bad}"} <= set(slurm.run("sacct", "-c", "-n", "-X", "-o", "JobID").split())


def test_it_has_all_cores_of_the_machine(slurm):
    """Also where OMP_NUM_THREADS says otherwise."""
    (node,) = slurm.run("sinfo", "--noheader", "--Node", "--format", "%c").split()
    assert int(node) == slurm.cpus == len(os.sched_getaffinity(0))


def test_jobs_wait_for_a_drained_node_and_go_on_after(slurm, tmp_path):
    slurm.set_node("drain")
    try:
        job = slurm.submit("true", cwd=tmp_path)
        time.sleep(1)
        assert slurm.state(job) == "PENDING"
        assert "DRAIN" in slurm.run("sinfo", "-h", "-o", "%T").upper()
    finally:
        slurm.set_node("resume")
    assert slurm.wait(job) == "COMPLETED"


def test_a_job_can_be_found_and_killed(slurm, tmp_path):
    job = slurm.submit("sleep 600", cwd=tmp_path)
    slurm.wait(job, "RUNNING")
    assert slurm.processes(job)
    slurm.run("scancel", str(job))
    assert slurm.wait(job) == "CANCELLED"


def test_it_listens_on_loopback_only(slurm):
    pids = set(daemons(slurm.folder).values())
    assert len(pids) == 3
    inodes = {inode for pid in pids for inode in sockets(pid)}
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                listening.append(words[1])
    loopback = socket.inet_aton("127.0.0.1")[::-1].hex().upper()
    assert sorted(listening) == sorted(f"{loopback}:{port:04X}" for port in (slurm.port, slurm.port + 1))


def test_starting_twice_changes_nothing_and_stopping_ends_it_all(one_node, free_ports, folder):
    port = str(free_ports(2)[0])
    first = one_node("start", folder, "--port", port)
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"export SLURM_CONF={folder}/slurm.conf\n"
    pids = daemons(folder)
    assert all(map(lives, pids.values()))
    again = one_node("start", folder, "--port", port)
    assert (again.returncode, again.stdout, daemons(folder)) == (0, first.stdout, pids)
    assert one_node("status", folder).returncode == 0

    env = {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": "/usr/bin:/bin"}
    sleep = f"sleep {port}.4711"  # like no other
    subprocess.run(["sbatch", "-o", "/dev/null", "--wrap", sleep], env=env, check=True, capture_output=True)

    def sleeping():
        return subprocess.run(["pgrep", "-fx", re.escape(sleep)], check=False, capture_output=True).stdout

    wait_until(sleeping)
    assert one_node("stop", folder).returncode == 0
    assert not any(map(lives, pids.values()))
    assert not sleeping()  # a job does not outlive the node
    assert one_node("status", folder).returncode == 1
    assert one_node("stop", folder).returncode == 0


def test_a_daemon_that_was_killed_is_started_again_beside_the_others(one_node, free_ports, folder):
    port = str(free_ports(2)[0])
    assert one_node("start", folder, "--port", port).returncode == 0
    before = daemons(folder)
    subprocess.run(["kill", "-9", str(before["slurmctld"])], check=True)
    wait_until(lambda: not lives(before["slurmctld"]))
    assert one_node("status", folder).returncode == 1
    again = one_node("start", folder, "--port", port)
    assert again.returncode == 0, again.stderr
    after = daemons(folder)
    assert after["slurmctld"] != before["slurmctld"]
    assert (after["slurmd"], after["munged"]) == (before["slurmd"], before["munged"])


def test_two_instances_and_a_port_that_is_taken(one_node, slurm, free_ports, folder):
    refused = one_node("start", folder, "--port", str(slurm.port))
    assert refused.returncode == 2
    assert f"port {slurm.port} is taken" in refused.stderr
    second = one_node("start", folder, "--port", str(free_ports(2)[0]))
    assert second.returncode == 0, second.stderr
    assert one_node("stop", folder).returncode == 0
    assert "is UP" in slurm.run("scontrol", "ping")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Usage"),
        (("begin",), "unknown argument 'begin'"),
        (("start", "--port", "no"), "--port takes a number"),
        (("start", "--port"), "--port takes a value"),
        (("start", "--folder", "/tmp/has space"), "letters, digits"),
        (("start", "--folder", "/tmp/" + "x" * 90), "longer than 80 characters"),
    ],
)
def test_wrong_arguments_are_said(arguments, said):
    script = Path(__file__).resolve().parents[2] / "deploy" / "slurm-one-node"
    ended = subprocess.run([script, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert said in ended.stderr
