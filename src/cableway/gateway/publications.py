"""What a back end may post: AnyCable's format, read as AnyCable reads it."""

from __future__ import annotations

from typing import Any, TypeAlias

from attrs import frozen

from cableway.errors import MalformedFrame
from cableway.wire.codecs.json import load


@frozen
class Publication:
    """Deliver *data*, which is JSON or any other text, to all who listen to *stream*."""

    stream: str
    data: str
    exclude_socket: str | None = None
    """The session id of the one client that must not get it."""
    broadcast_type: str | None = None
    """The type of its frames, where they are no plain messages."""
    transient: bool = False
    """Whether it is not to be kept."""


@frozen
class RemoteDisconnect:
    """End all sessions whose identifiers are exactly *identifier*."""

    identifier: str
    reconnect: bool = False


Posted: TypeAlias = tuple[Publication, ...] | RemoteDisconnect


def read_publication(body: bytes) -> Posted:
    """Read a publication, an array of them, or a remote command.

    Raises:
        MalformedFrame: It is none of these. AnyCable answers 201 all the same.
    """
    value = load(body)
    if isinstance(value, dict) and value.get("stream"):
        return (_publication(value),)
    if isinstance(value, list):
        return _batch(value)
    if isinstance(value, dict):
        return _command(value)
    rule = "neither an object nor an array"
    raise MalformedFrame(rule)


def _batch(items: list[Any]) -> tuple[Publication, ...]:
    if not items or not isinstance(items[0], dict) or not items[0].get("stream"):
        rule = "the array does not start with a publication"
        raise MalformedFrame(rule)
    # One that cannot be read spoils the batch, as it does there; one that names no stream reaches nobody.
    publications = [_publication(item) for item in items]
    return tuple(publication for publication in publications if publication.stream)


def _publication(item: Any) -> Publication:
    if not isinstance(item, dict):
        rule = "a publication is not an object"
        raise MalformedFrame(rule)
    stream, data, meta = item.get("stream"), item.get("data"), item.get("meta")
    if not isinstance(stream, str | None) or not isinstance(data, str | None):
        rule = "stream and data must be strings"
        raise MalformedFrame(rule)
    if not isinstance(meta, dict | None):
        rule = "meta is not an object"
        raise MalformedFrame(rule)
    return Publication(stream or "", data or "", *_options(meta or {}))


def _options(meta: dict[str, Any]) -> tuple[str | None, str | None, bool]:
    socket, kind, transient = meta.get("exclude_socket"), meta.get("broadcast_type"), meta.get("transient")
    # Go decodes the whole publication or nothing of it.
    if not isinstance(socket, str | None) or not isinstance(kind, str | None) or not isinstance(transient, bool | None):
        rule = "exclude_socket and broadcast_type are strings, transient is true or false"
        raise MalformedFrame(rule)
    return socket or None, kind or None, bool(transient)


def _command(item: dict[str, Any]) -> RemoteDisconnect:
    payload = item.get("payload")
    if item.get("command") != "disconnect" or not isinstance(payload, dict):
        rule = "no stream, and no command that is known here"
        raise MalformedFrame(rule)
    identifier, reconnect = payload.get("identifier"), payload.get("reconnect", False)
    if not isinstance(identifier, str) or not isinstance(reconnect, bool):
        rule = "disconnect needs an identifier, and reconnect is true or false"
        raise MalformedFrame(rule)
    return RemoteDisconnect(identifier, reconnect)
