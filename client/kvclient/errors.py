"""The client's exceptions: one tree, split by what the caller can do about it.

KvError
    ArgumentError       mend the call: nothing was sent (also a TypeError)
    UsageError          mend the program: this object cannot do that here
    ConfigurationError  mend the URL or the options (also a ValueError)
    ReplyError          the server refused: `code` and `message` say why
        WrongTypeError, NoScriptError, PermissionDenied, ReadOnlyError, ...
        ShuffleError    a shuffle refused: ShuffleGone, ShuffleLost, ShuffleFull, ...
    Unavailable         try later: the request was not executed, or may be repeated safely
        ConnectError    no connection could be made
        DeadlineExceeded the deadline passed (also a TimeoutError)
    OutcomeUnknown      the request was sent once and no reply came: it may have been executed
    ProtocolError       what the server sent is not RESP; the connection was closed
    TransactionAborted  a watched key changed: read again and repeat
    LockError           a lock is not, or no longer, held
    MissingData         a shuffle's partition was read, and something is missing
    Corrupted           what was read does not have the checksum that it was written with
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ArgumentError",
    "AuthenticationError",
    "BusyKeyError",
    "BusyScriptError",
    "ConfigurationError",
    "ConnectError",
    "Corrupted",
    "DeadlineExceeded",
    "ExecAbortError",
    "KvError",
    "LockError",
    "MisroutedError",
    "MissingData",
    "NoScriptError",
    "NotDurableError",
    "NotReadyError",
    "OutOfMemoryError",
    "OutcomeUnknown",
    "PermissionDenied",
    "ProtocolError",
    "ReadOnlyError",
    "ReplyError",
    "ShuffleCommitted",
    "ShuffleConsumed",
    "ShuffleDuplicate",
    "ShuffleError",
    "ShuffleExists",
    "ShuffleFull",
    "ShuffleGone",
    "ShuffleLost",
    "ShuffleMismatch",
    "ShuffleOpen",
    "ShuffleQuota",
    "ShuffleStale",
    "TransactionAborted",
    "Unavailable",
    "UnknownRequestError",
    "UsageError",
    "WrongTypeError",
]


class KvError(Exception):
    """Anything that this package raises on purpose."""


class ArgumentError(KvError, TypeError):
    """An argument cannot be sent; nothing was."""


class UsageError(KvError):
    """The call makes no sense on this object; the message names the right one."""


class ConfigurationError(KvError, ValueError):
    """A URL or an option is wrong; the message names it, its value and what is allowed."""


class Unavailable(KvError):
    """No server answered; the request was not executed, or repeating it does no harm."""


class ConnectError(Unavailable, ConnectionError):
    """No connection could be made: refused, unreachable, an unknown name, a failed handshake."""


class DeadlineExceeded(Unavailable, TimeoutError):
    """The deadline passed; the request was not executed, or repeating it does no harm."""


class OutcomeUnknown(KvError):
    """The request was sent and its reply was lost: it was executed once or not at all."""


class ProtocolError(KvError):
    """What came from the server is not what the protocol allows; the connection was closed."""


class TransactionAborted(KvError):
    """A watched key was changed by somebody else: nothing of the transaction was executed."""


class LockError(KvError):
    """A lock is held by somebody else, or no longer held."""


class MissingData(KvError):
    """A partition was read to its end, and it is not what the shuffle's manifest says."""


class Corrupted(KvError):
    """What was read does not have the checksum that it was written with."""


class ReplyError(KvError):
    """An error reply: `code` is its first word, `message` the whole line.

    `place` is which command of a transaction was refused before EXEC, counted from 1.
    """

    place: int | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = message.partition(" ")[0]


class WrongTypeError(ReplyError):
    """WRONGTYPE: the key holds another type of value."""


class NoScriptError(ReplyError):
    """NOSCRIPT: no script of this digest is loaded."""


class BusyScriptError(ReplyError):
    """BUSY: a script runs for long; SCRIPT KILL or FUNCTION KILL ends it."""


class AuthenticationError(ReplyError):
    """NOAUTH, WRONGPASS: the user or the password is missing or wrong."""


class PermissionDenied(ReplyError):
    """NOPERM: the user may not do this."""


class OutOfMemoryError(ReplyError):
    """OOM: the server's memory limit is reached and nothing can be evicted."""


