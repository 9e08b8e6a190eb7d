"""Lines by event streams (server-sent events): AnyCable's way for those who only listen.

::

    transport.py   the recipe: options, and the request that opens the line
    roster.py      which subscription is in which request; without I/O
    query.py       a subscription as the address of a GET, without I/O
    events.py      from bytes to events, without I/O
    envelope.py    from bare messages to whole frames, without I/O
    connection.py  an open line: one request that says how the server is, and more for the subscriptions
"""

from __future__ import annotations

from cableway.transports.event_stream.connection import EventStreamConnection
from cableway.transports.event_stream.transport import EventStreamTransport

__all__ = ["EventStreamConnection", "EventStreamTransport"]
