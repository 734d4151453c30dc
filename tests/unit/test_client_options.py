"""What a client can be told: URLs, the environment, overrides, and every mistake in one line."""

from __future__ import annotations

import pickle
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from kvclient.errors import ConfigurationError, reply_error
from kvclient.handshake import handshake, knows_no_hello
from kvclient.options import _KINDS, _PARAMETERS, Options
from kvclient.routing.address import Address

SECRET = "s3cr3t"


def read(url: str, **overrides: Any) -> Options:
    return Options.from_url(url, environment={}, **overrides)


def mistake(url: str, **overrides: Any) -> str:
    """The message for a URL that is wrong: one line, without the password."""
    with pytest.raises(ConfigurationError) as caught:
        read(url, **overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert SECRET not in message
    return message


# -- where -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("kv://", [Address("127.0.0.1", 6379)]),
        ("kv://h", [Address("h", 6379)]),
        ("KV://h:7001/", [Address("h", 7001)]),
        ("redis://:7001", [Address("127.0.0.1", 7001)]),
        ("kv://[::1]:7001", [Address("::1", 7001)]),
        ("kv://[fe80::1%eth0]", [Address("fe80::1%eth0", 6379)]),
        ("kv://my_host-1.example.:1", [Address("my_host-1.example.", 1)]),
        ("kv://u:p@a:1,[::1]:2,c?mode=ring", [Address("a", 1), Address("::1", 2), Address("c")]),
        ("unix:///run/kv.sock", [Address("", 0, "/run/kv.sock")]),
        ("unix://u:p@/run/a%20b", [Address("", 0, "/run/a b")]),
    ],
)
def test_addresses(url: str, addresses: list[Address]) -> None:
    assert read(url).addresses == tuple(addresses)


@pytest.mark.parametrize(
    ("url", "tls"),
    [("kv://h", False), ("kvs://h", True), ("rediss://h", True), ("redis://h", False)],
)
def test_the_scheme_says_whether_tls_is_used(url: str, tls: bool) -> None:
    assert read(url).tls is tls


def test_several_urls_are_the_hosts_of_one_system() -> None:
    urls = ["kvs://u:p@a:1?mode=cluster", "kvs://b:2"]
    options = Options.from_url(urls, environment={})
    assert options.addresses == (Address("a", 1), Address("b", 2))
    assert (options.mode, options.tls, options.password) == ("cluster", True, "p")


@pytest.mark.parametrize(
    ("urls", "wanted"),
    [
        ([], "empty"),
        (["kv://a?mode=cluster", "kvs://b"], "TLS"),
        (["kv://a?mode=cluster", "kv://b?mode=ring"], "mode differs"),
        ([f"kv://u:{SECRET}@a?mode=ring", "kv://u:other@b"], "password differs"),
        (["kv://a?mode=ring", 7], "type int"),
    ],
)
def test_urls_that_contradict_each_other_are_refused(urls: list[str], wanted: str) -> None:
    with pytest.raises(ConfigurationError, match=wanted) as caught:
        Options.from_url(urls, environment={})
    assert SECRET not in str(caught.value)


# -- what ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "option", "wanted"),
    [
        ("mode=cluster", "mode", "cluster"),
        ("mode=ring&weights=2.5", "weights", (2.5,)),
        ("db=3", "db", 3),
        ("username=u&password=p", "username", "u"),
        ("username=u&password=p", "password", "p"),
        ("name=worker-1", "client_name", "worker-1"),
        ("decode=yes", "decode", True),
        ("decode=0", "decode", False),
        ("protocol=2", "protocol", 2),
        ("deadline=0.5", "deadline_s", 0.5),
        ("connect_timeout=1", "connect_timeout_s", 1.0),
        ("keepalive=5", "keepalive_s", 5.0),
        ("keepalive=off", "keepalive_s", None),
        ("exactly_once=on", "exactly_once", True),
        ("mode=cluster&read_from=any", "read_from", "any"),
        ("bytes_in_flight=1mb", "bytes_in_flight_max", 1 << 20),
        ("backoff_min=0.1", "backoff_min_s", 0.1),
        ("backoff_max=3", "backoff_max_s", 3.0),
        ("cache=64MB", "cache_bytes_max", 64 << 20),
        ("cache=1000", "cache_bytes_max", 1000),
        ("cache=off", "cache_bytes_max", None),
    ],
)
def test_every_option_has_a_parameter(query: str, option: str, wanted: object) -> None:
    options = read(f"kv://h?{query}")
    assert getattr(options, option) == wanted
    assert type(getattr(options, option)) is type(wanted)


