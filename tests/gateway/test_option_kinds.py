"""The kinds of values that options take: from keywords, from a command line, from the environment."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attrs import fields, frozen

from cableway.errors import UsageError
from cableway.gateway import option_kinds as kinds

if TYPE_CHECKING:
    from collections.abc import Callable

COLOUR = kinds.one_of("", "red", "blue")


@pytest.mark.parametrize(
    ("convert", "given", "value"),
    [
        (kinds.text, 7, "7"),
        (kinds.text, "", ""),
        (kinds.path_of, "/cable", "/cable"),
        (kinds.path_of, "/", "/"),
        (kinds.path_of, "/a/b-c_d.~%20", "/a/b-c_d.~%20"),
        (kinds.optional, "", None),
        (kinds.optional, None, None),
        (kinds.optional, "none", "none"),
        (kinds.optional, "a.pem", "a.pem"),
        (kinds.optional_path, "", None),
        (kinds.optional_path, None, None),
        (kinds.optional_path, "/token", "/token"),
        (kinds.secret_of, "", None),
        (kinds.secret_of, None, None),
        (kinds.secret_of, "none", None),
        (kinds.secret_of, "None", "None"),
        (kinds.secret_of, " none", " none"),
        (kinds.secret_of, "k3y", "k3y"),
        (kinds.identifiers, '{"user_id":7}', '{"user_id":7}'),
        (kinds.identifiers, {"user_id": 7, "a": "ä"}, '{"user_id":7,"a":"ä"}'),
        (kinds.number, 0, 0),
        (kinds.number, 7.0, 7),
        (kinds.number, "8080", 8080),
        (kinds.number, " 8080\n", 8080),
        (kinds.seconds, 0, 0.0),
        (kinds.seconds, "1.5", 1.5),
        (kinds.seconds, timedelta(minutes=1, milliseconds=5), 60.005),
        (kinds.precision, "s", "s"),
        (kinds.precision, "ms", "ms"),
        (kinds.precision, "ns", "ns"),
        (COLOUR, "red", "red"),
        (COLOUR, "BLUE", "blue"),
        (COLOUR, "", ""),
        (COLOUR, None, ""),
    ],
)
def test_what_is_taken(convert: Callable[[str, Any], Any], given: Any, value: Any) -> None:
    """As the type that the option has."""
    taken = convert("name", given)
    assert (taken, type(taken)) == (value, type(value))


@pytest.mark.parametrize(
    ("convert", "given", "text"),
    [
        *((kinds.path_of, path, "is not a path") for path in ("", "cable", "/a{b}", "/a?b", "/a#b", "/a b", None)),
        (kinds.optional_path, "token", "name='token' is not a path"),
        (kinds.identifiers, "", "the identifiers are empty"),
        (kinds.identifiers, {"a": object()}, "cannot be written as a JSON object"),
        (kinds.identifiers, {"a": float("nan")}, "cannot be written as a JSON object"),
        (kinds.identifiers, 7, "cannot be written as a JSON object"),
        *((kinds.number, value, "is not a whole number") for value in ("", "1.5", 1.5, "many", None, [], 1e400, "nan")),
        (kinds.number, float("nan"), "name=nan is not a whole number"),
        (kinds.number, -1, "name=-1 is negative"),
        (kinds.number, "-3", "name=-3 is negative"),
        *((kinds.seconds, value, "is not a duration") for value in ("", "soon", None, [], -0.1, "-1", "inf", "nan")),
        (kinds.seconds, timedelta(seconds=-1), "is not a duration"),
        *((kinds.precision, value, "is not a unit of time") for value in ("us", "", "S")),
        (kinds.precision, None, "name=None is not a unit of time: give s, ms or ns"),
        (COLOUR, "green", "name='green' is not known: give one of , red, blue"),
    ],
)
def test_what_is_refused(convert: Callable[[str, Any], Any], given: Any, text: str) -> None:
    """The text tells what would have been taken."""
    with pytest.raises(UsageError, match=text):
        convert("name", given)


@pytest.mark.parametrize("given", [True, 1, "1", "true", "TRUE", "yes", "on", "On"])
def test_yes_has_many_names(given: object) -> None:
    """Command lines, files and environments write it each in their own way."""
    assert kinds.flag("name", given) is True


@pytest.mark.parametrize("given", [False, 0, "0", "false", "False", "no", "off", "OFF", ""])
def test_so_has_no(given: object) -> None:
    """A variable that is set to nothing is one of them."""
    assert kinds.flag("name", given) is False


@pytest.mark.parametrize("given", ["2", 2, "perhaps", "y", " true", None])
def test_what_is_neither_is_not_guessed(given: object) -> None:
    """A word mistaken for yes could open a door."""
    with pytest.raises(UsageError, match=f"name={given!r} is neither true nor false"):
        kinds.flag("name", given)


@frozen(kw_only=True, field_transformer=kinds.converted)
class Options:
    """Two options, for these tests."""

    port: int = kinds.option("Where to listen.", default=80, convert=kinds.number)
    key: str | None = kinds.option("What opens.", default=None, convert=kinds.secret_of, secret=True)


def test_an_option_is_converted_however_it_is_given() -> None:
    """And its error names it."""
    assert Options(port="8080").port == 8080  # type: ignore[arg-type]
    assert Options() == Options(port=80, key="none")
    with pytest.raises(UsageError, match="port='http' is not a whole number"):
        Options(port="http")  # type: ignore[arg-type]


def test_a_secret_option_is_not_shown() -> None:
    """Neither it nor its name; the others are."""
    assert repr(Options(key="hush")) == "Options(port=80)"


def test_an_option_brings_its_help() -> None:
    """For those who build a command line."""
    told = {field.name: (field.metadata["help"], field.metadata["secret"]) for field in fields(Options)}
    assert told == {"port": ("Where to listen.", False), "key": ("What opens.", True)}


def test_a_huge_duration_is_refused_like_any_other() -> None:
    """It is beyond the range of a float."""
    with pytest.raises(UsageError, match="ping_interval="):
        kinds.seconds("ping_interval", 10**400)


def test_the_option_is_named_where_identifiers_are_wrong() -> None:
    """The text of the tokens' own errors does not know it."""
    with pytest.raises(UsageError, match="token_ext="):
        kinds.identifiers("token_ext", "")
