"""The deeds around built-in networks: their rows at the start, their files when needed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from django.conf import settings
from django.core.files import File
from django.db import transaction

from measurements import graphs, zoo
from measurements.models import Network


class NoFile(LookupError):
    """The network has no file, and nothing can build one."""


def seed() -> list[Network]:
    """Make the rows of all built-in networks, or bring their features up to date.

    No file is written: features need no weights. Safe to call again at any time.
    """
    return [_seed_one(name, builtin) for name, builtin in zoo.BUILTINS.items()]


def ensure_file(network: Network) -> Path:
    """The network's ONNX file, built on demand; fills in `sha256` and `size_bytes`.

    Takes up to some seconds (BERT-base); callers at the same time wait for one another.

    Raises:
        NoFile: An uploaded network's file is gone, or the built-in is not known here.
    """
    with transaction.atomic():
        row = Network.objects.select_for_update().get(pk=network.pk)
        if not (row.file and row.file.storage.exists(row.file.name)):
            _build_into(row)
    network.refresh_from_db(fields=["file", "sha256", "size_bytes"])
    return Path(network.file.path)


def write_graph(name: str, path: Path) -> None:
    """Write a built-in network to `path`, in a process of its own: it takes up to 1.5 GB.

    Raises:
        NoFile: There is no such built-in network.
        subprocess.CalledProcessError: It could not be built or written.
    """
    if name not in zoo.BUILTINS:
        raise NoFile(f"there is no built-in network {name!r}")
    command = [sys.executable, "-m", "measurements.zoo", name, str(path.resolve())]
    subprocess.run(command, cwd=settings.BASE_DIR, check=True)


def _seed_one(name: str, builtin: zoo.Builtin) -> Network:
    features = graphs.features(zoo.build(name, with_data=False))
    values = {"name": builtin.title, **msgspec.structs.asdict(features)}
    return Network.objects.update_or_create(builtin=name, defaults=values)[0]


def _build_into(network: Network) -> None:
    with tempfile.TemporaryDirectory(prefix="polyweb-network-") as directory:
        path = Path(directory) / "network.onnx"
        write_graph(network.builtin, path)
        with path.open("rb") as written:
            network.sha256 = hashlib.file_digest(written, "sha256").hexdigest()
            network.size_bytes = path.stat().st_size
            network.file.save(f"{network.sha256}.onnx", File(written), save=False)
    network.save(update_fields=["file", "sha256", "size_bytes"])
