"""Where a request goes: one node, a cluster by its slot map, or a ring of independent nodes."""
