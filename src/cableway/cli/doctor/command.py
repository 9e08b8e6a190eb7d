"""``cableway doctor``: the command."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from cableway.cli.doctor.examination import examine, record_for
from cableway.cli.doctor.findings import TRANSPORTS, Part
from cableway.cli.doctor.means import Means
from cableway.cli.doctor.report import report
from cableway.cli.doctor.verdict import judge
from cableway.cli.exits import ExitCode
from cableway.cli.line import LineChoices, line_options
from cableway.cli.messages import QUIET_OPTION
from cableway.cli.outlet import Outlet
from cableway.cli.running import Run
from cableway.cli.terminal import say
from cableway.redact import redact_url

if TYPE_CHECKING:
    from collections.abc import Sequence

STEP_TIMEOUT: Final = 10.0

HELP = """\
Try each transport to the server at URL step by step, and print what works, what does not, why, and what to do.

\b
cableway doctor wss://example.com/cable
cableway doctor wss://example.com/cable --token-env TOKEN --transport websocket
cableway doctor wss://example.com/cable --json | jq .outcome

First the way there, which all transports share: proxy, name, TCP, TLS. Then WebSocket, long polling and event stream,
beside each other, as a cable would open them. Nothing is subscribed to. The last lines say what Cable(url) does here.

0 says that the preferred transport works, or the one that was asked for; 6 that only another one does; 4 that the
server refuses us; 1 that nothing works.
"""


@click.command(help=HELP)
@click.argument("url")
@click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=STEP_TIMEOUT,
    show_default=True,
    help="Seconds for each step.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@QUIET_OPTION
@line_options
def doctor(*, timeout: float, as_json: bool, quiet: bool, **rest: Any) -> int:
    """Run the command ``doctor``."""
    choices = LineChoices(**rest)
    means = Means(choices.dialing(), timeout)
    if not quiet:
        say(f"examining {redact_url(means.url)}, at most {timeout:g} s a step")
    ends = _Ends()
    transports = TRANSPORTS if choices.transport == "auto" else (Part(choices.transport),)
    stopped = Run().run(partial(_work, means, transports, ends, as_json=as_json))
    return stopped or ends.code


class _Ends:
    """How the examination ended."""

    code: ExitCode = ExitCode.DONE


async def _work(means: Means, transports: Sequence[Part], ends: _Ends, _: Run, *, as_json: bool) -> None:
    record = record_for(means, transports)
    await examine(means, record)
    verdict = judge(record)
    ends.code = verdict.code
    await Outlet().write(report(record, verdict, means.url, as_json=as_json))
