"""A real Triton server for tests, from the wheel nvidia-pytriton: no GPU, no Docker.

It gets a virtual environment of its own (448 MB, made once and kept), for it pins numpy 1.26;
its Python backend needs Python 3.11 with a shared library, and glibc 2.35 or later.
"""

from __future__ import annotations

import http.client
import os
import platform
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WHEELS = ("nvidia-pytriton==0.7.0", "onnxruntime==1.32.0", "numpy==1.26.4")
HOME = Path(os.environ.get("POLYWEB_TRITON_VENV", Path.home() / ".cache/polyweb/triton-venv"))
INSTALL_S = 600
READY_S = 60


class NoTriton(RuntimeError):
    """It cannot run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Triton:
    http: str
    grpc: str


def environment() -> Path:
    """The environment's site-packages, made if need be.

    Raises:
        NoTriton: Another Python, an older glibc, no shared libpython, or no wheel.
    """
    _check_machine()
    packages = HOME / "lib/python3.11/site-packages"
    if not (HOME / "complete").exists():
        shutil.rmtree(HOME, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(HOME)])
        _run([str(HOME / "bin/python"), "-m", "pip", "install", "-q", *WHEELS])
        (HOME / "complete").touch()
    return packages


def _check_machine() -> None:
    if sys.version_info[:2] != (3, 11) or platform.machine() != "x86_64":
        raise NoTriton(f"tritonserver's wheel needs Python 3.11 on x86-64, not "
                       f"{platform.python_version()} on {platform.machine()}")  # fmt: skip
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(map(int, version.split("."))) < (2, 35):
        raise NoTriton(f"tritonserver needs glibc 2.35 or later, not {library} {version}")


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as failure:
        words = getattr(failure, "stderr", None) or failure
        raise NoTriton(f"its environment cannot be made: {str(words)[-500:]}") from failure


@contextmanager
def running(repository: Path, scratch: Path) -> Iterator[Triton]:
    """A server on free ports, with explicit model control, until the block ends.

    Raises:
        NoTriton: It cannot run here, or was not ready in time.
    """
    packages = environment()
    http_port, grpc_port = _free_port(), _free_port()
    log = scratch / "triton.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                str(packages / "pytriton/tritonserver/bin/tritonserver"),
                f"--model-repository={repository}",
                f"--backend-directory={_backends(packages, scratch)}",
                "--model-control-mode=explicit",
                "--http-address=127.0.0.1",
                "--grpc-address=127.0.0.1",
                f"--http-port={http_port}",
                f"--grpc-port={grpc_port}",
                "--allow-metrics=false",
            ],
            env=_variables(packages),
            stdout=output,
            stderr=output,
        )
        try:
            _wait_until_ready(server, http_port, log)
            yield Triton(f"http://127.0.0.1:{http_port}", f"grpc://127.0.0.1:{grpc_port}")
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _variables(packages: Path) -> dict[str, str]:
    """The server's own libraries, and this Python's, which its stub loads."""
    libraries = [packages / "nvidia_pytriton.libs", Path(sysconfig.get_config_var("LIBDIR"))]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "PYTHONPATH": str(packages),
    }


def _backends(packages: Path, scratch: Path) -> Path:
    """Its Python backend with the stub for Python 3.11, and what a model imports, beside it.

    The stub looks for modules there, and not in PYTHONPATH where Python was built elsewhere.
    """
    triton = packages / "pytriton/tritonserver"
    copied = scratch / "backends/python"
    shutil.copytree(triton / "backends/python", copied)
    stub = triton / "python_backend_stubs/3.11/triton_python_backend_stub"
    shutil.copy2(stub, copied / stub.name)
    (copied / stub.name).chmod(0o755)
    for name in ("numpy", "numpy.libs", "onnxruntime", "flatbuffers", "google", "packaging"):
        if (packages / name).exists():
            (copied / name).symlink_to(packages / name)
    return copied.parent


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until_s = time.monotonic() + READY_S
    while not _is_ready(port):
        if server.poll() is not None or time.monotonic() > until_s:
            raise NoTriton(f"tritonserver was not ready: {log.read_text(errors='replace')[-800:]}")
        time.sleep(0.1)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
