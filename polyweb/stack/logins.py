"""Boards' logins at the broker: made or renewed here, kept by the broker as hashes."""

import secrets
from urllib.parse import quote, urlsplit, urlunsplit

import redis
from redis.lock import Lock

from measurements.board import broker
from polyweb.stack.errors import StackError


def grant(broker_url: str, board_name: str, *, seen_as: str | None = None) -> str:
    """Make or renew the login of a board; its broker URL, password included.

    `seen_as` is the broker's URL as the board reaches it, where that is another one.
    An older password stops working at once. The mutex over putting back old messages
    is held for good: the application's own lease brings a lost plan back, and sooner.

    Raises:
        StackError: The broker refuses, or keeps no ACL file.
    """
    password, user = secrets.token_urlsafe(32), broker.queue(board_name)
    client = redis.Redis.from_url(broker_url)
    try:
        client.script_load(Lock.LUA_RELEASE_SCRIPT)
        client.set(f"{user}:unacked_mutex", "held: a board puts nothing back by time")
        rules = [*broker.acl_rules(board_name), "on", f">{password}"]
        client.execute_command("ACL", "SETUSER", user, *rules)
        client.execute_command("CLIENT", "KILL", "USER", user)
        client.execute_command("ACL", "SAVE")
    except redis.ConnectionError as error:
        raise StackError(f"The broker does not answer: {error}") from error
    except redis.ResponseError as error:
        raise StackError(
            f"The broker refused to make the login {user}: {error}. It needs an ACL file "
            "(`aclfile`), and REDIS_URL a user that may use ACL, CLIENT KILL and SCRIPT LOAD."
        ) from error
    finally:
        client.close()
    return _with_login(seen_as or broker_url, user, password)


def _with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user)}:{quote(password)}@{host}"))
