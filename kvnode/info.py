"""INFO: the sections, each a function from the node to its lines.

Names and their order are those of Redis 7.0.15, because dashboards and clients read them by name. A
field whose subject does not exist here (forks, modules, clusters) stays, with the value that
Redis shows when there is none.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

from kvnode import __version__
from kvnode.command import Command
from kvnode.memory import ACCESS_BYTES, DEADLINE_BYTES, ENTRY_BYTES, resident_bytes
from kvnode.stats import percentile_us

if TYPE_CHECKING:
    from kvnode.durability.append_log import AppendLog
    from kvnode.durability.loader import Loader
    from kvnode.node import Node
    from kvnode.replication.leader_link import LeaderLink
    from kvnode.request_memory import RequestMemory

REDIS_VERSION: Final = "7.0.15"  # whose behaviour the node has; clients branch on it
_DAY_SECONDS: Final = 86400
_KIB: Final = 1024.0
_UNITS: Final = "KMGTPE"


def human(size: int) -> str:
    """Return a size in bytes as people read it: `512B`, `1.50K`, `2.00M`."""
    if size < 1024:
        return f"{size}B"
    value = float(size)
    for unit in _UNITS:
        value /= _KIB
        if value < _KIB:
            return f"{value:.2f}{unit}"
    return f"{size}B"


def ratio(part: float, whole: float) -> float:
    """Return a quotient, 0 where there is nothing to divide by."""
    return part / whole if whole > 0 else 0.0


class MemoryFigures:
    """What INFO memory and MEMORY STATS tell of the process, in bytes, taken at one moment."""

    def __init__(self, node: Node) -> None:
        self.used = int(node.used_memory())
        self.peak = max(int(node.peak_memory), self.used)
        self.startup = int(node.base_memory)
        self.resident = resident_bytes() or self.used
        self.clients = 0
        self.input_max = 0
        self.output_max = 0
        self.waiting_with_deadline = 0
        for session in node.sessions.values():
            received = int(session.parser.buffered())
            pending = int(session.pending_bytes())
            self.clients += received + pending
            self.input_max = max(self.input_max, received)
            self.output_max = max(self.output_max, pending)
            if session.blocked is not None and session.blocked.deadline_ms:
                self.waiting_with_deadline += 1
        self.keys = int(node.dataset.key_count())
        tables = int(node.dataset.excess())
        for database in node.dataset.databases:
            tables += main_overhead(int(database.count))
            tables += expires_overhead(int(database.expiry.count()))
            if database.access is not None:
                tables += int(database.access.count()) * ACCESS_BYTES
        beside = node.client_memory.total + node.unreturned + node.requests.bytes
        self.overhead = self.startup + tables + int(beside)
        self.dataset = max(self.used - self.overhead, 0)

    def dataset_percent(self) -> float:
        """Return the share of the values in what came after the start."""
        return 100.0 * ratio(self.dataset, self.used - self.startup)

    def peak_percent(self) -> float:
        """Return the memory in use as a share of the peak."""
        return 100.0 * ratio(self.used, self.peak)

    def fragmentation(self) -> float:
        """Return the resident memory per accounted byte."""
        return ratio(self.resident, self.used)


def main_overhead(keys: int) -> int:
    """Return the memory of the tables that find so many keys."""
    return keys * ENTRY_BYTES


def expires_overhead(deadlines: int) -> int:
    """Return the memory of so many deadlines."""
    return deadlines * DEADLINE_BYTES


def _server(node: Node, now: float) -> list[str]:
    system = platform.uname()
    uptime = max(int(now - node.started), 0)
    compiler = platform.python_compiler().split(" ")
    return [
        f"redis_version:{REDIS_VERSION}",
        f"kvnode_version:{__version__}",
        "redis_git_sha1:00000000",
        "redis_git_dirty:0",
        "redis_build_id:0000000000000000",
        "redis_mode:standalone",
        f"os:{system.system} {system.release} {system.machine}",
        f"arch_bits:{64 if sys.maxsize > 1 << 32 else 32}",
        "monotonic_clock:POSIX clock_gettime",
        f"multiplexing_api:{'epoll' if sys.platform == 'linux' else 'kqueue'}",
        "atomicvar_api:none",
        f"gcc_version:{compiler[1] if len(compiler) > 1 else '0.0.0'}",
        f"process_id:{os.getpid()}",
        "process_supervised:no",
        f"run_id:{node.run_id.decode()}",
        f"tcp_port:{node.config.number('port')}",
        f"server_time_usec:{int(now * 1e6)}",
        f"uptime_in_seconds:{uptime}",
        f"uptime_in_days:{uptime // _DAY_SECONDS}",
        f"hz:{node.hz()}",
        f"configured_hz:{node.settings.hz}",
        f"lru_clock:{int(now) & 0xFFFFFF}",
        f"executable:{os.path.abspath(sys.argv[0] or sys.executable)}",
        f"config_file:{node.config.file}",
        "io_threads_active:0",
    ]


def _clients(node: Node, now: float) -> list[str]:
    figures = MemoryFigures(node)
    return [
        f"connected_clients:{len(node.sessions) - len(node.replication.followers)}",
        "cluster_connections:0",
        f"maxclients:{node.settings.maxclients}",
        f"client_recent_max_input_buffer:{figures.input_max}",
        f"client_recent_max_output_buffer:{figures.output_max}",
        f"blocked_clients:{node.blocking.count + len(node.pause.parked)}",
        f"tracking_clients:{node.tracking.sessions}",
        f"clients_in_timeout_table:{figures.waiting_with_deadline}",
    ]


def _memory(node: Node, now: float) -> list[str]:
    figures = MemoryFigures(node)
    limit = int(node.settings.maxmemory)
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page
    gap = figures.resident - figures.used
    backlog = node.replication.history.memory()
    rss_ratio = f"{figures.fragmentation():.2f}"
    freeing = node.dataset.freeing
    scripting = node.scripting
    lua = scripting.eval_engine.memory()
    lua_functions = scripting.function_engine.memory()
    scripts = scripting.scripts.memory
    functions = scripting.functions.memory()
    return [
        f"used_memory:{figures.used}",
        f"used_memory_human:{human(figures.used)}",
        f"used_memory_rss:{figures.resident}",
        f"used_memory_rss_human:{human(figures.resident)}",
        f"used_memory_peak:{figures.peak}",
        f"used_memory_peak_human:{human(figures.peak)}",
        f"used_memory_peak_perc:{figures.peak_percent():.2f}%",
        f"used_memory_overhead:{figures.overhead}",
        f"used_memory_startup:{figures.startup}",
        f"used_memory_dataset:{figures.dataset}",
        f"used_memory_dataset_perc:{figures.dataset_percent():.2f}%",
        f"allocator_allocated:{figures.used}",
        f"allocator_active:{figures.resident}",
        f"allocator_resident:{figures.resident}",
        f"total_system_memory:{total}",
        f"total_system_memory_human:{human(total)}",
        f"used_memory_lua:{lua}",
        f"used_memory_vm_eval:{lua}",
        f"used_memory_lua_human:{human(lua)}",
        f"used_memory_scripts_eval:{scripts}",
        f"number_of_cached_scripts:{len(scripting.scripts)}",
        f"number_of_functions:{scripting.functions.function_count()}",
        f"number_of_libraries:{len(scripting.functions.libraries())}",
        f"used_memory_vm_functions:{lua_functions}",
        f"used_memory_vm_total:{lua + lua_functions}",
        f"used_memory_vm_total_human:{human(lua + lua_functions)}",
        f"used_memory_functions:{functions}",
        f"used_memory_scripts:{scripts + functions}",
        f"used_memory_scripts_human:{human(scripts + functions)}",
        f"maxmemory:{limit}",
        f"maxmemory_human:{human(limit)}",
        f"maxmemory_policy:{node.settings.maxmemory_policy}",
        f"allocator_frag_ratio:{rss_ratio}",
        f"allocator_frag_bytes:{gap}",
        "allocator_rss_ratio:1.00",
        "allocator_rss_bytes:0",
        "rss_overhead_ratio:1.00",
        "rss_overhead_bytes:0",
        f"mem_fragmentation_ratio:{rss_ratio}",
        f"mem_fragmentation_bytes:{gap}",
        "mem_not_counted_for_evict:0",
        f"mem_replication_backlog:{backlog}",
        f"mem_total_replication_buffers:{backlog}",
        "mem_clients_slaves:0",
        f"mem_clients_normal:{figures.clients}",
        "mem_cluster_links:0",
        "mem_aof_buffer:0",
        "mem_allocator:pymalloc",
        "active_defrag_running:0",
        f"lazyfree_pending_objects:{freeing.pending}",
        f"lazyfreed_objects:{freeing.freed}",
    ]


def _persistence(node: Node, now: float) -> list[str]:
    saver = node.saver
    loader = node.loader
    log = node.append_log
    rewrite = log.job
    job = saver.job
    done = int(job.keys_done) if job else 0
    total = job.keys_total if job else 0
    return [
        f"loading:{int(node.is_loading())}",
        "async_loading:0",
        "current_cow_peak:0",
        "current_cow_size:0",
        "current_cow_size_age:0",
        f"current_fork_perc:{100.0 * done / max(total, 1):.2f}",
        f"current_save_keys_processed:{done}",
        f"current_save_keys_total:{total}",
        f"rdb_changes_since_last_save:{node.dataset.dirty}",
        f"rdb_bgsave_in_progress:{int(job is not None)}",
        f"rdb_last_save_time:{saver.last_save}",
        f"rdb_last_bgsave_status:{'ok' if saver.last_is_ok else 'err'}",
        f"rdb_last_bgsave_time_sec:{saver.last_seconds}",
        f"rdb_current_bgsave_time_sec:{int(now - job.begin_seconds) if job else -1}",
        f"rdb_saves:{saver.saves}",
        "rdb_last_cow_size:0",
        f"rdb_last_load_keys_expired:{loader.expired if loader else 0}",
        f"rdb_last_load_keys_loaded:{loader.keys if loader else 0}",
        f"aof_enabled:{int(log.is_logging())}",
        f"aof_rewrite_in_progress:{int(rewrite is not None)}",
        f"aof_rewrite_scheduled:{int(log.is_scheduled)}",
        f"aof_last_rewrite_time_sec:{log.last_seconds}",
        f"aof_current_rewrite_time_sec:{int(now - rewrite.begin_seconds) if rewrite else -1}",
        f"aof_last_bgrewrite_status:{'ok' if log.last_is_ok else 'err'}",
        f"aof_rewrites:{log.rewrites}",
        f"aof_rewrites_consecutive_failures:{log.failures}",
        f"aof_last_write_status:{'err' if log.error() else 'ok'}",
        "aof_last_cow_size:0",
        "module_fork_in_progress:0",
        "module_fork_last_cow_size:0",
        *(_append_log(log) if log.is_logging() else []),
        *(_loading(loader, now) if loader is not None and node.is_loading() else []),
    ]


def _append_log(log: AppendLog) -> list[str]:
    return [
        f"aof_current_size:{log.size()}",
        f"aof_base_size:{log.base_size}",
        "aof_pending_rewrite:0",
        "aof_buffer_length:0",
        f"aof_pending_bio_fsync:{int(log.syncer.is_busy())}",
        "aof_delayed_fsync:0",
    ]


def _loading(loader: Loader, now: float) -> list[str]:
    position = loader.position
    seconds = now - loader.begin_seconds
    left = int(seconds * (loader.size - position) / position) if position else 1
    return [
        f"loading_start_time:{int(loader.begin_seconds)}",
        f"loading_total_bytes:{loader.size}",
        f"loading_rdb_used_mem:{loader.used_memory}",
        f"loading_loaded_bytes:{position}",
        f"loading_loaded_perc:{100.0 * position / max(loader.size, 1):.2f}",
        f"loading_eta_seconds:{left}",
    ]


def _stats(node: Node, now: float) -> list[str]:
    stats = node.stats
    dataset = node.dataset
    eviction = node.eviction
    followers = node.replication.followers
    exceeded = eviction.exceeded_now()
    input_kib = stats.input_rate.per_second() / _KIB
    output_kib = stats.output_rate.per_second() / _KIB
    return [
        f"total_connections_received:{stats.connections}",
        f"total_commands_processed:{stats.commands}",
        f"instantaneous_ops_per_sec:{stats.operations.per_second()}",
        f"total_net_input_bytes:{stats.input_bytes}",
        f"total_net_output_bytes:{stats.output_bytes}",
        f"total_net_repl_input_bytes:{stats.replication_input_bytes}",
        f"total_net_repl_output_bytes:{followers.sent_bytes}",
        f"instantaneous_input_kbps:{input_kib:.2f}",
        f"instantaneous_output_kbps:{output_kib:.2f}",
        f"instantaneous_input_repl_kbps:{stats.replication_input_rate.per_second() / _KIB:.2f}",
        f"instantaneous_output_repl_kbps:{stats.replication_output_rate.per_second() / _KIB:.2f}",
        f"rejected_connections:{stats.rejected_connections}",
        f"sync_full:{followers.full_syncs}",
        f"sync_partial_ok:{followers.partial_syncs}",
        f"sync_partial_err:{followers.refused_partial_syncs}",
        f"expired_keys:{dataset.expired}",
        "expired_stale_perc:0.00",
        f"expired_time_cap_reached_count:{stats.expire_cycles_cut}",
        f"expire_cycle_cpu_milliseconds:{int(stats.expire_seconds * 1000.0)}",
        f"evicted_keys:{stats.evicted_keys}",
        f"evicted_clients:{stats.evicted_clients}",
        f"total_eviction_exceeded_time:{int((eviction.exceeded_seconds + exceeded) * 1000.0)}",
        f"current_eviction_exceeded_time:{int(exceeded * 1000.0)}",
        f"keyspace_hits:{dataset.hits}",
        f"keyspace_misses:{dataset.misses}",
        f"pubsub_channels:{len(node.pubsub.channels)}",
        f"pubsub_patterns:{len(node.pubsub.patterns)}",
        f"pubsubshard_channels:{len(node.pubsub.shard_channels)}",
        "latest_fork_usec:0",
        "total_forks:0",
        f"migrate_cached_sockets:{node.peers.count()}",
        f"slave_expires_tracked_keys:{len(dataset.own_deadlines or ())}",
        "active_defrag_hits:0",
        "active_defrag_misses:0",
        "active_defrag_key_hits:0",
        "active_defrag_key_misses:0",
        "total_active_defrag_time:0",
        "current_active_defrag_time:0",
        f"tracking_total_keys:{node.tracking.keys}",
        f"tracking_total_items:{node.tracking.items}",
        f"tracking_total_prefixes:{node.tracking.prefix_count()}",
        f"unexpected_error_replies:{stats.unexpected_errors}",
        f"total_error_replies:{stats.error_replies}",
        f"dump_payload_sanitizations:{stats.dump_errors}",
        f"total_reads_processed:{stats.reads}",
        f"total_writes_processed:{stats.writes}",
        "io_threaded_reads_processed:0",
        "io_threaded_writes_processed:0",
        "reply_buffer_shrinks:0",
        "reply_buffer_expands:0",
        *_requests(node.requests),
    ]


def _requests(requests: RequestMemory) -> list[str]:
    """Return what is remembered of requests that are sent with REQUEST."""
    return [
        f"request_clients:{len(requests)}",
        f"request_replies:{requests.reply_count}",
        f"request_memory_bytes:{requests.bytes}",
        f"request_repeats:{requests.repeats}",
        f"request_refused:{requests.refused}",
        f"request_trimmed_clients:{requests.trimmed_clients}",
        f"request_trimmed_replies:{requests.trimmed_replies}",
    ]


def _replication(node: Node, now: float) -> list[str]:
    replication = node.replication
    replication.hand_on()
    history = replication.history
    backlog = history.backlog
    followers = replication.followers
    link = replication.link
    lines = ["role:master" if link is None else "role:slave"]
    if link is not None:
        lines += _leader(node, link, now)
    lines.append(f"connected_slaves:{len(followers)}")
    least = node.config.number("min-replicas-to-write")
    if least and node.config.number("min-replicas-max-lag"):
        lines.append(f"min_slaves_good_slaves:{followers.good}")
    for number, follower in enumerate(followers.all()):
        lag = int(now) - int(follower.heard_seconds) if follower.is_online() else 0
        lines.append(
            f"slave{number}:ip={follower.shown_address()},port={follower.port},"
            f"state={follower.state_name()},offset={follower.acknowledged},lag={lag}"
        )
    first = int(backlog.begin) + 1 if backlog is not None else 0
    kept = int(backlog.end - backlog.begin) if backlog is not None else 0
    return [
        *lines,
        f"master_failover_state:{replication.failover.state}",
        f"master_replid:{history.id.decode()}",
        f"master_replid2:{history.second_id.decode()}",
        f"master_repl_offset:{history.offset}",
        f"second_repl_offset:{history.second_offset}",
        f"repl_backlog_active:{int(backlog is not None)}",
        f"repl_backlog_size:{node.config.number('repl-backlog-size')}",
        f"repl_backlog_first_byte_offset:{first}",
        f"repl_backlog_histlen:{kept}",
    ]


def _leader(node: Node, link: LeaderLink, now: float) -> list[str]:
    """Return what a follower shows of the way to its leader."""
    config = node.config
    is_up = link.is_up()
    snapshot = link.snapshot
    silence = int(now - link.heard_seconds) if is_up else -1
    lines = [
        f"master_host:{link.host}",
        f"master_port:{link.port}",
        f"master_link_status:{'up' if is_up else 'down'}",
        f"master_last_io_seconds_ago:{silence}",
        f"master_sync_in_progress:{int(snapshot is not None)}",
        f"slave_read_repl_offset:{node.replication.history.offset}",
        f"slave_repl_offset:{node.replication.history.offset}",
    ]
    if snapshot is not None:
        total = max(int(snapshot.total), 0)
        size = int(snapshot.size)
        lines += [
            f"master_sync_total_bytes:{total}",
            f"master_sync_read_bytes:{size}",
            f"master_sync_left_bytes:{total - size}",
            f"master_sync_perc:{100.0 * ratio(size, total):.2f}",
            f"master_sync_last_io_seconds_ago:{int(now - link.heard_seconds)}",
        ]
    if not is_up:
        lines.append(f"master_link_down_since_seconds:{int(now - link.down_since)}")
    return [
        *lines,
        f"slave_priority:{config.number('replica-priority')}",
        f"slave_read_only:{int(config.flag('replica-read-only'))}",
        f"replica_announced:{int(config.flag('replica-announced'))}",
    ]


def _shuffle(node: Node, now: float) -> list[str]:
    """Return what node and network carry of shuffles; their memory is none of used_memory."""
    shuffles = node.shuffles
    owner = shuffles.owner
    return [
        f"shuffle_count:{len(shuffles.manifests)}",
        f"shuffle_memory:{owner.memory}",
        f"shuffle_memory_max:{owner.memory_max}",
        f"shuffle_unread_bytes:{owner.unread_bytes}",
        f"shuffle_spilled_bytes:{owner.spilled_bytes}",
        f"shuffle_spill_writes_pending:{owner.spill_writes_pending}",
        f"shuffle_spill_error:{owner.spill_failure or 'none'}",
        f"shuffle_pushed_bytes:{owner.pushed_bytes}",
        f"shuffle_fetched_bytes:{owner.fetched_bytes}",
        f"shuffle_dup_commits:{shuffles.dup_commits}",
        f"shuffle_expired:{shuffles.expired}",
        f"shuffle_refused:{owner.refused}",
        f"shuffle_lost_blocks:{owner.lost_blocks}",
    ]


def _cpu(node: Node, now: float) -> list[str]:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = [
        f"used_cpu_sys:{own.ru_stime:.6f}",
        f"used_cpu_user:{own.ru_utime:.6f}",
        f"used_cpu_sys_children:{children.ru_stime:.6f}",
        f"used_cpu_user_children:{children.ru_utime:.6f}",
    ]
    if sys.platform == "linux":
        main = resource.getrusage(resource.RUSAGE_THREAD)
        lines.append(f"used_cpu_sys_main_thread:{main.ru_stime:.6f}")
        lines.append(f"used_cpu_user_main_thread:{main.ru_utime:.6f}")
    return lines


def _modules(node: Node, now: float) -> list[str]:
    return []


def _name(command: Command) -> str:
    return command.full_name.decode()


def _command_statistics(node: Node, now: float) -> list[str]:
    lines: list[str] = []
    for command in node.all_commands():
        if not (command.calls or command.rejected or command.failed):
            continue
        microseconds = command.seconds * 1e6
        lines.append(
            f"cmdstat_{_name(command)}:calls={command.calls},usec={int(microseconds)},"
            f"usec_per_call={ratio(microseconds, float(command.calls)):.2f},"
            f"rejected_calls={command.rejected},failed_calls={command.failed}"
        )
    return lines


def _error_statistics(node: Node, now: float) -> list[str]:
    return [f"errorstat_{code}:count={count}" for code, count in node.stats.errors.items()]


def _latency_statistics(node: Node, now: float) -> list[str]:
    percentiles = node.config.percentiles()
    lines: list[str] = []
    for command in node.all_commands():
        if len(command.histogram):
            figures = [f"p{p:g}={percentile_us(command, p):.3f}" for p in percentiles]
            lines.append(f"latency_percentiles_usec_{_name(command)}:{','.join(figures)}")
    return lines


def _cluster(node: Node, now: float) -> list[str]:
    return ["cluster_enabled:0"]


def _keyspace(node: Node, now: float) -> list[str]:
    lines: list[str] = []
    now_ms = i64(int(now * 1000.0))
    for database in node.dataset.databases:
        expiring = database.expiry.count()
        if database.count or expiring:
            average = database.expiry.average_ttl(now_ms) if expiring else 0
            lines.append(
                f"db{database.index}:keys={database.count},expires={expiring},avg_ttl={average}"
            )
    return lines


_Section = Callable[["Node", float], list[str]]

# In Redis's order; the flag says whether a plain INFO shows the section.
SECTIONS: Final[tuple[tuple[str, str, bool, _Section], ...]] = (
    ("server", "Server", True, _server),
    ("clients", "Clients", True, _clients),
    ("memory", "Memory", True, _memory),
    ("persistence", "Persistence", True, _persistence),
    ("stats", "Stats", True, _stats),
    ("replication", "Replication", True, _replication),
    ("cpu", "CPU", True, _cpu),
    ("modules", "Modules", True, _modules),
    ("commandstats", "Commandstats", False, _command_statistics),
    ("errorstats", "Errorstats", True, _error_statistics),
    ("latencystats", "Latencystats", False, _latency_statistics),
    ("cluster", "Cluster", True, _cluster),
    ("shuffle", "Shuffle", True, _shuffle),
    ("keyspace", "Keyspace", True, _keyspace),
)


def render(node: Node, wanted: list[str], now: float) -> bytes:
    """Return the named sections as INFO prints them; no name asks for the usual ones.

    Names are in lower case; `default`, `all` and `everything` stand for several, unknown names for
    none.
    """
    names = set(wanted)
    usual = not names or "default" in names
    every = "all" in names or "everything" in names
    parts: list[str] = []
    for name, title, is_usual, lines in SECTIONS:
        if every or name in names or (usual and is_usual):
            parts.append("\r\n".join([f"# {title}", *lines(node, now)]) + "\r\n")
    return "\r\n".join(parts).encode("utf-8", "surrogateescape")


def fields(node: Node, now: float) -> list[tuple[str, str]]:
    """Return the fields of all sections but those that have a line for each command or database."""
    found: list[tuple[str, str]] = []
    for name, _, is_usual, lines in SECTIONS:
        if is_usual and name not in ("errorstats", "keyspace"):
            for line in lines(node, now):
                field, _, value = line.partition(":")
                found.append((field, value))
    return found
