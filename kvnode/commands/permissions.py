"""The guards of DEBUG and MODULE: who may use them follows from a directive."""

from kvnode.context import Context
from kvnode.session import Session, is_loopback
from kvprotocol.errors import ReplyError


def is_local(session: Session) -> bool:
    """Return whether the session's peer is on this machine; an embedded session has no peer."""
    return session.is_unix or not session.peer or is_loopback(session.peer)


def require(ctx: Context, directive: str, name: str) -> None:
    """Refuse the command `name` unless `directive` is yes, or is local and so is the caller."""
    allowed = ctx.node.config.text(directive)
    if allowed == "yes" or (allowed == "local" and is_local(ctx.session)):
        return
    raise ReplyError(
        f"ERR {name} command not allowed. If the {directive} option is set to "
        '"local", you can run it from a local connection, otherwise you need to set this option '
        "in the configuration file, and then restart the server."
    )
