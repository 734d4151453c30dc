"""`kvnode shuffle`: the shuffles of a running node, for people."""

from __future__ import annotations

import argparse
import os
import socket
import ssl
import sys
from typing import Final

import hiredis

from kvnode.info import human
from kvnode.shuffle.records import NOTHING, ranges

FAILED: Final = 1
_PASSWORD: Final = "REDISCLI_AUTH"
_SECONDS: Final = 5.0
_READ_BYTES: Final = 65536
_PORTS: Final = 65536
_HEAD: Final = ("ID", "STATE", "EPOCH", "MAPS", "BYTES")


class CliError(Exception):
    """Why there is no answer, in a line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = f"The password is that of the environment's variable {_PASSWORD}."
    parser.add_argument("--help", action="help", help="show this help message and exit")
    parser.add_argument("-h", "--host", default="127.0.0.1", help="default: 127.0.0.1")
    parser.add_argument("-p", "--port", type=_port, default=6379, help="default: 6379")
    parser.add_argument("--user", default="", help="who to log in as (default: default)")
    parser.add_argument("--tls", action="store_true", help="speak TLS")
    parser.add_argument("--cacert", metavar="FILE", help="whom to trust")
    parser.add_argument("--cert", metavar="FILE", help="the certificate to show")
    parser.add_argument("--key", metavar="FILE", help="its key")
    parser.add_argument("--insecure", action="store_true", help="trust anybody")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("ls", help="list shuffles")
    listing.add_argument("id", nargs="?", default="", metavar="PREFIX", help="of their ids")
    status = actions.add_parser("status", help="say what a shuffle has, and what it lacks")
    status.add_argument("id", metavar="ID")
    end = actions.add_parser("end", help="let go of a shuffle and all its blocks")
    end.add_argument("id", metavar="ID")


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; return the exit status."""
    try:
        with _Connection(options) as node:
            if options.action == "ls":
                return _list(node, options.id)
            if options.action == "status":
                return _describe(node, options.id)
            return _end(node, options.id)
    except CliError as error:
        print(f"kvnode: {error}", file=sys.stderr)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        print(f"kvnode: cannot talk to {where}: {error.strerror or error}", file=sys.stderr)
    return FAILED


class _Connection:
    """A connection to a node, logged in."""

    def __init__(self, options: argparse.Namespace) -> None:
        context = _tls_context(options) if options.tls else None
        self._socket = socket.create_connection((options.host, options.port), _SECONDS)
        if context is not None:
            self._socket = context.wrap_socket(self._socket, server_hostname=options.host)
        self._reader = hiredis.Reader(encoding="utf-8", errors="backslashreplace")
        password = os.environ.get(_PASSWORD, "")
        if password or options.user:
            self.ask("AUTH", *([options.user] if options.user else []), password)

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def ask(self, *words: str) -> object:
        """Return the reply to a request. CliError: it is an error."""
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            data = word.encode("utf-8", "surrogateescape")
            parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
        self._socket.sendall(b"".join(parts))
        try:
            while (reply := self._reader.gets()) is False:
                received = self._socket.recv(_READ_BYTES)
                if not received:
                    raise CliError("the node has closed the connection")
                self._reader.feed(received)
        except hiredis.ProtocolError as error:
            raise CliError(f"what answers is no node: {error}") from None
        if isinstance(reply, hiredis.ReplyError):
            raise CliError(str(reply))
        return reply


def _tls_context(options: argparse.Namespace) -> ssl.SSLContext:
    """Return whom to trust and what to show. CliError: a file cannot be used."""
    file = options.cacert
    try:
        context = ssl.create_default_context(cafile=file)
        if options.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if options.cert:
            file = options.cert
            context.load_cert_chain(file, options.key)
    except OSError as error:
        raise CliError(f"cannot use {file}: {error.strerror or error}") from None
    return context


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < _PORTS:
        raise argparse.ArgumentTypeError(f"{text} is no port, it must be between 1 and 65535")
    return int(text)


def _list(node: _Connection, prefix: str) -> int:
    reply = node.ask("SHUFFLE.LIST", *([prefix] if prefix else []))
    assert isinstance(reply, list)
    rows = [_HEAD]
    for name, state, epoch, committed, maps, size in reply:
        rows.append((name, state, str(epoch), f"{committed}/{maps}", human(size)))
    if len(rows) == 1:
        print("no shuffles")
        return 0
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
        cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        print("  ".join(cells))
    return 0


def _describe(node: _Connection, name: str) -> int:
    reply = node.ask("SHUFFLE.STATUS", name)
    missing = node.ask("SHUFFLE.MISSING", name)
    assert isinstance(reply, list) and isinstance(missing, list)
    fields = dict(zip(reply[::2], reply[1::2], strict=True))
    for field in ("quota", "bytes", "memory", "spilled", "losers"):
        fields[field] = human(fields[field]) if fields[field] or field != "quota" else "none"
    for field in ("ttl", "expires-in"):
        fields[field] = f"{fields[field]} s"
    fields["deterministic"] = "yes" if fields["deterministic"] else "no"
    maps = ranges(missing[1:]).decode()
    fields["missing"] = "none" if maps == NOTHING.decode() else maps
    width = max(len(field) for field in fields)
    for field, value in fields.items():
        print(f"{field.ljust(width)}  {value}")
    return 0


def _end(node: _Connection, name: str) -> int:
    if not node.ask("SHUFFLE.END", name):
        raise CliError(f"there is no shuffle {name}")
    print(f"{name} has ended")
    return 0
