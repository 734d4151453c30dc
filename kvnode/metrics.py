"""Prometheus metrics of a node, made when somebody asks: the hot path counts in plain integers.

The figures are those of INFO under the names that redis_exporter gave them, because the dashboards
for Redis chart those names; what only kvnode has is called kvnode_*. The text is written by
prometheus-client.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from kvnode import __version__
from kvnode.info import fields
from kvnode.stats import cumulative_us

if TYPE_CHECKING:
    from kvnode.node import Node

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

# INFO's field: the metric's name without `redis_` and, for a counter, without `_total`.
_GAUGES: Final = {
    "uptime_in_seconds": "uptime_in_seconds",
    "process_id": "process_id",
    "connected_clients": "connected_clients",
    "blocked_clients": "blocked_clients",
    "tracking_clients": "tracking_clients",
    "clients_in_timeout_table": "clients_in_timeout_table",
    "maxclients": "max_clients",
    "client_recent_max_input_buffer": "client_recent_max_input_buffer_bytes",
    "client_recent_max_output_buffer": "client_recent_max_output_buffer_bytes",
    "used_memory": "memory_used_bytes",
    "used_memory_rss": "memory_used_rss_bytes",
    "used_memory_peak": "memory_used_peak_bytes",
    "used_memory_lua": "memory_used_lua_bytes",
    "used_memory_vm_eval": "memory_used_vm_eval_bytes",
    "used_memory_scripts_eval": "memory_used_scripts_eval_bytes",
    "used_memory_overhead": "memory_used_overhead_bytes",
    "used_memory_startup": "memory_used_startup_bytes",
    "used_memory_dataset": "memory_used_dataset_bytes",
    "used_memory_vm_functions": "memory_used_vm_functions",
    "used_memory_scripts": "memory_used_scripts_bytes",
    "used_memory_functions": "memory_used_functions_bytes",
    "number_of_cached_scripts": "number_of_cached_scripts",
    "number_of_functions": "number_of_functions",
    "number_of_libraries": "number_of_libraries",
    "maxmemory": "memory_max_bytes",
    "total_system_memory": "total_system_memory_bytes",
    "mem_fragmentation_ratio": "mem_fragmentation_ratio",
    "mem_fragmentation_bytes": "mem_fragmentation_bytes",
    "mem_clients_slaves": "mem_clients_slaves",
    "mem_clients_normal": "mem_clients_normal",
    "mem_aof_buffer": "mem_aof_buffer",
    "mem_replication_backlog": "mem_replication_backlog",
    "mem_not_counted_for_evict": "mem_not_counted_for_eviction_bytes",
    "lazyfree_pending_objects": "lazyfree_pending_objects",
    "lazyfreed_objects": "lazyfreed_objects",
    "loading": "loading_dump_file",
    "async_loading": "async_loading",
    "rdb_changes_since_last_save": "rdb_changes_since_last_save",
    "rdb_bgsave_in_progress": "rdb_bgsave_in_progress",
    "rdb_last_save_time": "rdb_last_save_timestamp_seconds",
    "rdb_last_bgsave_status": "rdb_last_bgsave_status",
    "rdb_last_bgsave_time_sec": "rdb_last_bgsave_duration_sec",
    "rdb_current_bgsave_time_sec": "rdb_current_bgsave_duration_sec",
    "rdb_last_cow_size": "rdb_last_cow_size_bytes",
    "aof_enabled": "aof_enabled",
    "aof_rewrite_in_progress": "aof_rewrite_in_progress",
    "aof_rewrite_scheduled": "aof_rewrite_scheduled",
    "aof_last_rewrite_time_sec": "aof_last_rewrite_duration_sec",
    "aof_current_rewrite_time_sec": "aof_current_rewrite_duration_sec",
    "aof_last_bgrewrite_status": "aof_last_bgrewrite_status",
    "aof_last_write_status": "aof_last_write_status",
    "aof_last_cow_size": "aof_last_cow_size_bytes",
    "aof_current_size": "aof_current_size_bytes",
    "aof_base_size": "aof_base_size_bytes",
    "instantaneous_ops_per_sec": "instantaneous_ops_per_sec",
    # Counters whose names there do not end in `_total`.
    "total_reads_processed": "total_reads_processed",
    "total_writes_processed": "total_writes_processed",
    "total_error_replies": "total_error_replies",
    "unexpected_error_replies": "unexpected_error_replies",
    "dump_payload_sanitizations": "dump_payload_sanitizations",
    "pubsub_channels": "pubsub_channels",
    "pubsub_patterns": "pubsub_patterns",
    "pubsubshard_channels": "pubsubshard_channels",
    "tracking_total_keys": "tracking_total_keys",
    "tracking_total_items": "tracking_total_items",
    "tracking_total_prefixes": "tracking_total_prefixes",
    "latest_fork_usec": "latest_fork_usec",
    "connected_slaves": "connected_slaves",
    "repl_backlog_size": "replication_backlog_bytes",
    "repl_backlog_active": "repl_backlog_is_active",
    "repl_backlog_first_byte_offset": "repl_backlog_first_byte_offset",
    "repl_backlog_histlen": "repl_backlog_history_bytes",
    "master_repl_offset": "master_repl_offset",
    "second_repl_offset": "second_repl_offset",
    "sync_full": "replica_resyncs_full",
    "sync_partial_ok": "replica_partial_resync_accepted",
    "sync_partial_err": "replica_partial_resync_denied",
    "cluster_enabled": "cluster_enabled",
}
_COUNTERS: Final = {
    "total_connections_received": "connections_received",
    "total_commands_processed": "commands_processed",
    "rejected_connections": "rejected_connections",
    "total_net_input_bytes": "net_input_bytes",
    "total_net_output_bytes": "net_output_bytes",
    "expired_keys": "expired_keys",
    "expired_time_cap_reached_count": "expired_time_cap_reached",
    "evicted_keys": "evicted_keys",
    "evicted_clients": "evicted_clients",
    "keyspace_hits": "keyspace_hits",
    "keyspace_misses": "keyspace_misses",
    "used_cpu_sys": "cpu_sys_seconds",
    "used_cpu_user": "cpu_user_seconds",
    "used_cpu_sys_children": "cpu_sys_children_seconds",
    "used_cpu_user_children": "cpu_user_children_seconds",
    "used_cpu_sys_main_thread": "cpu_sys_main_thread_seconds",
    "used_cpu_user_main_thread": "cpu_user_main_thread_seconds",
}
_INSTANCE: Final = (
    ("role", "role"),
    ("redis_version", "redis_version"),
    ("redis_build_id", "redis_build_id"),
    ("redis_mode", "redis_mode"),
    ("os", "os"),
    ("maxmemory_policy", "maxmemory_policy"),
    ("tcp_port", "tcp_port"),
    ("run_id", "run_id"),
    ("process_id", "process_id"),
)
_STATES: Final = {"ok": 1.0, "err": 0.0}


class NodeCollector(Collector):
    """What one node answers to a scrape."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, as it is now."""
        node = self._node
        now = node.clock.now()
        info = dict(fields(node, now))
        yield GaugeMetricFamily("redis_up", "Whether the node answers.", 1)
        yield from self._plain(info)
        yield self._instance(info)
        yield GaugeMetricFamily(
            "redis_start_time_seconds", "When the node started.", float(int(node.started))
        )
        yield from self._settings()
        yield from self._databases(now)
        yield from self._commands()
        yield from self._slow_log()
        yield from self._requests()
        yield from self._shuffles()
        yield from self._loop()

    def _plain(self, info: dict[str, str]) -> Iterator[Metric]:
        for field, name in _GAUGES.items():
            if field in info:
                value = _STATES.get(info[field])
                text = f"{field} of INFO."
                yield GaugeMetricFamily(
                    f"redis_{name}", text, float(info[field]) if value is None else value
                )
        for field, name in _COUNTERS.items():
            if field in info:
                yield CounterMetricFamily(f"redis_{name}", f"{field} of INFO.", float(info[field]))

    def _instance(self, info: dict[str, str]) -> Metric:
        labels = {label: info[field] for label, field in _INSTANCE}
        return InfoMetricFamily("redis_instance", "What runs here.", labels)

    def _settings(self) -> Iterator[Metric]:
        settings = self._node.settings
        yield GaugeMetricFamily("redis_config_maxmemory", "maxmemory.", int(settings.maxmemory))
        yield GaugeMetricFamily("redis_config_maxclients", "maxclients.", int(settings.maxclients))

    def _databases(self, now: float) -> Iterator[Metric]:
        keys = GaugeMetricFamily("redis_db_keys", "Keys of a database.", labels=["db"])
        expiring = GaugeMetricFamily(
            "redis_db_keys_expiring", "Keys of a database that have a deadline.", labels=["db"]
        )
        lives = GaugeMetricFamily(
            "redis_db_avg_ttl_seconds", "Mean time to live of these keys.", labels=["db"]
        )
        for database in self._node.dataset.databases:
            label = [f"db{database.index}"]
            deadlines = int(database.expiry.count())
            keys.add_metric(label, int(database.count))
            expiring.add_metric(label, deadlines)
            if deadlines:
                average_ms = database.expiry.average_ttl(int(now * 1000.0))
                lives.add_metric(label, float(average_ms) / 1000.0)
        yield from (keys, expiring, lives)

    def _commands(self) -> Iterator[Metric]:
        def family(name: str, text: str) -> CounterMetricFamily:
            return CounterMetricFamily(f"redis_commands{name}", text, labels=["cmd"])

        calls = family("", "Calls of a command.")
        seconds = family("_duration_seconds", "Time spent in a command.")
        failed = family("_failed_calls", "Calls of a command that ended in an error.")
        rejected = family("_rejected_calls", "Calls of a command that were refused before it ran.")
        durations = HistogramMetricFamily(
            "redis_commands_latencies_usec", "How long a command took, in us.", labels=["cmd"]
        )
        for command in self._node.all_commands():
            if not (command.calls or command.failed or command.rejected):
                continue
            label = [command.full_name.decode()]
            calls.add_metric(label, int(command.calls))
            seconds.add_metric(label, command.seconds)
            failed.add_metric(label, int(command.failed))
            rejected.add_metric(label, int(command.rejected))
            total, rows = cumulative_us(command)
            buckets = [(f"{bound:.1f}", float(count)) for bound, count in rows]
            buckets.append(("+Inf", float(total)))
            durations.add_metric(label, buckets, command.seconds * 1e6)
        errors = CounterMetricFamily("redis_errors", "Error replies by code.", labels=["err"])
        for code, count in self._node.stats.errors.items():
            errors.add_metric([code], count)
        yield from (calls, seconds, failed, rejected, durations, errors)

    def _slow_log(self) -> Iterator[Metric]:
        entries = self._node.slowlog.calls
        yield GaugeMetricFamily("redis_slowlog_length", "Entries of the slow log.", len(entries))
        last = entries[0] if entries else None
        yield GaugeMetricFamily(
            "redis_slowlog_last_id", "Number of its newest entry.", last.number if last else 0
        )
        yield GaugeMetricFamily(
            "redis_last_slow_execution_duration_seconds",
            "Duration of its newest entry.",
            last.microseconds / 1e6 if last else 0.0,
        )

    def _requests(self) -> Iterator[Metric]:
        requests = self._node.requests
        yield GaugeMetricFamily(
            "kvnode_request_clients", "Clients whose REQUESTs are remembered.", len(requests)
        )
        yield GaugeMetricFamily(
            "kvnode_request_replies", "Replies that are remembered.", int(requests.reply_count)
        )
        yield GaugeMetricFamily(
            "kvnode_request_memory_bytes", "What all of them take.", int(requests.bytes)
        )
        for name, text, count in (
            ("repeats", "REQUESTs answered with the first reply.", requests.repeats),
            ("refused", "REQUESTs refused since they are not remembered.", requests.refused),
            ("trimmed_clients", "Clients that were forgotten.", requests.trimmed_clients),
            ("trimmed_replies", "Replies forgotten unacknowledged.", requests.trimmed_replies),
        ):
            yield CounterMetricFamily(f"kvnode_request_{name}", text, count)

    def _shuffles(self) -> Iterator[Metric]:
        shuffles = self._node.shuffles
        owner = shuffles.owner
        for name, text, value in (
            ("count", "Shuffles that are open or sealed.", len(shuffles.manifests)),
            ("memory_bytes", "Memory that their blocks take.", owner.memory),
            ("memory_max_bytes", "How much they may take.", owner.memory_max),
            ("unread_bytes", "What is in replies that were not taken yet.", owner.unread_bytes),
            ("spilled_bytes", "Size of the spill files.", owner.spilled_bytes),
            ("spill_writes_pending", "Writes that threads have to do.", owner.spill_writes_pending),
        ):
            yield GaugeMetricFamily(f"kvnode_shuffle_{name}", text, int(value))
        for name, text, value in (
            ("pushed_bytes", "Payload that was taken.", owner.pushed_bytes),
            ("fetched_bytes", "Payload that was handed out.", owner.fetched_bytes),
            ("dup_commits", "Attempts that came too late to win.", shuffles.dup_commits),
            ("expired", "Shuffles that nobody used for their TTL.", shuffles.expired),
            ("refused", "Blocks refused for memory, disk or a quota.", owner.refused),
            ("lost_blocks", "Blocks that were lost.", owner.lost_blocks),
        ):
            yield CounterMetricFamily(f"kvnode_shuffle_{name}", text, int(value))

    def _loop(self) -> Iterator[Metric]:
        node = self._node
        stats = node.stats
        held = [session for session in node.sessions.values() if session.is_held()]
        yield InfoMetricFamily("kvnode_build", "The release.", {"version": __version__})
        yield SummaryMetricFamily(
            "kvnode_loop_lag_seconds",
            "How much later than due the timer came: what a client waits beyond its own request.",
            int(stats.ticks),
            stats.lag_seconds,
        )
        yield GaugeMetricFamily(
            "kvnode_loop_lag_max_seconds", "The largest lag.", stats.lag_seconds_max
        )
        yield SummaryMetricFamily(
            "kvnode_batch_commands",
            "Commands per read: how far clients pipeline.",
            int(stats.reads),
            float(stats.commands),
        )
        yield SummaryMetricFamily(
            "kvnode_flush_connections",
            "Connections written to per round of the loop.",
            int(stats.rounds),
            float(stats.writes),
        )
        yield GaugeMetricFamily(
            "kvnode_held_replies_sessions", "Connections whose replies are held back.", len(held)
        )
        yield GaugeMetricFamily(
            "kvnode_held_replies_bytes",
            "Size of the replies that are held back.",
            sum(int(session.held_bytes()) for session in held),
        )


def exposition(node: Node) -> bytes:
    """Return a node's metrics in Prometheus's text format."""
    return generate_latest(NodeCollector(node))
