"""TensorRT through `trtexec`, NVIDIA's own program: one child for a whole run.

trtexec makes its requests itself, back to back and without preprocessing, and tells when
each began and ended only after the last one; a run gets its batches then. Its times count
from the moment it says "Starting inference", whose line is stamped as it arrives here.
An engine is built from the ONNX file once and kept.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from measurements.board.hardware.protocol import Clock
from measurements.board.load.protocol import LoadFailed, ServedBatch
from measurements.board.load.trtexec import BadTimes, Query, queries, summary
from measurements.messages import NetworkFeatures

STARTING = "Starting inference"
BUILD_S = 3600.0
"""Building an engine takes minutes on a board."""
LOADING_S = 120.0
"""Beside its inference, a run loads the engine and writes its times."""
TELL_EVERY_S = 0.2
GRACE_S = 1.0


class TensorRtLoad:
    """Serves batches with `program`; see `load.protocol.Load`.

    Args:
        file: Gives the ONNX file, fetching it if need be.
        seconds: How long trtexec is to infer: warm-up and all measured requests lie within.
        cache: Where engines are kept, by network, batch size and program.
    """

    def __init__(
        self,
        program: str,
        *,
        network: NetworkFeatures,
        file: Callable[[], Path],
        clock: Clock,
        batch_size: int,
        seconds: float,
        cache: Path,
    ) -> None:
        self.description = f"TensorRT by {program}"
        self._program = program
        self._features = network
        self._file = file
        self._clock = clock
        self._batch_size = batch_size
        self._seconds = seconds
        self._cache = cache
        self._engine: Path | None = None

    @contextmanager
    def ready(self) -> Iterator[None]:
        self._engine = self._built(self._file())
        yield

    def serve(
        self, arrivals_s: Sequence[float] | None, requests: int
    ) -> Iterator[ServedBatch | None]:
        if arrivals_s is not None:
            raise LoadFailed(
                "trtexec makes its own requests, back to back: for requests at a rate choose "
                "ONNX Runtime (provider tensorrt) or Triton"
            )
        with tempfile.TemporaryDirectory(prefix="trtexec-") as directory:
            exported = Path(directory) / "times.json"
            started_s = yield from self._infer(exported)
            yield from self._batches(exported, started_s)
        raise LoadFailed(
            f"trtexec inferred for {self._seconds:g} s, which was not enough for this run: "
            "start the worker with --load tensorrt,seconds=N"
        )

    def _infer(self, exported: Path) -> Generator[None, None, float]:
        """Run the child to its end, yielding None meanwhile; when it began to infer."""
        options = [f"--loadEngine={self._engine}", f"--duration={self._seconds:g}",
                   "--warmUp=0", "--iterations=1", f"--exportTimes={exported}"]  # fmt: skip
        limit_s = self._clock.now() + self._seconds + LOADING_S
        lines: list[tuple[float, str]] = []
        for stamped in self._lines([self._program, *options], limit_s):
            if stamped is None:
                yield None
            else:
                lines.append(stamped)
        self._judge("\n".join(line for _, line in lines))
        starts_s = [t_s for t_s, line in lines if STARTING in line]
        if not starts_s:
            raise LoadFailed("trtexec did not say when it started to infer")
        return starts_s[0]

    def _batches(self, exported: Path, started_s: float) -> Iterator[ServedBatch]:
        try:
            found = queries(exported.read_bytes())
        except (BadTimes, OSError) as failure:
            raise LoadFailed(f"trtexec's times: {failure}") from failure
        for query in found:
            yield _batch(query, started_s, self._batch_size)

    def _judge(self, text: str) -> None:
        """Take over what the program said of itself.

        Raises:
            LoadFailed: It failed, with its own words.
        """
        said = summary(text)
        if said.outcome != "PASSED":
            words = "; ".join(said.errors[-3:]) or text[-300:] or "no message"
            raise LoadFailed(f"trtexec {said.outcome or 'ended early'}: {words}")
        version = said.tensorrt or "of unknown version"
        self.description = f"TensorRT {version} by trtexec, back to back, no preprocessing"

    def _built(self, network: Path) -> Path:
        """The engine for this network, batch size and program; from the cache or new."""
        name = f"{self._features.sha256}-{self._batch_size}-{self._stamp()}.plan"
        engine = self._cache / name
        if not engine.exists():
            engine.parent.mkdir(parents=True, exist_ok=True)
            self._build(network, engine)
        return engine

    def _stamp(self) -> str:
        """Another TensorRT needs another engine: its program has another size or time."""
        try:
            status = Path(self._program).stat()
        except OSError as missing:
            raise LoadFailed(f"no trtexec: {missing}; see docs/loads.md") from missing
        return f"{status.st_size:x}-{status.st_mtime_ns:x}"

    def _build(self, network: Path, engine: Path) -> None:
        unfinished = engine.with_suffix(".tmp")
        options = [f"--onnx={network}", f"--saveEngine={unfinished}", "--skipInference",
                   *shapes(self._features, self._batch_size)]  # fmt: skip
        limit_s = self._clock.now() + BUILD_S
        said = [line for line in self._lines([self._program, *options], limit_s) if line]
        self._judge("\n".join(text for _, text in said))
        unfinished.replace(engine)

    def _lines(self, command: list[str], limit_s: float) -> Iterator[tuple[float, str] | None]:
        """Each line with its time on the Clock; None several times a second meanwhile.

        Raises:
            LoadFailed: It cannot be started, or is not through at `limit_s`.
        """
        told: SimpleQueue[tuple[float, str] | None] = SimpleQueue()
        with _child(command) as child:
            reader = Thread(target=_read, args=(child, self._clock, told), daemon=True)
            reader.start()
            while True:
                try:
                    stamped = told.get(timeout=TELL_EVERY_S)
                except Empty:
                    yield None
                else:
                    if stamped is None:
                        return
                    yield stamped
                if self._clock.now() > limit_s:
                    raise LoadFailed("trtexec took too long and was ended")


def shapes(network: NetworkFeatures, batch_size: int) -> list[str]:
    """`--shapes` for a free batch axis; nothing for a fixed one.

    Raises:
        LoadFailed: The graph takes batches of another size only.
    """
    first, *rest = network.input_shape
    if first is None:
        axes = "x".join(map(str, (batch_size, *rest)))
        return [f"--shapes={network.input_name}:{axes}"]
    if first != batch_size:
        raise LoadFailed(f"the graph takes batches of {first} only, not of {batch_size}")
    return []


def _batch(query: Query, started_s: float, batch_size: int) -> ServedBatch:
    """There is no preprocessing: a request starts as its copy to the device does."""
    start_s = started_s + query.start_h2d_ms / 1e3
    return ServedBatch(
        arrival_s=(start_s,) * batch_size,
        start_s=(start_s,) * batch_size,
        inference_start_s=start_s,
        inference_end_s=started_s + query.end_d2h_ms / 1e3,
    )


@contextmanager
def _child(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The program in a group of its own, which is ended with the block."""
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as failure:
        raise LoadFailed(f"{command[0]} cannot be started: {failure}") from failure
    try:
        yield child
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _read(
    child: subprocess.Popen[bytes],
    clock: Clock,
    told: SimpleQueue[tuple[float, str] | None],
) -> None:
    assert child.stdout is not None
    with child.stdout as output:
        for raw in output:
            told.put((clock.now(), raw.decode("utf-8", errors="replace").rstrip("\n")))
    told.put(None)
