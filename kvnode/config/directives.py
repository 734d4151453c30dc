"""The directive table: every directive of Redis 7.0.15, with its kind, default and standing.

A directive marked INERT is accepted, kept and shown, but changes nothing in kvnode; the start logs
it once when it is set away from its default.
"""

from typing import Final

from kvnode.config.compound import (
    Addresses,
    BufferLimits,
    EventClasses,
    Folder,
    HostName,
    LeaderAddress,
    OomScores,
    Percentiles,
    SavePoints,
    ShutdownFlags,
    TitleTemplate,
)
from kvnode.config.kinds import (
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    UINT_MAX,
    ULONG_MAX,
    Choice,
    FileName,
    Flag,
    FolderPath,
    Kind,
    Memory,
    MemoryOrPercent,
    Number,
    Octal,
    Rate,
    Text,
    Value,
)

IMMUTABLE: Final = 1  # CONFIG SET refuses it
PROTECTED: Final = 2  # CONFIG SET obeys enable-protected-configs
SENSITIVE: Final = 4  # its value is hidden from logs
HIDDEN: Final = 8  # CONFIG GET shows it only by its exact name
INERT: Final = 16  # no effect in kvnode
VOLATILE: Final = 32  # CONFIG SET acts on the same value too: the file behind it may have changed

# Directives of redis.conf that are no settings: they act or declare something where they stand.
STATEMENTS: Final = ("include", "rename-command", "user", "loadmodule", "sentinel")
# Names that Redis 7.0 still reads, and ignores.
IGNORED: Final = ("list-max-ziplist-entries", "list-max-ziplist-value")


class Directive:
    """One row: a setting's canonical name, older name, kind and default."""

    __slots__ = ("alias", "default", "flags", "kind", "name")

    def __init__(self, name: str, kind: Kind, default: Value, flags: int, alias: str) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.flags = flags
        self.alias = alias

    @property
    def effective(self) -> bool:
        """Whether kvnode does anything with the value."""
        return not self.flags & INERT


DIRECTIVES: Final[list[Directive]] = []
# By every lower-case name, canonical or not.
BY_NAME: Final[dict[str, Directive]] = {}

_FLAG: Final = Flag()
_TEXT: Final = Text()
_UNSET: Final = Text(unset_when_empty=True)


def find(name: str) -> Directive | None:
    """Return the directive of this name, in any case."""
    return BY_NAME.get(name.lower())


def _row(name: str, kind: Kind, default: Value, flags: int = 0, alias: str = "") -> None:
    directive = Directive(name, kind, default, flags, alias)
    DIRECTIVES.append(directive)
    BY_NAME[name] = directive
    if alias:
        BY_NAME[alias] = directive


def _flag(name: str, default: bool, flags: int = 0, alias: str = "") -> None:
    _row(name, _FLAG, default, flags, alias)


def _number(
    name: str,
    default: int,
    low: int = 0,
    high: int = INT_MAX,
    flags: int = 0,
    alias: str = "",
) -> None:
    _row(name, Number(low, high), default, flags, alias)


def _port(name: str, default: int, flags: int = 0) -> None:
    _row(name, Number(0, 65535), default, flags)


def _memory(
    name: str,
    default: int,
    low: int = 0,
    high: int = LONG_MAX,
    flags: int = 0,
    alias: str = "",
) -> None:
    _row(name, Memory(low, high), default, flags, alias)


def _texts(names: str, flags: int) -> None:
    for name in names.split():
        _row(name, _UNSET, "", flags)


def _network() -> None:
    _row("bind", Addresses(), ("127.0.0.1", "-::1"))
    _port("port", 6379)
    _port("metrics-port", 0)
    _flag("protected-mode", True)
    _number("tcp-backlog", 511, flags=IMMUTABLE)
    _number("tcp-keepalive", 300)
    _number("timeout", 0)
    _number("maxclients", 10000, low=1, high=UINT_MAX)
    _row("unixsocket", _UNSET, "", IMMUTABLE)
    _row("unixsocketperm", Octal(), 0, IMMUTABLE)
    _number("socket-mark-id", 0, high=UINT_MAX, flags=IMMUTABLE | INERT)
    _row("bind-source-addr", _UNSET, "")
    _number("io-threads", 1, low=1, high=128, flags=IMMUTABLE | INERT)
    _flag("io-threads-do-reads", False, IMMUTABLE | INERT)
    _memory("client-query-buffer-limit", 1 << 30, low=1 << 20)
    _memory("proto-max-bulk-len", 512 << 20, low=1 << 20)
    limits = ((0, 0, 0), (256 << 20, 64 << 20, 60), (32 << 20, 8 << 20, 60))
    _row("client-output-buffer-limit", BufferLimits(), limits)
    _number("tracking-table-max-keys", 1_000_000, high=LONG_MAX)


