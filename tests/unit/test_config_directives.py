"""The directive table against what redis-server 7.0.15 answers to CONFIG GET *."""

from kvnode.config import Config, Settings
from kvnode.config.directives import BY_NAME, DIRECTIVES, HIDDEN, IMMUTABLE, INERT

# Name and value of every line, without `dir`; `bind` is ours.
REDIS_DEFAULTS = """\
acl-pubsub-default resetchannels
aclfile
acllog-max-len 128
active-defrag-cycle-max 25
active-defrag-cycle-min 1
active-defrag-ignore-bytes 104857600
active-defrag-max-scan-fields 1000
active-defrag-threshold-lower 10
active-defrag-threshold-upper 100
active-expire-effort 1
activedefrag no
activerehashing yes
always-show-logo no
aof-disable-auto-gc no
aof-load-truncated yes
aof-rewrite-incremental-fsync yes
aof-timestamp-enabled no
aof-use-rdb-preamble yes
aof_rewrite_cpulist
appenddirname appendonlydir
appendfilename appendonly.aof
appendfsync everysec
appendonly no
auto-aof-rewrite-min-size 67108864
auto-aof-rewrite-percentage 100
bgsave_cpulist
bind 127.0.0.1 -::1
bind-source-addr
bio_cpulist
busy-reply-threshold 5000
client-output-buffer-limit normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60
client-query-buffer-limit 1073741824
cluster-allow-pubsubshard-when-down yes
cluster-allow-reads-when-down no
cluster-allow-replica-migration yes
cluster-announce-bus-port 0
cluster-announce-hostname
cluster-announce-ip
cluster-announce-port 0
cluster-announce-tls-port 0
cluster-config-file nodes.conf
cluster-enabled no
cluster-link-sendbuf-limit 0
cluster-migration-barrier 1
cluster-node-timeout 15000
cluster-port 0
cluster-preferred-endpoint-type ip
cluster-replica-no-failover no
cluster-replica-validity-factor 10
cluster-require-full-coverage yes
cluster-slave-no-failover no
cluster-slave-validity-factor 10
crash-log-enabled yes
crash-memcheck-enabled yes
daemonize no
databases 16
dbfilename dump.rdb
disable-thp yes
dynamic-hz yes
enable-debug-command no
enable-module-command no
enable-protected-configs no
hash-max-listpack-entries 512
hash-max-listpack-value 64
hash-max-ziplist-entries 512
hash-max-ziplist-value 64
hll-sparse-max-bytes 3000
hz 10
ignore-warnings
io-threads 1
io-threads-do-reads no
jemalloc-bg-thread yes
latency-monitor-threshold 0
latency-tracking yes
latency-tracking-info-percentiles 50 99 99.9
lazyfree-lazy-eviction no
lazyfree-lazy-expire no
lazyfree-lazy-server-del no
lazyfree-lazy-user-del no
lazyfree-lazy-user-flush no
lfu-decay-time 1
lfu-log-factor 10
list-compress-depth 0
list-max-listpack-size -2
list-max-ziplist-size -2
logfile
loglevel notice
lua-time-limit 5000
masterauth
masteruser
maxclients 10000
maxmemory 0
maxmemory-clients 0
maxmemory-eviction-tenacity 10
maxmemory-policy noeviction
maxmemory-samples 5
min-replicas-max-lag 10
min-replicas-to-write 0
min-slaves-max-lag 10
min-slaves-to-write 0
no-appendfsync-on-rewrite no
notify-keyspace-events
oom-score-adj no
oom-score-adj-values 0 200 800
pidfile
port 6379
proc-title-template {title} {listen-addr} {server-mode}
propagation-error-behavior ignore
protected-mode yes
proto-max-bulk-len 536870912
rdb-del-sync-files no
rdb-save-incremental-fsync yes
rdbchecksum yes
rdbcompression yes
repl-backlog-size 1048576
repl-backlog-ttl 3600
repl-disable-tcp-nodelay no
repl-diskless-load disabled
repl-diskless-sync yes
repl-diskless-sync-delay 5
repl-diskless-sync-max-replicas 0
repl-ping-replica-period 10
repl-ping-slave-period 10
repl-timeout 60
replica-announce-ip
replica-announce-port 0
replica-announced yes
replica-ignore-disk-write-errors no
replica-ignore-maxmemory yes
replica-lazy-flush no
replica-priority 100
replica-read-only yes
replica-serve-stale-data yes
replicaof
requirepass
sanitize-dump-payload no
save 3600 1 300 100 60 10000
server_cpulist
set-max-intset-entries 512
set-proc-title yes
shutdown-on-sigint default
shutdown-on-sigterm default
shutdown-timeout 10
slave-announce-ip
slave-announce-port 0
slave-ignore-maxmemory yes
slave-lazy-flush no
slave-priority 100
slave-read-only yes
slave-serve-stale-data yes
slaveof
slowlog-log-slower-than 10000
slowlog-max-len 128
socket-mark-id 0
stop-writes-on-bgsave-error yes
stream-node-max-bytes 4096
stream-node-max-entries 100
supervised no
syslog-enabled no
syslog-facility local0
syslog-ident redis
tcp-backlog 511
tcp-keepalive 300
timeout 0
tls-auth-clients yes
tls-ca-cert-dir
tls-ca-cert-file
tls-cert-file
tls-ciphers
tls-ciphersuites
tls-client-cert-file
tls-client-key-file
tls-client-key-file-pass
tls-cluster no
tls-dh-params-file
tls-key-file
tls-key-file-pass
tls-port 0
tls-prefer-server-ciphers no
tls-protocols
tls-replication no
tls-session-cache-size 20480
tls-session-cache-timeout 300
tls-session-caching yes
tracking-table-max-keys 1000000
unixsocket
unixsocketperm 0
zset-max-listpack-entries 128
zset-max-listpack-value 64
zset-max-ziplist-entries 128
zset-max-ziplist-value 64
"""


