"""The handler of commands that only hold subcommands."""

from kvnode.context import Context
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Reply


def container(ctx: Context, argv: list[bytes]) -> Reply:
    """Refuse a container without a subcommand; the dispatcher itself runs the subcommands."""
    raise ReplyError(errors.WRONG_ARITY % argv[0].decode("utf-8", "surrogateescape").lower())
