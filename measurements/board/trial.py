"""One Plan on one Board: hold the clocks, settle, warm up, serve while sampling, restore.

Inside a Record times count from the start of sampling. `course` has the phases.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from measurements.board.columns import requests_of, samples_of
from measurements.board.course import Cancelled, Course, Progress
from measurements.board.hardware.protocol import (
    Board,
    Counted,
    Sampler,
    rests_on,
)
from measurements.messages import (
    BoardInfo,
    Plan,
    Record,
    SamplerCpu,
)

__all__ = ["Cancelled", "Progress", "run_trial"]


def run_trial(
    plan: Plan,
    board: Board,
    *,
    attempt: int,
    progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
) -> Record:
    """Carry out `plan` on `board` and give back all that was measured.

    Args:
        progress: Called when a phase starts, after each batch and each 0.1 s of waiting.
        cancelled: Asked as often; once it says True, the trial ends.

    Raises:
        Cancelled: `cancelled` said so.
    """
    started_at = datetime.now(timezone.utc).isoformat()
    began_s, before = board.clock.now(), board.point()
    course = Course(
        plan=plan, board=board, info=board.describe(), progress=progress, cancelled=cancelled
    )
    course.run()
    return Record(
        run_id=plan.run_id,
        attempt=attempt,
        plan=plan,
        board=course.info,
        started_at=started_at,
        board_s=board.clock.now() - began_s,
        before=before,
        restored=board.point(),
        rests_on=rests_on(board, plan),
        **_measured(course),
    )


def _measured(course: Course) -> dict[str, Any]:
    """The fields of a Record that the course of the trial filled."""
    zero_s = course.zero_s
    return {
        "held": course.held,
        "phases": course.phases,
        "samples": samples_of(course.samples, course.info, zero_s=zero_s),
        "requests": requests_of(course.batches, zero_s=zero_s),
        "faults": course.faults,
        "unknown_tokens": course.unknown_tokens,
        "load": course.load,
        "clock_zero_s": zero_s,
        "stopped_because": course.stopped_because,
        "is_steady": course.is_steady,
        "sampler_cpu": _sampler_cpu(course.sampler, course.info),
    }


def _sampler_cpu(sampler: Sampler | None, info: BoardInfo) -> SamplerCpu | None:
    """What sampling took of this machine's CPU, where this machine is the board."""
    is_here = info.provenance in ("real", "host")
    spent = sampler.spent if is_here and isinstance(sampler, Counted) else None
    if spent is None or spent.over_s <= 0:
        return None
    return SamplerCpu(over_s=spent.over_s, reader_s=spent.reader_s, program_s=spent.program_s)