def _tls() -> None:
    _port("tls-port", 0)
    _flag("tls-cluster", False, INERT)
    _flag("tls-replication", False)
    _flag("tls-prefer-server-ciphers", False)
    _flag("tls-session-caching", True)
    _number("tls-session-cache-size", 20480, flags=INERT)
    _number("tls-session-cache-timeout", 300, flags=INERT)
    _row("tls-auth-clients", Choice("no", "yes", "optional"), "yes")
    _texts("tls-ca-cert-dir tls-ca-cert-file tls-cert-file tls-key-file", VOLATILE)
    _texts("tls-dh-params-file", VOLATILE)
    _texts("tls-key-file-pass", SENSITIVE)
    _texts("tls-ciphers tls-protocols", 0)
    _texts("tls-ciphersuites", INERT)
    _texts("tls-client-cert-file tls-client-key-file", 0)
    _texts("tls-client-key-file-pass", SENSITIVE)


def _process() -> None:
    _flag("daemonize", False, IMMUTABLE | INERT)
    _row("supervised", Choice("upstart", "systemd", "auto", "no"), "no", IMMUTABLE | INERT)
    _row("pidfile", _UNSET, "", IMMUTABLE | INERT)
    _row("loglevel", Choice("debug", "verbose", "notice", "warning"), "notice")
    _row("logfile", _TEXT, "", IMMUTABLE)
    _flag("syslog-enabled", False, IMMUTABLE | INERT)
    _row("syslog-ident", _TEXT, "redis", IMMUTABLE | INERT)
    facilities = Choice("user", *(f"local{i}" for i in range(8)))
    _row("syslog-facility", facilities, "local0", IMMUTABLE | INERT)
    _flag("crash-log-enabled", True, INERT)
    _flag("crash-memcheck-enabled", True, INERT)
    _flag("use-exit-on-panic", False, INERT | HIDDEN)
    _number("watchdog-period", 0, flags=INERT | HIDDEN)
    _number("databases", 16, low=1, flags=IMMUTABLE)
    _flag("always-show-logo", False, IMMUTABLE | INERT)
    _flag("set-proc-title", True, IMMUTABLE | INERT)
    _row("proc-title-template", TitleTemplate(), "{title} {listen-addr} {server-mode}", INERT)
    _row("dir", Folder(), "", PROTECTED)
    _row("hz", Rate(0, INT_MAX), 10)
    _flag("dynamic-hz", True)
    _number("active-expire-effort", 1, low=1, high=10)
    _row("oom-score-adj", Choice("no", "yes", "relative", "absolute"), "no", INERT)
    _row("oom-score-adj-values", OomScores(), (0, 200, 800), INERT)
    _flag("disable-thp", True, IMMUTABLE | INERT)
    _texts("server_cpulist bio_cpulist aof_rewrite_cpulist bgsave_cpulist", IMMUTABLE | INERT)
    _row("ignore-warnings", _TEXT, "", INERT)
    signals = ShutdownFlags("default", "save", "nosave", "now", "force")
    _row("shutdown-on-sigint", signals, ("default",))
    _row("shutdown-on-sigterm", signals, ("default",))
    _number("shutdown-timeout", 10)
    locality = Choice("no", "yes", "local")
    _row("enable-protected-configs", locality, "no", IMMUTABLE)
    _row("enable-debug-command", locality, "no", IMMUTABLE)
    _row("enable-module-command", locality, "no", IMMUTABLE)


def _security() -> None:
    _row("requirepass", _UNSET, "", SENSITIVE)
    _row("aclfile", _TEXT, "", IMMUTABLE)
    channels = Choice("allchannels", "resetchannels")
    _row("acl-pubsub-default", channels, "resetchannels")
    _number("acllog-max-len", 128, high=LONG_MAX)


