"""Configuration: the directive table, redis.conf reading, CONFIG GET, SET and REWRITE.

Values come from a file, then from the command line, then from CONFIG SET; the names, the defaults
and the error texts are those of Redis 7.0.15.
"""

from kvnode.config.kinds import ConfigError
from kvnode.config.settings import Settings
from kvnode.config.store import Config

__all__ = ["Config", "ConfigError", "Settings"]
