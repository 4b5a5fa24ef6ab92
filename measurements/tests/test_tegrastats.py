"""Lines of every JetPack, whole, cut and spoilt, against `measurements.board.hardware.tegrastats`.

`data/tegrastats_golden.jsonl` holds 71 lines captured on real boards, each with its
source and with what a person reads in it; it was not made with the parser.
"""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.board.hardware.rails import rail_part, total_of
from measurements.board.hardware.tegrastats import Line, parse

GOLDEN_FILE = Path(__file__).parent / "data" / "tegrastats_golden.jsonl"
GOLDEN = [json.loads(text) for text in GOLDEN_FILE.read_text().splitlines()]
LINES = [golden["line"] for golden in GOLDEN]
EXAMPLE = (
    "RAM 707/7854MB (lfb 1x4MB) CPU [3%@345,off] EMC_FREQ 1%@665 GR3D_FREQ 0%@140 "
    "GPU@28.5C VDD_IN 1038/1134 VDD_CPU 153/153"
)

any_line = st.sampled_from(LINES)


def stated(line: Line) -> dict[str, object]:
    totals = {"total_w": line.total_w, "total_of": list(line.total_of)}
    return dataclasses.asdict(line) | totals


def run_program(text: bytes) -> list[object]:
    command = [sys.executable, "-m", "measurements.board.hardware.tegrastats"]
    output = subprocess.run(command, input=text, capture_output=True, check=True).stdout
    return [json.loads(line) for line in output.splitlines()]


@st.composite
def spoilt_line(draw: st.DrawFn) -> str:
    """A real line with a stretch of it replaced by arbitrary text."""
    text = draw(any_line)
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    return text[:start] + draw(st.text(max_size=8) | st.text("0123456789/@%mWC ,[]")) + text[end:]


def test_all_captured_lines_are_here():
    assert len(GOLDEN) == 71


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["source"][-60:])
def test_a_captured_line_reads_as_a_person_reads_it(golden):
    expected = {name: value for name, value in golden.items() if name not in ("source", "line")}
    assert stated(parse(golden["line"])) == expected


@pytest.mark.parametrize("golden", GOLDEN[::7], ids=lambda golden: golden["source"][-60:])
def test_blanks_do_not_matter(golden):
    assert parse("  " + golden["line"].replace(" ", " \t ") + " \r\n") == parse(golden["line"])


@given(st.text() | spoilt_line())
def test_no_text_is_fatal_and_every_value_stands_in_it(text):
    line = parse(text)
    whole = {int(digits) for digits in re.findall(r"\d+", text, re.ASCII)}
    decimal = {float(digits) for digits in re.findall(r"-?\d+(?:\.\d+)?", text, re.ASCII)}
    clocks = [line.gpu_mhz, line.emc_mhz, line.gpu_busy_percent, line.emc_busy_percent, *line.cpus]
    assert {round(power_w * 1000) for power_w in line.rails_w.values()} <= whole
    assert {clock for clock in clocks if clock is not None} <= whole
    assert {temp for temp in line.temps_c.values() if temp is not None} <= decimal


@given(any_line, st.data())
def test_a_cut_line_states_nothing_that_the_whole_one_does_not(text, data):
    whole = parse(text)
    part = parse(text[: data.draw(st.integers(0, len(text)))], complete=False)
    assert part.rails_w.items() <= whole.rails_w.items()
    assert part.temps_c.items() <= whole.temps_c.items()
    assert part.gpu_mhz in (None, whole.gpu_mhz)
    assert part.emc_mhz in (None, whole.emc_mhz)
    assert all(mhz in (None, whole.cpus[core]) for core, mhz in enumerate(part.cpus))


@pytest.mark.parametrize("end", ["103", "1038/", "1038m", "1038mW/", "1038mW/11m"])
def test_a_rail_cut_short_is_unknown_and_yields_no_value(end):
    line = parse(f"CPU [3%@345] GPU@28.5C VDD_IN {end}", complete=False)
    assert (line.rails_w, line.unknown) == ({}, ["VDD_IN", end])


