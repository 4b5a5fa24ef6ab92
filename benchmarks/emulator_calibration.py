"""How far the emulated AGX Orin is from measurements: prints one section per comparison.

    python benchmarks/emulator_calibration.py

Data: benchmarks/data (Orin Nano Super), and the published AGX Orin figures below.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from orin_nano import BUS_BYTES, CPU_HZ, NANO
from scipy.optimize import least_squares
from tx2 import NX_IDLE, QUIET, VGG19, VGG19_BYTES, VGG19_MEMORY

from measurements.board.hardware.emulator import physics
from measurements.board.hardware.emulator.boards import AGX_ORIN, TX2, XAVIER_NX
from measurements.board.hardware.emulator.boards.data import BoardData
from measurements.board.hardware.emulator.events import SetKnob, StartGpu
from measurements.board.hardware.emulator.model import Model

DATA = Path(__file__).parent / "data"
EMC_MHZ = {"204": 204.0, "665": 665.6, "2133": 2133.0, "3199": 3199.0}

DEEPLAB = {
    "15 W": (408e6, 2, 179.1, 3.03),
    "30 W": (612e6, 3, 120.5, 2.76),
    "50 W": (816e6, 3, 95.1, 2.69),
    "MAXN": (1300.5e6, 3, 71.0, 3.08),
}
"""deeplabv3-r101 on AGX Orin 64GB: GPU Hz, memory clock index, ms and J per inference."""

IDLE_LINES = {
    "GPU gated, memory 204 (32GB, R35)": (False, 0, (2.390, 0.796, 3.522)),
    "GPU gated, memory 2133 (64GB, JP5.1)": (False, 2, (2.399, 0.400, 4.032)),
    "GPU awake at 114.75, memory 204 (32GB, JP5)": (True, 0, (4.788, 0.798, 3.842)),
}
"""Captured tegrastats lines of idle AGX Orin devkits: VDD_GPU_SOC, VDD_CPU_CV, VIN_SYS_5V0."""


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def roofline(cycles: Sequence[float], gpu: np.ndarray, emc: np.ndarray) -> np.ndarray:
    """ms, from kilocycles of both clocks, ms of overhead, and clocks in MHz."""
    limits = [
        physics.smooth_max(cycles[0] / g, cycles[1] / e, AGX_ORIN.engine.corner)
        for g, e in zip(gpu, emc, strict=True)
    ]
    return np.array(limits) + (cycles[2] if len(cycles) > 2 else 0.0)


def latency() -> None:
    print("1. Latency over (GPU, memory) clock, Orin Nano Super: the emulator's roofline,")
    print(f"   three constants per workload, corner {AGX_ORIN.engine.corner} for all; errors in %")
    table = rows("orin_nano_latency.csv")
    for workload in sorted({row["workload"] for row in table}):
        cells = [row for row in table if row["workload"] == workload]
        gpu = np.array([float(row["gpu_mhz"]) for row in cells])
        emc = np.array([EMC_MHZ[row["emc_mhz"]] for row in cells])
        ms = np.array([float(row["compute_p50_ms"]) for row in cells])
        fit = least_squares(lambda x: np.log(roofline(np.exp(x), gpu, emc) / ms), [8, 9, -1])  # noqa: B023
        error = 100 * (roofline(np.exp(fit.x), gpu, emc) / ms - 1)
        worst = int(np.argmax(np.abs(error)))
        a, b, c = np.exp(fit.x)
        where = f"{gpu[worst]:.0f}/{emc[worst]:.0f}"
        print(
            f"   {workload:9} {a:6.0f} k GPU cycles {b:6.0f} k memory cycles {c:5.2f} ms: "
            f"rms {rms(error):4.1f}  worst {error[worst]:+5.1f} at {where}"
        )
    spread = [float(row["compute_p99_ms"]) / float(row["compute_p50_ms"]) for row in table]
    print(
        f"   jitter: median p99/p50 {np.median(spread):.4f}; "
        f"emulator {np.exp(2.326 * AGX_ORIN.engine.jitter):.4f}"
    )


def memory_power() -> None:
    print("2. Memory's power, Orin Nano Super, by regression over runs; W and pJ/byte")
    table = [
        row
        for row in rows("orin_nano_power_runs.csv")
        if float(row["gpu_MHz_med"]) > 1000 and "p3" not in row["file"]
    ]
    for i, (name, mhz) in enumerate(EMC_MHZ.items()):
        runs = [row for row in table if row["emc_MHz"] == name]
        gbytes = np.array([float(r["emc_util_mean"]) / 1e5 * mhz * BUS_BYTES for r in runs])
        columns = np.stack([np.ones_like(gbytes), gbytes], axis=1)
        soc = np.array([float(row["SOC_mean"]) / 1e3 for row in runs])
        rest = (
            np.array([(float(r["VDD_IN_mean"]) - float(r["CGC_mean"])) / 1e3 for r in runs]) - soc
        )
        (soc_w, soc_j), (rest_w, rest_j) = (
            np.linalg.lstsq(columns, power, rcond=None)[0] for power in (soc, rest)
        )
        memory = AGX_ORIN.memory
        print(
            f"   {name:>4} MHz ({len(runs):2} runs): SOC {soc_w:.2f} W + {soc_j * 1e3:3.0f} "
            f"(AGX model {memory.soc_w[i]:.2f} W + {memory.soc_j_per_byte[i] * 1e12:.0f}); "
            f"rest of input {rest_w:.2f} W + {rest_j * 1e3:3.0f} "
            f"(AGX model {memory.input_w[i]:.2f} W + {memory.input_j_per_byte[i] * 1e12:.0f})"
        )


def deeplab() -> None:
    print("3. deeplabv3-r101 on AGX Orin 64GB: latency with two fitted constants, and power")
    hz = np.array([mode[0] for mode in DEEPLAB.values()]) / 1e6
    emc = np.array([AGX_ORIN.emc_hz[mode[1]] for mode in DEEPLAB.values()]) / 1e6
    ms = np.array([mode[2] for mode in DEEPLAB.values()])
    fit = least_squares(lambda x: np.log(roofline(np.exp(x), hz, emc) / ms), [11, 11])
    for (name, (gpu_hz, i, took_ms, joules)), modelled_ms in zip(
        DEEPLAB.items(), roofline(np.exp(fit.x), hz, emc), strict=True
    ):
        measured_w, modelled_w = joules / took_ms * 1e3, _deeplab_w(gpu_hz, i, *np.exp(fit.x))
        print(
            f"   {name:>5}: {took_ms:6.1f} ms, model {modelled_ms / took_ms - 1:+6.1%}; "
            f"{measured_w:5.1f} W, model {modelled_w / measured_w - 1:+6.1%}"
        )


def _deeplab_w(gpu_hz: float, emc: int, gpu_kcycles: float, emc_kcycles: float) -> float:
    engine = AGX_ORIN.engine
    seconds = (
        roofline(
            [gpu_kcycles, emc_kcycles],
            np.array([gpu_hz / 1e6]),
            np.array([AGX_ORIN.emc_hz[emc] / 1e6]),
        )[0]
        / 1e3
    )
    moved = emc_kcycles * 1e3 * engine.bytes_per_emc_cycle * engine.dram_share
    activity = physics.Activity(True, gpu_kcycles * 1e3 / gpu_hz / seconds, moved / seconds, 0.1)
    return total_w(activity, gpu_hz=gpu_hz, emc=emc)


def total_w(activity: physics.Activity, *, gpu_hz: float, emc: int) -> float:
    parts = physics.parts_w(
        AGX_ORIN, activity, gpu_hz=gpu_hz, emc=emc, cpu_hz=[729.6e6] * 3, temp_c=50.0
    )
    return parts.gpu + parts.cpu + parts.soc + parts.input


def idle() -> None:
    print("4. Idle AGX Orin devkits, captured lines against the model; W (published idle 6.3-6.8)")
    for name, (awake, emc, measured) in IDLE_LINES.items():
        parts = physics.parts_w(
            AGX_ORIN,
            physics.Activity(awake, None, 0.0, 0.0),
            gpu_hz=AGX_ORIN.gpu_hz[0],
            emc=emc,
            cpu_hz=[729.6e6] * 3,
            temp_c=42.0,
        )
        modelled = (parts.gpu + parts.soc, parts.cpu, parts.input)
        pairs = "  ".join(f"{m:.2f}/{x:.2f}" for m, x in zip(measured, modelled, strict=True))
        print(f"   {name}: {pairs}; total {sum(measured):.2f}/{sum(modelled):.2f}")


def ripple() -> None:
    print("5. Ripple, Orin Nano Super: p5 to p95 of VDD_IN, and unchanged triples of readings")
    table = {row["file"].removeprefix("results/"): row for row in rows("orin_nano_power_runs.csv")}
    steady = [r for f, r in table.items() if "partB" in f or "p3_baseline" in f or "p3hi" in f]
    spans = [float(row["VDD_IN_p95"]) - float(row["VDD_IN_p5"]) for row in steady]
    quiet = [table[f"{run}/idle.tegra"] for run in ("e1_governor", "replication_15w")]
    idle_spans = [float(row["VDD_IN_p95"]) - float(row["VDD_IN_p5"]) for row in quiet]
    for name, busy, measured, unchanged in (
        ("idle", False, idle_spans, "63 %"),
        ("load", True, spans, "35-50 %"),
    ):
        runs = [_swings(busy=busy, seed=seed) for seed in range(8)]
        span, same = np.mean(runs, axis=0)
        print(
            f"   {name}: span {np.median(measured):.0f} mW (runs {min(measured):.0f} to "
            f"{max(measured):.0f}), model {span:.0f}; unchanged {unchanged}, model {same:.0%}"
        )


def _swings(*, busy: bool, seed: int) -> tuple[float, float]:
    """Span in mW, and the share of unchanged triples, in 300 samples 0.11 s apart."""
    model = pinned(NANO, seed=seed, gpu_hz=NANO.gpu_hz[-1], emc_hz=NANO.emc_hz[2])
    if busy:
        cycles = 60.0 * NANO.gpu_hz[-1]
        model.apply(StartGpu(physics.Work(cycles, cycles * (1 + seed / 40), 1e6, 1.5e12)))
    model.advance(5.0)
    lines = []
    for _ in range(300):
        model.advance(model.now_s + 0.11)
        lines.append([model.milliwatts(rail) for rail in range(3)])
    table = np.array(lines)
    low, high = np.percentile(table[:, 0], [5, 95])
    return high - low, float(np.mean(np.all(table[1:] == table[:-1], axis=1)))


def pinned(board: BoardData, *, seed: int, gpu_hz: int, emc_hz: int) -> Model:
    model = Model(board, seed=seed)
    for knob, value in (
        ("railgate", 0),
        ("gpu_max", gpu_hz),
        ("gpu_min", gpu_hz),
        ("emc_rate", emc_hz),
        ("emc_locked", 1),
    ):
        model.apply(SetKnob(knob, value))
    return model


def governor() -> None:
    print("6. Governors: MobileNetV2 at 100 Hz on Orin Nano Super, memory 2133, idle CPU 729.6 MHz")
    print("   measured: GPU at 510 MHz 98.7 % of the time, latency +62 % against back-to-back;")
    print("   pinning the GPU takes away 69 % of that, the CPU 4 %, both 100 %")
    fastest_s = _at_100_hz({"gpu_min": NANO.gpu_hz[-1], "cpu_min": CPU_HZ})[0]
    slow_s, hz, share = _at_100_hz({})
    print(
        f"   model: GPU at {hz / 1e6:.0f} MHz {share:.1%} of the time, "
        f"latency {slow_s / fastest_s - 1:+.0%} against both pinned"
    )
    recovered = [
        (slow_s - _at_100_hz(knobs)[0]) / (slow_s - fastest_s)
        for knobs in ({"gpu_min": NANO.gpu_hz[-1]}, {"cpu_min": CPU_HZ})
    ]
    print(f"   model: pinning the GPU takes away {recovered[0]:.0%}, the CPU {recovered[1]:.0%}")


def _at_100_hz(knobs: dict[str, int]) -> tuple[float, int, float]:
    """Median latency in s, the commonest GPU clock, and its share of the requests."""
    share = 3.88 / 4.75  # that measurement's 3.88 ms back-to-back, of the grid's 4.75 ms
    work = physics.Work(3.24e6 * share, 5.0e6 * share, 1.5e6 * share, 0.1e9)
    model = pinned(NANO, seed=1, gpu_hz=NANO.gpu_hz[-1], emc_hz=NANO.emc_hz[2])
    model.apply(SetKnob("cpu_max", CPU_HZ))
    for knob, value in ({"gpu_min": NANO.gpu_hz[0]} | knobs).items():
        model.apply(SetKnob(knob, value))
    clocks: Counter[int] = Counter()
    taken_s = _served_s(model, work, requests=1000, period_s=0.01, clocks=clocks)
    hz, count = clocks.most_common(1)[0]
    return float(np.median(taken_s[100:])), hz, count / clocks.total()


def _served_s(
    model: Model,
    work: physics.Work,
    *,
    requests: int,
    period_s: float,
    clocks: Counter[int],
) -> list[float]:
    """Latency of each request; those that come at a rate find the GPU idle or wait."""
    due_s, taken = model.now_s, []
    for _ in range(requests):
        due_s = max(due_s + period_s, model.now_s)
        model.advance(due_s)
        job = model.apply(StartGpu(work))
        while job.end_s is None:
            model.advance(min(job.due_s, model.horizon_s))
        taken.append(job.end_s - due_s)
        clocks[model.gpu.hz] += 1
    return taken


def tx2() -> None:
    print("7. TX2, VGG19 batch 2: latency with two fitted constants, then each rail; errors in %")
    gpu, emc, ms = _tx2_points()
    fit = least_squares(lambda x: np.log(roofline(np.exp(x), gpu, emc) / ms), [11, 11])
    cycles = np.exp(fit.x) * 1e3
    print(f"   latency: rms {rms(100 * fit.fun):.1f}, worst {100 * max(fit.fun, key=abs):+.1f}")
    joules = []
    for mhz, *measured_mw, took_ms in VGG19:
        rails_w = _vgg19_w(cycles, mhz, 1866)
        modelled = [rails_w[name] for name in TX2_ORDER]
        joules.append((mhz, measured_mw[-1] * took_ms / 1e3, modelled[-1] * took_ms))
        errors = " ".join(
            f"{1e5 * w / mw - 100:+6.1f}" for w, mw in zip(modelled, measured_mw, strict=True)
        )
        print(f"   GPU {mhz:7.2f} MHz: {' '.join(TX2_SHORT)} {errors}")
    for emc_mhz, input_mw, _ in VGG19_MEMORY:
        error = 1e5 * _vgg19_w(cycles, 1300.5, emc_mhz)["VDD_IN"] / input_mw - 100
        print(f"   memory {emc_mhz} MHz, GPU 1300.5: input {error:+.1f}")
    best = [min(joules, key=lambda row: row[column])[0] for column in (1, 2)]
    print(f"   least energy: measured at {best[0]} MHz, model at {best[1]} MHz")
    for where, column in (("measured", 1), ("model", 2)):
        least = min(row[column] for row in joules)
        ends = [joules[end][column] / least for end in (0, -1)]
        print(f"   bowl, {where}: x {ends[0]:.2f} at the lowest clock, x {ends[1]:.2f} at the top")


TX2_ORDER = ("VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_SYS_CPU", "VDD_SYS_DDR", "VDD_IN")
TX2_SHORT = ("GPU", "SOC", "CPU", "DDR", "input")


def _tx2_points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """GPU MHz, memory MHz, ms of every point with a latency, shape (16,) each."""
    rows_ = [(row[0], 1866.0, row[-1]) for row in VGG19]
    rows_ += [(1300.5, row[0], row[-1]) for row in VGG19_MEMORY]
    gpu, emc, ms = np.array(rows_).T
    return gpu, emc, ms


def _vgg19_w(cycles: np.ndarray, gpu_mhz: float, emc_mhz: float) -> dict[str, float]:
    """Watts of each rail while VGG19 runs, with one core launching."""
    hz, emc_hz = gpu_mhz * 1e6, emc_mhz * 1e6
    seconds = physics.smooth_max(cycles[0] / hz, cycles[1] / emc_hz, TX2.engine.corner)
    activity = physics.Activity(True, cycles[0] / hz / seconds, VGG19_BYTES / seconds, 1.0)
    return rails_w(
        TX2, activity, gpu_hz=hz, emc=TX2.emc_hz.index(round(emc_hz)), cpu_hz=[2035.2e6] * 2
    )


def rails_w(
    board: BoardData,
    activity: physics.Activity,
    *,
    gpu_hz: float,
    emc: int,
    cpu_hz: Sequence[float],
) -> dict[str, float]:
    parts = physics.parts_w(board, activity, gpu_hz=gpu_hz, emc=emc, cpu_hz=cpu_hz, temp_c=45.0)
    watts = parts._asdict()
    return {r.name: r.gain * sum(watts[part] for part in r.parts) for r in board.rails}


def quiet() -> None:
    print("8. Quiet boards, captured against the model; mW")
    asleep = physics.Activity(False, None, 0.0, 0.0)
    for name, board, emc_hz, measured in (
        ("TX2, memory 1062", TX2, 1_062_400_000, QUIET),
        ("Xavier NX, memory 1600", XAVIER_NX, 1_600_000_000, NX_IDLE),
    ):
        emc, cpu_hz = board.emc_hz.index(emc_hz), [board.cpu_idle_hz] * len(board.policies)
        modelled = rails_w(board, asleep, gpu_hz=board.gpu_hz[0], emc=emc, cpu_hz=cpu_hz)
        pairs = ", ".join(f"{r} {mw}/{1000 * modelled[r]:.0f}" for r, mw in measured.items())
        print(f"   {name}: {pairs}")


def main() -> None:
    for section in (latency, memory_power, deeplab, idle, ripple, governor, tx2, quiet):
        section()


if __name__ == "__main__":
    main()
