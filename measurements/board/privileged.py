"""The one part that runs as root: holds a board's clocks for a board worker that does not.

    python -m measurements.board.privileged --state-dir DIR (--user NAME | --group NAME)
        [--socket PATH] [--board jetson|emulated:KIND] [--tegrastats PROGRAM]

What it is asked, and how, stands in `measurements.board.hardware.helper`. It knows fixed verbs and
knobs by name, sets only values of the board's own tables, which it reads itself, and
hears only root and the user or group named. It owns the restore file: clocks go back when the
holder says so, when its connection ends (kill -9 included), after an hour, at SIGTERM, and,
should this program be killed, when it starts again.

With systemd's socket activation it takes the socket it is given.
"""

from __future__ import annotations

import argparse
import grp
import logging
import os
import pwd
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from measurements.board.hardware.helper import SOCKET
from measurements.board.hardware.machine import ChildTegrastats
from measurements.board.privileged_verbs import Keeper, Session
from measurements.board.restore import open_files, restore_file

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 8
_SYSTEMD_SOCKET = 3


def is_allowed(uid: int, *, user: int | None, group: int | None) -> bool:
    """Whether root, `user`, or a member of `group` asks."""
    if uid in (0, user):
        return True
    if group is None:
        return False
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        return False
    return group in os.getgrouplist(account.pw_name, account.pw_gid)


def peer_uid(connection: socket.socket) -> int:
    """Who is at the other end, as the kernel says. Source: man 7 unix, SO_PEERCRED."""
    form = struct.Struct("3i")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size)
    uid: int = form.unpack(raw)[1]
    return uid


def serve(keeper: Keeper, listener: socket.socket, allowed: Callable[[int], bool]) -> None:
    """Hear clients until SystemExit; then end them all, which restores what they hold."""
    sessions: dict[threading.Thread, Session] = {}
    try:
        while True:
            connection, _ = listener.accept()
            sessions = {thread: open_ for thread, open_ in sessions.items() if thread.is_alive()}
            if len(sessions) >= MOST_CONNECTIONS or not allowed(peer_uid(connection)):
                log.warning("refused a connection of uid %d", peer_uid(connection))
                connection.close()
                continue
            session = Session(keeper, connection)
            thread = threading.Thread(target=session.run, daemon=True)
            sessions[thread] = session
            thread.start()
    finally:
        for session in sessions.values():
            session.end()
        for thread in sessions:
            thread.join()


def _listener(path: Path) -> socket.socket:
    """systemd's socket, else one of our own. Source: man 3 sd_listen_fds."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=_SYSTEMD_SOCKET)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o666)  # who is heard, the peer's credentials decide
    listener.listen()
    return listener


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m measurements.board.privileged")
    parser.add_argument("--state-dir", required=True, type=Path, help="holds the restore file")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", help="who may ask, besides root")
    who.add_argument("--group", help="whose members may ask, besides root")
    parser.add_argument("--socket", type=Path, default=SOCKET)
    parser.add_argument("--board", default="jetson", help="jetson, or emulated:<kind>")
    parser.add_argument("--tegrastats", default="/usr/bin/tegrastats")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM.

    Raises:
        SystemExit: Always; 0 after SIGTERM, or with what is wrong.
    """
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    asked.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        user = pwd.getpwnam(asked.user).pw_uid if asked.user else None
        group = grp.getgrnam(asked.group).gr_gid if asked.group else None
        files, clock = open_files(asked.board, state_dir=asked.state_dir)
        lines = ChildTegrastats(asked.tegrastats, clock)
        file = restore_file(asked.board, state_dir=asked.state_dir)
        keeper = Keeper(files, clock, lines, restore_file=file)
    except (OSError, ValueError, KeyError) as wrong:
        raise SystemExit(f"privileged helper: {wrong}") from wrong
    listener = _listener(asked.socket)
    log.info("listening")
    serve(keeper, listener, lambda uid: is_allowed(uid, user=user, group=group))


if __name__ == "__main__":
    main()
