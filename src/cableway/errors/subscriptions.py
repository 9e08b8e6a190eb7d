"""One subscription, a call that needs the line, and what is given up."""

from __future__ import annotations

from cableway.errors.base import CableError
from cableway.redact import redact_identifier, redact_text, redact_url


class SubscriptionError(CableError):
    """Something about one subscription; the line and the others are not affected."""

    def __init__(self, identifier: str, text: str) -> None:
        self.identifier = identifier
        super().__init__(f"{redact_identifier(identifier)}: {text}")


class SubscriptionRejected(SubscriptionError):
    """The channel refused the subscription, or took it back later."""

    def __init__(self, identifier: str, *, revoked: bool = False) -> None:
        self.revoked = revoked
        what = "the server took the subscription back" if revoked else "the server rejected the subscription"
        super().__init__(identifier, f"{what}; Action Cable gives no reason. Check the parameters and the rights")


class SubscriptionTimeout(SubscriptionError, TimeoutError):
    """The server never answered the subscribe command. It is tried again in the background."""

    retryable = True

    def __init__(self, identifier: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            identifier,
            f"no answer within {seconds:g} s, though asked twice. Rails gives no answer to an unknown channel class: "
            f"is the name spelt as in the server's code? Trying again in the background",
        )


class SubscriptionClosed(SubscriptionError):
    """The subscription was used after ``unsubscribe()`` or after its block was left."""

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier, "this handle was unsubscribed; call cable.subscribe(...) for a new one")


class PresenceFailed(SubscriptionError):
    """The server could not tell who is present: its broker failed, or it has none."""

    retryable = True

    def __init__(
        self, identifier: str, text: str = "the server could not tell who is present: is its broker on?"
    ) -> None:
        super().__init__(identifier, text)


class PresenceTimeout(PresenceFailed, TimeoutError):
    """The server did not say in time who is present."""

    def __init__(self, identifier: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            identifier,
            f"no answer within {seconds:g} s to who is present; AnyCable is silent where the channel does not allow "
            f"presence. Check the channel, or try again",
        )


class NamingFault(SubscriptionError):
    """The function that names a stream failed; ``__cause__`` is its error. It is asked again in the background."""

    retryable = True

    def __init__(self, error: BaseException) -> None:
        what = f"its function failed with {type(error).__name__}; it is asked again in the background"
        super().__init__("a signed stream", what)
        self.__cause__: BaseException | None = error


class MailboxOverflow(SubscriptionError):
    """Messages came faster than they were read, and the mailbox was asked to say so."""

    def __init__(self, identifier: str, limit: str) -> None:
        self.limit = limit
        super().__init__(identifier, f"the mailbox is full ({limit}); read faster, or choose another overflow policy")


class HistoryRejected(SubscriptionError):
    """The server does not have, or not any more, what was asked of its history."""

    def __init__(self, identifier: str) -> None:
        super().__init__(
            identifier,
            "the server has no such history: it keeps none (AnyCable does with a broker), it does not reach that far "
            "back, or it was started anew since",
        )


class HistoryTimeout(SubscriptionError, TimeoutError):
    """The server did not answer a question for its history."""

    retryable = True

    def __init__(self, identifier: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(identifier, f"no answer to the question for its history within {seconds:g} s")


class NotConnected(CableError):
    """The line is down and the call needs it now. Nothing was sent."""

    retryable = True

    def __init__(self, state: str, hint: str = "") -> None:
        self.state = state
        super().__init__(f"the cable is {state}" + (f": {hint}" if hint else ""))


class NotSupported(CableError):
    """The protocol of the line has no such thing. Nothing was sent."""

    def __init__(self, what: str, protocol: str, hint: str = "") -> None:
        self.what = what
        self.protocol = protocol
        way_out = hint or "AnyCable's extended protocol has it: leave protocol='auto', with such a server"
        super().__init__(f"{what} is not part of {protocol}; {way_out}")


class RetriesExhausted(CableError):
    """The backoff's own limit was reached, so the cable is closed; ``__cause__`` is the last failure."""

    def __init__(self, attempts: int, elapsed: float, last: BaseException | None = None) -> None:
        self.attempts = attempts
        self.elapsed = elapsed
        self.last = last
        after = f"; the last one: {redact_text(str(last)).rstrip('.?')}" if last is not None else ""
        count = f"{attempts} failure" if attempts == 1 else f"{attempts} failures"
        super().__init__(
            f"given up after {count} in {elapsed:.3g} s, as the backoff was told to{after}. open() starts anew"
        )
        self.__cause__: BaseException | None = last


class PublishFailed(CableError):
    """A server did not accept a publication."""

    def __init__(self, url: str, what: str, *, status: int | None = None, retryable: bool = True) -> None:
        self.url: str = redact_url(url)
        self.status = status
        self.retryable = retryable
        super().__init__(f"{self.url}: {what}")