class ReadOnlyError(ReplyError):
    """READONLY: the node is a follower and takes no writes."""


class NotReadyError(ReplyError):
    """LOADING, MASTERDOWN, CLUSTERDOWN, TRYAGAIN: the server cannot answer yet."""


class NotDurableError(ReplyError):
    """MISCONF, NOREPLICAS: the server takes no writes because it could not keep them."""


class MisroutedError(ReplyError):
    """MOVED, ASK, CROSSSLOT: the keys belong elsewhere, or to several nodes."""


class ExecAbortError(ReplyError):
    """EXECABORT: a queued command was refused; nothing of the transaction was executed."""


class BusyKeyError(ReplyError):
    """BUSYKEY, BUSYGROUP: what should be made exists."""


class UnknownRequestError(ReplyError):
    """UNKNOWNREQUEST: the server has forgotten this request id; it was not executed again."""


class ShuffleError(ReplyError):
    """SHUFFLE...: a shuffle refused something; its kinds say what."""


class ShuffleGone(ShuffleError):
    """NOSHUFFLE: it ended, expired, never was, or was forgotten by a restart; the text says so."""


class ShuffleExists(ShuffleError):
    """SHUFFLEEXISTS: a shuffle of this name is open with other parameters."""


class ShuffleOpen(ShuffleError):
    """SHUFFLEOPEN: not all maps have been committed yet."""


class ShuffleLost(ShuffleError):
    """SHUFFLELOST: blocks are lost, and the maps that `missing()` names have to run again."""


class ShuffleStale(ShuffleError):
    """SHUFFLESTALE: maps ran again since the read began, and need not have written the same."""


class ShuffleMismatch(ShuffleError):
    """SHUFFLECHECK: a checksum or a count is not what the server has."""


class ShuffleFull(ShuffleError):
    """SHUFFLEFULL: the server's memory, or its disk, for shuffles is full; later there is room."""


class ShuffleQuota(ShuffleError):
    """SHUFFLEQUOTA: the shuffle, or a partition of it, is as large as it may become."""


class ShuffleConsumed(ShuffleError):
    """SHUFFLECONSUMED: the partition was acknowledged, so its data is freed."""


class ShuffleCommitted(ShuffleError):
    """SHUFFLECOMMITTED: an attempt that has won cannot be aborted."""


class ShuffleDuplicate(ShuffleError):
    """SHUFFLEDUP: another attempt of this map has won; this one can stop."""


BY_CODE: Final[dict[str, type[ReplyError]]] = {
    "WRONGTYPE": WrongTypeError,
    "NOSCRIPT": NoScriptError,
    "BUSY": BusyScriptError,
    "NOAUTH": AuthenticationError,
    "WRONGPASS": AuthenticationError,
    "NOPERM": PermissionDenied,
    "OOM": OutOfMemoryError,
    "READONLY": ReadOnlyError,
    "LOADING": NotReadyError,
    "MASTERDOWN": NotReadyError,
    "CLUSTERDOWN": NotReadyError,
    "TRYAGAIN": NotReadyError,
    "MISCONF": NotDurableError,
    "NOREPLICAS": NotDurableError,
    "MOVED": MisroutedError,
    "ASK": MisroutedError,
    "CROSSSLOT": MisroutedError,
    "EXECABORT": ExecAbortError,
    "BUSYKEY": BusyKeyError,
    "BUSYGROUP": BusyKeyError,
    "UNKNOWNREQUEST": UnknownRequestError,
    "NOSHUFFLE": ShuffleGone,
    "SHUFFLEEXISTS": ShuffleExists,
    "SHUFFLEOPEN": ShuffleOpen,
    "SHUFFLELOST": ShuffleLost,
    "SHUFFLESTALE": ShuffleStale,
    "SHUFFLECHECK": ShuffleMismatch,
    "SHUFFLEFULL": ShuffleFull,
    "SHUFFLEQUOTA": ShuffleQuota,
    "SHUFFLECONSUMED": ShuffleConsumed,
    "SHUFFLECOMMITTED": ShuffleCommitted,
    "SHUFFLEDUP": ShuffleDuplicate,
}


def reply_error(message: str) -> ReplyError:
    """Return the exception that stands for an error line, given without its leading `-`."""
    return BY_CODE.get(message.partition(" ")[0], ReplyError)(message)
