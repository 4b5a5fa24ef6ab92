"""One board at work: takes a plan, claims its run, carries it out, delivers the record."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from measurements.board.hardware.protocol import Board
from measurements.board.live import Live
from measurements.board.reports import Deliveries
from measurements.board.spool import Spool
from measurements.board.status import Activity, Status
from measurements.board.trial import Cancelled, Progress, run_trial
from measurements.board.uplink import NotWanted, Refused, Unreachable, Uplink, back_off_s
from measurements.messages import Plan, Rail, Record, encode

log = logging.getLogger(__name__)
CLAIM_FOR_S = 20.0
"""How long a claim is tried; the server sends a plan again that nobody has claimed."""


class Station:
    """Everything that one run on `board` needs."""

    def __init__(
        self,
        board: Board,
        *,
        rails: Sequence[Rail],
        status: Status,
        spool: Spool,
        uplink: Uplink,
        deliveries: Deliveries,
        live: Live,
        claim_for_s: float = CLAIM_FOR_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._board = board
        self._rails = rails
        self._status = status
        self._spool = spool
        self._uplink = uplink
        self._deliveries = deliveries
        self._live = live
        self._claim_for_s = claim_for_s
        self._sleep = sleep

    def measure(self, plan: Plan) -> None:
        """Deliver what waits, then carry out `plan` if its run is still wanted."""
        self._deliver()
        attempt = self._claim(plan.run_id)
        if attempt is None:
            return
        activity = self._status.begin(plan.run_id)
        try:
            record = self._run(plan, attempt, activity)
            self._spool.put(plan.run_id, encode(record))
            self._deliver()
        except Cancelled:
            log.info("run %s: given up", plan.run_id)
        finally:
            self._status.end()

    def _deliver(self) -> None:
        if not self._uplink.deliver(self._spool):
            self._deliveries.wake()

    def _claim(self, run_id: str) -> int | None:
        """The attempt's number; None if the plan is to be dropped."""
        waited_s = 0.0
        for delay_s in back_off_s(0.5, 4.0):
            try:
                return self._uplink.claim(run_id)
            except NotWanted as reason:
                log.info("run %s: dropped, %s", run_id, reason)
                return None
            except (Unreachable, Refused) as failure:
                log.warning("run %s: no claim, %s", run_id, failure)
            waited_s += delay_s
            if waited_s > self._claim_for_s or self._status.is_stopping:
                break
            self._sleep(delay_s)
        return None

    def _run(self, plan: Plan, attempt: int, activity: Activity) -> Record:
        log.info("run %s: attempt %d", plan.run_id, attempt)
        scene = self._live.show(
            plan.run_id, requests_asked=plan.requests, rails=[rail.name for rail in self._rails]
        )

        def tell(progress: Progress) -> None:
            activity.progress = scene.progress = progress

        try:
            with self._status.board_in_use:
                return run_trial(
                    plan,
                    self._board,
                    attempt=attempt,
                    progress=tell,
                    cancelled=lambda: self._status.wants_end,
                )
        finally:
            scene.is_over = True
