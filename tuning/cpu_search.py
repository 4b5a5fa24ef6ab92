"""How a sweep's CPU phase moves: measure, choose a clock, and let the search begin.

Like the search it starts from the rows alone at every step, so each step is safe to repeat.
"""

from __future__ import annotations

from typing import Any

from measurements.models import Device, Run
from tuning import cpu_phase, measuring
from tuning.cpu_phase import Item, Reading, Terms
from tuning.stream_energy import saving

from .models import CpuPhase, CpuTrial, CpuTrialRun, Sweep
from .wording import clock_mhz

FAILURES_IN_A_ROW = 3
"""So many steps given up one after another: the board needs a person."""
FIRST_SEED = 500_009
"""Apart from the seeds of trials, whose numbers begin at 1."""
CODE = "no-preprocessing"
"""The verdict of a board whose load prepares nothing."""


def advance(sweep: Sweep) -> bool:
    """Plan what the open phase of a running sweep measures next; True once there is none."""
    phase = sweep.phase
    if phase is None or not phase.is_open:
        return True
    devices = {device.pk: device for device in sweep.devices}
    under_way = {trial: devices.get(trial.device_id) for trial in phase.trials.asked()}
    for trial, device in under_way.items():
        if trial.wants_another_run():
            _measure(sweep, trial, device or sweep.device)
    busy = list(under_way.values())
    for device in measuring.free(sweep, busy=busy):
        item = _next(sweep, phase)
        if item is None:
            break
        _measure(sweep, _trial(phase, item), device)
    if phase.trials.asked().exists():
        return False
    _conclude(sweep, phase)
    return not phase.is_open


def asked(phase: CpuPhase) -> dict[Item, Reading | None]:
    """Everything asked so far, with what is known of preprocessing."""
    items: dict[Item, Reading | None] = {
        Item(work, hz): None
        for work, hz in phase.trials.exclude(state=CpuTrial.State.CANCELLED).values_list(
            "work", "cpu_hz"
        )
    }
    for run in preprocessed(phase):
        if run["run__mean_power_w"] is None or run["run__idle_power_w"] is None:
            continue
        items[Item("preprocessing", run["cpu_hz"])] = Reading(
            time_s=run["run__latency_mean_ms"] / 1e3,
            power_w=run["run__mean_power_w"],
            idle_w=run["run__idle_power_w"],
        )
    return items


def preprocessed(phase: CpuPhase) -> list[dict[str, Any]]:
    """Done runs of preprocessing alone: clock, time, powers, energies."""
    columns = (
        "id", "latency_mean_ms", "mean_power_w", "idle_power_w", "idle_half_width_w",
        "busy_energy_j", "busy_half_width_j", "rails", "rail_busy_energy_j", "manifest",
    )  # fmt: skip
    trials = phase.trials.filter(
        work=Run.Work.PREPROCESSING, state=CpuTrial.State.OBSERVED,
        trial_runs__run__state=Run.State.DONE,
    ).order_by("number")  # fmt: skip
    found = trials.values("cpu_hz", *(f"trial_runs__run__{name}" for name in columns))
    return [{name.removeprefix("trial_runs__"): value for name, value in row.items()}
            for row in found]  # fmt: skip


def terms(sweep: Sweep, phase: CpuPhase) -> Terms:
    """The pace of inference (or of arrivals), and how long preparing a request may take."""
    limit_s = cpu_phase.preparing_limit_s(sweep.slo_ms, min(batch_sizes(sweep)))
    whole = whole_runs(phase)
    found, top_hz = whole.get(None), max(phase.clocks_hz)
    inference_s = {
        hz or top_hz: run.inference_s / run.requests_served
        for hz, run in whole.items()
        if run.inference_s and run.requests_served
    }
    pace_s = 1 / sweep.rate_hz if sweep.rate_hz else inference_s.get(top_hz, 0.0)
    power_w = (found and found.mean_power_w) or 0.0
    refuted = [hz for hz, run in whole.items() if hz is not None and _is_refuted(run, found)]
    return Terms(
        pace_s,
        limit_s,
        floor_hz=cpu_phase.REFUTED * max(refuted, default=0),
        slowing_j_hz=power_w * cpu_phase.slowing_s_hz(inference_s),
    )


