"""What happens to a line, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway import events
from cableway.cli.durations import write_duration
from cableway.cli.terminal import say
from cableway.errors.tokens import TokenUnavailable
from cableway.redact import printable
from cableway.states import Recovery
from cableway.telemetry.repeats import EACH, Repeats

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway import Cable, Subscription
    from cableway.cli.running import Run
    from cableway.events import Event


def cable_line(event: Event) -> str | None:
    """Tell what happened to a cable, ``None`` where another event tells it as well."""
    match event:
        case events.Connecting(attempt=1, address=address):
            return f"connecting to {address}"
        case events.Connected(reconnected=reconnected, transport=transport, protocol=protocol):
            return f"connected{' again' if reconnected else ''} ({transport}, {protocol})"
        case events.TransportChanged(previous=previous, transport=transport, reason=reason):
            return f"{transport} carries the line in place of {previous}: {reason}"
        case events.RetryScheduled(delay=delay, attempt=attempt, error=error):
            why = f": {error}" if error is not None else ""
            rarely = " (from now on told less often)" if attempt == EACH else ""
            return f"the line is down, dial {attempt} in {delay:.1f} s{rarely}{why}"
        case _:
            return _trouble_line(event)


def _trouble_line(event: Event) -> str | None:
    match event:
        case events.TokenRenewalFailed(error=error, retry_in=retry_in):
            return f"{error}{'' if retry_in is None else f'; asking again in {retry_in:.1f} s'}"
        case events.ServerErrorReceived(fields=fields):
            return f"the server sent an error: {dict(fields)}"
        case events.ServerMisbehaved(rule=rule):
            return f"the server sends frames that cannot be read: {rule}"
        case _:
            return None


def subscription_line(label: str, event: Event) -> str | None:
    """Tell what happened to the subscription called *label*, ``None`` where nothing needs telling."""
    match event:
        case events.Connected(reconnected=reconnected):
            return f"subscribed{' again' if reconnected else ''} to {label}"
        case events.ConfirmationTimedOut(error=error):
            return str(error)
        case events.MessagesDropped(dropped=dropped):
            return f"{dropped} messages of {label} were lost"
        case events.PresenceUnavailable(reason=reason):
            return f"who is present in {label} is not known at the moment: {reason}"
        case events.PositionsNotSaved(error=error):
            return f"warning: where {label} ends is not kept: {error}"
        case _:
            return _completeness_line(label, event)


def _completeness_line(label: str, event: Event) -> str | None:
    match event:
        case events.Recovered(recovery=Recovery.COMPLETE, replayed=replayed):
            return f"{label} is up to date: {count_messages(replayed)} from the server's history"
        case events.Recovered(replayed=replayed, reason=reason):
            told = f"{count_messages(replayed)} from the server's history; " if replayed else ""
            return f"{label} may have missed messages: {told}{reason}"
        case events.Gap(stream=stream, first=first, last=last, healed=healed):
            which = f"message {first}" if first == last else f"messages {first} to {last}"
            end = "came late: fetched from the server's history" if healed else "did not come"
            return f"{which} of the stream {printable(stream)} {end}"
        case events.Stale(age=age):
            return f"no message of {label} has come for {write_duration(age)}"
        case events.Fresh(age=age):
            return f"messages of {label} come again, after {write_duration(age)}"
        case _:
            return None


def count_messages(number: int) -> str:
    """Say how many."""
    return "1 message" if number == 1 else f"{number or 'no'} messages"


def tell_cable(cable: Cable, tell: Callable[[str], None] = say) -> None:
    """Tell what happens to *cable*, a line each; of a long outage what is new."""
    repeats = Repeats()

    def heard(event: Event) -> None:
        text = cable_line(event)
        if isinstance(event, events.Connected):
            repeats.over()
        if isinstance(event, events.RetryScheduled) and not repeats.is_news(event):
            return
        if text is not None:
            tell(text)

    cable.on(events.Event, heard)


def remember_trouble(cable: Cable, run: Run) -> None:
    """Let *run* know why the line is down, or why there is no token to dial with, as long as that is so."""

    def down(event: events.Disconnected) -> None:
        run.trouble = event.error

    def up(_: events.Connected) -> None:
        run.trouble = None

    def without_token(event: events.TokenRenewalFailed) -> None:
        if event.expired:
            run.trouble = event.error

    def with_token(_: events.TokenRenewed) -> None:
        if isinstance(run.trouble, TokenUnavailable):
            run.trouble = None

    cable.on(events.Disconnected, down)
    cable.on(events.Connected, up)
    cable.on(events.TokenRenewalFailed, without_token)
    cable.on(events.TokenRenewed, with_token)


def tell_subscription(
    subscription: Subscription[object],
    label: str,
    tell: Callable[[str], None] = say,
    *,
    about: tuple[type[Event], ...] = (events.Event,),
) -> None:
    """Tell what happens to *subscription* from its first confirmation on, a line each: events of the kinds *about*."""
    confirmed = False

    def heard(event: Event) -> None:
        nonlocal confirmed
        confirmed = confirmed or isinstance(event, events.Connected)
        # Before that it is an error of the command, which tells it itself.
        if not confirmed:
            return
        text = subscription_line(label, event) if isinstance(event, about) else None
        if text is not None:
            tell(text)

    subscription.on(events.Event, heard)
