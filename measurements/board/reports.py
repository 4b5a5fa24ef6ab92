"""The two threads that talk to the server beside a run: presence, and records that wait."""

from __future__ import annotations

import logging
from threading import Event, Thread

from measurements.board.spool import Spool
from measurements.board.status import Status
from measurements.board.uplink import NotRegistered, Refused, Unreachable, Uplink, back_off_s
from measurements.messages import BoardInfo

log = logging.getLogger(__name__)
HEARTBEAT_S = 2.0


class Presence:
    """Registers the board, and then says every 2 s what it is doing; for ever."""

    def __init__(
        self,
        uplink: Uplink,
        *,
        info: BoardInfo,
        status: Status,
        spool: Spool,
        every_s: float = HEARTBEAT_S,
    ) -> None:
        self._uplink = uplink
        self._info = info
        self._status = status
        self._spool = spool
        self._every_s = every_s
        self._is_registered = False
        self._is_heard = True
        self._stop = Event()
        self._thread = Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=self._every_s)

    def _run(self) -> None:
        retries_s = back_off_s(0.5, 10.0)
        while not self._stop.is_set():
            if self._is_registered or self._register():
                retries_s = back_off_s(0.5, 10.0)
                self._beat()
            self._stop.wait(self._every_s if self._is_registered else next(retries_s))

    def _register(self) -> bool:
        try:
            self._uplink.register(self._info)
        except (Unreachable, Refused) as failure:
            self._complain("not registered", failure)
            return False
        log.info("registered as %s", self._info.name)
        self._is_registered = self._is_heard = True
        return True

    def _beat(self) -> None:
        try:
            reply = self._uplink.heartbeat(self._status.heartbeat(self._spool))
        except NotRegistered as forgotten:
            log.warning("the server forgot this board: %s", forgotten)
            self._is_registered = False
        except (Unreachable, Refused) as failure:
            self._complain("heartbeat not heard", failure)
        else:
            self._is_heard = True
            if reply.cancel is not None:
                self._status.cancel(reply.cancel)

    def _complain(self, what: str, failure: Exception) -> None:
        """Log the first of a series; a server away for a day does not fill the log."""
        log.log(logging.WARNING if self._is_heard else logging.DEBUG, "%s: %s", what, failure)
        self._is_heard = False


class Deliveries:
    """Offers waiting records again and again, while no trial could be disturbed by it."""

    def __init__(
        self,
        uplink: Uplink,
        *,
        spool: Spool,
        status: Status,
        first_s: float = 1.0,
        most_s: float = 60.0,
    ) -> None:
        self._uplink = uplink
        self._spool = spool
        self._status = status
        self._first_s = first_s
        self._most_s = most_s
        self._stop = Event()
        self._wake = Event()
        self._thread = Thread(target=self._run, name="deliveries", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=1.0)

    def wake(self) -> None:
        """A record is left waiting: begin to offer it, first after a second."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            for delay_s in back_off_s(self._first_s, self._most_s):
                if self._stop.is_set() or (self._is_quiet and self._uplink.deliver(self._spool)):
                    break
                self._stop.wait(delay_s)
            self._wake.wait()

    @property
    def _is_quiet(self) -> bool:
        return not self._status.board_in_use.locked()
