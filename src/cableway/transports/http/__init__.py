"""What lines made of plain requests share.

::

    address.py     where the requests go
    way.py         how they get there: headers, TLS, proxy
    streams.py     the connections beneath, opened by the way of WebSockets
    posting.py     requests over httpx2, and what became of them
    refusals.py    what an answer means that opens no line, or that ends one
"""
