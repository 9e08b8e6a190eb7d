"""Lines by long polling: AnyCable's way through networks that let no WebSocket pass.

::

    transport.py   the recipe: options, and the opening request
    pace.py        how soon the next poll follows
    outbox.py      commands, kept until the server has taken them
    exchange.py    who may poll when, and what follows from each end of a request; without I/O
    lines.py       from bytes to messages, without I/O
    connection.py  an open line
"""

from __future__ import annotations

from cableway.transports.polling.connection import PollingConnection
from cableway.transports.polling.pace import Pace
from cableway.transports.polling.transport import LongPollingTransport

__all__ = ["LongPollingTransport", "Pace", "PollingConnection"]
