"""Records for tests, from plain functions: a board at constant power, checkable in the head."""

from __future__ import annotations

from typing import Any

from measurements.messages import (
    Arrivals,
    BoardInfo,
    NetworkFeatures,
    OperatingPoint,
    Phase,
    Plan,
    Rail,
    Record,
    Requests,
    Samples,
)
from measurements.models import Run

RAILS = [
    Rail(name="VDD_IN", part="input", in_total=True, step_w=0.04),
    Rail(name="VDD_CPU_GPU_CV", part="gpu", in_total=False, step_w=0.04),
]


def make_board(**fields: Any) -> BoardInfo:
    values: dict[str, Any] = {
        "name": "orin", "kind": "orin-nano", "model": "Orin Nano", "l4t": None, "jetpack": None,
        "provenance": "emulated", "provenance_note": "made up for a test", "gpu_hz": [],
        "emc_hz": [], "cpu_hz": [], "default": OperatingPoint(), "rails": RAILS,
        "sensor_lag_s": 0.0, "software": {"polyweb": "0.1.0"},
    }  # fmt: skip
    return BoardInfo(**{**values, **fields})


def make_plan(run: Run | None = None, **fields: Any) -> Plan:
    if run is not None:
        return run.plan()
    features = NetworkFeatures(
        name="net", sha256=None, input_shape=[None, 3], input_dtype="float32",
        flops_per_item=1e9, flops_fixed=0, bytes_per_item=1e6, bytes_fixed=1e6,
    )  # fmt: skip
    values: dict[str, Any] = {
        "run_id": "0" * 32, "device": "orin", "network": features, "point": OperatingPoint(),
        "batch_size": 1, "arrivals": Arrivals(), "requests": 100, "warm_up_s": 1.0,
        "sample_interval_ms": 50, "seed": 0,
    }  # fmt: skip
    return Plan(**{**values, **fields})


def make_samples(*, seconds: int = 20, rails_w: tuple[float, ...] = (10.0, 6.0)) -> Samples:
    """Ten samples a second of constant powers."""
    n = 10 * seconds + 1
    return Samples(
        t_us=[100_000 * i for i in range(n)],
        rails_w=[[power] * n for power in rails_w],
        gpu_mhz=[1300] * n,
        emc_mhz=[3199] * n,
        cpu_mhz=[2201] * n,
        temp_c=[45.0] * n,
        gpu_busy_percent=[99.0] * n,
    )


def make_requests(*, n: int = 100, start_s: float = 5.0, each_s: float = 0.1) -> Requests:
    """One after another: a fifth of each is preprocessing, the rest inference."""
    starts = [start_s + each_s * i for i in range(n)]
    return Requests(
        arrival_s=starts,
        start_s=list(starts),
        inference_start_s=[start + 0.2 * each_s for start in starts],
        end_s=[start + each_s for start in starts],
    )


def make_record(run: Run | None = None, **fields: Any) -> Record:
    """100 requests of 0.1 s from second 5 to 15, 80 ms of each in inference, at 10 W."""
    plan = fields.pop("plan", None) or make_plan(run)
    values: dict[str, Any] = {
        "run_id": plan.run_id,
        "attempt": 1,
        "plan": plan,
        "board": make_board(name=plan.device),
        "started_at": "2026-11-23T04:00:00+00:00",
        "board_s": 20.0,
        "before": OperatingPoint(),
        "held": plan.point,
        "restored": OperatingPoint(),
        "phases": [
            Phase(name="settle", start_s=0, end_s=2.5),
            Phase(name="warm_up", start_s=2.5, end_s=5),
            Phase(name="serve", start_s=5, end_s=15),
            Phase(name="tail", start_s=15, end_s=17.1),
        ],
        "samples": make_samples(),
        "requests": make_requests(),
        "faults": [],
        "unknown_tokens": {},
    }
    return Record(**{**values, **fields})