def _memory_limits() -> None:
    policies = Choice(
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "noeviction",
    )
    _memory("maxmemory", 0, high=ULONG_MAX)
    _row("maxmemory-policy", policies, "noeviction")
    _number("maxmemory-samples", 5, low=1)
    _number("maxmemory-eviction-tenacity", 10, high=100)
    _row("maxmemory-clients", MemoryOrPercent(), 0)
    _number("lfu-log-factor", 10)
    _number("lfu-decay-time", 1)
    _flag("lazyfree-lazy-eviction", False)
    _flag("lazyfree-lazy-expire", False)
    _flag("lazyfree-lazy-server-del", False)
    _flag("lazyfree-lazy-user-del", False)
    _flag("lazyfree-lazy-user-flush", False)
    _flag("activerehashing", True, INERT)
    _flag("activedefrag", False, INERT)
    _number("active-defrag-cycle-max", 25, low=1, high=99, flags=INERT)
    _number("active-defrag-cycle-min", 1, low=1, high=99, flags=INERT)
    _memory("active-defrag-ignore-bytes", 100 << 20, low=1, flags=INERT)
    _number("active-defrag-max-scan-fields", 1000, low=1, high=LONG_MAX, flags=INERT)
    _number("active-defrag-threshold-lower", 10, high=1000, flags=INERT)
    _number("active-defrag-threshold-upper", 100, high=1000, flags=INERT)
    _flag("jemalloc-bg-thread", True, INERT)


def _encodings() -> None:
    _number("hash-max-listpack-entries", 512, high=LONG_MAX, alias="hash-max-ziplist-entries")
    _memory("hash-max-listpack-value", 64, alias="hash-max-ziplist-value")
    _row("list-max-listpack-size", Number(INT_MIN, INT_MAX), -2, INERT, "list-max-ziplist-size")
    _number("list-compress-depth", 0, flags=INERT)
    _number("set-max-intset-entries", 512, high=LONG_MAX)
    _number("zset-max-listpack-entries", 128, high=LONG_MAX, alias="zset-max-ziplist-entries")
    _memory("zset-max-listpack-value", 64, alias="zset-max-ziplist-value")
    _memory("hll-sparse-max-bytes", 3000)
    _memory("stream-node-max-bytes", 4096)
    _number("stream-node-max-entries", 100, high=LONG_MAX)


def _observation() -> None:
    _number("slowlog-log-slower-than", 10000, low=-1, high=LONG_MAX)
    _number("slowlog-max-len", 128, high=LONG_MAX)
    _number("latency-monitor-threshold", 0, high=LONG_MAX)
    _flag("latency-tracking", True)
    _row("latency-tracking-info-percentiles", Percentiles(), (50.0, 99.0, 99.9))
    _row("notify-keyspace-events", EventClasses(), 0)
    busy = Number(0, LONG_MAX)
    _row("busy-reply-threshold", busy, 5000, 0, "lua-time-limit")
    _memory("lua-memory-limit", 1 << 30)
    _flag("lua-enable-deprecated-api", False, IMMUTABLE | INERT | HIDDEN)


def _durability() -> None:
    _row("save", SavePoints(), ((3600, 1), (300, 100), (60, 10000)))
    _row("dbfilename", FileName("dbfilename", may_be_empty=True), "dump.rdb", PROTECTED)
    _flag("stop-writes-on-bgsave-error", True)
    _flag("rdbcompression", True)
    _flag("rdbchecksum", True, IMMUTABLE)
    _flag("rdb-del-sync-files", False)
    _flag("rdb-save-incremental-fsync", True)
    _row("sanitize-dump-payload", Choice("no", "yes", "clients"), "no", INERT)
    _number("rdb-key-save-delay", 0, low=INT_MIN, flags=INERT | HIDDEN)
    _number("key-load-delay", 0, low=INT_MIN, flags=INERT | HIDDEN)
    loading = Number(1024, INT_MAX)
    _row("loading-process-events-interval-bytes", loading, 2 << 20, INERT | HIDDEN)
    _flag("appendonly", False)
    _row("appendfilename", FileName("appendfilename"), "appendonly.aof", IMMUTABLE)
    folder = FileName("appenddirname", folder=True)
    _row("appenddirname", folder, "appendonlydir", IMMUTABLE)
    _row("appendfsync", Choice("everysec", "always", "no"), "everysec")
    _flag("no-appendfsync-on-rewrite", False, INERT)
    _number("auto-aof-rewrite-percentage", 100)
    _memory("auto-aof-rewrite-min-size", 64 << 20)
    _flag("aof-load-truncated", True)
    _flag("aof-use-rdb-preamble", True, INERT)
    _flag("aof-timestamp-enabled", False)
    _flag("aof-disable-auto-gc", False, INERT)
    _flag("aof-rewrite-incremental-fsync", True)
    # Not Redis's: what is remembered of requests that are sent with REQUEST (docs/requests.md).
    _number("request-max-replies", 1024, low=1)
    _memory("request-max-memory", 64 << 20)
    _number("request-max-clients", 10000, low=1)
    _number("request-max-idle", 900, low=1)


