"""How true is the energy per request? Emulated runs against what the emulator really drew.

    python benchmarks/energy_truth.py [--runs 1000] [--boards agx-orin,tx2] [--json] [--jobs 2]
                                      [--fine-sensor]

On each emulated board, states (network, clocks, batch size, arrivals) are drawn with a fixed
seed from all that is legal and serves 1,000 requests within 150 s of board time. Each is run
5 times, each time on a board with another seed, through the same trial, record and energy
code as a real board, at the default stopping rule. The plan is the same in all 5, its
arrivals included: a state stands at one place between the sensor's steps, so many states say
more than many runs of each. Two truths:

- *this run*: the exact energy of the emulator's power trace over the same window, by
  the same definition. The errors are against this one.
- *the board's mean there and then*: the run's exact energy, brought to the mean of the
  state's other runs over the same first requests, and freed of its own scatter. The 95 %
  interval claims to cover this one.

Beside each state stands one run of the fixed 1,000 requests, for its board seconds. The
bound that the sensor's steps set is 1 step/sqrt(12) of each rail, in quadrature, over the
power of each run. `--fine-sensor` gives the boards sensors with steps of 0.4 mA instead of
their own: the errors that are left are the method's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec
import numpy as np
from numpy.typing import NDArray

from measurements import energy, graphs, quality, zoo
from measurements.board.hardware.emulator import EmulatedBoard, open_board, physics
from measurements.board.hardware.emulator.boards import BOARDS, BoardData
from measurements.board.trial import Progress, run_trial
from measurements.messages import (
    Arrivals,
    Gate,
    NetworkFeatures,
    OperatingPoint,
    Plan,
    Record,
    Stopping,
)
from measurements.power import Window

REPEATS = 5
SEED = 20_261_123
LONGEST_FIXED_S = 150.0
FIXED_INTERVAL_MS = 200
FINE_STEP_A = 4e-4
AIM_PERCENT = 0.5
"""Median absolute error, where the sensor's steps do not set a larger bound."""
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
FIXED_REQUESTS = 1000
DEFAULT_STOPPING = Stopping(half_width_percent=1.0, quantile=0.95)
BUSY, AT_RATE = "busy", "at rate"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """What is repeated."""

    kind: str
    number: int
    network: NetworkFeatures
    point: OperatingPoint
    batch_size: int
    arrivals: Arrivals
    sample_interval_ms: int


@dataclass(frozen=True)
class Truth:
    """Exact energy per request of the first n requests of one run, for every n."""

    power_w: Floats
    """Mean true power from the window's start to each completion, shape (requests,)."""
    seconds_each: Floats

    def per_request_j(self, n: int) -> float:
        return float(self.power_w[n - 1] * self.seconds_each[n - 1])

    @property
    def requests(self) -> int:
        return len(self.power_w)


@dataclass(frozen=True)
class Result:
    """One definition's answer for one run, beside the truth of that run; joules per request."""

    state: int
    definition: str
    measured_j: float
    half_width_j: float | None
    spread: float | None
    steps_bound: float
    """1 step/sqrt(12) of each rail in quadrature, relative to the run's power."""
    truth: Truth

    @property
    def true_j(self) -> float:
        return self.truth.per_request_j(self.truth.requests)


@dataclass(frozen=True)
class Outcome:
    results: list[Result]
    board_s: float
    fixed_board_s: float
    requests: int
    stopped_because: str
    invalid: list[str]


def states(kind: str, count: int) -> list[State]:
    """`count` states drawn with a fixed seed from the board's legal clocks."""
    rng, networks = random.Random(SEED), [_features(name) for name in zoo.BUILTINS]
    drawn = (_draw(rng, BOARDS[kind], number, networks) for number in itertools.count())
    quick = (state for state in drawn if _fixed_s(state) <= LONGEST_FIXED_S)
    return list(itertools.islice(quick, count))


def _features(name: str) -> NetworkFeatures:
    found = graphs.features(zoo.build(name, with_data=False))
    return msgspec.convert({**_fields(found), "name": name, "sha256": None}, NetworkFeatures)


