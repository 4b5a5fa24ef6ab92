"""How a board's Celery app uses the broker, and all that its login there may do.

A board's login is an ACL user named like its queue. It may take plans from that queue
and acknowledge them, and nothing else: no other queue, no publishing, no remote
control. So the keys in which Celery notes what is taken and not yet acknowledged,
shared by all workers by default, are named per board.
"""

import re
from typing import Any

VISIBILITY_TIMEOUT_S = 3600
"""A plan that a killed worker took comes back after this long. A run lasts minutes."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def queue(board_name: str) -> str:
    """The queue, and the broker login, of a board.

    Raises:
        ValueError: The name is no slug; as a key pattern it could reach other keys.
    """
    if not _NAME.fullmatch(board_name):
        raise ValueError(f"A board's name has letters, digits, - and _ only, not {board_name!r}")
    return f"board.{board_name}"


def celery_options(board_name: str) -> dict[str, Any]:
    """Settings for the Celery app of a board: `app.conf.update(celery_options(name))`."""
    own = queue(board_name)
    return {
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "priority_steps": [0],
            "unacked_key": f"{own}:unacked",
            "unacked_index_key": f"{own}:unacked_index",
            "unacked_mutex_key": f"{own}:unacked_mutex",
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "task_default_queue": own,
        "task_ignore_result": True,
        "result_backend": None,
        "worker_concurrency": 1,
        "worker_enable_remote_control": False,
        "worker_pool": "solo",
        "worker_prefetch_multiplier": 1,
        "worker_send_task_events": False,
    }


def worker_arguments(board_name: str) -> list[str]:
    """Arguments for `app.worker_main`: one task at a time, and no talk with other workers."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return ["worker", "-Q", queue(board_name), "-c", "1", "--pool", "solo", *quiet]


def acl_rules(board_name: str) -> list[str]:
    """The rules of the board's ACL user, without its password. They start from nothing."""
    own = queue(board_name)
    return [
        "reset",
        f"~{own}",
        f"~{own}:unacked*",
        f"~_kombu.binding.{own}",
        f"~_kombu.binding_permanent.{own}",
        *(f"+{command}" for command in _COMMANDS),
    ]


_COMMANDS = (
    # Connecting.
    "hello", "ping", "select", "client|setinfo",
    # Declaring its queue.
    "sadd",
    # Taking a plan and acknowledging it.
    "brpop", "llen", "hset", "hdel", "zadd", "zrem",
    # Putting back, onto its own queue, what was taken and not begun before the worker ended.
    "hget", "rpush", "lpush", "multi", "exec", "watch", "unwatch",
    # The mutex over putting back what is past the visibility timeout. EVALSHA runs only what
    # others loaded, here the release of that mutex; EVAL and SCRIPT LOAD stay forbidden.
    "set", "get", "del", "zrange", "evalsha",
)  # fmt: skip
