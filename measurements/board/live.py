"""The moving picture: a websocket that carries what is being measured to whoever watches.

Best effort, and on a thread of its own: a slow or absent server loses frames and never
holds up a run. The trial's thread only leaves references here; the frames are made on
this side, at most eight a second, and only while somebody watches.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from measurements.board.trial import Progress
from measurements.board.uplink import back_off_s, require_secure
from measurements.messages import LiveFrame, encode

log = logging.getLogger(__name__)
FRAME_EVERY_S = 0.125
WATCHED_FOR_S = 12.0
"""The server says every 5 s that somebody watches; two such messages may be lost."""
LISTEN_S = 1.0
MOST_SAMPLES = 400
"""In one frame; what is older is dropped."""
KEPT_SCENES = 4


class Attention(msgspec.Struct):
    """What the server says when somebody watches this board."""

    watched: bool = False


@dataclass(slots=True)
class Scene:
    """One run as it is shown; written by the trial's thread, read by the live one."""

    run_id: str
    requests_asked: int
    rails: list[str]
    progress: Progress | None = None
    shown: int = 0
    """Samples that have been sent or skipped."""
    is_over: bool = False


class Live:
    """The live link of the board `name` to the server at `url`.

    Args:
        authorization: Gives the header's value at each connection.
        watched_pace: Virtual seconds a wall second that a watched emulated board may run.
        monotonic: Wall seconds; given by tests.

    Raises:
        InsecureAddress: `url` is not https and not on the loopback.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        authorization: Callable[[], str],
        watched_pace: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        require_secure(url)
        parts = urlsplit(url.rstrip("/"))
        scheme = "wss" if parts.scheme == "https" else "ws"
        self.url = parts._replace(scheme=scheme, path=f"{parts.path}/ws/boards/{name}/").geturl()
        self._name = name
        self._authorization = authorization
        self._watched_pace = watched_pace
        self._monotonic = monotonic
        self._watched_until_s = float("-inf")
        self._scenes: deque[Scene] = deque(maxlen=KEPT_SCENES)
        self._changing_scenes = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="live", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2 * LISTEN_S)

    @property
    def is_watched(self) -> bool:
        return self._monotonic() < self._watched_until_s

    def pace(self) -> float | None:
        """Virtual seconds allowed a wall second; None for as fast as the machine can."""
        return self._watched_pace if self.is_watched else None

    def show(self, run_id: str, *, requests_asked: int, rails: list[str]) -> Scene:
        """Begin to show a run; its `progress` is set as it goes on, and `is_over` at its end."""
        scene = Scene(run_id=run_id, requests_asked=requests_asked, rails=rails)
        with self._changing_scenes:
            if not self.is_watched:
                self._scenes.clear()
            self._scenes.append(scene)
        return scene

    def hear(self, message: str | bytes) -> None:
        """Take a word from the server; only "somebody watches" means anything."""
        try:
            attention = msgspec.json.decode(message, type=Attention)
        except msgspec.MsgspecError as error:
            log.warning("the live link said something else: %s", error)
            return
        if attention.watched:
            self._watched_until_s = self._monotonic() + WATCHED_FOR_S

    def frame(self) -> LiveFrame | None:
        """What is new since the last frame; None if nothing is."""
        with self._changing_scenes:
            while self._scenes:
                was_over = self._scenes[0].is_over
                frame = self._picture(self._scenes[0])
                if frame is not None or not was_over:
                    return frame
                self._scenes.popleft()
        return None

    def _picture(self, scene: Scene) -> LiveFrame | None:
        progress = scene.progress
        if progress is None or len(progress.samples) == scene.shown:
            return None
        until = len(progress.samples)
        samples = progress.samples[max(scene.shown, until - MOST_SAMPLES) : until]
        scene.shown = until
        return LiveFrame(
            device=self._name,
            run_id=scene.run_id,
            phase=progress.phase,
            requests_done=progress.requests_done,
            requests_asked=scene.requests_asked,
            rails=scene.rails,
            t_s=[round(sample.t_s - progress.zero_s, 6) for sample in samples],
            rails_w=[[sample.rails_w[i] for sample in samples] for i in range(len(scene.rails))],
            gpu_mhz=[sample.gpu_mhz for sample in samples],
            emc_mhz=[sample.emc_mhz for sample in samples],
            cpu_mhz=[sample.cpu_mhz for sample in samples],
            temp_c=[sample.temp_c for sample in samples],
        )

    def _run(self) -> None:
        """Stay connected until stopped; each failure waits longer than the one before."""
        delays_s, level = back_off_s(0.5, 15.0), logging.INFO
        while not self._stop.is_set():
            try:
                with self._connect() as connection:
                    log.info("live link is up")
                    delays_s, level = back_off_s(0.5, 15.0), logging.INFO
                    self._talk(connection)
            except (OSError, WebSocketException) as failure:
                log.log(level, "no live link: %s", failure)
                level = logging.DEBUG  # once is enough, however long the server is away
            self._stop.wait(next(delays_s))

    def _connect(self) -> ClientConnection:
        headers = {"Authorization": self._authorization()}
        return connect(
            self.url, additional_headers=headers, compression=None, max_size=65536, proxy=None
        )

    def _talk(self, connection: ClientConnection) -> None:
        next_s = self._monotonic()
        while not self._stop.is_set():
            try:
                wait_s = max(0.0, next_s - self._monotonic()) if self.is_watched else LISTEN_S
                self.hear(connection.recv(timeout=wait_s))
            except TimeoutError:
                pass
            if self.is_watched and self._monotonic() >= next_s:
                next_s = self._monotonic() + FRAME_EVERY_S
                if frame := self.frame():
                    connection.send(encode(frame))