def whole_runs(phase: CpuPhase) -> dict[int | None, Run]:
    """The done runs of whole requests by CPU clock, all else as found."""
    links = CpuTrialRun.objects.filter(
        trial__phase=phase, trial__work=Run.Work.REQUEST, run__state=Run.State.DONE
    )
    return {link.trial.cpu_hz: link.run for link in links.select_related("trial", "run")}


def _is_refuted(held: Run, found: Run | None) -> bool:
    """Whether whole requests took no less energy at a clock than with it as found."""
    saved = saving(held, found)
    return saved is not None and saved.share <= 0


def batch_sizes(sweep: Sweep) -> tuple[int, ...]:
    return next((axis.values for axis in sweep.space().axes if axis.name == "batch_size"), (1,))


def is_pointless(run: Run) -> bool:
    """Whether to repeat an invalid run would come to the same: what serves prepares nothing."""
    return run.verdicts.filter(code=CODE).exists()


def _next(sweep: Sweep, phase: CpuPhase) -> Item | None:
    if sweep.spent_board_s() or _has_failed(phase) or _prepares_nothing(phase):
        return None
    return cpu_phase.next_item(
        phase.clocks_hz,
        asked(phase),
        terms(sweep, phase),
        is_thinned=phase.is_thinned,
        is_busy=phase.trials.asked().exists(),
    )


def _trial(phase: CpuPhase, item: Item) -> CpuTrial:
    """The step for `item`; one that was cancelled, in a sweep that goes on after all, anew."""
    found = {"work": item.work, "cpu_hz": item.cpu_hz}
    if phase.trials.filter(**found, state=CpuTrial.State.CANCELLED).update(
        state=CpuTrial.State.ASKED
    ):
        return phase.trials.get(**found)
    return phase.trials.create(number=phase.trials.count() + 1, **found)


def _measure(sweep: Sweep, trial: CpuTrial, device: Device) -> None:
    repeat = trial.trial_runs.count()
    seed = measuring.seed_of(sweep.seed, FIRST_SEED + trial.number, repeat)
    clock = "as found" if trial.cpu_hz is None else f"at {clock_mhz(trial.cpu_hz)} MHz"
    if trial.work == Run.Work.PREPROCESSING:
        title = f"Preprocessing alone, CPU {clock}"
        alone = {"arrivals": Run.ArrivalsKind.BACK_TO_BACK, "rate_hz": None, "trace": None}
        load: dict[str, Any] = {"batch_size": 1, "slo_quantile": None, **alone}
    else:
        title, load = f"CPU {clock}, all else as found", {"batch_size": max(batch_sizes(sweep))}
    run = measuring.queue(
        sweep, device, seed=seed, title=title, work=trial.work, cpu_hz=trial.cpu_hz, **load
    )
    trial.trial_runs.create(run=run)


def _conclude(sweep: Sweep, phase: CpuPhase) -> None:
    """Choose, unless the board cannot be measured or its time is used up: then say so."""
    if because := sweep.spent_board_s():
        sweep.finish(because)
    elif _prepares_nothing(phase):
        phase.skip("What serves on this board prepares nothing: no CPU clock drives it.")
    elif _has_failed(phase):
        sweep.fail("The CPU phase could not be measured; see its runs on the tab “CPU phase”.")
    else:
        _choose(sweep, phase)


def _prepares_nothing(phase: CpuPhase) -> bool:
    return phase.trials.filter(trial_runs__run__verdicts__code=CODE).exists()


def _has_failed(phase: CpuPhase) -> bool:
    return phase.trials.given_up_in_a_row() >= FAILURES_IN_A_ROW


def _choose(sweep: Sweep, phase: CpuPhase) -> None:
    given = terms(sweep, phase)
    chosen = cpu_phase.choose(phase.clocks_hz, cpu_phase.readings_of(asked(phase)), given)
    if chosen.cpu_hz is not None and whole_runs(phase).keys() >= {None, chosen.cpu_hz}:
        phase.choose(chosen.cpu_hz, _why(chosen))
    elif given.floor_hz:
        phase.leave("Whole requests took no less energy at any clock that preprocessing spoke for.")
    else:
        phase.leave("Too few clocks could be measured, with their power, to choose one.")


def _why(chosen: cpu_phase.Choice) -> str:
    if not chosen.keeps_limit:
        return "No clock prepares a request within its half of the latency limit: the fastest."
    return "Least energy per request at the pace of inference, within its half of the limit."
