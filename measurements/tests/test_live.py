import queue
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from measurements.board.hardware.protocol import Sample
from measurements.board.live import MOST_SAMPLES, WATCHED_FOR_S, Live
from measurements.board.trial import Progress
from measurements.board.uplink import InsecureAddress
from measurements.messages import LiveFrame, OperatingPoint, decode

RUN = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"
DEADLINE_S = 20.0
WATCHED = '{"watched": true}'


@dataclass
class Relay:
    """The server's end of the live path: what came in, and a word to each new connection."""

    url: str = ""
    greeting: str = ""
    paths: "queue.Queue[tuple[str, str | None]]" = field(default_factory=queue.Queue)
    frames: "queue.Queue[LiveFrame]" = field(default_factory=queue.Queue)
    connections: list = field(default_factory=list)

    def hold(self, connection) -> None:
        request = connection.request
        self.connections.append(connection)
        if self.greeting:
            connection.send(self.greeting)
        self.paths.put((request.path, request.headers.get("Authorization")))
        try:
            for message in connection:
                self.frames.put(decode(message, LiveFrame))
        except ConnectionClosed:
            return


@contextmanager
def _relay(**fields):
    relay = Relay(**fields)
    with serve(relay.hold, "127.0.0.1", 0) as server:
        relay.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield relay
        server.shutdown()
        thread.join()


@contextmanager
def _started(live):
    live.start()
    try:
        yield live
    finally:
        live.stop()


def _live(url="http://127.0.0.1:1", *, now=lambda: 0.0, **fields):
    return Live(url, name="bench-1", authorization=lambda: "Bearer s3cret", monotonic=now, **fields)


def _progress(samples, *, requests_done=7):
    return Progress(
        phase="serve",
        requests_done=requests_done,
        held=OperatingPoint(),
        zero_s=100.0,
        samples=samples,
    )


def _samples(n, *, first=0):
    return [
        Sample(100.0 + i / 10, (float(i), None), None, None, None, None, None)
        for i in range(first, first + n)
    ]


def _show(live, run_id=RUN):
    return live.show(run_id, requests_asked=1000, rails=["VDD_GPU_SOC", "VDD_CPU_CV"])


# What a frame holds.


def test_a_frame_holds_what_is_new_since_the_last_one():
    live, samples = _live(), _samples(2)
    _show(live).progress = _progress(samples)
    assert live.frame().t_s == [0.0, 0.1]
    samples += _samples(1, first=2)
    frame = live.frame()
    assert frame.t_s == [0.2]
    assert frame.rails_w == [[2.0], [None]]
    assert (frame.device, frame.run_id, frame.phase) == ("bench-1", RUN, "serve")
    assert (frame.requests_done, frame.requests_asked) == (7, 1000)
    assert live.frame() is None


def test_what_is_too_old_is_dropped():
    live = _live()
    _show(live).progress = _progress(_samples(MOST_SAMPLES + 50))
    frame = live.frame()
    assert len(frame.t_s) == MOST_SAMPLES
    assert frame.t_s[0] == pytest.approx(5.0)


def test_the_end_of_a_run_is_shown_before_the_next_one_begins():
    live = _live()
    live.hear(WATCHED)
    ended = _show(live)
    ended.progress, ended.is_over = _progress(_samples(3)), True
    _show(live, OTHER).progress = _progress(_samples(1))
    assert [live.frame().run_id, live.frame().run_id] == [RUN, OTHER]


def test_runs_that_nobody_watched_are_not_shown_later():
    live = _live()
    for run_id in (RUN, OTHER):
        _show(live, run_id).progress = _progress(_samples(3))
    assert live.frame().run_id == OTHER
    assert live.frame() is None


def test_a_run_that_has_not_begun_gives_no_frame():
    live = _live()
    _show(live)
    assert live.frame() is None


# Who watches.


def test_a_board_is_paced_while_watched_and_a_little_after():
    now_s = [50.0]
    live = _live(now=lambda: now_s[0], watched_pace=20.0)
    assert live.pace() is None
    live.hear(WATCHED)
    assert live.pace() == 20.0
    now_s[0] += WATCHED_FOR_S - 0.1
    assert live.pace() == 20.0
    now_s[0] += 0.2
    assert live.pace() is None


@pytest.mark.parametrize("word", ["", "[1]", '{"watched": "maybe"}', '{"other": 1}', b"\xff"])
def test_a_word_that_is_not_known_is_no_watcher(word):
    live = _live()
    live.hear(word)
    assert not live.is_watched


# The connection.


def test_frames_flow_while_somebody_watches():
    with _relay(greeting=WATCHED) as relay:
        live = Live(relay.url, name="bench-1", authorization=lambda: "Bearer s3cret")
        _show(live).progress = _progress(_samples(5))
        with _started(live):
            assert relay.frames.get(timeout=DEADLINE_S).t_s == [0.0, 0.1, 0.2, 0.3, 0.4]
        assert relay.paths.get_nowait() == ("/ws/boards/bench-1/", "Bearer s3cret")


def test_nothing_is_sent_while_nobody_watches():
    with _relay(greeting='{"watched": false}') as relay:
        live = Live(relay.url, name="bench-1", authorization=lambda: "Bearer s3cret")
        _show(live).progress = _progress(_samples(5))
        with _started(live):
            relay.paths.get(timeout=DEADLINE_S)
            with pytest.raises(queue.Empty):
                relay.frames.get(timeout=0.3)


def test_a_lost_connection_comes_back_by_itself():
    with _relay(greeting=WATCHED) as relay:
        live = Live(relay.url, name="bench-1", authorization=lambda: "Bearer s3cret")
        samples = _samples(1)
        _show(live).progress = _progress(samples)
        with _started(live):
            relay.frames.get(timeout=DEADLINE_S)
            relay.connections[0].close()
            samples += _samples(1, first=1)
            assert relay.frames.get(timeout=DEADLINE_S).t_s == [0.1]
        assert len(relay.connections) == 2


def test_a_server_that_is_not_there_stops_nothing():
    with _started(_live()) as live:
        _show(live).progress = _progress(_samples(5))
        assert live.pace() is None


def test_the_live_path_is_encrypted_off_the_loopback():
    with pytest.raises(InsecureAddress):
        _live("http://polyweb.example.org")
    assert _live("https://polyweb.example.org/lab").url == (
        "wss://polyweb.example.org/lab/ws/boards/bench-1/"
    )
