"""How true is the energy per request? Emulated runs against what the emulator really drew.

    python benchmarks/energy_truth.py [--runs 1000] [--json] [--jobs 2]

Each state (network, clocks, batch size, arrivals) is run 20 times, each time on a fresh
emulated AGX Orin with another seed, through the same trial, record and energy code as a
real board. Two truths:

- *this run*: the exact energy of the emulator's power trace over the same window, by
  the same definition. The errors are against this one.
- *the board's mean there and then*: the mean of the exact energies of the state's 19
  other runs. The 95 % interval claims to cover this one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec

from measurements import energy, graphs, quality, zoo
from measurements.board.hardware.emulator import EmulatedBoard, open_board
from measurements.board.hardware.emulator.boards import AGX_ORIN
from measurements.board.trial import Progress, run_trial
from measurements.messages import Arrivals, NetworkFeatures, OperatingPoint, Plan, Record
from measurements.power import Window

REPEATS = 20
SEED = 20_261_123
PILOT_REQUESTS = 64
MOST_REQUESTS = 1000
BUSY, AT_RATE = "busy", "at rate"


@dataclass(frozen=True)
class State:
    """What is repeated: all of a plan but its seed.

    Requests at a rate come at `utilisation` of what the state can serve, for about
    `serve_s` seconds, but at most MOST_REQUESTS of them.
    """

    number: int
    network: NetworkFeatures
    point: OperatingPoint
    batch_size: int
    arrivals_kind: str
    utilisation: float
    serve_s: float
    sample_interval_ms: int


@dataclass(frozen=True)
class Result:
    """One definition's answer for one run, beside the truth of that run; joules per request."""

    state: int
    definition: str
    measured_j: float
    half_width_j: float | None
    true_j: float


@dataclass(frozen=True)
class Outcome:
    results: list[Result]
    board_s: float
    invalid: list[str]


def states(count: int) -> list[State]:
    """`count` states drawn with a fixed seed from the whole of the board's legal clocks."""
    rng, networks = random.Random(SEED), [_features(name) for name in zoo.BUILTINS]
    return [_draw(rng, number, networks) for number in range(count)]


def _features(name: str) -> NetworkFeatures:
    found = graphs.features(zoo.build(name, with_data=False))
    return msgspec.convert({**_fields(found), "name": name, "sha256": None}, NetworkFeatures)


def _fields(found: object) -> dict[str, object]:
    return {name: getattr(found, name) for name in (
        "input_shape", "input_dtype", "flops_per_item", "flops_fixed", "bytes_per_item",
        "bytes_fixed")}  # fmt: skip


def _draw(rng: random.Random, number: int, networks: Sequence[NetworkFeatures]) -> State:
    low, high = sorted(rng.choices(AGX_ORIN.gpu_hz, k=2))
    if rng.random() < 0.5:
        low = high  # pinned as often as governed
    return State(
        number=number,
        network=rng.choice(networks),
        point=OperatingPoint(
            gpu_min_hz=low,
            gpu_max_hz=high,
            emc_hz=rng.choice(AGX_ORIN.emc_hz),
            cpu_hz=rng.choice(AGX_ORIN.cpu_hz),
        ),
        batch_size=rng.choice((1, 2, 4, 8, 16)),
        arrivals_kind=rng.choice(("back_to_back", "back_to_back", "uniform", "poisson")),
        utilisation=rng.uniform(0.2, 0.7),
        serve_s=rng.choice((5.0, 10.0, 20.0, 40.0)),
        sample_interval_ms=rng.choice((20, 50, 100)),
    )


def measure(state: State) -> list[Outcome]:
    """All repetitions of one state, at the rate that its own speed allows."""
    pilot, _, _ = _run(_plan(state, Arrivals(), requests=PILOT_REQUESTS, seed=0), seed=0)
    rate_hz = len(pilot.requests.end_s) / energy.busy_window(pilot.requests).length_s
    arrivals = Arrivals()
    if state.arrivals_kind != "back_to_back":
        rate_hz *= state.utilisation
        arrivals = Arrivals(kind=state.arrivals_kind, rate_hz=rate_hz)
    requests = min(MOST_REQUESTS, max(PILOT_REQUESTS, round(state.serve_s * rate_hz)))
    plans = (_plan(state, arrivals, requests=requests, seed=1 + i) for i in range(REPEATS))
    return [_outcome(state, plan) for plan in plans]


def _plan(state: State, arrivals: Arrivals, *, requests: int, seed: int) -> Plan:
    return Plan(
        run_id=f"{state.number}-{seed}",
        device="emulated",
        network=state.network,
        point=state.point,
        batch_size=state.batch_size,
        arrivals=arrivals,
        requests=requests,
        warm_up_s=2.5,
        sample_interval_ms=state.sample_interval_ms,
        seed=seed,
    )


def _run(plan: Plan, *, seed: int) -> tuple[Record, EmulatedBoard, float]:
    """A trial on a fresh board: its record, the board, and when sampling began on its clock."""
    zeros_s: list[float] = []

    def note_zero(progress: Progress) -> None:
        if not zeros_s:
            zeros_s.append(progress.zero_s)

    with tempfile.TemporaryDirectory() as tree:
        board = open_board("agx-orin", name="emulated", tree=Path(tree), seed=seed)
        record = run_trial(plan, board, attempt=1, progress=note_zero, cancelled=lambda: False)
    return record, board, zeros_s[0]