@pytest.mark.parametrize("name", ["tls_ca_file", "tls_ca_path", "tls_cert_file", "tls_server_name"])
def test_tls_parameters(name: str) -> None:
    assert getattr(read(f"kvs://h?{name}=%2Fa%26b"), name) == "/a&b"
    assert read("kvs://h?tls_verify=no").tls_verify is False
    assert read("kvs://h?tls_cert_file=c&tls_key_file=k").tls_key_file == "k"


def test_each_field_has_a_kind_and_a_parameter() -> None:
    fields = set(Options.__dataclass_fields__)
    assert set(_KINDS) == fields
    assert {option for option, _ in _PARAMETERS.values()} == fields - {"addresses", "tls"}


def test_user_and_password_are_percent_decoded_and_a_plus_stays() -> None:
    options = read("kv://us%40er:p%3A%2F%C3%A9+%25@h/2")
    assert (options.username, options.password, options.db) == ("us@er", "p:/é+%", 2)
    assert read("kv://:p@h").username is None


def test_overrides_win_over_the_url() -> None:
    options = read("kv://u:p@h/1?deadline=9", deadline_s=0.5, db=2, client_name="n")
    assert (options.deadline_s, options.db, options.client_name) == (0.5, 2, "n")


def test_defaults() -> None:
    options = Options()
    assert read("kv://127.0.0.1:6379/0") == options
    assert (options.deadline_s, options.protocol, options.decode) == (5.0, 3, False)
    assert (options.bytes_in_flight_max, options.cache_bytes_max) == (64 << 20, None)


# -- the environment -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "address", "username", "password"),
    [
        ({}, Address(), None, None),
        ({"KV_URL": ""}, Address(), None, None),
        ({"KV_URL": "kv://e"}, Address("e"), None, None),
        ({"KV_PASSWORD": "p"}, Address(), None, "p"),
        ({"KV_URL": "kv://e", "KV_PASSWORD": "p", "KV_USERNAME": "u"}, Address("e"), "u", "p"),
        ({"KV_URL": "kv://u@e", "KV_PASSWORD": "p"}, Address("e"), "u", "p"),
        ({"KV_URL": "kv://u:p@e", "KV_PASSWORD": "x", "KV_USERNAME": "y"}, Address("e"), "u", "p"),
    ],
)
def test_without_a_url_the_environment_counts(
    environment: dict[str, str], address: Address, username: str | None, password: str | None
) -> None:
    options = Options.from_url(environment=environment)
    assert options.addresses == (address,)
    assert (options.username, options.password) == (username, password)


def test_the_environments_password_goes_nowhere_else() -> None:
    environment = {"KV_URL": "kv://e", "KV_PASSWORD": SECRET}
    assert Options.from_url("kv://elsewhere", environment=environment).password is None


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KV_URL", "kv://from-environment:7")
    assert Options.from_url().addresses == (Address("from-environment", 7),)