def _shuffles() -> None:
    # Not Redis's (docs/shuffle.md). Percent of the machine's memory, or its cgroup's.
    _row("shuffle-memory", MemoryOrPercent(), -25)
    _row("shuffle-dir", FolderPath(), "shuffle", IMMUTABLE)
    _memory("shuffle-quota", 0)
    _memory("shuffle-partition-max", 0)
    _memory("shuffle-disk-max", 0)
    _memory("shuffle-disk-reserve", 256 << 20)


def _replication() -> None:
    _row("replicaof", LeaderAddress(), (), IMMUTABLE, alias="slaveof")
    _row("masterauth", _UNSET, "", SENSITIVE)
    _row("masteruser", _UNSET, "", SENSITIVE)
    _flag("replica-serve-stale-data", True, alias="slave-serve-stale-data")
    _flag("replica-read-only", True, alias="slave-read-only")
    _flag("replica-ignore-maxmemory", True, alias="slave-ignore-maxmemory")
    _flag("replica-lazy-flush", False, alias="slave-lazy-flush")
    _flag("replica-ignore-disk-write-errors", False, INERT)
    _flag("replica-announced", True)
    _number("replica-priority", 100, alias="slave-priority")
    _row("replica-announce-ip", _UNSET, "", alias="slave-announce-ip")
    _row("replica-announce-port", Number(0, 65535), 0, alias="slave-announce-port")
    _number("min-replicas-to-write", 0, alias="min-slaves-to-write")
    _number("min-replicas-max-lag", 10, alias="min-slaves-max-lag")
    _row("repl-backlog-size", Memory(1, LONG_MAX, floor=16384), 1 << 20)
    _number("repl-backlog-ttl", 3600, high=LONG_MAX)
    _number("repl-timeout", 60, low=1)
    _number("repl-ping-replica-period", 10, low=1, alias="repl-ping-slave-period")
    _flag("repl-disable-tcp-nodelay", False, INERT)
    _flag("repl-diskless-sync", True)
    _number("repl-diskless-sync-delay", 5)
    _number("repl-diskless-sync-max-replicas", 0)
    _row("repl-diskless-load", Choice("disabled", "on-empty-db", "swapdb"), "disabled")
    errors = Choice("ignore", "panic", "panic-on-replicas")
    _row("propagation-error-behavior", errors, "ignore", INERT)


def _cluster() -> None:
    _flag("cluster-enabled", False, IMMUTABLE | INERT)
    _row("cluster-config-file", _TEXT, "nodes.conf", IMMUTABLE | INERT)
    _number("cluster-node-timeout", 15000, high=LONG_MAX, flags=INERT)
    _port("cluster-port", 0, IMMUTABLE | INERT)
    _port("cluster-announce-port", 0, INERT)
    _port("cluster-announce-bus-port", 0, INERT)
    _port("cluster-announce-tls-port", 0, INERT)
    _row("cluster-announce-ip", _UNSET, "", INERT)
    _row("cluster-announce-hostname", HostName(unset_when_empty=True), "", INERT)
    endpoints = Choice("ip", "hostname", "unknown-endpoint")
    _row("cluster-preferred-endpoint-type", endpoints, "ip", INERT)
    _flag("cluster-require-full-coverage", True, INERT)
    _flag("cluster-allow-reads-when-down", False, INERT)
    _flag("cluster-allow-pubsubshard-when-down", True, INERT)
    _flag("cluster-allow-replica-migration", True, INERT)
    _number("cluster-migration-barrier", 1, flags=INERT)
    _flag("cluster-replica-no-failover", False, INERT, "cluster-slave-no-failover")
    factor = Number(0, INT_MAX)
    _row("cluster-replica-validity-factor", factor, 10, INERT, "cluster-slave-validity-factor")
    _memory("cluster-link-sendbuf-limit", 0, high=ULONG_MAX, flags=INERT)


def _build() -> None:
    _network()
    _tls()
    _process()
    _security()
    _memory_limits()
    _encodings()
    _observation()
    _durability()
    _shuffles()
    _replication()
    _cluster()
    DIRECTIVES.sort(key=_name_of)


def _name_of(directive: Directive) -> str:
    return directive.name


_build()
