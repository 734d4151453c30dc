"""Commands on the server as a whole and on its clients."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal

from kvclient import shapes
from kvclient.arguments import Milliseconds, Pairs, flags, flat_pairs, milliseconds, option
from kvclient.commands.base import Surface
from kvclient.results import Info, SlowCommand, T
from kvclient.wire.encoding import Argument


class ServerCommands(Surface[T]):
    """The server: its state, its configuration, its clients, its users."""

    def acl_deluser(self, *users: Argument) -> Awaitable[int]:
        """Delete users and end their connections; return how many existed."""
        return self._send((b"ACL", b"DELUSER", *users))

    def acl_list(self) -> Awaitable[list[str]]:
        """Return the users as lines of rules."""
        return self._send((b"ACL", b"LIST"), shapes.texts)

    def acl_setuser(self, user: Argument, *rules: Argument) -> Awaitable[bool]:
        """Make or change a user by rules as `"on"`, `">password"`, `"~key:*"`; return True."""
        return self._send((b"ACL", b"SETUSER", user, *rules), shapes.done)

    def acl_users(self) -> Awaitable[list[str]]:
        """Return the names of all users."""
        return self._send((b"ACL", b"USERS"), shapes.texts)

    def acl_whoami(self) -> Awaitable[str]:
        """Return the name of the user of this connection."""
        return self._send((b"ACL", b"WHOAMI"), shapes.text)

    def bgrewriteaof(self) -> Awaitable[str]:
        """Begin to rewrite the append-only log; return what the server says of it."""
        return self._send((b"BGREWRITEAOF",), shapes.text)

    def bgsave(self, *, schedule: bool = False) -> Awaitable[str]:
        """Begin to save the data; return what the server says of it."""
        return self._send((b"BGSAVE", *flags(schedule=schedule)), shapes.text)

    def client_getname(self) -> Awaitable[str | None]:
        """Return the name of this connection, None if it has none."""
        return self._send((b"CLIENT", b"GETNAME"), shapes.optional_text)

    def client_id(self) -> Awaitable[int]:
        """Return the number of this connection."""
        return self._send((b"CLIENT", b"ID"))

    def client_info(self) -> Awaitable[dict[str, str]]:
        """Describe this connection, in the server's words."""
        return self._send((b"CLIENT", b"INFO"), shapes.client_line)

    def client_kill(
        self,
        *,
        id: int | None = None,
        addr: str | None = None,
        laddr: str | None = None,
        user: str | None = None,
        type: Literal["normal", "master", "replica", "pubsub"] | None = None,
        skipme: bool = True,
    ) -> Awaitable[int]:
        """End the connections that fit all that is given; return how many."""
        argv = (
            *(b"CLIENT", b"KILL"),
            *option(b"ID", id),
            *option(b"ADDR", addr),
            *option(b"LADDR", laddr),
            *option(b"USER", user),
            *option(b"TYPE", type),
            *(b"SKIPME", b"yes" if skipme else b"no"),
        )
        return self._send(argv)

    def client_list(
        self, type: Literal["normal", "master", "replica", "pubsub"] | None = None
    ) -> Awaitable[list[dict[str, str]]]:
        """Describe all connections, in the server's words."""
        return self._send((b"CLIENT", b"LIST", *option(b"TYPE", type)), shapes.client_lines)

    def client_pause(
        self, timeout: Milliseconds, *, mode: Literal["ALL", "WRITE"] = "ALL"
    ) -> Awaitable[bool]:
        """Hold up all requests, or those that write, for `timeout` milliseconds; return True."""
        return self._send((b"CLIENT", b"PAUSE", milliseconds(timeout), mode), shapes.done)

    def client_setname(self, name: Argument) -> Awaitable[bool]:
        """Name this connection; return True."""
        return self._send((b"CLIENT", b"SETNAME", name), shapes.done)

    def client_unpause(self) -> Awaitable[bool]:
        """End a pause; return True."""
        return self._send((b"CLIENT", b"UNPAUSE"), shapes.done)

    def command_count(self) -> Awaitable[int]:
        """Return how many commands the server has."""
        return self._send((b"COMMAND", b"COUNT"))

    def config_get(self, *patterns: Argument) -> Awaitable[dict[str, str]]:
        """Return the directives that match glob patterns, with their values."""
        return self._send((b"CONFIG", b"GET", *(patterns or ("*",))), shapes.text_mapping)

    def config_resetstat(self) -> Awaitable[bool]:
        """Set the server's counters to zero; return True."""
        return self._send((b"CONFIG", b"RESETSTAT"), shapes.done)

    def config_rewrite(self) -> Awaitable[bool]:
        """Write the values in force to the configuration file; return True."""
        return self._send((b"CONFIG", b"REWRITE"), shapes.done)

    def config_set(self, mapping: Pairs[Argument, Argument]) -> Awaitable[bool]:
        """Change directives, all or none; return True."""
        return self._send((b"CONFIG", b"SET", *flat_pairs(mapping)), shapes.done)

    def dbsize(self) -> Awaitable[int]:
        """Return the number of keys."""
        return self._send((b"DBSIZE",))

    def echo(self, value: Argument) -> Awaitable[T]:
        """Return what was sent."""
        return self._send((b"ECHO", value))

    def flushall(self, *, asynchronous: bool = False) -> Awaitable[bool]:
        """Delete the keys of all databases, if `asynchronous` freed later; return True."""
        return self._send((b"FLUSHALL", *((b"ASYNC",) if asynchronous else ())), shapes.done)

    def flushdb(self, *, asynchronous: bool = False) -> Awaitable[bool]:
        """Delete all keys of the database, if `asynchronous` freed later; return True."""
        return self._send((b"FLUSHDB", *((b"ASYNC",) if asynchronous else ())), shapes.done)

    def info(self, *sections: Argument) -> Awaitable[Info]:
        """Return what the server says of itself: numbers as int or float, parts as dict."""
        return self._send((b"INFO", *sections), shapes.info)

    def lastsave(self) -> Awaitable[int]:
        """Return the Unix time in seconds of the last successful save."""
        return self._send((b"LASTSAVE",))

    def memory_usage(self, key: Argument, *, samples: int | None = None) -> Awaitable[int | None]:
        """Return how many bytes a key and its value take, None if it is missing.

        That of large values is estimated from `samples` elements (5), 0 for all.
        """
        return self._send((b"MEMORY", b"USAGE", key, *option(b"SAMPLES", samples)))

    def ping(self) -> Awaitable[bool]:
        """Ask whether the server answers; return True."""
        return self._send((b"PING",), shapes.pong)

    def save(self) -> Awaitable[bool]:
        """Save the data, while the server does nothing else; return True."""
        return self._send((b"SAVE",), shapes.done)

    def slowlog_get(self, num: int | None = None) -> Awaitable[list[SlowCommand[T]]]:
        """Return the last `num` (10) slow commands, the latest first; -1 for all."""
        return self._send(
            (b"SLOWLOG", b"GET", *(() if num is None else (num,))), shapes.slow_commands
        )

    def slowlog_len(self) -> Awaitable[int]:
        """Return how many entries the slow log has."""
        return self._send((b"SLOWLOG", b"LEN"))

    def slowlog_reset(self) -> Awaitable[bool]:
        """Empty the slow log; return True."""
        return self._send((b"SLOWLOG", b"RESET"), shapes.done)

    def swapdb(self, first: int, second: int) -> Awaitable[bool]:
        """Exchange two databases; return True."""
        return self._send((b"SWAPDB", first, second), shapes.done)

    def time(self) -> Awaitable[tuple[int, int]]:
        """Return the server's Unix time: seconds and microseconds."""
        return self._send((b"TIME",), shapes.time_parts)

    def wait(self, num_replicas: int, timeout: Milliseconds = 0) -> Awaitable[int]:
        """Wait until followers have what was written before; return how many have.

        Up to `timeout` milliseconds, 0 for ever. It speaks of the writes of the connection that it
        goes through.
        """
        ms = milliseconds(timeout)
        return self._send_blocking((b"WAIT", num_replicas, ms), None, ms / 1000)