def expected_defaults() -> dict[str, str]:
    rows = (line.partition(" ") for line in REDIS_DEFAULTS.splitlines())
    return {name: value for name, _, value in rows}


OWN = {  # Redis has no such directives
    "lua-memory-limit": "1073741824",
    "metrics-port": "0",
    "request-max-clients": "10000",
    "request-max-idle": "900",
    "request-max-memory": "67108864",
    "request-max-replies": "1024",
    "shuffle-dir": "shuffle",
    "shuffle-disk-max": "0",
    "shuffle-disk-reserve": "268435456",
    "shuffle-memory": "25%",
    "shuffle-partition-max": "0",
    "shuffle-quota": "0",
}


def test_config_get_star_has_the_names_of_redis_and_ours() -> None:
    names = [name for name, _ in Config().get(["*"])]
    assert names == sorted([*expected_defaults(), *OWN, "dir"])


def test_config_get_star_prints_the_defaults_of_redis() -> None:
    values = dict(Config().get(["*"]))
    del values["dir"]
    assert values == expected_defaults() | OWN


def test_every_default_is_a_value_that_its_own_kind_accepts_and_prints_back() -> None:
    for row in DIRECTIVES:
        if row.name == "dir":
            continue
        shown = row.kind.show(row.default)
        words = (shown.split(" ") if shown else []) if row.kind.multi else [shown]
        if row.name == "replicaof":
            words = ["no", "one"]
        assert row.kind.parse(words, row.default) == row.default, row.name


def test_an_alias_names_the_same_row_as_the_canonical_name() -> None:
    assert BY_NAME["slave-priority"] is BY_NAME["replica-priority"]
    assert BY_NAME["hash-max-ziplist-entries"] is BY_NAME["hash-max-listpack-entries"]
    assert BY_NAME["lua-time-limit"] is BY_NAME["busy-reply-threshold"]


def test_hidden_directives_are_shown_by_exact_name_only() -> None:
    config = Config()
    hidden = [row.name for row in DIRECTIVES if row.flags & HIDDEN]
    assert len(hidden) == 6
    for name in hidden:
        assert config.get([name]) == [(name, config.show(name))]
        assert config.get([name[:-1] + "?"]) == []


def test_settings_start_with_the_defaults_of_the_table() -> None:
    settings = Settings()
    checked = 0
    for row in DIRECTIVES:
        attribute = row.name.replace("-", "_")
        if hasattr(settings, attribute):
            assert getattr(settings, attribute) == row.default, row.name
            checked += 1
    assert checked > 20


def test_hot_settings_have_an_effect_and_unbuilt_features_say_that_they_have_none() -> None:
    assert BY_NAME["maxmemory"].effective
    assert not BY_NAME["cluster-enabled"].effective
    assert BY_NAME["daemonize"].flags & (IMMUTABLE | INERT) == IMMUTABLE | INERT
