"""The thresholds at which a packed value becomes a table."""

from mypy_extensions import i64


class Encodings:
    """Thresholds of the packed forms, with the defaults of Redis 7.0.15.

    The `set_max_listpack_*` pair has no counterpart there: small sets of strings are packed
    inside, and OBJECT ENCODING calls them hashtable as Redis 7.0 does.
    """

    hash_max_listpack_entries: i64
    hash_max_listpack_value: i64
    set_max_intset_entries: i64
    set_max_listpack_entries: i64
    set_max_listpack_value: i64
    zset_max_listpack_entries: i64
    zset_max_listpack_value: i64
    stream_node_max_bytes: i64
    stream_node_max_entries: i64
    hll_sparse_max_bytes: i64

    def __init__(self) -> None:
        self.hash_max_listpack_entries = 512
        self.hash_max_listpack_value = 64
        self.set_max_intset_entries = 512
        self.set_max_listpack_entries = 128
        self.set_max_listpack_value = 64
        self.zset_max_listpack_entries = 128
        self.zset_max_listpack_value = 64
        self.stream_node_max_bytes = 4096
        self.stream_node_max_entries = 100
        self.hll_sparse_max_bytes = 3000