def _fields(found: object) -> dict[str, object]:
    return {name: getattr(found, name) for name in (
        "input_shape", "input_dtype", "flops_per_item", "flops_fixed", "bytes_per_item",
        "bytes_fixed")}  # fmt: skip


def _draw(
    rng: random.Random, board: BoardData, number: int, networks: Sequence[NetworkFeatures]
) -> State:
    low, high = sorted(rng.choices(board.gpu_hz, k=2))
    if rng.random() < 0.5:
        low = high  # pinned as often as governed
    state = State(
        kind=board.kind,
        number=number,
        network=rng.choice(networks),
        point=OperatingPoint(
            gpu_min_hz=low,
            gpu_max_hz=high,
            emc_hz=rng.choice(board.emc_hz),
            cpu_hz=rng.choice(board.cpu_hz),
        ),
        batch_size=rng.choice((1, 2, 4, 8, 16)),
        arrivals=Arrivals(),
        sample_interval_ms=rng.choice((50, 100)),
    )
    arrivals = rng.choice(("back_to_back", "back_to_back", "uniform", "poisson"))
    rate_hz = rng.uniform(0.2, 0.7) * _capacity_hz(state)
    if arrivals == "back_to_back":
        return state
    return replace(state, arrivals=Arrivals(kind=arrivals, rate_hz=rate_hz))


def _capacity_hz(state: State) -> float:
    """Requests a second that a state can serve in full batches, by the emulator's physics."""
    engine, point = BOARDS[state.kind].engine, state.point
    work = physics.work_of(state.network, state.batch_size, engine)
    cpu_hz = point.cpu_hz or 0
    infer_s = physics.batch_seconds(
        work, engine, gpu_hz=point.gpu_max_hz or 0, emc_hz=point.emc_hz or 0, cpu_hz=cpu_hz
    )
    prepare_s = state.batch_size * physics.preprocess_cycles(state.network, engine) / cpu_hz
    return state.batch_size / max(infer_s, prepare_s)


def _fixed_s(state: State) -> float:
    return FIXED_REQUESTS / (state.arrivals.rate_hz or _capacity_hz(state))


