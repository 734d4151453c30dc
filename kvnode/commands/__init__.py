"""The command handlers, one module per command group; importing this package fills the table."""

from kvnode.commands import connection, string_parts, strings

__all__ = ["connection", "string_parts", "strings"]
