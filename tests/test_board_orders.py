"""A point applied through the real worker, by a real broker and the board's own login."""

from __future__ import annotations

from measurements.messages import Applied, OperatingPoint, Standing, decode
from tests.test_board_worker import DEFAULT_MIN_HZ, HELD_HZ, bench

__all__ = ["bench"]  # The fixture.


def order(bench, number: int, point: OperatingPoint | None) -> Applied:
    """Queue an order as the server does; what the board answered."""
    bench.queue("board.apply", Standing(application=number, device=bench.name, point=point))
    return decode(bench.server.next(ending="/applied").body, Applied)


def test_a_point_is_applied_outlives_the_worker_and_is_rolled_back(bench):
    point = OperatingPoint(gpu_min_hz=HELD_HZ, gpu_max_hz=HELD_HZ)
    with bench.running():
        applied = order(bench, 1, point)
        assert (applied.is_ok, applied.is_back, applied.read_back.gpu_min_hz) == (
            True, False, HELD_HZ,
        )  # fmt: skip
    assert bench.gpu_min_hz == str(HELD_HZ)
    with bench.running():
        refused = order(bench, 2, OperatingPoint(gpu_min_hz=1))
        assert not refused.is_ok
        assert "not one of this board's GPU clocks" in refused.reason
        assert refused.read_back.gpu_min_hz == HELD_HZ
        assert order(bench, 3, None).is_ok
    assert bench.gpu_min_hz == DEFAULT_MIN_HZ
