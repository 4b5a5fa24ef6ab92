"""The container: a ZIP whose `pack.json` names every other file with its SHA-256.

The hash of `pack.json` is the pack's identity: whoever cites it cites every byte. A pack
comes from strangers, so nothing in it is read before its size and hash are as it says.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

FORMAT = 1
SEAL = "pack.json"
MOST_FILES = 5000
MOST_BYTES = 4 * 2**30
MOST_JSON_BYTES = 128 * 2**20
CHUNK_BYTES = 2**20
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Every file's time in the ZIP: the same content makes the same bytes."""


class PackRefused(ValueError):
    """The file is no pack that can be taken; the text says why. Nothing was stored."""


class FileSeal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    bytes: int


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `pack.json` says: what the pack is, and what each of its files must be."""

    format: int
    title: str
    made_at: str
    made_by: str
    source: str
    definitions: int
    files: dict[str, FileSeal]


class Writer:
    """A ZIP under way; files are hashed as they go in."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.files: dict[str, FileSeal] = {}

    def add(self, name: str, content: bytes | Path) -> None:
        digest, size = hashlib.sha256(), 0
        with self.archive.open(_entry(name), "w", force_zip64=True) as target:
            for chunk in _chunks(content):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
        self.files[name] = FileSeal(digest.hexdigest(), size)

    def seal(self, **about: str | int) -> str:
        """Write `pack.json`; the pack's identity."""
        seal = Seal(format=FORMAT, files=dict(sorted(self.files.items())), **about)
        content = msgspec.json.format(msgspec.json.encode(seal), indent=1)
        self.archive.writestr(_entry(SEAL), content)
        return hashlib.sha256(content).hexdigest()


class Pack:
    """A pack whose every file was found to be what its seal says."""

    def __init__(self, archive: zipfile.ZipFile, seal: Seal, sha256: str) -> None:
        self.archive, self.seal, self.sha256 = archive, seal, sha256

    def json(self, name: str) -> object:
        """The value in the JSON file `name`.

        Raises:
            PackRefused: It is not there, too large or no JSON.
        """
        try:
            return msgspec.json.decode(self.bytes(name))
        except msgspec.DecodeError as error:
            raise PackRefused(f"{name} is no JSON: {error}") from error

    def bytes(self, name: str) -> bytes:
        if name not in self.seal.files:
            raise PackRefused(f"{name} is missing in the pack.")
        if self.seal.files[name].bytes > MOST_JSON_BYTES:
            raise PackRefused(f"{name} is larger than {MOST_JSON_BYTES // 2**20} MiB.")
        return self.archive.read(name)

    def extract(self, name: str, to: Path) -> Path:
        """A copy of the file `name` in the directory `to`."""
        if name not in self.seal.files:
            raise PackRefused(f"{name} is missing in the pack.")
        path = to / Path(name).name
        with self.archive.open(name) as source, path.open("wb") as target:
            while chunk := source.read(CHUNK_BYTES):
                target.write(chunk)
        return path


@contextmanager
def opened(path: Path) -> Iterator[Pack]:
    """The pack at `path`, every byte of it checked against its seal.

    Raises:
        PackRefused: See its text.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = _seal_bytes(archive)
            seal = _seal(content)
            _check(archive, seal)
            yield Pack(archive, seal, hashlib.sha256(content).hexdigest())
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PackRefused(f"This is no readable ZIP: {error}.") from error


def _seal_bytes(archive: zipfile.ZipFile) -> bytes:
    names = archive.namelist()
    if names.count(SEAL) != 1:
        raise PackRefused(f"There is no {SEAL} in it, so it is no evidence pack.")
    if archive.getinfo(SEAL).file_size > MOST_JSON_BYTES:
        raise PackRefused(f"{SEAL} is too large.")
    return archive.read(SEAL)


def _seal(content: bytes) -> Seal:
    try:
        number = msgspec.json.decode(content, type=dict)["format"]
    except (msgspec.MsgspecError, KeyError) as error:
        raise PackRefused(f"{SEAL} cannot be read: {error}") from error
    if number != FORMAT:
        raise PackRefused(f"It has format {number}; this PolyWeb reads {FORMAT}. Update the older.")
    try:
        return msgspec.json.decode(content, type=Seal)
    except msgspec.MsgspecError as error:
        raise PackRefused(f"{SEAL} cannot be read: {error}") from error


def _check(archive: zipfile.ZipFile, seal: Seal) -> None:
    """Names, sizes and hashes, in this order: the cheap ones first."""
    names = [name for name in archive.namelist() if name != SEAL]
    if len(names) > MOST_FILES or sum(one.bytes for one in seal.files.values()) > MOST_BYTES:
        raise PackRefused("It is larger than a pack may be.")
    if len(set(names)) != len(names) or set(names) != set(seal.files):
        odd = ", ".join(sorted(set(names) ^ set(seal.files))[:3]) or "one stands there twice"
        raise PackRefused(f"Its files are not those that {SEAL} names: {odd}.")
    for name, expected in seal.files.items():
        if archive.getinfo(name).file_size != expected.bytes:
            raise PackRefused(f"{name} has another size than {SEAL} says.")
    for name, expected in seal.files.items():
        if _sha256(archive, name) != expected.sha256:
            raise PackRefused(f"{name} was changed: its hash is not the one in {SEAL}.")


def _sha256(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as source:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    packed = name.endswith(".parquet")
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    return entry


def _chunks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            yield chunk
