"""``cableway doctor``: tries each transport step by step, and tells what works, what does not, and what to do.

::

    findings.py     what one step has shown; which steps there are, and in which order
    symptoms.py     what an error means; without I/O
    remedies.py     what a symptom comes from, and what to do: a table
    verdict.py      what a cable will do here, from all findings; without I/O
    means.py        requests, as a cable would make them
    trial.py        tries one step, within its time
    way.py          where the transports' own ways of reaching a server are used
    route.py        the way to the server, step by step: proxy, name, TCP, TLS
    certificate.py  what a server shows of itself before it is trusted
    listener.py     a line that is only listened to
    lines.py        each transport: open, welcome, beat
    polls.py        what is particular to long polling
    examination.py  carries out the steps in their order
    report.py       the table, the text, the JSON
    command.py      the command
"""

from __future__ import annotations

from cableway.cli.doctor.command import doctor

__all__ = ["doctor"]
