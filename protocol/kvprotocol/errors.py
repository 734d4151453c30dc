"""Wire errors: the exception a handler raises and the one table of error texts.

The first word of a text is the code that clients branch on; the rest is what Redis 7.0 says,
because clients and test suites parse it. Texts with a `%s` are filled by the caller through
`ReplyError`.
"""

from typing import Final

from mypy_extensions import mypyc_attr

SHOWN_BYTES: Final = 128  # of a name that is not known
_UNKNOWN_SUBCOMMAND: Final = "ERR unknown subcommand '%s'. Try %s HELP."
_WRONG_SUBCOMMAND: Final = (
    "ERR unknown subcommand or wrong number of arguments for '%s'. Try %s HELP."
)


@mypyc_attr(native_class=False)
class ReplyError(Exception):
    """An error reply; `message` is the whole line without the leading minus.

    `was_counted`: the statistics of errors have it already, it comes from a command of a script.
    """

    def __init__(self, message: str, was_counted: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.was_counted = was_counted


def shown(word: bytes) -> str:
    """Return what an error shows of an argument: Redis prints it as C does, up to a NUL."""
    return word.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def unknown_subcommand(argv: list[bytes]) -> str:
    """Return the error for a subcommand that there is not."""
    return _UNKNOWN_SUBCOMMAND % (shown(argv[1][:SHOWN_BYTES]), shown(argv[0]).upper())


def wrong_subcommand(argv: list[bytes]) -> str:
    """Return the error for a subcommand that cannot be called in this way."""
    return _WRONG_SUBCOMMAND % (shown(argv[1][:SHOWN_BYTES]), shown(argv[0]).upper())


@mypyc_attr(native_class=False)
class WrongType(ReplyError):
    """The key holds another data type than the command works on."""

    def __init__(self) -> None:
        super().__init__(WRONGTYPE)


@mypyc_attr(native_class=False)
class ProtocolError(Exception):
    """The peer broke the protocol: it gets this text, then the connection is closed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


WRONGTYPE: Final = "WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX: Final = "ERR syntax error"
NOT_AN_INTEGER: Final = "ERR value is not an integer or out of range"
NOT_A_FLOAT: Final = "ERR value is not a valid float"
MIN_MAX_NOT_FLOAT: Final = "ERR min or max is not a float"
MIN_MAX_NOT_LEX: Final = "ERR min or max not valid string range item"
OVERFLOW: Final = "ERR increment or decrement would overflow"
NAN_OR_INFINITY: Final = "ERR increment would produce NaN or Infinity"
SCORE_NAN: Final = "ERR resulting score is not a number (NaN)"
NO_SUCH_KEY: Final = "ERR no such key"
INDEX_OUT_OF_RANGE: Final = "ERR index out of range"
VALUE_OUT_OF_RANGE: Final = "ERR value is out of range"
MUST_BE_POSITIVE: Final = "ERR value is out of range, must be positive"
OFFSET_OUT_OF_RANGE: Final = "ERR offset is out of range"
STRING_TOO_LONG: Final = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
INVALID_CURSOR: Final = "ERR invalid cursor"
TIMEOUT_NOT_INTEGER: Final = "ERR timeout is not an integer or out of range"
TIMEOUT_NOT_FLOAT: Final = "ERR timeout is not a float or out of range"
TIMEOUT_NEGATIVE: Final = "ERR timeout is negative"
TIMEOUT_OUT_OF_RANGE: Final = "ERR timeout is out of range"
WRONG_ARITY: Final = "ERR wrong number of arguments for '%s' command"
INVALID_EXPIRE: Final = "ERR invalid expire time in '%s' command"
DB_INDEX_OUT_OF_RANGE: Final = "ERR DB index is out of range"
NESTED_MULTI: Final = "ERR MULTI calls can not be nested"
EXEC_WITHOUT_MULTI: Final = "ERR EXEC without MULTI"
DISCARD_WITHOUT_MULTI: Final = "ERR DISCARD without MULTI"
WATCH_INSIDE_MULTI: Final = "ERR WATCH inside MULTI is not allowed"
EXEC_ABORTED: Final = "EXECABORT Transaction discarded because of previous errors."
EXEC_ABORTED_BY: Final = "EXECABORT Transaction discarded because of: %s"
NOT_IN_MULTI: Final = "ERR Command not allowed inside a transaction"
UNKNOWN_REQUEST: Final = (
    "UNKNOWNREQUEST This request is not remembered: if it was sent before, it may have been"
    " executed then, and it is not executed again."
)
REQUEST_ID: Final = "ERR invalid client id, it has to be one that REQUEST ID returned"
REQUEST_NUMBERS: Final = "ERR REQUEST needs a number from 1 on, and one below it of the last reply"
REQUEST_UNFIT: Final = "ERR Command '%s' cannot be sent with REQUEST"
MONITOR_READS_NOTHING: Final = "ERR Replica can't interact with the keyspace"
READ_ONLY_REPLICA: Final = "READONLY You can't write against a read only replica."
NO_REPLICAS: Final = "NOREPLICAS Not enough good replicas to write."
LEADER_DOWN: Final = (
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
)
STALE_SCRIPT: Final = "ERR Can not execute the command on a stale replica"
SHUTDOWN_FAILED: Final = "ERR Errors trying to SHUTDOWN. Check logs."
SYNC_WITH_OUTPUT: Final = "ERR SYNC and PSYNC are invalid with pending output"
NO_LEADER_LINK: Final = "NOMASTERLINK Can't SYNC while not connected with my master"
OUT_OF_MEMORY: Final = "OOM command not allowed when used memory > 'maxmemory'."
SAVE_IN_PROGRESS: Final = "ERR Background save already in progress"
REWRITE_IN_PROGRESS: Final = "ERR Background append only file rewriting already in progress"
REWRITE_FAILED: Final = (
    "ERR Can't execute an AOF background rewriting. Please check the server logs for more"
    " information."
)
OTHER_CHILD: Final = (
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in"
    " order to schedule a BGSAVE whenever possible."
)
LOG_FAILED: Final = "MISCONF Errors writing to the AOF file: %s"
SAVE_FAILED: Final = (
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to"
    " disk. Commands that may modify the data set are disabled, because this instance is"
    " configured to report errors during writes if RDB snapshotting fails"
    " (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB"
    " error."
)
NO_AUTH: Final = "NOAUTH Authentication required."
WRONG_PASS: Final = "WRONGPASS invalid username-password pair or user is disabled."
NO_PROTO: Final = "NOPROTO unsupported protocol version"
LOADING: Final = "LOADING Redis is loading the dataset in memory"
MAX_CLIENTS: Final = "ERR max number of clients reached"
UNBLOCKED: Final = "UNBLOCKED client unblocked via CLIENT UNBLOCK"
NO_SCRIPT: Final = "NOSCRIPT No matching script. Please use EVAL."
BUSY_SCRIPT: Final = (
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
)
BUSY_FUNCTION: Final = (
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
)
# Shuffles (docs/shuffle.md).
SHUFFLE_DAMAGED: Final = "SHUFFLECHECK the checksum is not the payload's"
SHUFFLE_DIFFERS: Final = "SHUFFLECHECK this block is here with another checksum"
SHUFFLE_EARLIER: Final = "NOSHUFFLE ended: another shuffle of this id was opened since"
SHUFFLE_FULL: Final = "SHUFFLEFULL shuffle-memory is used up, try again later"
SHUFFLE_DISK_FULL: Final = (
    "SHUFFLEFULL shuffle-memory is used up and cannot be spilled (%s), try again later"
)
SHUFFLE_OVER_QUOTA: Final = "SHUFFLEQUOTA the shuffle's quota of %d bytes is used up"
SHUFFLE_PARTITION_FULL: Final = "SHUFFLEQUOTA partition %d has shuffle-partition-max bytes"
SHUFFLE_TOO_LARGE: Final = "SHUFFLEQUOTA a block of %d bytes does not fit into shuffle-memory"
SHUFFLE_CONSUMED: Final = "SHUFFLECONSUMED partition %d was acknowledged, its blocks are gone"
SHUFFLE_UNKNOWN: Final = (
    "NOSHUFFLE unknown: no shuffle %s is known; it was never opened, or it is forgotten: the node"
    " was restarted without appendonly, or it ended long ago"
)
SHUFFLE_GONE: Final = "NOSHUFFLE %s: the shuffle %s is no more, its id is free in %d seconds"
SHUFFLE_EXISTS: Final = "SHUFFLEEXISTS the shuffle %s is open with other parameters"
SHUFFLES_TOO_MANY: Final = "SHUFFLEFULL there are %d shuffles, and no more are taken"
SHUFFLE_OPEN: Final = "SHUFFLEOPEN %d of %d maps have not been committed"
SHUFFLE_LOST: Final = "SHUFFLELOST %d maps have to run again, in epoch %d"
SHUFFLE_STALE: Final = "SHUFFLESTALE %d is the epoch now: read from the beginning"
SHUFFLE_LACKS: Final = (
    "SHUFFLECHECK partition %d does not hold what the summary says of map %d, attempt %d"
)
SHUFFLE_OTHER_SUMMARY: Final = "SHUFFLECHECK attempt %d of map %d has committed other blocks"
SHUFFLE_COMMITTED: Final = "SHUFFLECOMMITTED attempt %d of map %d was committed, and stays"
SHUFFLE_LEFT_OUT: Final = "SHUFFLECOMMITTED the shuffle was sealed without map %d"
SHUFFLE_SEALED: Final = "SHUFFLECOMMITTED the shuffle was sealed with %d maps"
SHUFFLE_DUP: Final = "SHUFFLEDUP %d is the attempt that has won this map"
SHUFFLE_ID: Final = (
    "ERR a shuffle's id has 1 to 128 printable ASCII characters, and no space, slash or brace"
)
SHUFFLE_PARTITION_KEY: Final = "ERR a partition's key is id/partition"
SHUFFLE_RANGE: Final = "ERR %s is out of range, it must be between %d and %d"
SHUFFLE_SUMMARY: Final = (
    "ERR a summary is JSON: [[partition, blocks, bytes, checksum], ...], partitions ascending, each"
    " with blocks"
)
SHUFFLE_REPLICAS: Final = "ERR REPLICAS other than 1 needs a cluster, and this node is not in one"
SHUFFLE_CODEC: Final = "ERR a codec's name has 1 to 32 letters, digits, - and _"
CLUSTER_DISABLED: Final = "ERR This instance has cluster support disabled"
PROTECTED_MODE: Final = (
    "DENIED kvnode runs in protected mode: it has no password and accepts loopback connections"
    " only. To serve other machines set a password (requirepass) or turn protected-mode off."
)