def test_a_rail_cut_in_its_average_still_states_its_power():
    assert parse("VDD_CPU 153/153 VDD_IN 1038/11", complete=False).rails_w == {
        "VDD_CPU": 0.153,
        "VDD_IN": 1.038,
    }


@pytest.mark.parametrize("text", ["EMC_FREQ 0%@18", "GR3D_FREQ 0%@13", "cpu [25%]@22"])
def test_a_clock_that_ends_an_unfinished_line_is_not_believed(text):
    assert parse(text, complete=False).unknown == text.split()
    assert parse(text).unknown == []


@pytest.mark.parametrize("head", ["RAM 1/2MB (lfb 1x4MB) VDD_IN 9", LINES[28][:-20]])
@pytest.mark.parametrize("tail", [EXAMPLE, LINES[28], LINES[18]], ids=["plain", "dated", "iram"])
def test_an_unfinished_line_glued_before_a_whole_one_is_dropped_and_counted(head, tail):
    glued = parse(head + tail)
    assert glued.unknown == [head.split()[-1]]
    assert dataclasses.replace(glued, unknown=[]) == parse(tail)


def test_a_rail_name_that_comes_twice_is_kept_and_nc_is_not():
    line = parse("VDD_A 1/1 VDD_A 2/2 NC 5/5 VDD_A 3/3 NC 0/0")
    assert line.rails_w == {"VDD_A": 0.001, "VDD_A#2": 0.002, "VDD_A#4": 0.003}


def test_a_gpu_cluster_that_is_off_does_not_hide_the_other():
    assert parse("GR3D_FREQ 5%@[off,305]").gpu_mhz == 305
    assert parse("GR3D_FREQ 5%@[off,off]").gpu_mhz is None


def test_absurdly_long_numbers_and_blanks_are_unknown_not_fatal():
    digits = "9" * 10_000
    line = parse(f"VDD_IN {digits}/{digits} GPU@{digits}C GR3D_FREQ 1%@{digits} A{' ' * 10_000}B")
    assert (line.rails_w, line.temps_c, line.gpu_mhz) == ({}, {}, None)
    assert line.unknown[-2:] == ["A", "B"]


@pytest.mark.parametrize(
    ("names", "total"),
    [
        (["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"], ("VDD_IN",)),
        (["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"], None),
        (["VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0", "VIN"], ("VIN",)),
        (["VDD_GPU_SOC", "VDD_CPU_CV"], ()),
        ([], ()),
    ],
)
def test_the_total_never_counts_a_rail_twice_and_never_half(names, total):
    assert total_of(names) == (tuple(names[:3]) if total is None else total)


def test_each_rail_belongs_to_the_part_it_mainly_feeds():
    parts = {
        "VDD_IN": "input",
        "VIN": "input",
        "VDD_GPU_SOC": "gpu",
        "VDD_CPU_CV": "cpu",
        "VDD_SYS_DDR": "memory",
        "VDDQ_VDD2_1V8AO": "memory",
        "VDDRQ": "memory",
        "VDD_SOC": "soc",
        "VIN_SYS_5V0": "other",
    }
    assert {name: rail_part(name) for name in parts} == parts


def test_the_program_prints_one_object_a_line_in_the_published_form():
    (printed,) = run_program(EXAMPLE.encode())
    assert printed == {
        "rails_w": {"VDD_IN": 1.038, "VDD_CPU": 0.153},
        "total_w": 1.038,
        "total_of": ["VDD_IN"],
        "gpu_mhz": 140,
        "emc_mhz": 665,
        "cpus": [345, None],
        "temps_c": {"GPU": 28.5},
        "unknown": [],
    }


def test_the_program_reads_a_log_that_is_not_text_and_ends_in_the_middle():
    blank, spoilt, cut = run_program(b"\n\xff\xfe VDD_IN 1/1\nVDD_CPU 2/2 EMC_FREQ 0%@18")
    assert blank["unknown"] == []
    assert (spoilt["rails_w"], len(spoilt["unknown"])) == ({"VDD_IN": 0.001}, 1)
    assert (cut["emc_mhz"], cut["unknown"]) == (None, ["EMC_FREQ", "0%@18"])
