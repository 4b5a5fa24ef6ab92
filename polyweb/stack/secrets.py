"""Secrets and other small files under `var/`: mode 0600 from their first byte, replaced whole."""

import os
import secrets
from pathlib import Path


def private_directory(path: Path) -> Path:
    """`path` as a directory that only its owner can enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write(path: Path, text: str) -> None:
    """Put `text` at `path` (0600): after a crash there is the old file or the new one."""
    private_directory(path.parent)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def kept(path: Path) -> str:
    """The secret at `path`, made at random (256 bits) where there is none."""
    if not path.exists():
        write(path, secrets.token_hex(32) + "\n")
    return path.read_text().strip()
