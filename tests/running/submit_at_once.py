"""A process of its own that submits phases when it is told to; started by test_submit_at_once.py.

Arguments: how (``jobflow-remote`` or ``fireworks``), address of the store, phases, properties, and whether it stops
before and after it writes several documents. It says ``ready``, waits for a line, and says what it has submitted.
"""

from __future__ import annotations

import json
import operator
import os
import sys
from types import SimpleNamespace

from jobflow import Flow, job
from pymongo.collection import Collection

from nawf.running import submit as submission
from nawf.running.queues import open_backend
from nawf.settings import ClusterSettings

ORDERS = os.fdopen(os.dup(0))
"""What the test says; standard input itself is kept from what a queue starts."""


class Task(SimpleNamespace):
    def model_copy(self, update):
        return Task(**{**vars(self), **update})


def flow_of(task, engine, attempt):
    common = {"campaign": "c", "phase": task.phase, "engine": "chgnet-r2scan"}
    jobs = []
    for prop in task.properties:
        unit = job(operator.add)(1, 1)
        unit.update_metadata({"nawf": {**common, "property": prop, "intent": f"i-{prop}", "final": True}})
        unit.append_name(f" {task.phase}")
        jobs.append(unit)
    metadata = {**common, "properties": list(task.properties)}
    uuid = submission.flow_uuid(task.phase, attempt)
    return Flow(jobs, name=task.phase, uuid=uuid, metadata={"nawf": metadata})


def stop_at_writing():
    """Wait to be told to go on between a flow and its jobs, and between jobs and their workflow."""
    write = Collection.insert_many

    def slowly(self, *arguments, **options):
        wait("before writing")
        done = write(self, *arguments, **options)
        wait("after writing")
        return done

    Collection.insert_many = slowly


def wait(where):
    print(where, flush=True)
    ORDERS.readline()


def main(via, location, phases, properties, stops):
    if stops == "stops":
        stop_at_writing()
    submission.intended_fingerprint = lambda engine, p, methods: SimpleNamespace(id=f"i-{p}")
    submission.make_flow = flow_of
    backend = open_backend(ClusterSettings(via=via, project="nawf" if via == "jobflow-remote" else ""), via)
    backend._location = location
    names, wanted = phases.split(","), tuple(properties.split(","))
    tasks = tuple(Task(phase=name, properties=wanted, methods=None) for name in names)
    missing = tuple(SimpleNamespace(phase=n, property=p, core_seconds=1.0) for n in names for p in wanted)
    plan = SimpleNamespace(tasks=tasks, missing=missing, engine=None)
    backend.attempts(names)  # connected, everything is loaded
    wait("ready")
    _, chosen, attempts = submission.dispatch(lambda: plan, backend, names)
    done = submission.submit(chosen.orders, None, backend, attempts)
    print(json.dumps([sorted(done.jobs), sorted(done.taken)]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
