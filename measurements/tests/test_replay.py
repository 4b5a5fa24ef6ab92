"""The replay board: its table, its power model, and runs on it."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurements import energy, quality
from measurements.board.catalogue import open_board
from measurements.board.hardware.protocol import Replays
from measurements.board.hardware.replay import (
    ReplayBoard,
    ReplayTable,
    TableRefused,
    decoded,
    encoded,
    import_table,
    orin_nano,
)
from measurements.board.hardware.replay.power import FEWEST_RUNS, fit, read_runs
from measurements.board.hardware.replay.rows import MOST_BYTES, MOST_ROWS
from measurements.board.hardware.replay.table import read_cells
from measurements.board.load.protocol import LoadFailed
from measurements.board.trial import run_trial
from measurements.messages import Arrivals, NetworkFeatures, OperatingPoint, Plan, Record

HEADER = "workload,gpu_mhz,emc_mhz,compute_p50_ms,compute_p99_ms\n"
TWO = HEADER + "vit,306,665,39.8,40.5\nvit,408,665,35.8,36.2\n"
MHZ = 1_000_000


def workload(name: str = "vit") -> NetworkFeatures:
    return NetworkFeatures(
        name=f"{name} (orin-nano)",
        sha256=None,
        input_shape=[],
        input_dtype="",
        flops_per_item=None,
        flops_fixed=None,
        bytes_per_item=None,
        bytes_fixed=None,
        workload=name,
    )


def make_plan(**fields: object) -> Plan:
    values: dict[str, object] = {
        "run_id": "r1", "device": "nano", "network": workload(),
        "point": OperatingPoint(gpu_max_hz=612 * MHZ, emc_hz=2133 * MHZ), "batch_size": 1,
        "arrivals": Arrivals(), "requests": 500, "warm_up_s": 1.0, "sample_interval_ms": 50,
        "seed": 1,
    }  # fmt: skip
    return Plan(**{**values, **fields})


def run(plan: Plan, table: ReplayTable | None = None) -> Record:
    board = ReplayBoard("nano", table or orin_nano())
    return run_trial(
        plan, board, attempt=1, progress=lambda _: None, cancelled=lambda: False
    )  # fmt: skip


def without_power() -> ReplayTable:
    return msgspec.structs.replace(orin_nano(), power=None)


def power_csv(rows: list[tuple[float, float, float]], **extra: float) -> bytes:
    """Runs (gpu MHz, memory MHz, busy %) of a board that draws 2 + 3 gpu + memory W and so on."""
    lines = [
        "file,emc_MHz,gpu_MHz_med,gr3d_mean,VDD_IN_mean,VDD_IN_p5,VDD_IN_p95,CGC_mean,SOC_mean"
    ]
    for i, (gpu, emc, busy) in enumerate(rows):
        total = 1e3 * (2 + 3 * gpu / 1e3 + emc / 1e3 + busy / 100 * gpu / 1e3 * (4 + emc / 1e3))
        lines.append(
            f"r{i},{emc},{gpu},{busy},{total:.4f},{total - 50:.4f},{total + 50:.4f},900,900"
        )
    return "\n".join(lines).encode()


RUNS = [(g, e, b) for g in (500, 1000) for e in (665, 2133) for b in (0, 40, 90)]


# The table.


def test_the_table_that_comes_with_polyweb_has_four_workloads_on_eight_by_three_clocks():
    table = orin_nano()
    assert table.workloads == ["cproxyv2", "mobilenet", "proxy", "vit"]
    assert (len(table.gpu_mhz), len(table.emc_mhz), table.holes) == (8, 3, 0)
    assert table.by_key["vit", 1020, 3199].p50_ms == 11.4247
    assert table.by_key["vit", 1020, 3199].p99_ms == 11.5538


def test_a_table_survives_its_file():
    assert decoded(encoded(orin_nano())) == orin_nano()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        (HEADER, "0 rows leave nothing to choose"),
        (HEADER + "vit,306,665,39.8,40.5\n", "1 rows leave nothing to choose"),
        ("workload,gpu_mhz,emc_mhz,p50\nvit,1,2,3\n", "line 1: the header lacks compute_p50_ms"),
        (TWO.replace("gpu_mhz", "gpu_hz"), "line 1: the header lacks gpu_mhz"),
        (TWO.replace("compute_p50_ms", "compute_p50_s"), "line 1: the header lacks compute_p50_ms"),
        ("# c\n" + TWO + "vit,306,665,1,2\n", "line 5: vit at GPU 306 .* stands in line 3 already"),
        (TWO + "vit,510,665,nan,2\n", "line 4: compute_p50_ms is “nan”, which is no number"),
        (TWO + "vit,510,665,inf,2\n", "line 4: compute_p50_ms is “inf”, which is no number"),
        (TWO + "vit,510,665,1_0,2\n", "line 4: compute_p50_ms is “1_0”, which is no number"),
        (TWO + "vit,510,665,,2\n", "line 4: compute_p50_ms is “”, which is no number"),
        (TWO + "vit,510,665,-3,2\n", "line 4: compute_p50_ms is “-3”.* 0.1 to 60000 ms"),
        (TWO + "vit,510e6,665,3,4\n", r"line 4: gpu_mhz is “510e6”.*MHz \(Hz or kHz\?\)"),
        (TWO + "vit,510,665,0.03,0.04\n", r"line 4: .*“0.03”.*\(seconds or µs\?\)"),
        (TWO + "vit,510,665,4,3\n", "line 4: the 99th percentile lies below the median"),
        (TWO + "vit,510,665,4\n", "line 4: 4 values under a header of 5 columns"),
        (TWO + "vit,510,665,4,5,6\n", "line 4: 6 values under a header of 5 columns"),
        (TWO + ",510,665,4,5\n", "line 4: workload is “”, which is no name"),
        (TWO + "v\x00t,510,665,4,5\n", "line 4: "),
        (TWO + "v" * 41 + ",510,665,4,5\n", "line 4: a workload's name has over 40 letters"),
        (TWO + '"vit,510,665,4,5\n', "line 4: "),
        (HEADER.replace("workload", "gpu_mhz,workload"), "line 1: the header names gpu_mhz twice"),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_with_its_line(text, said):
    with pytest.raises(TableRefused, match=said):
        read_cells(text.encode())


def test_a_table_that_is_no_text_is_refused_with_its_line():
    with pytest.raises(TableRefused, match="line 3: this is no UTF-8 text"):
        read_cells(HEADER.encode() + b"vit,306,665,39.8,40.5\n\xff\xfe")


def test_a_huge_table_is_refused_before_it_is_read():
    with pytest.raises(TableRefused, match="more than 2,097,152 bytes"):
        read_cells(b"x" * (MOST_BYTES + 1))


def test_a_table_with_too_many_rows_is_refused():
    rows = "".join(f"v,{100 + i * 0.01:.2f},665,4,5\n" for i in range(MOST_ROWS + 1))
    with pytest.raises(TableRefused, match=f"line {MOST_ROWS + 2}: .* more than 20,000 rows"):
        read_cells((HEADER + rows).encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda t: (HEADER + t).encode()))
def test_any_bytes_are_a_table_or_refused(data):
    try:
        _, cells = read_cells(data)
    except TableRefused as refused:
        assert str(refused)
    else:
        assert len(cells) >= 2 and all(0 < cell.p50_ms <= cell.p99_ms for cell in cells)


CELLS = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b-2", "vit 4"]), st.integers(10, 9999), st.integers(10, 9999)),
    st.tuples(st.floats(0.1, 1000), st.floats(1, 60)),
    min_size=2,
    max_size=20,
)


@given(CELLS)
def test_every_well_formed_table_is_read_back_as_written(cells):
    rows = [(*key, p50, p50 * ratio) for key, (p50, ratio) in cells.items()]
    text = HEADER + "".join(f"{w},{g},{e},{p50!r},{p99!r}\n" for w, g, e, p50, p99 in rows)
    _, read = read_cells(text.encode())
    assert [tuple(msgspec.structs.astuple(cell)) for cell in read] == rows


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"name": "UPPER"}'])
def test_what_is_no_replay_table_file_is_refused(data):
    with pytest.raises(TableRefused, match="no replay table"):
        decoded(data)


def test_a_cell_that_a_file_names_twice_is_refused():
    twice = msgspec.structs.replace(orin_nano(), cells=orin_nano().cells * 2)
    with pytest.raises(TableRefused, match="names a cell twice"):
        decoded(encoded(twice))


# The power model.


def test_the_fit_finds_the_coefficients_that_made_the_runs():
    model = fit(read_runs(power_csv(RUNS)))
    assert model.fits[0].coefficients == pytest.approx([2, 3, 1, 4, 1], abs=1e-3)
    assert model.fits[0].residual_rms_w < 1e-4
    assert model.rails_w(gpu_mhz=1000, emc_mhz=2000, busy=0.5)[0] == pytest.approx(10, abs=1e-3)


def test_the_spread_within_runs_comes_from_their_5th_and_95th_percentiles():
    assert fit(read_runs(power_csv(RUNS))).spread_w == pytest.approx(0.1 / 3.2897)


def test_runs_beside_which_something_else_ran_are_left_out():
    power = orin_nano().power
    assert (power.runs, power.left_out) == (47, 20)
    assert power.measured_gpu_mhz == [611, 914, 1017]


def test_power_was_measured_at_three_gpu_clocks_only():
    power, table = orin_nano().power, orin_nano()
    measured = [
        (gpu, emc)
        for gpu in table.gpu_mhz
        for emc in table.emc_mhz
        if power.was_measured_at(gpu_mhz=gpu, emc_mhz=emc)
    ]
    assert measured == [(612, 2133), (918, 3199), (1020, 665), (1020, 2133), (1020, 3199)]


def test_the_fit_is_within_its_stated_residual_of_the_measured_idle_board():
    power = orin_nano().power
    total_w = power.rails_w(gpu_mhz=1017, emc_mhz=2133, busy=0)[0]
    assert total_w == pytest.approx(5.539, abs=power.fits[0].residual_worst_w)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (RUNS[: FEWEST_RUNS - 1], "7 power runs are too few"),
        ([(1000, e, b) for _, e, b in RUNS], "cannot tell the model's terms apart"),
        ([(g, e, 0) for g, e, _ in RUNS], "cannot tell the model's terms apart"),
    ],
)
def test_runs_that_determine_no_model_are_refused(rows, said):
    with pytest.raises(TableRefused, match=said):
        fit(read_runs(power_csv(rows)))


def test_powers_in_watts_are_refused_with_their_line():
    watts = power_csv(RUNS).replace(b",900,900", b",0.9,0.9")
    with pytest.raises(TableRefused, match=r"power runs: line 2: cgc_mean .*\(watts\?\)"):
        import_table(TWO.encode(), watts, name="t")


def test_a_fit_that_draws_less_when_busy_is_refused():
    runs = power_csv(RUNS).decode().splitlines()
    upside_down = [runs[0], *(",".join([*row.split(",")[:3], str(100 - float(row.split(",")[3])),
                                        *row.split(",")[4:]]) for row in runs[1:])]  # fmt: skip
    with pytest.raises(TableRefused, match="the fitted power makes no sense"):
        import_table(TWO.encode(), "\n".join(upside_down).encode(), name="t")


# The board.


@pytest.mark.parametrize("cell", ["vit", "mobilenet"])
def test_a_run_has_the_latency_of_its_cell(cell):
    record = run(make_plan(network=workload(cell), requests=4000))
    latency_ms = (np.array(record.requests.end_s) - record.requests.arrival_s) * 1e3
    held = orin_nano().by_key[cell, 612, 2133]
    assert np.median(latency_ms) == pytest.approx(held.p50_ms, rel=0.001)
    assert np.quantile(latency_ms, 0.99) == pytest.approx(held.p99_ms, rel=0.002)


def test_a_run_is_sound_and_its_energy_is_fitted_power_times_latency():
    record = run(make_plan())
    assert quality.findings(record) == []
    power_w = orin_nano().power.rails_w(gpu_mhz=612, emc_mhz=2133, busy=1)[0]
    each_s = np.mean(np.array(record.requests.end_s) - record.requests.inference_start_s)
    assert energy.busy(record).energy_j == pytest.approx(power_w * each_s, rel=0.005)


def test_samples_come_at_the_asked_interval_in_the_sensors_steps():
    record = run(make_plan(sample_interval_ms=20))
    assert set(np.diff(record.samples.t_us)) <= {19_999, 20_000, 20_001}
    steps = np.array(record.samples.rails_w) / 0.04
    assert np.allclose(steps, np.round(steps), atol=1e-3)


def test_idle_between_requests_draws_the_fitted_idle_power():
    rate = Arrivals(kind="uniform", rate_hz=5)
    record = run(make_plan(arrivals=rate, requests=60))
    power = orin_nano().power
    idle_w, busy_w = (power.rails_w(gpu_mhz=612, emc_mhz=2133, busy=b)[0] for b in (0, 1))
    share = 5 * orin_nano().by_key["vit", 612, 2133].p50_ms / 1000
    mean_w = energy.at_rate(record).mean_power_w
    assert mean_w == pytest.approx(idle_w + share * (busy_w - idle_w), rel=0.02)


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    first, again, other = run(make_plan()), run(make_plan()), run(make_plan(seed=2))
    assert again.requests == first.requests and again.samples == first.samples
    assert other.requests != first.requests


def test_a_record_says_what_was_fitted_and_what_was_extrapolated():
    fitted = run(make_plan()).rests_on
    elsewhere = OperatingPoint(gpu_max_hz=306 * MHZ, emc_hz=665 * MHZ)
    extrapolated = run(make_plan(point=elsewhere, requests=60)).rests_on
    assert fitted["latency"].startswith("measured") and fitted["power"].startswith("fitted")
    assert extrapolated["power"].startswith("extrapolated")


def test_the_note_names_source_licence_and_the_three_gpu_clocks():
    note = ReplayBoard("nano", orin_nano()).describe().provenance_note
    for words in ("dankang21/jetson-latency-lab", "Apache-2.0", "611, 914 and 1017 MHz",
                  "extrapolated", "1728 MHz"):  # fmt: skip
        assert words in note


@pytest.mark.parametrize(
    "point",
    [
        OperatingPoint(gpu_max_hz=613 * MHZ),
        OperatingPoint(emc_hz=204 * MHZ),
        OperatingPoint(gpu_min_hz=408 * MHZ, gpu_max_hz=612 * MHZ),
        OperatingPoint(cpu_hz=1113 * MHZ),
    ],
)
def test_a_point_that_the_table_does_not_hold_is_a_named_fault(point):
    record = run(make_plan(point=point))
    assert [fault.code for fault in record.faults] == ["point-not-held"]
    assert record.rests_on == {} and not record.requests.end_s


def test_the_point_is_restored_whatever_happens():
    board = ReplayBoard("nano", orin_nano())
    with pytest.raises(ZeroDivisionError), board.holding(make_plan().point) as held:
        assert held.gpu_max_hz == 612 * MHZ and board.point() == held
        raise ZeroDivisionError
    assert board.point() == board.describe().default


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"batch_size": 4}, "batch size 1, not 4"),
        ({"network": msgspec.structs.replace(workload(), workload=None)}, "is no workload of"),
        ({"network": workload("resnet")}, "is no workload of"),
    ],
)
def test_what_the_table_does_not_hold_is_a_failed_load(fields, said):
    (fault,) = run(make_plan(**fields)).faults
    assert fault.code == "load-failed" and said in fault.text


def test_a_hole_in_the_table_is_a_failed_load_that_names_the_cell():
    full = orin_nano()
    holed = msgspec.structs.replace(
        full, cells=[c for c in full.cells if (c.workload, c.gpu_mhz) != ("vit", 612)]
    )
    (fault,) = run(make_plan(), holed).faults
    assert "no cell for vit at GPU 612 and memory 2133 MHz" in fault.text
    assert "lacks 3 of" in ReplayBoard("nano", holed).describe().problems[0]


def test_without_power_runs_there_are_latencies_and_no_joules():
    record = run(make_plan(), without_power())
    assert record.board.rails == [] and len(record.requests.end_s) == 500
    with pytest.raises(energy.EnergyUnknown):
        energy.busy(record)
    assert not quality.is_invalid(quality.findings(record))
    assert record.rests_on["power"].startswith("unknown")


def test_the_catalogue_opens_the_built_in_table_a_file_and_a_csv(tmp_path: Path):
    (tmp_path / "t.json").write_bytes(encoded(orin_nano()))
    (tmp_path / "my table.csv").write_text(TWO)
    for what, kind in (("orin-nano", "replay-orin-nano"), (tmp_path / "t.json", "replay-orin-nano"),
                       (tmp_path / "my table.csv", "replay-my-table")):  # fmt: skip
        board = open_board(f"replay:{what}", name="x", state_dir=tmp_path, pace=lambda: None)
        assert board.describe().kind == kind and isinstance(board, Replays)


def test_a_back_to_back_stream_can_be_closed_early():
    board = ReplayBoard("nano", orin_nano())
    stream = board.load(workload(), batch_size=1, seed=1).serve(None, 10**9)
    batches = list(islice(stream, 3))
    stream.close()
    assert [batch.inference_start_s for batch in batches[1:]] == [
        batch.inference_end_s for batch in batches[:-1]
    ]
    assert math.isclose(board.clock.now(), batches[-1].inference_end_s)


def test_a_load_of_no_workload_is_refused_at_once():
    with pytest.raises(LoadFailed):
        ReplayBoard("nano", orin_nano()).load(workload("none"), batch_size=1, seed=1)
