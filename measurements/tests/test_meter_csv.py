from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.meter_csv import FEWEST_READINGS, MeterFileRefused, read_meter


def file_of(head: str, row, rows: int = 60) -> bytes:
    return "\n".join([head, *(row(n) for n in range(rows)), ""]).encode()


@pytest.mark.parametrize(
    ("head", "row", "power_w"),
    [
        ("time (s),power (W)", lambda n: f"{n},12.5", 12.5),
        ("time_ms;P [mW]", lambda n: f"{1000 * n};12500", 12.5),
        ("Timestamp\tActive Power (W)", lambda n: f"2026-11-23T10:00:{n:02}.5+01:00\t12,5", 12.5),
        ('"time","watts"', lambda n: f'{n},"12,5"', 12.5),
        ("Date;Time;Power factor;Power (VA);Power [W]", lambda n: f"23.11.26;9:59:{n:02};1;9;3", 3),
        ("uptime,V,mA", lambda n: f"{n},19.0,500", 9.5),
        ("time,Power (W)", lambda n: f"11:{58 + n // 60}:{n % 60:02} PM,7", 7),
        ("t,p", lambda n: f"{1.7e12 + 1000 * n:.0f},3", 3),
    ],
)
def test_columns_are_found_by_their_headers_and_units(head, row, power_w):
    readings = read_meter(file_of(head, row))
    assert readings.power_w == pytest.approx([power_w] * 60)
    assert readings.t_s == pytest.approx(np.arange(60.0))


def test_times_of_day_go_on_after_midnight():
    readings = read_meter(
        file_of("time,W", lambda n: f"{'23:59' if n < 30 else '00:00'}:{(n + 30) % 60:02},5")
    )
    assert readings.t_s == pytest.approx(np.arange(60.0))


def test_lines_above_the_header_are_skipped():
    data = b"Meter 9000\nserial;12;34\n\n" + file_of("time;W", lambda n: f"{n};5")
    assert len(read_meter(data).t_s) == 60


def test_two_readings_of_one_second_become_their_mean():
    readings = read_meter(file_of("time,W", lambda n: f"{n // 2},{4 + n % 2}"))
    assert readings.power_w == pytest.approx([4.5] * 30)


def test_a_reading_that_was_not_made_is_left_out_and_counted():
    readings = read_meter(file_of("time,W", lambda n: f"{n},{'--' if n == 7 else 5}"))
    assert (len(readings.t_s), readings.missing) == (59, 1)


def test_what_follows_the_last_line_end_may_be_cut_off_and_is_not_read():
    whole = file_of("time,W", lambda n: f"{n},5.25")
    assert read_meter(whole + b"60,5.2").power_w == pytest.approx([5.25] * 60)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (file_of("time,W", lambda n: f"{n},{'abc' if n == 3 else 5}"), "Line 5: 'abc'"),
        (file_of("time,W", lambda n: f"{n if n != 9 else 2},5"), "Line 11: the time '2' is before"),
        (file_of("time,W", lambda n: f"{'noon' if n == 4 else n},5"), "Line 6: the time 'noon'"),
        (file_of("time,W", lambda n: f"{1000 * n},5"), "name the column time (ms)"),
        (file_of("a,b", lambda n: f"{n},5"), "No header in the first 60 lines"),
        (file_of("time,energy (Wh)", lambda n: f"{n},5"), "No header"),
        (file_of("time,W", lambda n: f"{n},", 40), "40 of 40 lines hold no power"),
        (file_of("time,W", lambda n: f"{n},5", 3), "Only 3 readings"),
        (b"time,W\n", "No reading stands below the header"),
        (b"\0\1\2", "not a text file"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(data, says):
    with pytest.raises(MeterFileRefused) as refused:
        read_meter(data)
    assert says in str(refused.value)


CELLS = st.one_of(
    st.sampled_from(["time", "W", "power (mW)", "12:00:01", "2026-11-23", "-", "1e999", '"', "V"]),
    st.floats().map(str),
    st.text(max_size=8),
)


@given(st.lists(st.lists(CELLS, max_size=4), max_size=50), st.sampled_from(",;\t"))
def test_whatever_a_file_holds_it_is_read_or_refused(rows, delimiter):
    head = delimiter.join(["time", "power (W)"])
    data = "\n".join([head, *(delimiter.join(row) for row in rows)]).encode()
    for candidate in (data, data[len(head) :]):
        try:
            readings = read_meter(candidate)
        except MeterFileRefused:
            continue
        assert len(readings.t_s) >= FEWEST_READINGS
        assert (np.diff(readings.t_s) > 0).all()
        assert np.isfinite(readings.power_w).all()


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data):
    with pytest.raises(MeterFileRefused):
        read_meter(data)
