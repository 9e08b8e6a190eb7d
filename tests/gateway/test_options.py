"""The gateway's options, as keywords and as text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import fields

from cableway.errors import UsageError
from cableway.gateway import GatewayOptions, option_specs, options_from_mapping
from cableway.gateway.options import GatewayKeywords


def test_the_defaults_are_anycables_where_that_is_safe() -> None:
    """Path, ping interval and limits as there; but this machine only, and a free port."""
    options = GatewayOptions()
    assert (options.host, options.port, options.path) == ("127.0.0.1", 0, "/cable")
    assert (options.ping_interval, options.max_message_size, options.ws_max_pending_size) == (3.0, 65_536, 1_048_576)
    assert not options.open_to_all


def test_the_other_transports_are_off_unless_asked_for() -> None:
    """With AnyCable's names and values; the paths of those that are off are free."""
    options = GatewayOptions(path="/events", token_path="/lp")
    assert (options.sse, options.sse_path, options.poll, options.poll_path) == (False, "/events", False, "/lp")
    assert (options.poll_interval, options.poll_flush_interval) == (15.0, 500)
    assert (options.poll_max_request_size, options.poll_keepalive_timeout) == (65_536, 5.0)


def test_dashes_and_underscores_mean_the_same() -> None:
    """A command line writes either, with or without dashes in front."""
    mapping = {"--ping-interval": "1.5", "max_conn": "7", "ssl-cert": "a.pem", "ssl_key": "b.pem", "public": "true"}
    options = options_from_mapping(mapping)
    assert (options.ping_interval, options.max_conn, options.public) == (1.5, 7, True)
    assert (options.ssl_cert, options.ssl_key) == ("a.pem", "b.pem")


def test_values_come_as_they_are_or_as_text() -> None:
    """Keywords bring Python's types, a command line brings text."""
    assert GatewayOptions(ping_interval=timedelta(seconds=2)).ping_interval == 2.0  # type: ignore[arg-type]
    assert options_from_mapping({"public": "no", "noauth": False, "norpc": "1"}).norpc


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"ping_intervall": 3}, "did you mean 'ping_interval'"),
        ({"zzz": 3}, "'zzz' is no option of the gateway"),
        ({"port": "http"}, "port='http' is not a whole number"),
        ({"port": -1}, "port=-1 is negative"),
        ({"ping_interval": "soon"}, "ping_interval='soon' is not a duration"),
        ({"ping_interval": -1}, "ping_interval=-1 is not a duration"),
        ({"ping_timestamp_precision": "us"}, "give s, ms or ns"),
        ({"public": "perhaps"}, "neither true nor false"),
        ({"path": "cable"}, "is not a path"),
        ({"path": "/c?x"}, "is not a path"),
        ({"path": "/policy"}, "policy_path and path are both '/policy'"),
        ({"path": "/health"}, "health_path and path are both '/health'"),
        ({"sse": 1, "sse_path": "/cable"}, "sse_path and path are both '/cable'"),
        ({"sse": 1, "poll": 1, "poll_path": "/events"}, "poll_path and sse_path are both '/events'"),
        ({"poll": 1, "poll_path": "/api/lp"}, "is where the API for back ends is"),
        ({"poll_flush_interval": 0.5}, "poll_flush_interval=0.5 is not a whole number"),
        ({"accept_rate": 0.5}, "accept_rate=0.5 is not a whole number"),
        ({"accept_rate": float("inf")}, "accept_rate=inf is not a whole number"),
        ({"accept_rate": "many"}, "accept_rate='many' is not a whole number"),
        ({"accept_wait": -1}, "accept_wait=-1 is not a duration"),
        ({"ssl_cert": "a.pem"}, "TLS needs both files"),
        ({"max-conn": 1, "max_conn": 2}, "given twice"),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, Any], text: str) -> None:
    """The error tells the option, the value, and what it takes."""
    with pytest.raises(UsageError, match=text.replace("?", r"\?")):
        options_from_mapping(given)


@pytest.mark.parametrize("value", ["none", "", None])
def test_none_clears_a_secret(value: str | None) -> None:
    """As in AnyCable."""
    assert GatewayOptions(secret=value).secret is None


def test_stream_names_are_signed_with_their_own_secret_first() -> None:
    """The one secret is the fallback."""
    assert GatewayOptions(secret="one").pubsub_secret == "one"
    assert GatewayOptions(secret="one", streams_secret="two").pubsub_secret == "two"


def test_keywords_are_the_options() -> None:
    """What type checkers know is what there is."""
    assert list(GatewayKeywords.__annotations__) == [attribute.name for attribute in fields(GatewayOptions)]


def test_secrets_are_not_shown() -> None:
    """No secret in the text of the options."""
    options = GatewayOptions(secret="hush-1", streams_secret="hush-2", broadcast_key="hush-3", jwt_secret="hush-4")
    assert "hush" not in repr(options)


def test_a_command_line_can_be_built_from_the_list() -> None:
    """Each option has its type, default and one sentence; secrets are told apart."""
    specs = {spec.name: spec for spec in option_specs()}
    assert list(specs) == [attribute.name for attribute in fields(GatewayOptions)]
    assert all(spec.help.endswith(".") for spec in specs.values())
    assert specs["port"].type is int
    assert specs["public"].type is bool
    assert specs["ping_interval"].default == 3.0
    assert specs["ssl_cert"].type is str
    assert {spec.name for spec in specs.values() if spec.secret} == {
        "secret",
        "streams_secret",
        "broadcast_key",
        "policy_secret",
        "jwt_secret",
        "api_secret",
        "turbo_streams_secret",
        "cable_ready_secret",
    }


def test_an_explicit_broker_wins_over_the_preset() -> None:
    """A preset is a set of defaults."""
    assert not GatewayOptions(presets="broker", broker="none").has_broker
    assert GatewayOptions(presets="broker").has_broker


@pytest.mark.parametrize("name", ["path", "health_path", "http_broadcast_path", "policy_path", "token_path"])
def test_addresses_of_the_api_are_taken(name: str) -> None:
    """Else one of the two would hide the other."""
    with pytest.raises(UsageError, match=rf"{name}='/api/publish'"):
        GatewayOptions(**{name: "/api/publish"})
    GatewayOptions(**{name: "/apis"})
