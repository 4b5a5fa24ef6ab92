"""Samples and request logs by COPY in PostgreSQL's binary format, built from whole arrays.

Source: PostgreSQL documentation, COPY, "Binary Format"; arrays as array_send writes them.
"""

from __future__ import annotations

import io
import struct
import uuid
from collections.abc import Iterable

import numpy as np
from django.db import connection

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
FLOAT8_OID = 701
SAMPLE_COLUMNS = ("run_id", "t_us", "rails_w", "total_w", "gpu_mhz", "emc_mhz", "cpu_mhz", "temp_c",
                  "gpu_busy_percent")  # fmt: skip
REQUEST_COLUMNS = ("run_id", "arrival_s", "start_s", "inference_start_s", "end_s")


def copy(table: str, columns: Iterable[str], rows: bytes) -> None:
    """Append `rows`, tuples in the binary format, to `table`."""
    with connection.cursor() as cursor:
        cursor.copy_expert(
            f"COPY {table} ({', '.join(columns)}) FROM STDIN WITH (FORMAT binary)",
            io.BytesIO(HEADER + rows + TRAILER),
        )


def samples(
    run: uuid.UUID,
    t_us: np.ndarray,
    rails_w: np.ndarray,
    total_w: np.ndarray,
    *,
    mhz: tuple[int, int, int],
    temp_c: np.ndarray,
    busy_percent: np.ndarray,
) -> bytes:
    """The rows of one run.

    Args:
        t_us: Instants, shape (n,).
        rails_w: Watts, shape (n, rails).
        mhz: Clocks of GPU, memory and CPU, the same all the time.
    """
    rails = rails_w.shape[1]
    rows = np.zeros(len(t_us), dtype=_sample_type(rails))
    rows["fields"] = len(SAMPLE_COLUMNS)
    rows["run_size"], rows["run"] = 16, np.void(run.bytes)
    _put(rows, "t_us", t_us)
    _put(rows, "total_w", total_w)
    _put(rows, "temp_c", temp_c)
    _put(rows, "busy", busy_percent)
    for name, value in zip(("gpu", "emc", "cpu"), mhz, strict=True):
        _put(rows, name, value)
    rows["array_size"] = 20 + 12 * rails
    rows["array_head"] = (1, 0, FLOAT8_OID, rails, 1)
    rows["rails"]["size"], rows["rails"]["watts"] = 8, rails_w
    return rows.tobytes()


def request_log(run: uuid.UUID, *columns: np.ndarray) -> bytes:
    """One row: arrival, start, start of inference and end of each request, in seconds."""
    head = struct.pack(">hi", len(REQUEST_COLUMNS), 16) + run.bytes
    return head + b"".join(_array(column) for column in columns)


def _array(values: np.ndarray) -> bytes:
    items = np.zeros(len(values), dtype=[("size", ">i4"), ("value", ">f8")])
    items["size"], items["value"] = 8, values
    body = struct.pack(">iiiii", 1, 0, FLOAT8_OID, len(values), 1) + items.tobytes()
    return struct.pack(">i", len(body)) + body


def _sample_type(rails: int) -> np.dtype:
    """One tuple of PowerSample: each field's size in bytes before it."""
    pair = [("size", ">i4"), ("watts", ">f8")]
    return np.dtype([
        ("fields", ">i2"),
        ("run_size", ">i4"), ("run", "V16"),
        ("t_us_size", ">i4"), ("t_us", ">i8"),
        ("array_size", ">i4"), ("array_head", ">i4", (5,)), ("rails", pair, (rails,)),
        ("total_w_size", ">i4"), ("total_w", ">f8"),
        ("gpu_size", ">i4"), ("gpu", ">i4"),
        ("emc_size", ">i4"), ("emc", ">i4"),
        ("cpu_size", ">i4"), ("cpu", ">i4"),
        ("temp_c_size", ">i4"), ("temp_c", ">f8"),
        ("busy_size", ">i4"), ("busy", ">f8"),
    ])  # fmt: skip


def _put(rows: np.ndarray, name: str, values: np.ndarray | int) -> None:
    rows[f"{name}_size"] = rows.dtype[name].itemsize
    rows[name] = values
