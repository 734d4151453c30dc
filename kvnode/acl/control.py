"""The node's access control: its users, who is logged in as whom, and every check of a request.

Sessions whose user may do everything have no bit of it in their gate and pay nothing. For all
others `refusal` decides about a request before it runs or is queued, `queued_refusal` again when
EXEC runs it, and `call_refusal` about each call of a script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.acl import log
from kvnode.acl.command_sets import READ, CommandSets
from kvnode.acl.description import describe_user
from kvnode.acl.file import AclFileError, read_users, write_users
from kvnode.acl.passwords import is_one_of
from kvnode.acl.rules import (
    UNKNOWN_NAME,
    OpenParenthesis,
    RuleError,
    apply_rule,
    joined_selectors,
)
from kvnode.acl.selectors import (
    ALLOWED,
    DENIED_CHANNEL,
    DENIED_COMMAND,
    DENIED_KEY,
    KIND_MASK,
    PLACE_SHIFT,
)
from kvnode.acl.users import User, everything
from kvnode.command import Command
from kvnode.config import ConfigError
from kvnode.session import RESTRICTED, UNAUTHENTICATED, Session

if TYPE_CHECKING:
    from kvnode.node import Node

DEFAULT_USER: Final = b"default"

_REASONS: Final = {DENIED_COMMAND: log.COMMAND, DENIED_KEY: log.KEY, DENIED_CHANNEL: log.CHANNEL}
_IN_SCRIPT: Final = {
    DENIED_COMMAND: "ERR The user executing the script can't run this command or subcommand",
    DENIED_KEY: (
        "ERR The user executing the script can't access at least one of the keys mentioned in the "
        "command arguments"
    ),
    DENIED_CHANNEL: (
        "ERR The user executing the script can't publish to the channel mentioned in the command"
    ),
}
_IN_EXEC: Final = {
    DENIED_COMMAND: "no permission to execute the command or subcommand",
    DENIED_KEY: "no permission to touch the specified keys",
    DENIED_CHANNEL: "no permission to access one of the channels used as arguments",
}


@final
class AccessControl:
    """The users of one node. `default` is who connections are before they log in."""

    def __init__(self, node: Node, table: dict[bytes, Command]) -> None:
        self._node = node
        self.sets = CommandSets(table)
        self.default = everything(DEFAULT_USER, self.sets)
        self.users: dict[bytes, User] = {DEFAULT_USER: self.default}
        self.log = log.DenialLog(int(node.settings.acllog_max_len))

    def start(self) -> None:
        """Read the users of the configuration or of the ACL file; raises ConfigError."""
        config = self._node.config
        self._take_password()
        config.subscribe("requirepass", self._take_password)
        config.user_lines = self.config_lines
        for words in config.users:
            self._declare([word.encode("utf-8", "surrogateescape") for word in words])
        path = config.text("aclfile")
        if path:
            try:
                self.replace_users(read_users(path, self.sets, self.channels_by_default()))
            except AclFileError as error:
                raise ConfigError(f"aclfile {path}: {error.reason}") from None

    def _declare(self, words: list[bytes]) -> None:
        """Take a `user` line of the configuration."""
        name = words[0]
        shown = name.decode("utf-8", "backslashreplace")
        user = self.users.get(name)
        if user is None:
            user = User(name, self.sets, self.channels_by_default())
        else:
            apply_rule(user, b"reset", self.channels_by_default())
        try:
            for rule in joined_selectors(words[1:]):
                apply_rule(user, rule, self.channels_by_default())
        except OpenParenthesis:
            raise ConfigError(
                f"user {shown}: a selector is not closed (allowed: `(...)`)"
            ) from None
        except RuleError as error:
            # The rule itself is not shown: it may hold a password.
            known = "names of commands and categories" if error.reason == UNKNOWN_NAME else "rules"
            reason = error.reason[:1].lower() + error.reason[1:]
            raise ConfigError(f"user {shown}: {reason} (allowed: {known} of ACL SETUSER)") from None
        user.seal()
        self.users[name] = user

    def channels_by_default(self) -> bool:
        """Return whether new users and selectors reach all channels."""
        return self._node.settings.acl_pubsub_default == "allchannels"

    def config_lines(self) -> list[str]:
        """Return the `user` lines for the configuration file; users of an ACL file have none."""
        if self._node.config.text("aclfile"):
            return []
        lines: list[str] = []
        for name in sorted(self.users):
            line = b"user %b %b" % (name, describe_user(self.users[name]))
            lines.append(line.decode("utf-8", "surrogateescape"))
        return lines

    def _take_password(self) -> None:
        """Make `requirepass` the one password of the default user; an empty one asks for none."""
        password = self._node.settings.requirepass.encode("utf-8", "surrogateescape")
        user = self.default
        apply_rule(user, b"resetpass", False)
        apply_rule(user, b">" + password if password else b"nopass", False)
        user.seal()
        self.refresh()

    # --- who is who -------------------------------------------------------------------------------

    def welcome(self, session: Session) -> None:
        """Make a new session, or one that was reset, the default user's."""
        session.user = self.default
        session.authenticated = not self.default.needs_login()
        self._set_gate(session)

    def authenticate(self, session: Session, name: bytes, password: bytes, word: bytes) -> bool:
        """Log a session in; a failure is noted under `word`, the command as it was typed."""
        user = self.users.get(name)
        if user is not None and user.enabled:
            if user.no_password or is_one_of(password, user.passwords):
                session.user = user
                session.authenticated = True
                self._set_gate(session)
                return True
        self._note(log.LOGIN, self._context_of(session), word, name, session)
        return False

    def refresh(self) -> None:
        """Bring the gates of all sessions up to date with the users' rights."""
        for session in self._node.sessions.values():
            self._set_gate(session)

    def _set_gate(self, session: Session) -> None:
        if session.authenticated or not self.default.needs_login():
            session.gate &= ~UNAUTHENTICATED
            session.parser.trusted = True
        else:
            session.gate |= UNAUTHENTICATED
            session.parser.trusted = False
        if session.user.unrestricted:
            session.gate &= ~RESTRICTED
        else:
            session.gate |= RESTRICTED

    # --- checks -----------------------------------------------------------------------------------

    def refusal(self, session: Session, command: Command, argv: list[bytes]) -> str:
        """Return why a session may not run or queue a request, or ""; a denial is noted."""
        decision = session.user.decide(command, argv)
        if decision == ALLOWED:
            return ""
        kind = decision & KIND_MASK
        self._note_denial(decision, self._context_of(session), session.user, command, argv, session)
        if kind == DENIED_COMMAND:
            name = command.full_name.decode()
            return f"NOPERM this user has no permissions to run the '{name}' command"
        what = "keys" if kind == DENIED_KEY else "channels"
        return f"NOPERM this user has no permissions to access one of the {what} used as arguments"

    def queued_refusal(self, session: Session, command: Command, argv: list[bytes]) -> str:
        """Return why EXEC may not run a queued request any more, or ""; a denial is noted."""
        decision = session.user.decide(command, argv)
        if decision == ALLOWED:
            return ""
        self._note_denial(decision, log.IN_MULTI, session.user, command, argv, session)
        return (
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the "
            "EXEC call. This command is no longer allowed for the following reason: "
            + _IN_EXEC[int(decision & KIND_MASK)]
        )

    def call_refusal(self, user: User, command: Command, argv: list[bytes]) -> str:
        """Return why a script may not make a call, or ""; a denial is noted.

        `ctx.session` has to be the connection that runs the script.
        """
        decision = user.decide(command, argv)
        if decision == ALLOWED:
            return ""
        session = self._node.ctx.session
        self._note_denial(decision, log.IN_SCRIPT, user, command, argv, session)
        return _IN_SCRIPT[int(decision & KIND_MASK)]

    def allows(self, user: User, command: Command, argv: list[bytes]) -> bool:
        """Return whether a user may run a request; for redis.acl_check_cmd."""
        return user.decide(command, argv) == ALLOWED

    def reads_every_key(self, user: User, name: bytes, argv: list[bytes]) -> bool:
        """Return whether a user of SORT may follow BY and GET patterns to whatever key."""
        return user.reaches_every_key(self.sets.commands[name], argv, READ)

    # --- the log ----------------------------------------------------------------------------------

    def _context_of(self, session: Session) -> bytes:
        return log.TOP_LEVEL if session.transaction is None else log.IN_MULTI

    def _note_denial(
        self,
        decision: i64,
        context: bytes,
        user: User,
        command: Command,
        argv: list[bytes],
        session: Session,
    ) -> None:
        kind = int(decision & KIND_MASK)
        what = command.full_name if kind == DENIED_COMMAND else argv[decision >> PLACE_SHIFT]
        self._note(_REASONS[kind], context, what, user.name, session)

    def _note(
        self, reason: bytes, context: bytes, what: bytes, name: bytes, session: Session
    ) -> None:
        line = self._node.client_line(session)
        now = self._node.clock.now()
        self.log.note(log.Entry(reason, context, what, name, line, now))

    # --- changes of users -------------------------------------------------------------------------

    def set_user(self, name: bytes, words: list[bytes]) -> None:
        """Change or create a user by rules, by all of them or none.

        Raises OpenParenthesis, and RuleError with its `rule`.
        """
        rules = joined_selectors(words)
        channels_by_default = self.channels_by_default()
        known = self.users.get(name)
        user = User(name, self.sets, channels_by_default) if known is None else known.copy()
        for rule in rules:
            try:
                apply_rule(user, rule, channels_by_default)
            except RuleError as error:
                error.rule = rule
                raise
        if known is None:
            user.seal()
            self.users[name] = user
            return
        self._cut_subscribers(known, user)
        known.take(user)
        self.refresh()

    def _cut_subscribers(self, user: User, changed: User) -> None:
        """End a user's connections that are subscribed to what the changed rules do not allow."""
        channels: dict[bytes, None] = {}
        for selector in changed.selectors:
            if selector.all_channels:
                return
            for channel in selector.channels:
                channels[channel] = None
        if _keeps_channels(user, channels):
            return
        for session in list(self._node.sessions.values()):
            if session.user is user and session.is_subscribed():
                if not _may_stay_subscribed(session, changed):
                    self._end(session)

    def delete_users(self, names: list[bytes]) -> int:
        """Delete users and end their connections; return how many there were."""
        gone: list[User] = []
        for name in names:
            user = self.users.pop(name, None)
            if user is not None:
                gone.append(user)
        self._end_sessions_of(gone)
        return len(gone)

    def replace_users(self, users: dict[bytes, User]) -> None:
        """Make these all the users; connections of all old ones but the default user end."""
        gone = [user for user in self.users.values() if user is not self.default]
        new_default = users.get(DEFAULT_USER)
        self.default.take(
            everything(DEFAULT_USER, self.sets) if new_default is None else new_default
        )
        users[DEFAULT_USER] = self.default
        self.users = users
        self._end_sessions_of(gone)
        self.refresh()

    def _end_sessions_of(self, users: list[User]) -> None:
        for session in list(self._node.sessions.values()):
            if session.user in users:
                session.user = self.default
                session.authenticated = False
                self._set_gate(session)
                self._end(session)

    def _end(self, session: Session) -> None:
        """End a connection; the caller's own after it got its reply."""
        if session is self._node.ctx.session:
            session.finish()
        else:
            self._node.disconnect(session)
            session.outlet.abort()

    # --- the file ---------------------------------------------------------------------------------

    def load(self) -> None:
        """Read the ACL file again; raises AclFileError and leaves everything as it is."""
        path = self._node.config.text("aclfile")
        self.replace_users(read_users(path, self.sets, self.channels_by_default()))

    def save(self) -> None:
        """Write the ACL file; OSError when that fails."""
        write_users(self._node.config.text("aclfile"), self.users)


def _keeps_channels(user: User, channels: dict[bytes, None]) -> bool:
    """Return whether every channel rule that a user has is among `channels`."""
    for selector in user.selectors:
        if selector.all_channels:
            return False
        for channel in selector.channels:
            if channel not in channels:
                return False
    return True


def _may_stay_subscribed(session: Session, user: User) -> bool:
    for pattern in session.patterns:
        if not _allows_channel(user, pattern, True):
            return False
    for channel in session.channels:
        if not _allows_channel(user, channel, False):
            return False
    for channel in session.shard_channels:
        if not _allows_channel(user, channel, False):
            return False
    return True


def _allows_channel(user: User, channel: bytes, is_pattern: bool) -> bool:
    for selector in user.selectors:
        if selector.allows_channel(channel, is_pattern):
            return True
    return False
