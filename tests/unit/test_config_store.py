"""CONFIG GET and CONFIG SET: values, texts, atomicity, and who is told."""

import os

import pytest

from kvnode.config import Config, ConfigError
from kvnode.config.directives import BY_NAME


class Thresholds:
    def __init__(self) -> None:
        self.hash_max_listpack_entries = 1
        self.list_max_listpack_size = 1
        self.unrelated = "kept"


def set_failure(*pairs: tuple[str, str], local: bool = True) -> str:
    config = Config()
    before = config.get(["*"])
    with pytest.raises(ConfigError) as caught:
        config.set_many(list(pairs), local=local)
    assert config.get(["*"]) == before
    return str(caught.value)


def refused(name: str, value: str) -> str:
    text = set_failure((name, value))
    head = f"CONFIG SET failed (possibly related to argument '{name}') - "
    assert text.startswith(head)
    return text.removeprefix(head)


def stored(name: str, value: str) -> str:
    config = Config()
    config.set_many([(name, value)])
    return config.show(name)


def test_get_matches_patterns_in_any_case_and_includes_aliases() -> None:
    config = Config()
    assert config.get(["*SLAVE-pri*"]) == [("slave-priority", "100")]
    assert config.get(["h[yz]", "h[^y]"]) == [("hz", "10")]
    assert config.get(["nothing*", "nothing"]) == []


def test_get_answers_an_exact_name_in_the_spelling_of_the_question_and_once() -> None:
    assert Config().get(["HZ", "h?", "hz"]) == [("HZ", "10")]
    assert Config().get(["h?", "HZ"]) == [("hz", "10")]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1gb", "1073741824"),
        ("1G", "1000000000"),
        ("100k", "100000"),
        ("1KB", "1024"),
        ("10B", "10"),
        ("", "0"),
        ("18446744073709551616", "18446744073709551615"),
        ("18446744073709551615k", "18446744073709550616"),
    ],
)
def test_memory_values_are_read_with_their_units_and_shown_in_bytes(value: str, shown: str) -> None:
    assert stored("maxmemory", value) == shown


@pytest.mark.parametrize("value", ["1 gb", "-1", "1.5gb", "0x10", " 5", "5 ", "1t", "gb"])
def test_what_is_no_memory_value_is_refused(value: str) -> None:
    assert refused("maxmemory", value) == "argument must be a memory value"


def test_memory_values_out_of_bounds_are_refused_with_the_bounds() -> None:
    assert refused("proto-max-bulk-len", "1") == (
        "argument must be between 1048576 and 9223372036854775807 inclusive"
    )


@pytest.mark.parametrize("value", ["", "007", "+7", " 7", "7.0", "-0", "x", "9223372036854775808"])
def test_numbers_must_be_canonical(value: str) -> None:
    assert refused("hz", value) == "argument couldn't be parsed into an integer"


def test_numbers_out_of_bounds_are_refused_with_the_bounds() -> None:
    text = "argument must be between 0 and 100 inclusive"
    assert refused("maxmemory-eviction-tenacity", "101") == text


def test_hz_is_brought_into_its_range() -> None:
    assert (stored("hz", "0"), stored("hz", "501")) == ("1", "500")


def test_maxmemory_clients_takes_a_size_or_a_percentage() -> None:
    name = "maxmemory-clients"
    assert (stored(name, "5%"), stored(name, "0%"), stored(name, "1kb")) == ("5%", "0", "1024")
    assert refused(name, "101%") == "percentage argument must be less or equal to 100"
    for value in ("-5%", "%", "x%", "007%", "-1"):
        assert refused(name, value) == "argument must be a memory or percent value"


def test_flags_and_choices_are_read_in_any_case() -> None:
    assert stored("activerehashing", "YES") == "yes"
    assert stored("maxmemory-policy", "ALLKEYS-LRU") == "allkeys-lru"
    assert refused("activerehashing", "1") == "argument must be 'yes' or 'no'"
    assert refused("loglevel", "loud") == (
        "argument(s) must be one of the following: debug, verbose, notice, warning"
    )


def test_save_takes_pairs_and_the_empty_text_turns_it_off() -> None:
    assert stored("save", "100 1 200 0") == "100 1 200 0"
    assert stored("save", "") == ""
    for value in ("100", "100  1", "0 1", "1 -1", "a b", "100 1 "):
        assert refused("save", value) == "Invalid save parameters"


def test_output_buffer_limits_are_set_per_class_and_the_others_stay() -> None:
    config = Config()
    config.set_many([("client-output-buffer-limit", "REPLICA 1mb 2kb 3")])
    assert config.show("client-output-buffer-limit") == (
        "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60"
    )
    assert config.settings.output_replica.hard_bytes == 1048576
    assert config.settings.output_replica.soft_seconds == 3
    assert config.settings.output_pubsub.hard_bytes == 33554432


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("normal 1 1", "Wrong number of arguments in buffer limit configuration."),
        ("master 1 1 1", "Invalid client class specified in buffer limit configuration."),
        (
            "normal 1 x 1",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
    ],
)
def test_wrong_output_buffer_limits_are_refused(value: str, reason: str) -> None:
    assert refused("client-output-buffer-limit", value) == reason


@pytest.mark.parametrize(
    ("value", "shown"),
    [("KEA", "AKE"), ("gx$", "g$x"), ("g$lshzxetd", "A"), ("Kmn", "nKm"), ("KEAmn", "AKEm")],
)
def test_keyspace_event_classes_are_shown_in_the_order_of_redis(value: str, shown: str) -> None:
    assert stored("notify-keyspace-events", value) == shown