# -- mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("localhost:6379", "begins with no scheme, must begin with kv://, kvs://"),
        ("http://h", "begins with 'http'"),
        (f"{SECRET * 4}", "no scheme"),
        ("kv://h?deadlin=1", "unknown parameter 'deadlin' in the URL; did you mean 'deadline'?"),
        ("kv://h?zzz=1", "unknown parameter 'zzz' in the URL; there are mode, weights"),
        ("kv://h?deadline", "parameter 'deadline' in the URL has no value"),
        ("kv://h?deadline=1&deadline=2", "deadline stands in the URL twice"),
        ("kv://h/1?db=2", "db stands in the URL twice"),
        ("kv://h?deadline=x", "deadline in the URL is 'x', must be seconds, more than 0"),
        ("kv://h?deadline=0", "deadline in the URL is '0'"),
        ("kv://h?deadline=nan", "deadline in the URL is 'nan'"),
        ("kv://h?deadline=inf", "deadline in the URL is 'inf'"),
        ("kv://h?deadline=off", "deadline in the URL is 'off'"),
        ("kv://h?decode=maybe", "decode in the URL is 'maybe', must be yes or no"),
        ("kv://h?protocol=4", "protocol in the URL is '4', must be 2 or 3"),
        ("kv://h?mode=both", "must be one of standalone, cluster, ring"),
        ("kv://h?cache=64tb", "cache in the URL is '64tb', must be bytes"),
        ("kv://h?cache=0", "cache in the URL is '0'"),
        ("kv://h?name=a%20b", "must be a text of visible ASCII without spaces"),
        ("kv://h?name=a%0Ab", "must be a text of visible ASCII"),
        ("kv://h?weights=1,x&mode=ring", "must be numbers above 0"),
        ("kv://h/x", "db in the URL is 'x', must be a whole number from 0"),
        ("kv://h/-1", "db in the URL is '-1'"),
        ("kv://h/1/2", "db in the URL is '1/2'"),
        ("kv://h/1#f", "db in the URL is '1#f'"),
        ("kv://h:0", "port in the URL is 0, must be a whole number from 1 to 65535"),
        ("kv://h:65536", "port in the URL is 65536"),
        ("kv://h:port", "host 'h' in the URL must be"),
        ("kv://h:", "host 'h' in the URL must be"),
        (f"kv://u:{SECRET}/0", "host 'u' in the URL must be"),
        (f"kv://u:x/{SECRET}@h", "/ %2F and ? %3F"),
        (f"kv://u:x?{SECRET}@h", "/ %2F and ? %3F"),
        ("kv://::1:7001", "IPv6 stands in brackets"),
        ("kv://[::1", "IPv6 stands in brackets"),
        ("kv://h ost", "host 'h' in the URL"),
        ("kv://a,,b?mode=ring", "a host in the URL is empty"),
        ("kv://a,b", "addresses are a:6379,b:6379, must be one, or mode must be"),
        ("kv://a,a?mode=ring", "addresses name a:6379 twice"),
        (f"kv://u:{SECRET}@a,u:{SECRET}@b?mode=ring", "more than one @"),
        (f"kv://u:{SECRET}%zz@a", "password in the URL has a % that is none"),
        ("kv://u:%ff@a", "password in the URL must be UTF-8"),
        ("kv://u@h", "username is 'u', must be given with a password"),
        (f"kv://:{SECRET}@h?password={SECRET}", "password stands in the URL twice"),
        ("kv://h?password=", "password in the URL is (hidden), must be a text"),
        ("unix://h/path", "a unix URL must be as unix:///path"),
        ("unix://", "a unix URL must be as"),
        ("unix:///s?mode=cluster", "mode is 'cluster', must be another with unix:/s"),
        ("kv://h/1?mode=cluster", "db is 1, must be 0 in a cluster"),
        ("kv://h?weights=1", "weights is (1.0,), must be left out unless mode is 'ring'"),
        ("kv://a,b?mode=ring&weights=1", "must be 2 numbers, one for each address"),
        ("kv://h?read_from=any", "read_from is 'any', must be 'leader' unless"),
        ("kv://h?backoff_min=2", "backoff_min_s is 2.0, must be at most backoff_max_s, 0.5"),
        ("kv://h?protocol=2&cache=1mb", "must be None with protocol 2"),
        ("kv://h?tls_ca_file=x", "tls_ca_file is 'x', must be left out without TLS (kvs://)"),
        ("kv://h?tls_verify=no", "tls_verify is False, must be True without TLS"),
        ("kvs://h?tls_key_file=k", "tls_key_file is 'k', must be given with tls_cert_file"),
    ],
)
def test_a_mistake_in_a_url_is_named(url: str, wanted: str) -> None:
    assert wanted in mistake(url)


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ({"deadline": 1}, "unknown option 'deadline'; did you mean 'deadline_s'?"),
        ({"deadline_s": "1"}, "deadline_s is '1', must be seconds"),
        ({"deadline_s": None}, "deadline_s is None, must be seconds"),
        ({"db": True}, "db is True, must be a whole number"),
        ({"decode": 1}, "decode is 1, must be yes or no (True or False)"),
        ({"password": SECRET.encode()}, "password is (hidden), must be a text"),
        ({"mode": None}, "mode is None"),
        ({"addresses": ()}, "addresses is (), must be Addresses"),
        ({"addresses": ("h:1",)}, "must be Addresses"),
        ({"addresses": (Address("", 1),)}, "must have a host"),
        ({"addresses": (Address("h", 0),)}, "a port from 1 to 65535"),
        ({"addresses": (Address("", 0, "/s"),), "tls": True}, "tls is True, must be False"),
        ({"weights": [1.0]}, "weights is [1.0]"),
        ({"cache_bytes_max": 0}, "cache_bytes_max is 0"),
        ({"cache_bytes_max": 1000, "mode": "ring"}, "cache_bytes_max is 1000"),
        ({"tls": "yes"}, "tls is 'yes'"),
    ],
)
def test_a_mistake_in_an_override_is_named(overrides: dict[str, Any], wanted: str) -> None:
    assert wanted in mistake("kv://h", **overrides)


