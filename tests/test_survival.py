"""Kill anything at any moment: no finished run is lost or doubled, and the sweep completes."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator

import psycopg2
import pytest

from polyweb.stack.postgres import Postgres

TRIALS = 20
LAUNCH = f"""
from measurements.models import Device, Network
from tuning import tasks
from tuning.models import Sweep, SweepAxis
device = Device.objects.get(name="emulated-agx-orin")
sweep = Sweep.objects.create(
    name="under fire", device=device, network=Network.objects.get(builtin="efficientnet-b4"),
    budget_trials={TRIALS}, requests=1500, seed=3)
SweepAxis.objects.create(sweep=sweep, position=0, name="gpu_max_hz", values=device.gpu_hz[3:])
SweepAxis.objects.create(sweep=sweep, position=1, name="emc_hz", values=device.emc_hz[1:])
tasks.advance.delay(sweep.pk)
"""
DONE = """
    SELECT run.id, run.record_sha256, run.busy_energy_j FROM measurements_run run
    WHERE run.state = 'done' ORDER BY run.finished_at
"""
SWEEP = "SELECT state FROM tuning_sweep WHERE name = 'under fire'"
MEASURING = "SELECT count(*) FROM measurements_run WHERE state = 'running'"
DONE_PER_TRIAL = """
    SELECT trial.number, count(*) FILTER (WHERE run.state = 'done')
    FROM tuning_trial trial JOIN tuning_trialrun link ON link.trial_id = trial.id
    JOIN measurements_run run ON run.id = link.run_id GROUP BY trial.number
"""
INCOMPLETE = """
    SELECT run.id FROM measurements_run run
    LEFT JOIN measurements_requestlog log ON log.run_id = run.id
    WHERE run.state = 'done' AND (
        coalesce(cardinality(log.end_s), 0) <> run.requests_served
        OR NOT EXISTS (SELECT 1 FROM measurements_powersample s WHERE s.run_id = run.id))
"""


@pytest.fixture
def rows(own_system) -> Iterator[Callable[[str], list[tuple]]]:
    """Ask the running system's database, past everything that is being killed."""
    own_system.start()
    connection = psycopg2.connect(Postgres.known(own_system.var / "postgres").url)
    connection.autocommit = True

    def ask(query: str) -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    yield ask
    connection.close()


def until(happened: Callable[[], object], *, within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)


def registered(own_system) -> bool:
    code = "from measurements.models import Device; print(Device.objects.get().registered_at)"
    with contextlib.suppress(Exception):
        return own_system.manage("shell", "-v", "0", "-c", code).strip() != "None"
    return False


def test_a_sweep_survives_the_death_of_every_process(own_system, rows):
    until(lambda: registered(own_system), within_s=30)
    own_system.manage("shell", "-v", "0", "-c", LAUNCH)
    victims = ("emulated-agx-orin", "tuner", "web", "emulated-agx-orin", "beat", "web", "tuner")
    seen: dict = {}
    for number, victim in enumerate(victims, start=1):
        until(lambda n=number: len(rows(DONE)) >= n and rows(MEASURING)[0][0], within_s=60)
        seen |= {run: (sha256, energy) for run, sha256, energy in rows(DONE)}
        os.kill(own_system.processes[victim], signal.SIGKILL)
    until(lambda: rows(SWEEP) == [("finished",)], within_s=180)

    finished = {run: (sha256, energy) for run, sha256, energy in rows(DONE)}
    assert seen.items() <= finished.items(), "a finished run was lost or changed"
    assert rows(DONE_PER_TRIAL) and dict(rows(DONE_PER_TRIAL)) == dict.fromkeys(
        range(1, TRIALS + 1), 1
    )
    assert len({sha256 for sha256, _ in finished.values()}) == len(finished) == TRIALS
    assert rows(INCOMPLETE) == []
