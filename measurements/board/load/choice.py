"""Which load a worker serves with, by what `--load` says.

onnx[:cpu|cuda|tensorrt][,threads=N][,device=N]
triton:http://HOST:PORT[,batching=on|off]       triton:grpc://HOST:PORT[,batching=on|off]
tensorrt[:PATH OF trtexec][,seconds=N]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from measurements.board.hardware.protocol import Clock
from measurements.board.load.protocol import Load, LoadFailed
from measurements.board.uplink import Refused
from measurements.messages import NetworkFeatures

if TYPE_CHECKING:
    from measurements.board.load.onnx import OnnxEngine
    from measurements.board.load.triton import TritonEngine

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
"""Of ONNX Runtime, by the names that `--load` knows."""
TRTEXEC = "/usr/src/tensorrt/bin/trtexec"
GRAMMAR = (
    "onnx[:cpu|cuda|tensorrt][,threads=N][,device=N], triton:http(s)|grpc(s)://HOST:PORT"
    "[,batching=on|off], or tensorrt[:PATH][,seconds=N]"
)
ALLOWED = {"onnx": {"threads", "device"}, "triton": {"batching"}, "tensorrt": {"seconds"}}
NONE = (
    "this worker was started without a load: give it --load onnx, --load triton:URL or "
    "--load tensorrt (docs/loads.md)"
)


class UnknownLoad(ValueError):
    """`--load` says something else."""


@dataclass(frozen=True, slots=True)
class LoadChoice:
    """A load that can be made for any network.

    Args:
        network_file: The ONNX file with a hash, from the cache or the server.
        cache: For engines that take long to build.
    """

    kind: str
    target: str
    options: Mapping[str, str]
    clock: Clock
    network_file: Callable[[str], Path]
    cache: Path

    @property
    def needs_network_file(self) -> bool:
        """Triton serves what stands in its own repository."""
        return self.kind in ("onnx", "tensorrt")

    def __call__(self, network: NetworkFeatures, batch_size: int, seed: int) -> Load:
        if self.kind == "tensorrt":
            return self._tensorrt(network, batch_size)
        if self.kind == "none":
            raise LoadFailed(NONE)
        from measurements.board.load.pipeline import PipelinedLoad

        engine = (self._onnx if self.kind == "onnx" else self._triton)(network, batch_size)
        return PipelinedLoad(engine, clock=self.clock, batch_size=batch_size, seed=seed)

    def _onnx(self, network: NetworkFeatures, batch_size: int) -> OnnxEngine:
        from measurements.board.load.onnx import OnnxEngine

        return OnnxEngine(
            lambda: self._file(network),
            clock=self.clock,
            batch_size=batch_size,
            provider=self.target or "cpu",
            threads=int(self.options.get("threads", "1")),
            device=int(self.options.get("device", "0")),
        )

    def _triton(self, network: NetworkFeatures, batch_size: int) -> TritonEngine:
        from measurements.board.load.triton import TritonEngine

        return TritonEngine(
            self.target,
            network=network.name,
            clock=self.clock,
            batch_size=batch_size,
            dynamic_batching=self.options.get("batching") == "on",
        )

    def _tensorrt(self, network: NetworkFeatures, batch_size: int) -> Load:
        from measurements.board.load.tensorrt import TensorRtLoad

        return TensorRtLoad(
            self.target or TRTEXEC,
            network=network,
            file=lambda: self._file(network),
            clock=self.clock,
            batch_size=batch_size,
            seconds=float(self.options.get("seconds", "30")),
            cache=self.cache,
        )

    def _file(self, network: NetworkFeatures) -> Path:
        if network.sha256 is None:
            raise LoadFailed(f"the plan names no file of {network.name}")
        try:
            return self.network_file(network.sha256)
        except (OSError, Refused) as failure:
            raise LoadFailed(f"the file of {network.name} did not arrive: {failure}") from failure


def choose(
    text: str, *, clock: Clock, network_file: Callable[[str], Path], cache: Path
) -> LoadChoice:
    """The load that `text` means; an empty text fails when it is asked to serve.

    Raises:
        UnknownLoad: It follows no known form; the text says which there are.
    """
    head, *pairs = text.split(",")
    kind, _, target = head.partition(":")
    options = dict(pair.partition("=")[::2] for pair in pairs)
    if text and not _is_known(kind, target, options):
        raise UnknownLoad(f"--load {text!r} is none of: {GRAMMAR}")
    return LoadChoice(kind or "none", target, options, clock, network_file, cache)


def _is_known(kind: str, target: str, options: Mapping[str, str]) -> bool:
    if kind not in ALLOWED or options.keys() - ALLOWED[kind]:
        return False
    if kind == "onnx" and target and target not in PROVIDERS:
        return False
    schemes = ("http://", "https://", "grpc://", "grpcs://")
    if kind == "triton" and not target.startswith(schemes):
        return False
    numbers = [value for name, value in options.items() if name != "batching"]
    is_switch = options.get("batching", "on") in ("on", "off")
    return is_switch and all(number.isdecimal() for number in numbers)