def _outcome(state: State, plan: Plan) -> Outcome:
    record, board, zero_s = _run(plan, seed=plan.seed)
    found = quality.findings(record)
    if quality.is_invalid(found):
        codes = [finding.code for finding in found if finding.severity == "invalid"]
        return Outcome([], record.board_s, codes)
    requests, count = record.requests, len(record.requests.end_s)

    def true_w(window: Window) -> float:
        start_s, end_s = zero_s + window.start_s, zero_s + window.end_s
        return board.model.true_energy_j(start_s, end_s).total_j / window.length_s

    inference_s = energy.union_length_s(requests.inference_start_s, requests.end_s)
    busy = energy.busy(record)
    results = [_result(state, BUSY, busy, true_w(busy.window) * inference_s / count)]
    if plan.arrivals.kind != "back_to_back":
        at_rate = energy.at_rate(record)
        true_j = true_w(at_rate.window) * at_rate.window.length_s / count
        results.append(_result(state, AT_RATE, at_rate, true_j))
    return Outcome(results, record.board_s, [])


def _result(state: State, definition: str, found: energy.PerRequest, true_j: float) -> Result:
    return Result(state.number, definition, found.energy_j, found.half_width_j, true_j)


def summary(results: Sequence[Result]) -> dict[str, object]:
    """Errors in percent of the truth, coverage as a share; `results` of one definition."""
    errors = [100 * (result.measured_j / result.true_j - 1) for result in results]
    sizes = sorted(abs(error) for error in errors)
    widths = [100 * r.half_width_j / r.measured_j for r in results if r.half_width_j is not None]
    return {
        "runs": len(results),
        "median_error_percent": statistics.median(sizes),
        "p95_error_percent": sizes[max(0, -(-95 * len(sizes) // 100) - 1)],
        "mean_error_percent": statistics.fmean(errors),
        "median_half_width_percent": statistics.median(widths),
        "without_interval": len(results) - len(widths),
        "coverage_of_board_mean": _coverage(results, _means_of_the_others(results)),
        "coverage_of_this_run": _coverage(results, [result.true_j for result in results]),
    }


def _means_of_the_others(results: Sequence[Result]) -> list[float | None]:
    """For each run, the mean truth of its state's other runs; None if it is alone."""
    truths_j: dict[int, list[float]] = defaultdict(list)
    for result in results:
        truths_j[result.state].append(result.true_j)
    of_states = [(result, truths_j[result.state]) for result in results]
    return [
        (sum(all_j) - result.true_j) / (len(all_j) - 1) if len(all_j) > 1 else None
        for result, all_j in of_states
    ]


def _coverage(results: Sequence[Result], truths_j: Iterable[float | None]) -> float:
    covered = [
        abs(result.measured_j - truth_j) <= result.half_width_j
        for result, truth_j in zip(results, truths_j, strict=True)
        if result.half_width_j is not None and truth_j is not None
    ]
    return sum(covered) / len(covered)


def benchmark(runs: int, jobs: int) -> dict[str, object]:
    began_s = time.monotonic()
    drawn = states(max(1, round(runs / REPEATS)))
    with multiprocessing.Pool(jobs) as pool:
        outcomes = [
            one for many in pool.imap_unordered(measure, drawn, chunksize=1) for one in many
        ]
    results = [result for outcome in outcomes for result in outcome.results]
    definitions = {
        name: summary(chosen)
        for name in (BUSY, AT_RATE)
        if (chosen := [result for result in results if result.definition == name])
    }
    return {
        "board": "emulated agx-orin",
        "states": len(drawn),
        "runs": len(outcomes),
        "invalid": dict(Counter(code for outcome in outcomes for code in outcome.invalid)),
        "board_s": sum(outcome.board_s for outcome in outcomes),
        "wall_s": time.monotonic() - began_s,
        "definitions": definitions,
    }


def told(found: dict[str, object]) -> str:
    """The benchmark's outcome as text, one line for each definition."""
    head = (
        "{board}: {runs} runs of {states} states, {board_s:.0f} board seconds "
        "in {wall_s:.0f} s; invalid: {invalid}"
    ).format(**found)
    line = (
        "{name:8} {runs:5} runs  |error| median {median_error_percent:.2f} %, "
        "95 % below {p95_error_percent:.2f} %, mean error {mean_error_percent:+.2f} %  "
        "interval ± {median_half_width_percent:.2f} % (median), covers the board's mean in "
        "{coverage_of_board_mean:.1%}, this run's own energy in {coverage_of_this_run:.1%}"
    )
    definitions: dict[str, dict[str, object]] = found["definitions"]  # type: ignore[assignment]
    return "\n".join([head, *(line.format(name=name, **of) for name, of in definitions.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description="Energy per request against the emulator's truth")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = benchmark(asked.runs, asked.jobs)
    print(json.dumps(found, indent=2) if asked.json else told(found))


if __name__ == "__main__":
    main()