def measure(state: State) -> list[Outcome]:
    """All repetitions of one state, and one run of the fixed number for its board seconds."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as tree:
        timed = replace(state, sample_interval_ms=FIXED_INTERVAL_MS)
        fixed, _, _ = run(plan_of(timed, stopping=None), seed=0, kind=state.kind, tree=tree)
        plan = plan_of(state, stopping=DEFAULT_STOPPING)
        return [
            _outcome(state, plan, seed=1 + i, fixed_s=fixed.board_s, tree=tree)
            for i in range(REPEATS)
        ]


def plan_of(state: State, *, stopping: Stopping | None) -> Plan:
    return Plan(
        run_id=f"{state.number}",
        device="emulated",
        network=state.network,
        point=state.point,
        batch_size=state.batch_size,
        arrivals=state.arrivals,
        requests=FIXED_REQUESTS,
        warm_up_s=2.5,
        sample_interval_ms=state.sample_interval_ms,
        seed=state.number,
        stopping=stopping,
        gate=Gate(),
        longest_warm_up_s=20.0,
    )


def run(plan: Plan, *, seed: int, kind: str, tree: str) -> tuple[Record, EmulatedBoard, float]:
    """A trial on a board that was just switched on: its record, the board, and when sampling began.

    Args:
        tree: The board's files; a run leaves them as it found them.
    """
    zeros_s: list[float] = []

    def note_zero(progress: Progress) -> None:
        if not zeros_s:
            zeros_s.append(progress.zero_s)

    board = open_board(kind, name="emulated", tree=Path(tree), seed=seed)
    record = run_trial(plan, board, attempt=1, progress=note_zero, cancelled=lambda: False)
    return record, board, zeros_s[0]


def _outcome(state: State, plan: Plan, *, seed: int, fixed_s: float, tree: str) -> Outcome:
    record, board, zero_s = run(plan, seed=seed, kind=state.kind, tree=tree)
    found = quality.findings(record)
    invalid = [finding.code for finding in found if finding.severity == "invalid"]
    results = [] if invalid else _results(state, record, board, zero_s)
    served, because = len(record.requests.end_s), record.stopped_because
    return Outcome(results, record.board_s, fixed_s, served, because, invalid)


def _results(state: State, record: Record, board: EmulatedBoard, zero_s: float) -> list[Result]:
    requests, count = record.requests, np.arange(1, len(record.requests.end_s) + 1)
    ends = np.maximum.accumulate(requests.end_s)

    def true_w(window: Window) -> Floats:
        joules = [board.model.true_energy_j(zero_s + window.start_s, zero_s + end_s).total_j
                  for end_s in ends]  # fmt: skip
        return np.array(joules) / (ends - window.start_s)

    busy = energy.busy(record)
    inference_s = energy.busy_seconds(requests)(ends)
    results = [_result(state, BUSY, record, busy, Truth(true_w(busy.window), inference_s / count))]
    if record.plan.arrivals.kind != "back_to_back":
        rate = energy.at_rate(record)
        seconds_each = (ends - rate.window.start_s) / count
        truth = Truth(true_w(rate.window), seconds_each)
        results.append(_result(state, AT_RATE, record, rate, truth))
    return results


def _result(
    state: State, definition: str, record: Record, found: energy.PerRequest, truth: Truth
) -> Result:
    steps_w = [rail.step_w for rail in record.board.rails if rail.in_total]
    bound_w = math.hypot(
        *(math.nan if step_w is None else step_w for step_w in steps_w)
    ) / math.sqrt(12)
    return Result(
        state=state.number,
        definition=definition,
        measured_j=found.energy_j,
        half_width_j=found.half_width_j,
        spread=found.spread,
        steps_bound=bound_w / found.mean_power_w,
        truth=truth,
    )


def summary(results: Sequence[Result]) -> dict[str, object]:
    """Errors in percent of the truth, coverage as a share; `results` of one definition."""
    errors = [100 * (result.measured_j / result.true_j - 1) for result in results]
    sizes = sorted(abs(error) for error in errors)
    steps_bound = 100 * statistics.median(r.steps_bound for r in results)
    widths = [100 * r.half_width_j / r.measured_j for r in results if r.half_width_j is not None]
    return {
        "runs": len(results),
        "median_error_percent": statistics.median(sizes),
        "aim_percent": max(AIM_PERCENT, steps_bound),
        "p95_error_percent": sizes[max(0, -(-95 * len(sizes) // 100) - 1)],
        "mean_error_percent": statistics.fmean(errors),
        "steps_bound_percent": steps_bound,
        "median_half_width_percent": statistics.median(widths) if widths else math.nan,
        "without_interval": len(results) - len(widths),
        "coverage_of_board_mean": _coverage(results, _board_means(results)),
        "coverage_of_this_run": _coverage(results, [result.true_j for result in results]),
    }


def _board_means(results: Sequence[Result]) -> list[float | None]:
    """For each run, the board's mean for its first n requests, from its state's other runs.

    Another run is compared over the first k requests that both served: the same arrivals, so
    that their chance is in neither. The mean of m others scatters itself, so a run lies
    sqrt(1 + 1/m) times as far from it as from the mean of ever more others; it is moved
    towards the run by just that factor. None where there is no other run.
    """
    of_state: dict[int, list[Truth]] = defaultdict(list)
    for result in results:
        of_state[result.state].append(result.truth)
    return [_board_mean(result.truth, of_state[result.state]) for result in results]


def _board_mean(own: Truth, all_truths: Sequence[Truth]) -> float | None:
    ratios = [_ratio(one, own) for one in all_truths if one is not own]
    if not ratios:
        return None
    apart = (statistics.fmean(ratios) - 1) / math.sqrt(1 + 1 / len(ratios))
    return own.per_request_j(own.requests) * (1 + apart)


def _ratio(one: Truth, other: Truth) -> float:
    """Of their energies over the requests that both served."""
    k = min(one.requests, other.requests)
    return one.per_request_j(k) / other.per_request_j(k)


def _coverage(results: Sequence[Result], truths_j: Iterable[float | None]) -> float:
    covered = [
        abs(result.measured_j - truth_j) <= result.half_width_j
        for result, truth_j in zip(results, truths_j, strict=True)
        if result.half_width_j is not None and truth_j is not None
    ]
    return sum(covered) / len(covered) if covered else math.nan


def benchmark(kind: str, runs: int, jobs: int) -> dict[str, object]:
    """All runs on one board; what is known so far is told on the way, every 20 states."""
    began_s, outcomes = time.monotonic(), list[Outcome]()
    drawn = states(kind, max(1, round(runs / REPEATS)))
    with multiprocessing.Pool(jobs) as pool:
        for done, many in enumerate(pool.imap_unordered(measure, drawn, chunksize=1), start=1):
            outcomes += many
            if done % 20 == 0:
                print(told(_found(kind, done, outcomes, began_s)), file=sys.stderr, flush=True)
    return _found(kind, len(drawn), outcomes, began_s)


def _found(
    kind: str, states: int, outcomes: Sequence[Outcome], began_s: float
) -> dict[str, object]:
    results = [result for outcome in outcomes for result in outcome.results]
    definitions = {
        name: summary(chosen)
        for name in (BUSY, AT_RATE)
        if (chosen := [result for result in results if result.definition == name])
    }
    return {
        "board": f"emulated {kind}",
        "states": states,
        "runs": len(outcomes),
        "invalid": dict(Counter(code for outcome in outcomes for code in outcome.invalid)),
        "stopped": dict(Counter(outcome.stopped_because for outcome in outcomes)),
        "median_requests": statistics.median(outcome.requests for outcome in outcomes),
        "board_s": sum(outcome.board_s for outcome in outcomes),
        "fixed_board_s": sum(outcome.fixed_board_s for outcome in outcomes),
        "wall_s": time.monotonic() - began_s,
        "definitions": definitions,
    }


def _with_fine_sensor(board: BoardData) -> str:
    """The kind of a board like `board`, but with a sensor of fine steps."""
    rails = [
        replace(rail, bus=rail.bus and replace(rail.bus, step_a=FINE_STEP_A))
        for rail in board.rails
    ]
    kind = f"{board.kind}-fine"
    BOARDS[kind] = replace(board, kind=kind, rails=tuple(rails))
    return kind


def told(found: dict[str, object]) -> str:
    """The benchmark's outcome as text, one line for each definition."""
    head = (
        "{board}: {runs} runs of {states} states in {wall_s:.0f} s; invalid: {invalid}\n"
        "  ended: {stopped}; requests {median_requests:.0f} (median); "
        "board seconds {board_s:.0f}, with the fixed 1,000 requests {fixed_board_s:.0f}"
    ).format(**found)
    line = (
        "  {name:8} {runs:5} runs  |error| median {median_error_percent:.2f} %, "
        "95 % below {p95_error_percent:.2f} %, mean {mean_error_percent:+.2f} %; "
        "steps' bound {steps_bound_percent:.2f} %\n"
        "           interval ± {median_half_width_percent:.2f} % (median), covers the board's "
        "mean in {coverage_of_board_mean:.1%}, this run's own energy in "
        "{coverage_of_this_run:.1%}; {without_interval} without"
    )
    definitions: dict[str, dict[str, object]] = found["definitions"]  # type: ignore[assignment]
    return "\n".join([head, *(line.format(name=name, **of) for name, of in definitions.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description="Energy per request against the emulator's truth")
    parser.add_argument("--runs", type=int, default=1000, help="per board")
    parser.add_argument("--boards", default=",".join(sorted(BOARDS)))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--fine-sensor", action="store_true", help="steps of 0.4 mA on all rails")
    asked = parser.parse_args()
    for kind in asked.boards.split(","):
        if asked.fine_sensor:
            kind = _with_fine_sensor(BOARDS[kind])
        found = benchmark(kind, asked.runs, asked.jobs)
        print(json.dumps(found, indent=2) if asked.json else told(found), flush=True)


if __name__ == "__main__":
    main()
