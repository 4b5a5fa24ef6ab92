"""`polyweb-board`: the programs of a board by name."""

from __future__ import annotations

import sys

USAGE = """polyweb-board doctor [--board jetson|emulated:KIND] [--sampler tegrastats|ina3221]
polyweb-board worker --name NAME --server URL ... (see polyweb-board worker --help)"""


def main() -> int:
    program, arguments = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if program == "doctor":
        from measurements.board import doctor

        return doctor.main(arguments)
    if program == "worker":
        from measurements.board import worker

        sys.argv[:] = ["polyweb-board worker", *arguments]
        worker.main()
        return 0
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
