"""Kill anything at any moment: no finished run is lost or doubled, and the sweep completes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import psycopg2
import pytest

from polyweb.stack.postgres import Postgres

# The sweep under fire is the one that a first start launches.
DONE = """
    SELECT run.id, run.record_sha256, run.busy_energy_j FROM measurements_run run
    WHERE run.state = 'done' ORDER BY run.finished_at
"""
SWEEP = "SELECT state, budget_trials FROM tuning_sweep"
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
    own_system.options = ()
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


def test_a_sweep_survives_the_death_of_every_process(own_system, rows):
    victims = ("emulated-agx-orin", "tuner", "web", "emulated-agx-orin", "beat", "web", "tuner")
    seen: dict = {}
    for number, victim in enumerate(victims, start=1):
        until(lambda n=number: len(rows(DONE)) >= 2 * n and rows(MEASURING)[0][0], within_s=60)
        seen |= {run: (sha256, energy) for run, sha256, energy in rows(DONE)}
        os.kill(own_system.processes[victim], signal.SIGKILL)
    until(lambda: rows(SWEEP)[0][0] == "finished", within_s=180)

    finished = {run: (sha256, energy) for run, sha256, energy in rows(DONE)}
    assert seen.items() <= finished.items(), "a finished run was lost or changed"
    trials = rows(SWEEP)[0][1]
    assert dict(rows(DONE_PER_TRIAL)) == dict.fromkeys(range(1, trials + 1), 1)
    assert len({sha256 for sha256, _ in finished.values()}) == len(finished) == trials
    assert rows(INCOMPLETE) == []
