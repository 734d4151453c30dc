"""Following another node, and being followed: Redis's replication protocol on both sides."""
