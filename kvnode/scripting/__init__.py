"""Lua scripts: the runtime, its sandbox, the `redis` API inside it, and the cache of scripts."""
