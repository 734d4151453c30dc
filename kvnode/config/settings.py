"""The settings that the engine reads while it runs commands.

CONFIG SET writes them (see `store.Config.mirror`): an attribute carries the value of the directive
of the same name, with `_` for `-`. They are plain typed attributes, because the dispatcher reads
some of them on every request.
"""

from typing import Final

from mypy_extensions import i64

# Classes of keyspace events, by the character that names them in notify-keyspace-events.
NOTIFY_KEYSPACE: Final = 1 << 0
NOTIFY_KEYEVENT: Final = 1 << 1
NOTIFY_GENERIC: Final = 1 << 2
NOTIFY_STRING: Final = 1 << 3
NOTIFY_LIST: Final = 1 << 4
NOTIFY_SET: Final = 1 << 5
NOTIFY_HASH: Final = 1 << 6
NOTIFY_ZSET: Final = 1 << 7
NOTIFY_EXPIRED: Final = 1 << 8
NOTIFY_EVICTED: Final = 1 << 9
NOTIFY_STREAM: Final = 1 << 10
NOTIFY_KEY_MISS: Final = 1 << 11
NOTIFY_MODULE: Final = 1 << 13
NOTIFY_NEW: Final = 1 << 14

NOTIFY_CLASSES: Final[dict[str, int]] = {
    "K": NOTIFY_KEYSPACE,
    "E": NOTIFY_KEYEVENT,
    "g": NOTIFY_GENERIC,
    "$": NOTIFY_STRING,
    "l": NOTIFY_LIST,
    "s": NOTIFY_SET,
    "h": NOTIFY_HASH,
    "z": NOTIFY_ZSET,
    "x": NOTIFY_EXPIRED,
    "e": NOTIFY_EVICTED,
    "t": NOTIFY_STREAM,
    "m": NOTIFY_KEY_MISS,
    "d": NOTIFY_MODULE,
    "n": NOTIFY_NEW,
}
# `A` in notify-keyspace-events: every class of changes; not misses and not new keys.
NOTIFY_ALL: Final = 0x27FC


class OutputLimits:
    """Limits of the unsent output of one class of clients; 0 is no limit.

    A client is closed when it holds more than `hard_bytes`, or more than `soft_bytes` for longer
    than `soft_seconds`.
    """

    hard_bytes: i64
    soft_bytes: i64
    soft_seconds: i64

    def __init__(self, hard_bytes: i64, soft_bytes: i64, soft_seconds: i64) -> None:
        self.set(hard_bytes, soft_bytes, soft_seconds)

    def set(self, hard_bytes: i64, soft_bytes: i64, soft_seconds: i64) -> None:
        """Replace the three limits."""
        self.hard_bytes = hard_bytes
        self.soft_bytes = soft_bytes
        self.soft_seconds = soft_seconds


class Settings:
    """The hot settings, with Redis's defaults until a Config mirrors itself into them."""

    # Memory. In bytes; 0 is no limit.
    maxmemory: i64
    maxmemory_policy: str
    maxmemory_samples: i64
    maxmemory_eviction_tenacity: i64
    maxmemory_clients: i64  # below 0: percent of maxmemory
    lfu_log_factor: i64
    lfu_decay_time: i64  # minutes
    # Freeing in slices.
    lazyfree_lazy_eviction: bool
    lazyfree_lazy_expire: bool
    lazyfree_lazy_server_del: bool
    lazyfree_lazy_user_del: bool
    lazyfree_lazy_user_flush: bool
    # Timer and expiry.
    hz: i64
    dynamic_hz: bool
    active_expire_effort: i64
    # Clients. timeout in seconds, 0 is never; limits in bytes.
    timeout: i64
    maxclients: i64
    client_query_buffer_limit: i64
    proto_max_bulk_len: i64
    output_normal: OutputLimits
    output_replica: OutputLimits
    output_pubsub: OutputLimits
    # Access.
    databases: i64
    requirepass: str
    acl_pubsub_default: str
    acllog_max_len: i64
    protected_mode: bool
    # Observation. slowlog_log_slower_than in µs (-1 never, 0 everything), the others in ms.
    slowlog_log_slower_than: i64
    slowlog_max_len: i64
    latency_monitor_threshold: i64
    latency_tracking: bool
    # Who is told of changes. Bits of NOTIFY_*; keys, 0 is no limit.
    notify_keyspace_events: i64
    tracking_table_max_keys: i64
    # Scripts. busy_reply_threshold in ms, lua_memory_limit in bytes; 0 is no limit.
    busy_reply_threshold: i64
    lua_memory_limit: i64
    # What is remembered of REQUESTs: replies of a client, bytes, clients, seconds without any.
    request_max_replies: i64
    request_max_memory: i64
    request_max_clients: i64
    request_max_idle: i64
    # Shuffles. In bytes, 0 is no limit; shuffle_memory below 0: percent of the machine's memory.
    shuffle_memory: i64
    shuffle_dir: str
    shuffle_quota: i64
    shuffle_partition_max: i64
    shuffle_disk_max: i64
    shuffle_disk_reserve: i64
    # Dumps.
    rdbcompression: bool
    # Following.
    replica_read_only: bool
    replica_ignore_maxmemory: bool

    def __init__(self) -> None:
        self.maxmemory = 0
        self.maxmemory_policy = "noeviction"
        self.maxmemory_samples = 5
        self.maxmemory_eviction_tenacity = 10
        self.maxmemory_clients = 0
        self.lfu_log_factor = 10
        self.lfu_decay_time = 1
        self.lazyfree_lazy_eviction = False
        self.lazyfree_lazy_expire = False
        self.lazyfree_lazy_server_del = False
        self.lazyfree_lazy_user_del = False
        self.lazyfree_lazy_user_flush = False
        self.hz = 10
        self.dynamic_hz = True
        self.active_expire_effort = 1
        self.timeout = 0
        self.maxclients = 10000
        self.client_query_buffer_limit = 1 << 30
        self.proto_max_bulk_len = 512 << 20
        self.output_normal = OutputLimits(0, 0, 0)
        self.output_replica = OutputLimits(256 << 20, 64 << 20, 60)
        self.output_pubsub = OutputLimits(32 << 20, 8 << 20, 60)
        self.databases = 16
        self.requirepass = ""
        self.acl_pubsub_default = "resetchannels"
        self.acllog_max_len = 128
        self.protected_mode = True
        self.slowlog_log_slower_than = 10000
        self.slowlog_max_len = 128
        self.latency_monitor_threshold = 0
        self.latency_tracking = True
        self.notify_keyspace_events = 0
        self.tracking_table_max_keys = 1_000_000
        self.busy_reply_threshold = 5000
        self.request_max_replies = 1024
        self.request_max_memory = 64 << 20
        self.request_max_clients = 10000
        self.request_max_idle = 900
        self.shuffle_memory = -25
        self.shuffle_dir = "shuffle"
        self.shuffle_quota = 0
        self.shuffle_partition_max = 0
        self.shuffle_disk_max = 0
        self.shuffle_disk_reserve = 256 << 20
        self.rdbcompression = True
        self.replica_read_only = True
        self.replica_ignore_maxmemory = True
        self.lua_memory_limit = 1 << 30
