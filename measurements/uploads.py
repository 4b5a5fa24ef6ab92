"""The deed: a file that somebody sent becomes a stored Network, or an error and nothing.

The file is read in a child process that limits its own memory and time and is given
none of this process's environment; a file that breaks its reader breaks nothing else.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction

from measurements.builtin_networks import ensure_file
from measurements.graphs import GraphFeatures
from measurements.models import AuditEntry, Network

READER_BASE_BYTES = 2**30
READER_BYTES_PER_FILE_BYTE = 3
"""What the reader may map: the file, its parsed copy, and as much again for odd files."""
BROKE = "Reading it ended abruptly: the file is damaged, or made to break its reader."
_one_at_a_time = threading.Lock()


class UploadRefused(ValueError):
    """The file is not stored; the text says why."""


class AlreadyStored(Exception):
    """A network with the same file exists."""

    def __init__(self, network: Network) -> None:
        super().__init__(network.name)
        self.network = network


def store_network(upload: UploadedFile, *, name: str, user: AbstractUser | None) -> Network:
    """Read `upload` and keep it, under `name`, as a Network.

    Raises:
        AlreadyStored: The same bytes are there.
        UploadRefused: The file is too large or cannot be read or priced, or the name is taken.
    """
    if upload.size > settings.NETWORK_MAX_BYTES:
        raise UploadRefused(too_large())
    sha256 = _sha256(upload)
    if known := Network.objects.filter(sha256=sha256).first():
        raise AlreadyStored(known)
    with _on_disk(upload) as path:
        features = read_features(path)
    if twin := _built_in_twin(features, sha256=sha256):
        raise AlreadyStored(twin)
    return _stored(upload, name=name, user=user, sha256=sha256, features=features)


def too_large() -> str:
    return f"The file is larger than {settings.NETWORK_MAX_BYTES // 2**20} MiB."


def read_features(path: Path) -> GraphFeatures:
    """What the child process makes of the file at `path`, which nobody trusts.

    Raises:
        UploadRefused: It cannot be read or priced, or takes too much time or memory.
    """
    if not _one_at_a_time.acquire(timeout=settings.NETWORK_MAX_SECONDS):
        raise UploadRefused("Another file is being read; try again in a minute.")
    try:
        done = _run_reader(path)
    except subprocess.TimeoutExpired as expired:
        raise UploadRefused(
            f"Reading it took longer than {settings.NETWORK_MAX_SECONDS} s."
        ) from expired
    finally:
        _one_at_a_time.release()
    return _verdict(done)


def _run_reader(path: Path) -> subprocess.CompletedProcess[bytes]:
    memory_bytes = READER_BASE_BYTES + READER_BYTES_PER_FILE_BYTE * path.stat().st_size
    seconds = settings.NETWORK_MAX_SECONDS
    command = [sys.executable, "-m", "measurements.graphs", str(path)]
    limits = ["--memory-bytes", str(memory_bytes), "--cpu-s", str(seconds)]
    return subprocess.run(
        command + limits,
        cwd=settings.BASE_DIR,
        env={"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
    )


def _verdict(done: subprocess.CompletedProcess[bytes]) -> GraphFeatures:
    try:
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout, type=GraphFeatures)
        raise UploadRefused(json.loads(done.stdout)["error"])
    except (msgspec.MsgspecError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UploadRefused(BROKE) from error


def _sha256(upload: UploadedFile) -> str:
    digest = hashlib.sha256()
    for chunk in upload.chunks():
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _on_disk(upload: UploadedFile) -> Iterator[Path]:
    """Where the upload lies; one that is small enough to be in memory is written first."""
    if hasattr(upload, "temporary_file_path"):
        yield Path(upload.temporary_file_path())
        return
    with tempfile.NamedTemporaryFile(suffix=".onnx") as copy:
        for chunk in upload.chunks():
            copy.write(chunk)
        copy.flush()
        yield Path(copy.name)


def _built_in_twin(features: GraphFeatures, *, sha256: str) -> Network | None:
    """The built-in network whose file, not built until now, has these bytes."""
    alike = Network.objects.filter(
        builtin__gt="",
        sha256__isnull=True,
        parameters=features.parameters,
        flops_per_item=features.flops_per_item,
        bytes_per_item=features.bytes_per_item,
    )
    for network in alike:
        ensure_file(network)
        if network.sha256 == sha256:
            return network
    return None


def _stored(
    upload: UploadedFile,
    *,
    name: str,
    user: AbstractUser | None,
    sha256: str,
    features: GraphFeatures,
) -> Network:
    network = Network(name=name, created_by=user, sha256=sha256, size_bytes=upload.size)
    for field, value in msgspec.structs.asdict(features).items():
        setattr(network, field, value)
    try:
        network.file.save(f"{sha256}.onnx", upload, save=False)
        with transaction.atomic():
            network.save()
            AuditEntry.objects.note(user, "uploaded", network, sha256=sha256)
    except OSError as error:
        raise UploadRefused(f"The server could not keep the file: {error.strerror}.") from error
    except IntegrityError as error:
        network.file.delete(save=False)
        raise UploadRefused("Somebody stored this file, or took this name, just now.") from error
    return network
