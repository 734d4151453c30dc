"""TLS on a client's connection, sans-IO, and the contexts that the tls-* directives describe.

The loop could wrap the sockets, but then only the loop could read them; while a script runs for too
long the node reads its sockets by hand (`busy.py`), encrypted ones too.

The context is looked up when a connection is accepted. So a changed certificate serves from the
next connection on, and those that are open keep what they agreed on.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final, final

from kvnode.config import Config, ConfigError

# What a change of makes another context.
DIRECTIVES: Final = (
    "tls-port",
    "tls-cert-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-auth-clients",
    "tls-protocols",
    "tls-ciphers",
    "tls-prefer-server-ciphers",
    "tls-session-caching",
    "tls-dh-params-file",
)
_VERSIONS: Final = {
    "tlsv1": (ssl.TLSVersion.TLSv1, ssl.OP_NO_TLSv1),
    "tlsv1.1": (ssl.TLSVersion.TLSv1_1, ssl.OP_NO_TLSv1_1),
    "tlsv1.2": (ssl.TLSVersion.TLSv1_2, ssl.OP_NO_TLSv1_2),
    "tlsv1.3": (ssl.TLSVersion.TLSv1_3, ssl.OP_NO_TLSv1_3),
}
_DEFAULT_VERSIONS: Final = "tlsv1.2 tlsv1.3"
_VERIFY: Final = {
    "no": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "yes": ssl.CERT_REQUIRED,
}
_READ_BYTES: Final = 65536


class TlsError(Exception):
    """The peer does not speak TLS, or shows no certificate that is wanted; its text says which."""


@final
class Encryption:
    """One connection's TLS: what the peer sent goes in, what it asked for comes out, and back.

    `decrypt` raises TlsError when the handshake fails or the peer breaks the protocol; `take` then
    has the alert that tells it so.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_agreed = False  # whether the handshake is over
        self.is_ended = False  # whether the peer said that it sends no more

    def decrypt(self, data: bytes) -> bytes:
        """Take what came from the socket; return what is readable now, often nothing yet."""
        self._incoming.write(data)
        pieces: list[bytes] = []
        try:
            if not self.is_agreed:
                self._ssl.do_handshake()
                self.is_agreed = True
            while True:
                piece = self._ssl.read(_READ_BYTES)
                if not piece:
                    self.is_ended = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.is_ended = True
        except ssl.SSLError as error:
            raise TlsError(reason_of(error).replace(" ", "-")) from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, data: bytes) -> bytes:
        """Return what goes to the socket for `data`, after whatever the protocol wants to say."""
        if self.is_agreed and data:
            self._ssl.write(data)
        return self.take()

    def take(self) -> bytes:
        """Return what the protocol itself wants to say: the handshake, alerts, new keys."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def close(self) -> bytes:
        """Return the farewell, which tells the peer that nothing was cut off."""
        if self.is_agreed:
            try:
                self._ssl.unwrap()
            except ssl.SSLError:  # the peer's own farewell is not waited for
                pass
        return self.take()


class TlsContexts:
    """The context for new connections, made anew when a directive that it depends on is set.

    CONFIG SET of the same file name does so too, since the file may have changed.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._context: ssl.SSLContext | None = None
        for name in DIRECTIVES:
            config.subscribe(name, self.start)

    def encryption(self) -> Encryption:
        """Return the TLS of one new connection."""
        assert self._context is not None
        return Encryption(self._context)

    def start(self) -> None:
        """Read certificates and settings if TLS is served. ConfigError: they cannot be used."""
        if self._config.number("tls-port"):
            self._context = server_context(self._config)


