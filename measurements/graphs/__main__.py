"""`python -m measurements.graphs FILE`: features of a file that nobody trusts, as JSON.

The process limits itself before it opens the file: memory, processor time, no large
file written, no core dumped. It ends with 0 and the features, or with 1 and
`{"error": …}`; any other end is a file that broke the reader.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path

import msgspec

from measurements.graphs import GraphError, features, read

OUTPUT_BYTES = 2**20
"""The longest file that the process may write: its output, when that is a file."""


def main() -> int:
    asked = _arguments()
    _limit(memory_bytes=asked.memory_bytes, cpu_s=asked.cpu_s)
    try:
        found = features(read(asked.file))
    except GraphError as error:
        return _refuse(str(error))
    except MemoryError:
        return _refuse(f"Reading it takes more than {asked.memory_bytes // 2**20} MiB of memory.")
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m measurements.graphs")
    parser.add_argument("file", type=Path)
    parser.add_argument("--memory-bytes", type=int, default=3 * 2**30)
    parser.add_argument("--cpu-s", type=int, default=60)
    return parser.parse_args()


def _limit(*, memory_bytes: int, cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_BYTES, OUTPUT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _refuse(text: str) -> int:
    print(json.dumps({"error": text}))
    return 1


if __name__ == "__main__":
    sys.exit(main())
