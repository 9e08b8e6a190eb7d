"""Lines by WebSocket, on the sans-I/O core of the websockets library.

::

    transport.py   the recipe: options, and the order of the steps of a dial
    address.py     checks an address
    headers.py     builds and checks the upgrade request
    reach.py       the way to the host: address, proxy, TLS
    race.py        the first address of a host that answers
    proxies.py     which proxy, by what was given and by the environment
    proxy.py       how to get through a proxy
    tls.py         contexts, and what goes wrong with certificates
    exchange.py    one HTTP request and its response on a line
    response.py    reads the head of a response, leniently
    failures.py    what went wrong on the way, in words
    connection.py  an open line
    receiver.py    from bytes to messages, without I/O
    splitter.py    the fast cut of plain frames
    pacing.py      how much to read at once
"""

from __future__ import annotations

from cableway.transports.websocket.connection import WebSocketConnection
from cableway.transports.websocket.transport import WebSocketTransport

__all__ = ["WebSocketConnection", "WebSocketTransport"]
