"""Carries out an order to hold a point for good, or to roll it back, and tells the server."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from measurements.board.hardware.protocol import Board, PointNotHeld, Standable
from measurements.board.status import Status
from measurements.board.uplink import Refused, Unreachable, Uplink, back_off_s
from measurements.messages import Applied, Standing

log = logging.getLogger(__name__)
REPORT_FOR_S = 8.0
"""How long the answer is offered; the server repeats an order that it heard nothing of."""


class Orders:
    """What `board.apply` does on `board`. An order that comes twice changes nothing twice."""

    def __init__(
        self,
        board: Board,
        *,
        status: Status,
        uplink: Uplink,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._board = board
        self._status = status
        self._uplink = uplink
        self._sleep = sleep

    def carry_out(self, order: Standing) -> None:
        reason = self._refusal(order)
        with self._status.board_in_use:
            read_back = self._board.point()
        log.info("order %d: %s", order.application, reason or f"now at {read_back}")
        self._report(
            Applied(
                application=order.application,
                is_back=order.point is None,
                is_ok=not reason,
                reason=reason,
                read_back=read_back,
            )
        )

    def _refusal(self, order: Standing) -> str:
        """Do it; why not, or empty."""
        board = self._board
        if not isinstance(board, Standable):
            return "This board has no clocks to hold."
        if not self._status.board_in_use.acquire(timeout=1.0):
            return "A run is on the board."
        try:
            if order.point is None:
                board.roll_back()
            else:
                board.apply(order.point)
        except (PointNotHeld, ValueError, OSError) as failure:
            return str(failure) or type(failure).__name__
        finally:
            self._status.board_in_use.release()
        return ""

    def _report(self, answer: Applied) -> None:
        waited_s = 0.0
        for delay_s in back_off_s(0.5, 4.0):
            try:
                self._uplink.applied(answer)
                return
            except Refused as refused:
                log.warning("the server does not take the answer: %s", refused)
                return
            except Unreachable as failure:
                log.warning("no answer delivered: %s", failure)
            waited_s += delay_s
            if waited_s > REPORT_FOR_S or self._status.is_stopping:
                return
            self._sleep(delay_s)