def server_context(config: Config) -> ssl.SSLContext:
    """Return the context that the tls-* directives describe. ConfigError: one cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    _set_versions(context, config.text("tls-protocols"))
    _load_identity(context, config)
    _load_authorities(context, config)
    ciphers = config.text("tls-ciphers")
    if ciphers:
        _use("tls-ciphers", ciphers, lambda: context.set_ciphers(ciphers))
    parameters = config.text("tls-dh-params-file")
    if parameters:
        _use("tls-dh-params-file", parameters, lambda: context.load_dh_params(parameters))
    if config.flag("tls-prefer-server-ciphers"):
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if not config.flag("tls-session-caching"):
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


def client_context(config: Config) -> ssl.SSLContext:
    """Return the context for connections to other nodes. ConfigError: it cannot be made."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nodes are known by address, and trusted for who signed their certificate.
    context.check_hostname = False
    _set_versions(context, config.text("tls-protocols"))
    _load_identity(context, config, "client-" if config.text("tls-client-cert-file") else "")
    _load_authorities(context, config)
    context.verify_mode = ssl.CERT_REQUIRED
    ciphers = config.text("tls-ciphers")
    if ciphers:
        _use("tls-ciphers", ciphers, lambda: context.set_ciphers(ciphers))
    return context


def _load_identity(context: ssl.SSLContext, config: Config, prefix: str = "") -> None:
    """Load the certificate and the key of this node; `prefix` chooses those for its own calls."""
    name = f"tls-{prefix}cert-file"
    key_name = f"tls-{prefix}key-file"
    certificate = config.text(name)
    key = config.text(key_name)
    if not certificate:
        raise ConfigError(f"{name} is not set (allowed: a certificate in PEM format)")
    if not key:
        raise ConfigError(f"{key_name} is not set (allowed: a private key in PEM format)")
    _use(name, certificate, lambda: _open(certificate))
    # An empty text keeps OpenSSL from asking on the terminal.
    password = config.text(f"{key_name}-pass")
    _use(key_name, key, lambda: _load_pair(context, name, key_name, (certificate, key, password)))


def _load_pair(
    context: ssl.SSLContext, name: str, key_name: str, pair: tuple[str, str, str]
) -> None:
    """Load a certificate, its key and the key's password. ConfigError: one cannot be read."""
    certificate, key, password = pair
    try:
        context.load_cert_chain(certificate, key, lambda: password)
    except ssl.SSLError as error:
        if getattr(error, "reason", None):
            raise
        # OpenSSL does not say which of the two it could not read.
        scratch = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _use(name, certificate, lambda: scratch.load_verify_locations(certificate))
        raise ConfigError(
            f"{key_name} {key}: no key can be read (allowed: a private key in PEM format, "
            f"which {key_name}-pass opens if it is encrypted)"
        ) from None


def _load_authorities(context: ssl.SSLContext, config: Config) -> None:
    file = config.text("tls-ca-cert-file")
    folder = config.text("tls-ca-cert-dir")
    asked = config.text("tls-auth-clients")
    if asked != "no" and not (file or folder):
        raise ConfigError(
            "tls-ca-cert-file is not set (allowed: that or tls-ca-cert-dir, to check the "
            "certificates of clients; or tls-auth-clients no)"
        )
    if file:
        _use("tls-ca-cert-file", file, lambda: context.load_verify_locations(cafile=file))
    if folder:
        _use("tls-ca-cert-dir", folder, lambda: context.load_verify_locations(capath=folder))
    context.verify_mode = _VERIFY[asked]


def _set_versions(context: ssl.SSLContext, text: str) -> None:
    words = (text or _DEFAULT_VERSIONS).lower().split()
    for word in words:
        if word not in _VERSIONS:
            raise ConfigError(
                f"tls-protocols {text}: unknown version {word} (allowed: TLSv1, TLSv1.1, "
                "TLSv1.2, TLSv1.3)"
            )
    wanted = sorted(_VERSIONS[word][0] for word in words)
    context.minimum_version = wanted[0]
    context.maximum_version = wanted[-1]
    for version, refuse in _VERSIONS.values():
        if version not in wanted:
            context.options |= refuse


def reason_of(error: ssl.SSLError) -> str:
    """Return why, in OpenSSL's words."""
    # Errors of the ssl module's own have no reason, only their text, some a number before it.
    reason = getattr(error, "reason", None) or str(error.args[-1] if error.args else error)
    return str(reason).replace("_", " ").lower().rstrip(".")


def _open(path: str) -> None:
    with open(path, "rb"):
        pass


def _use(name: str, value: str, act: Callable[[], object]) -> None:
    """Do what a directive asks for, or raise ConfigError with its name and the reason."""
    try:
        act()
    except ssl.SSLError as error:
        raise ConfigError(f"{name} {value}: {reason_of(error)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{name} {value}: {reason.lower()}") from None