# -- what is kept secret and what is light ---------------------------------------------------------


def test_options_pickle_compare_and_are_frozen_and_never_show_the_password() -> None:
    options = read(f"kvs://u:{SECRET}@a:1,b?mode=ring&weights=1,2")
    copy = pickle.loads(pickle.dumps(options))
    assert copy == options
    assert hash(copy) == hash(options)
    assert copy.password == SECRET
    assert SECRET not in repr(options) + str(options)
    with pytest.raises(AttributeError):
        options.db = 1  # type: ignore[misc]


def test_ssl_is_not_imported_before_a_context_is_made() -> None:
    program = (
        "import sys; from kvclient.options import Options;"
        "Options.from_url('kvs://h'); assert 'ssl' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_context_follows_the_options(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("client")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    assert read("kv://h").ssl_context() is None
    context = read(
        f"kvs://h?tls_ca_file={tmp_path}/ca.pem&tls_cert_file={tmp_path}/client.pem"
    ).ssl_context()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1
    lax = read("kvs://h?tls_verify=no").ssl_context()
    assert lax is not None
    assert lax.verify_mode is ssl.CERT_NONE
    system = read("kvs://h").ssl_context()
    assert system is not None
    assert system.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("name", ["tls_ca_file", "tls_cert_file"])
def test_a_file_that_cannot_be_used_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "junk").write_text("junk")
    for file in ("none", "junk"):
        with pytest.raises(ConfigurationError, match=f"^{name} is '.*{file}', cannot be used: "):
            read(f"kvs://h?{name}={tmp_path}/{file}").ssl_context()


def test_the_name_that_a_certificate_must_have() -> None:
    assert read("kvs://h").server_name(Address("h")) == "h"
    assert read("kvs://h?tls_server_name=n").server_name(Address("h")) == "n"


# -- the handshake ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "hello", "plain"),
    [
        ("kv://h", [("HELLO", "3")], []),
        ("kv://:p@h", [("HELLO", "3", "AUTH", "default", "p")], [("AUTH", "p")]),
        (
            "kv://u:p@h/2?name=n",
            [("HELLO", "3", "AUTH", "u", "p", "SETNAME", "n"), ("SELECT", "2")],
            [("AUTH", "u", "p"), ("CLIENT", "SETNAME", "n"), ("SELECT", "2")],
        ),
    ],
)
def test_the_handshake(
    url: str, hello: list[tuple[str, ...]], plain: list[tuple[str, ...]]
) -> None:
    options = read(url)
    assert handshake(options, 3) == hello
    assert handshake(options, 2) == plain
    assert handshake(options, 3, is_follower=True) == [*hello, ("READONLY",)]


def test_which_errors_mean_that_there_is_no_hello() -> None:
    assert knows_no_hello(reply_error("NOPROTO unsupported protocol version"))
    assert knows_no_hello(reply_error("ERR unknown command `HELLO`, with args beginning with: "))
    assert not knows_no_hello(reply_error("WRONGPASS invalid username-password pair"))
    assert not knows_no_hello(reply_error("NOAUTH HELLO must be called with the client"))