def test_an_unknown_keyspace_event_class_is_refused() -> None:
    reason = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."
    assert refused("notify-keyspace-events", "KEq") == reason


def test_percentiles_are_shown_without_trailing_zeros() -> None:
    name = "latency-tracking-info-percentiles"
    assert stored(name, "50. .5 1e1 0x10 33.3333333333") == "50 0.5 10 16 33.333333"
    assert refused(name, "a") == f"Invalid {name} parameters"
    assert refused(name, "50 101") == f"{name} parameters should sit between [0.0,100.0]"


def test_shutdown_flags_combine_in_the_order_of_the_choices() -> None:
    assert stored("shutdown-on-sigint", "force now save") == "save now force"
    assert stored("shutdown-on-sigint", "default now") == "now"
    assert refused("shutdown-on-sigint", "save nosave") == (
        "shutdown options SAVE and NOSAVE can't be used simultaneously"
    )


def test_other_compound_values_are_checked() -> None:
    assert refused("oom-score-adj-values", "1 2") == "wrong number of arguments"
    assert refused("oom-score-adj-values", "0 0 2001") == (
        "Invalid oom-score-adj-values, elements must be between -2000 and 2000."
    )
    assert refused("bind", "a " * 16 + "a") == "Too many bind addresses specified."
    assert refused("proc-title-template", "{foo}") == (
        "template format is invalid or contains unknown variables"
    )
    assert refused("cluster-announce-hostname", "a_b") == (
        "Hostnames may only contain alphanumeric characters, hyphens or dots"
    )


def test_the_first_name_that_cannot_be_set_is_named_before_any_value_is_read() -> None:
    unknown = "Unknown option or number of arguments for CONFIG SET - 'foo'"
    immutable = "CONFIG SET failed (possibly related to argument 'databases') - "
    immutable += "can't set immutable config"
    assert set_failure(("hz", "x"), ("foo", "1"), ("databases", "5")) == unknown
    assert set_failure(("hz", "x"), ("databases", "5"), ("foo", "1")) == immutable


def test_a_name_given_twice_is_refused_in_any_case_but_not_beside_its_alias() -> None:
    assert set_failure(("hz", "1"), ("HZ", "2")) == (
        "CONFIG SET failed (possibly related to argument 'HZ') - duplicate parameter"
    )
    config = Config()
    config.set_many([("slave-priority", "1"), ("replica-priority", "2")])
    assert config.number("replica-priority") == 2


def test_set_is_all_or_nothing() -> None:
    set_failure(("hz", "20"), ("maxmemory", "1mb"), ("timeout", "x"))


def test_dir_is_protected_unless_the_start_allowed_it() -> None:
    text = "CONFIG SET failed (possibly related to argument 'dir') - can't set protected config"
    assert set_failure(("dir", "/")) == text
    config = Config()
    config.set_words(BY_NAME["enable-protected-configs"], ["local"])
    with pytest.raises(ConfigError, match="protected"):
        config.set_many([("dir", "/")], local=False)
    config.set_many([("dir", "/")], local=True)
    assert config.text("dir") == "/"
    with pytest.raises(ConfigError, match=r"- No such file or directory$"):
        config.set_many([("dir", "/no such folder")])


def test_subscribers_hear_of_changes_only() -> None:
    config = Config()
    heard: list[int] = []
    config.subscribe("hz", lambda: heard.append(config.number("hz")))
    config.set_many([("hz", "10"), ("timeout", "5")])
    assert heard == []
    config.set_many([("HZ", "20")])
    assert heard == [20]


def test_a_subscriber_can_refuse_and_then_everybody_sees_the_old_values_again() -> None:
    config = Config()
    seen: list[int] = []

    def refuse() -> None:
        if config.number("timeout"):
            raise ConfigError("not now")

    config.subscribe("hz", lambda: seen.append(config.number("hz")))
    config.subscribe("timeout", refuse)
    with pytest.raises(ConfigError) as caught:
        config.set_many([("hz", "20"), ("timeout", "5")])
    text = "CONFIG SET failed (possibly related to argument 'timeout') - not now"
    assert str(caught.value) == text
    assert seen == [20, 10]
    assert (config.settings.hz, config.settings.timeout) == (10, 0)


def test_settings_and_other_mirrors_follow_the_directives_of_their_attributes() -> None:
    config = Config()
    thresholds = Thresholds()
    config.mirror(thresholds)
    assert (thresholds.hash_max_listpack_entries, thresholds.list_max_listpack_size) == (512, -2)
    config.set_many([("hash-max-ziplist-entries", "7"), ("maxmemory-policy", "allkeys-lfu")])
    assert thresholds.hash_max_listpack_entries == 7
    assert thresholds.unrelated == "kept"
    assert config.settings.maxmemory_policy == "allkeys-lfu"


def test_a_mirror_gets_at_most_what_a_native_integer_holds() -> None:
    config = Config()
    config.set_many([("maxmemory", "18446744073709551615")])
    assert config.settings.maxmemory == 2**63 - 1


def test_typed_readers_return_what_the_engine_needs() -> None:
    config = Config()
    assert config.bind_addresses() == ["127.0.0.1", "-::1"]
    assert config.save_points() == [(3600, 1), (300, 100), (60, 10000)]
    assert config.percentiles() == [50.0, 99.0, 99.9]
    assert config.flag("protected-mode") is True
    assert config.text("dir") == os.getcwd()


def test_directives_without_effect_are_listed_when_set_away_from_the_default() -> None:
    config = Config()
    assert config.without_effect() == []
    config.set_many([("tls-cluster", "yes"), ("hz", "20")])
    assert config.without_effect() == [("tls-cluster", "yes")]
