"""Django's PostgreSQL backend, whose connections are kept for the next request.

Under ASGI each request has a thread of its own, so Django cannot keep a connection between two of
them, and its own pool needs psycopg 3. OPTIONS["kept"] says how many a process keeps; 0: none.
A fresh connection costs its opening and, on its first queries, PostgreSQL's empty caches.
"""

from __future__ import annotations

import os
from queue import Empty, Full, LifoQueue
from typing import Any

from django.db.backends.postgresql import base
from psycopg2 import Error
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

_kept: dict[tuple[int, str], LifoQueue[Any]] = {}
"""By process, since a forked one must not use its parent's, and by alias."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Closing a connection keeps it if it is whole and there is room; opening one takes it."""

    @property
    def _shelf(self) -> LifoQueue[Any] | None:
        kept = self.settings_dict["OPTIONS"].get("kept", 0)
        if not kept:
            return None
        return _kept.setdefault((os.getpid(), self.alias), LifoQueue(maxsize=kept))

    def get_connection_params(self) -> dict[str, Any]:
        return {k: v for k, v in super().get_connection_params().items() if k != "kept"}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        shelf = self._shelf
        while shelf is not None:
            try:
                connection = shelf.get_nowait()
            except Empty:
                break
            if _works(connection):
                return connection
        return super().get_new_connection(conn_params)

    def _close(self) -> None:
        if not self._is_kept():
            super()._close()

    def _is_kept(self) -> bool:
        """Whether the connection now waits for the next request: it is whole, and there is room."""
        connection, shelf = self.connection, self._shelf
        if connection is None or shelf is None or self.errors_occurred or connection.closed:
            return False
        if connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
            return False
        try:
            shelf.put_nowait(connection)
        except Full:
            return False
        return True


def _works(connection: Any) -> bool:
    """Whether the server still answers: it may have been started anew since."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        connection.close()
        return False
    return True
