"""Wishes and the commands they lead to: each sequence that is known to have gone wrong somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cableway.errors import LineClosed, SubscriptionRejected, SubscriptionTimeout
from cableway.events import ConfirmationTimedOut, Connected, Disconnected, HandedOver, Recovered, Rejected
from cableway.hub.effects import Name, Recycle
from cableway.hub.hub import RENOUNCED_LIMIT
from cableway.states import Recovery, SubscriptionState
from cableway.wire.frames import Reject
from tests.hub.desk import Desk, frame, identifier, unread

if TYPE_CHECKING:
    from cableway.hub.wish import Handle

PENDING, SUBSCRIBED = SubscriptionState.PENDING, SubscriptionState.SUBSCRIBED
REJECTED, CLOSED = SubscriptionState.REJECTED, SubscriptionState.CLOSED


def empty(desk: Desk) -> bool:
    """Tell whether the hub has forgotten everything."""
    return desk.hub.wishes == [] and desk.hub.deadline is None


# Before the line is up


def test_offline_subscribe_and_unsubscribe_send_nothing() -> None:
    """What was wanted only while there was no line never reaches the server."""
    desk = Desk(up=False)
    handle = desk.join()
    desk.leave(handle)
    assert empty(desk)

    desk.line_up()

    assert desk.sent() == []
    assert handle.state is CLOSED


def test_offline_flips_send_one_subscribe() -> None:
    """The last wish before the line comes up is the one that counts."""
    desk = Desk(up=False)
    desk.leave(desk.join())
    handle = desk.join()

    desk.line_up()
    desk.confirm()

    assert desk.sent() == ["+A"]
    assert handle.state is SUBSCRIBED


def test_restored_subscriptions_are_not_asked_for() -> None:
    """What the server has from the session before is live at once: a second subscribe would never be answered."""
    desk = Desk(up=False)
    handles = [desk.join(name) for name in "ABC"]

    desk.hub.line_up("memory", desk.now, protocol="actioncable-v1-json", restored=[identifier("A"), identifier("B")])

    assert desk.sent() == ["+C"]
    assert [handle.state for handle in handles] == [SUBSCRIBED, SUBSCRIBED, PENDING]


# On a line that is up


def test_leaving_before_the_answer_unsubscribes_after_it() -> None:
    """One command at a time: the unsubscribe waits for the confirmation."""
    desk = Desk()
    handle = desk.join()
    assert desk.sent() == ["+A"]
    desk.leave(handle)
    assert desk.sent() == []

    desk.confirm()
    desk.wait()

    assert desk.sent() == ["-A"]
    desk.wait(1)
    assert handle.state is CLOSED
    assert empty(desk)


def test_flips_before_the_answer_are_merged() -> None:
    """Subscribe, unsubscribe, subscribe before the answer is one subscribe."""
    desk = Desk()
    first = desk.join()
    desk.leave(first)
    second = desk.join()

    desk.confirm()
    desk.wait(10)

    assert desk.sent() == ["+A"]
    assert (first.state, second.state) == (CLOSED, SUBSCRIBED)


def test_leaving_and_returning_in_one_tick_sends_nothing() -> None:
    """What cancels out before it was sent is not sent, and the newcomer hears that it is connected."""
    desk = Desk()
    desk.leave(desk.live())
    again = desk.join()
    desk.wait(10)

    assert desk.sent() == []
    assert again.state is SUBSCRIBED
    assert [type(event) for event in desk.events(again)] == [Connected]


def test_leaving_twice_in_one_tick_unsubscribes_once() -> None:
    """Unsubscribe, subscribe, unsubscribe in one tick is one unsubscribe."""
    desk = Desk()
    desk.leave(desk.live())
    desk.leave(desk.join())
    desk.wait(10)

    assert desk.sent() == ["-A"]
    assert empty(desk)


def test_returning_after_the_unsubscribe_waits_a_while() -> None:
    """Rails may run two commands in reverse, so between an unsubscribe and the next subscribe there is a pause."""
    desk = Desk()
    desk.leave(desk.live())
    desk.wait(0.01)
    assert desk.sent() == ["-A"]
    again = desk.join()

    desk.wait(0.36)
    assert desk.sent() == []
    desk.wait(0.01)
    assert desk.sent() == ["+A"]
    desk.confirm()
    assert again.state is SUBSCRIBED


def test_the_first_of_two_handles_leaves_in_silence() -> None:
    """Many handles are one subscription of the server's, as long as one of them is left."""
    desk = Desk()
    first, second = desk.live(), desk.join()
    desk.leave(first)
    desk.wait(10)

    assert desk.sent() == []
    assert (first.state, second.state) == (CLOSED, SUBSCRIBED)


def test_a_second_handle_hears_that_it_is_connected() -> None:
    """Who joins a live subscription is told so, but not before it can be known to who asked."""
    desk = Desk()
    desk.live()
    second = desk.join()
    assert desk.told[id(second)] == []

    assert desk.events(second) == [Connected(False, "memory", "actioncable-v1-json")]
    assert second.state is SUBSCRIBED


# When the line breaks


def test_leaving_while_the_line_is_down_sends_nothing() -> None:
    """The server has forgotten the subscription with the line."""
    desk = Desk()
    handle = desk.live()
    desk.line_down()
    desk.leave(handle)
    desk.line_up()
    desk.wait(10)

    assert desk.sent() == []
    assert empty(desk)


def test_live_subscriptions_are_asked_for_again() -> None:
    """After a drop everything comes back, and every handle is told that it was there before."""
    desk = Desk()
    first, second = desk.live(), desk.join()
    desk.line_down()
    assert (first.state, second.state) == (PENDING, PENDING)
    desk.line_up()
    assert desk.sent() == ["+A"]
    desk.confirm()

    for handle in (first, second):
        events = desk.events(handle)
        assert [type(event) for event in events] == [Connected, Disconnected, Connected, Recovered]
        assert events[-2] == Connected(True, "memory", "actioncable-v1-json")
        assert events[-1] == Recovered(Recovery.UNKNOWN, 0, "actioncable-v1-json has no past to ask for")


def test_a_subscribe_in_flight_is_repeated_on_the_next_line() -> None:
    """A drop before the answer loses nothing, and is no reconnect for a handle that was never connected."""
    desk = Desk()
    handle = desk.join()
    desk.line_down()
    desk.line_up()
    desk.confirm()

    assert desk.sent() == ["+A", "+A"]
    assert desk.events(handle) == [Connected(False, "memory", "actioncable-v1-json")]


def test_an_unsubscribe_that_was_not_sent_is_not_needed() -> None:
    """A drop between the wish to leave and the command leaves nothing behind, not even its route."""
    desk = Desk()
    handle = desk.live()
    desk.data("A", 1)
    desk.leave(handle)
    desk.line_down()
    assert empty(desk)

    desk.line_up()
    again = desk.join()
    desk.confirm()
    assert desk.route(frame("A", 2)) == [frame("A", 2)]
    desk.data("A", 2)
    assert desk.route(frame("A", 3)) == []
    assert unread(again) == [2, 3]


def test_a_closed_cable_keeps_its_wishes() -> None:
    """Closed handles are pending again when the cable is opened anew, and asked for."""
    desk = Desk()
    handle = desk.live()
    desk.line_down()
    desk.hub.set_open(is_open=False)
    assert handle.state is CLOSED
    late = desk.join("B")
    assert late.state is CLOSED

    desk.hub.set_open(is_open=True)
    assert (handle.state, late.state) == (PENDING, PENDING)
    desk.line_up()
    assert desk.sent() == ["+A", "+B"]


# Rejections


def test_a_rejection_ends_the_wish() -> None:
    """It is not asked again on the next line; a new handle is a new wish."""
    desk = Desk()
    handle = desk.join()
    desk.reject()
    desk.line_down()
    desk.line_up()
    desk.wait(100)

    assert desk.sent() == ["+A"]
    assert handle.state is REJECTED
    assert isinstance(handle.error, SubscriptionRejected)
    assert not handle.error.revoked
    assert desk.events(handle) == [Rejected(identifier("A"), revoked=False)]
    desk.join()
    assert desk.sent() == ["+A"]


def test_a_revocation_ends_the_wish() -> None:
    """A confirmed subscription can be taken back; others are not touched."""
    desk = Desk()
    handle, other = desk.live(), desk.live("B")
    desk.reject()

    assert handle.state is REJECTED
    assert desk.events(handle)[-1] == Rejected(identifier("A"), revoked=True)
    assert other.state is SUBSCRIBED
    desk.line_down()
    desk.line_up()
    assert desk.sent() == ["+B"]


def test_all_handles_share_a_rejection() -> None:
    """Who joined while the subscribe was under way is rejected with it."""
    desk = Desk()
    handles = [desk.join(), desk.join()]
    desk.reject()
    assert [handle.state for handle in handles] == [REJECTED, REJECTED]


def test_retry_rejected_asks_again_on_each_line() -> None:
    """Where asked for, a rejection is only for this line."""
    desk = Desk()
    handle = desk.join(retry_rejected=True)
    desk.reject()
    desk.wait(100)
    assert desk.sent() == ["+A"]
    desk.line_down()
    desk.line_up()
    assert desk.sent() == ["+A"]
    desk.confirm()
    assert handle.state is SUBSCRIBED


def test_a_rejection_is_final_for_those_who_did_not_ask_to_retry() -> None:
    """Another holder's patience does not bring a rejected handle back."""
    desk = Desk()
    final, patient = desk.join(), desk.join(retry_rejected=True)
    desk.reject()
    desk.line_down()
    desk.line_up()
    desk.confirm()
    desk.data("A", 1)

    assert (final.state, patient.state) == (REJECTED, SUBSCRIBED)
    assert (unread(final), unread(patient)) == ([], [1])
    desk.leave(final)
    assert final.state is REJECTED


def test_a_rejection_without_an_identifier_is_nobodys() -> None:
    """AnyCable may leave the identifier out: then nobody is meant."""
    desk = Desk()
    handle = desk.join()
    desk.hub.hear(Reject(None), desk.now)
    assert handle.state is PENDING


@pytest.mark.parametrize("when", ["asked", "live", "leaving", "cooling"])
def test_a_rejection_while_leaving_is_the_end(when: str) -> None:
    """What the server refuses while nobody wants it is forgotten at once, and nobody is left waiting for it."""
    desk = Desk()
    handle = desk.join() if when == "asked" else desk.live()
    parted: list[bool] = []
    if when == "live":
        desk.reject()
    handle.wish.partings.append(lambda: parted.append(True))
    desk.leave(handle)
    if when == "cooling":
        desk.wait()
    desk.reject()

    assert parted == [True]
    assert empty(desk)


# Confirmations nobody waits for


def test_a_repeated_confirmation_connects_once() -> None:
    """It neither ends the subscription nor is told again."""
    desk = Desk()
    handle = desk.live()
    desk.confirm()
    desk.wait(10)
    assert desk.sent() == []
    assert [type(event) for event in desk.events(handle)] == [Connected]


def test_what_nobody_wants_is_unsubscribed_once() -> None:
    """A confirmation of something unknown gets one unsubscribe, however often it is repeated."""
    desk = Desk()
    for _ in range(5):
        desk.confirm("Strange")
        desk.wait(1)
    assert desk.sent() == ["-Strange"]
    desk.wait(10)
    assert empty(desk)


def test_each_line_has_its_own_unwanted() -> None:
    """On a new line the server is told again."""
    desk = Desk()
    desk.confirm("Strange")
    desk.wait(1)
    desk.line_down()
    desk.line_up()
    desk.confirm("Strange")
    desk.wait(1)
    assert desk.sent() == ["-Strange", "-Strange"]


def test_a_confused_server_cannot_fill_the_memory() -> None:
    """The number of identifiers that are told off on a line is bounded."""
    desk = Desk()
    for number in range(RENOUNCED_LIMIT + 50):
        desk.confirm(str(number))
    desk.wait(1)
    assert len(desk.sent()) == RENOUNCED_LIMIT
    assert empty(desk)


def test_who_joins_what_was_about_to_be_told_off_has_it() -> None:
    """A confirmation that nobody waited for is as good as any to who comes in time."""
    desk = Desk()
    desk.confirm()
    handle = desk.join()
    desk.wait(1)
    assert desk.sent() == []
    assert handle.state is SUBSCRIBED


def test_what_was_wanted_in_between_is_told_off_again() -> None:
    """A late confirmation ends unsubscribed also the second time on one line."""
    desk = Desk()
    desk.confirm()
    desk.wait(1)
    assert desk.sent() == ["-A"]
    desk.leave(desk.join())
    desk.wait(6)
    assert desk.sent() == ["+A", "-A"]
    desk.confirm()
    desk.wait(1)
    assert desk.sent() == ["-A"]


def test_a_server_that_answers_each_farewell_with_a_confirmation_is_not_argued_with() -> None:
    """A second unsubscribe mends commands that were run in reverse; there is no third."""
    desk = Desk()
    desk.leave(desk.live())
    desk.wait()
    for _ in range(5):
        desk.confirm()
    assert desk.sent() == ["-A", "-A"]
    desk.wait(10)
    assert empty(desk)


# Silence


def test_silence_gets_one_resend_and_then_a_fresh_line() -> None:
    """Asked again after five seconds; after ten the line is replaced, once."""
    desk = Desk()
    desk.live("Good")
    handle = desk.join("Typo")
    assert desk.sent() == ["+Typo"]
    desk.wait(4.9)
    assert desk.sent() == []
    desk.wait(0.1)
    assert desk.sent() == ["+Typo"]
    desk.wait(5)

    effects = desk.effects()
    assert [type(effect) for effect in effects] == [Recycle]
    assert isinstance(effects[0], Recycle)
    assert (
        str(effects[0].error) == 'no answer to the subscription {"channel":"Typo"} for 10 s: the line is taken for dead'
    )
    assert desk.events(handle) == []


def silent_again(desk: Desk, *, others: bool) -> Handle:
    """Bring a subscription to its second line."""
    if others:
        desk.live("Good")
    handle = desk.join("Typo")
    desk.wait(10)
    desk.line_down()
    desk.effects()
    desk.line_up()
    if others:
        desk.confirm("Good")
    desk.effects()
    return handle


def test_silence_on_the_fresh_line_fails_and_is_retried() -> None:
    """It is told with its likely cause, asked again on a beat of its own, and costs the others no further line."""
    desk = Desk()
    handle = silent_again(desk, others=True)
    began = desk.now
    desk.wait(10)
    (event,) = desk.events(handle)
    assert isinstance(event, ConfirmationTimedOut)
    assert isinstance(event.error, SubscriptionTimeout)
    assert "Typo" in str(event.error)
    assert "unknown channel class" in str(event.error)
    assert handle.state is PENDING
    assert desk.sent() == ["+Typo"]

    desk.wait(1800)
    sent = desk.sent()
    assert set(sent) == {"+Typo"}
    told = len(desk.events(handle))
    # Two commands a round; rounds of ten seconds with a pause of 30 to 90 s between them, once the pauses have grown.
    assert 2 * (told - 1) <= len(sent) <= 2 * told
    assert 1800 / 101 <= told <= 1800 / 40 + 4
    assert desk.now == began + 1810


def test_a_late_answer_ends_the_silence() -> None:
    """A confirmation counts also after the wait for it was given up."""
    desk = Desk()
    handle = silent_again(desk, others=True)
    desk.wait(10.5)
    desk.confirm("Typo")
    assert handle.state is SUBSCRIBED
    desk.wait(1000)
    assert desk.sent() == ["+Typo"]


def test_a_late_answer_that_nobody_wants_any_more_is_unsubscribed() -> None:
    """Given up while it was silent, then confirmed: the server is told."""
    desk = Desk()
    handle = silent_again(desk, others=True)
    desk.wait(10.5)
    desk.leave(handle)
    desk.effects()
    desk.confirm("Typo")
    desk.wait(1)
    assert desk.sent() == ["-Typo"]
    assert [wish.identifier for wish in desk.hub.wishes] == [identifier("Good")]


def test_alone_on_the_line_silence_may_cost_more_lines() -> None:
    """Nobody else suffers, and a lost confirmation can only be had again on a fresh line."""
    desk = Desk()
    silent_again(desk, others=False)
    desk.wait(10)
    assert "recycle" not in desk.sent()
    desk.wait(30)
    assert desk.sent()[-1] == "recycle"


def test_many_unknown_channels_cost_one_line_together() -> None:
    """All that are silent at the same time share the fresh line, and none fails before it was tried."""
    desk = Desk()
    good = [desk.live(f"Good{number}") for number in range(50)]
    bad = [desk.join(f"Bad{number}") for number in range(8)]
    desk.wait(10)
    assert [word for word in desk.sent() if word == "recycle"] == ["recycle"]
    assert [desk.events(handle) for handle in bad] == [[]] * 8

    desk.line_down()
    desk.line_up()
    for number in range(50):
        desk.confirm(f"Good{number}")
    desk.wait(1000)
    sent = desk.sent()
    assert "recycle" not in sent
    assert all(handle.state is SUBSCRIBED for handle in good)
    assert all(isinstance(desk.events(handle)[0], ConfirmationTimedOut) for handle in bad)


def test_a_whole_family_of_unknown_channels_costs_few_lines() -> None:
    """However many are silent one after the other, the others fall three times in five minutes at most."""
    desk = Desk()
    names = [f"Good{number}" for number in range(5)]
    for name in names:
        desk.live(name)
    for number in range(200):
        desk.join(f"Bad{number}")
    recycled: list[float] = []
    while desk.now < 700:
        desk.wait(1)
        if "recycle" in desk.sent():
            recycled.append(desk.now)
            desk.line_down()
            desk.line_up()
            for name in names:
                desk.confirm(name)
    assert 3 <= len(recycled) <= 6
    assert all(later - earlier >= 300 for earlier, later in zip(recycled, recycled[3:], strict=False))


def test_silence_is_remembered_beyond_the_handle() -> None:
    """A program that gives up and asks anew does not make the others fall each time."""
    desk = Desk()
    desk.live("Good")
    handle = desk.join("Typo")
    desk.wait(10)
    desk.line_down()
    desk.effects()
    desk.line_up()
    desk.confirm("Good")
    for _ in range(5):
        desk.wait(10)
        desk.leave(handle)
        handle = desk.join("Typo")
    assert "recycle" not in desk.sent()
    desk.confirm("Typo")
    assert handle.state is SUBSCRIBED


def test_an_answer_ends_what_is_remembered() -> None:
    """Once answered, a later silence is worth a fresh line again."""
    desk = Desk()
    handle = silent_again(desk, others=True)
    desk.confirm("Typo")
    desk.leave(handle)
    desk.wait(1)
    desk.join("Typo")
    desk.effects()
    desk.wait(10)
    assert desk.sent() == ["+Typo", "recycle"]


def test_who_left_is_waited_for_and_then_unsubscribed() -> None:
    """A subscribe that was given up and is never answered ends with one unsubscribe, in case it was heard."""
    desk = Desk()
    desk.leave(desk.join())
    desk.wait(5)
    assert desk.sent() == ["+A", "-A"]
    desk.wait(1)
    assert empty(desk)


def test_silence_is_not_held_against_a_line_that_is_not_read() -> None:
    """While a full mailbox holds the line up, the answer may be among what is unread."""
    desk = Desk()
    full = desk.live("Full", overflow="pause", max_messages=2)
    desk.join()
    for number in range(3):
        desk.data("Full", number)
    assert desk.sent() == ["+A", "pausereading"]
    desk.wait(60)
    assert desk.sent() == []
    assert unread(full) == [0, 1, 2]
    assert desk.sent() == ["resumereading"]
    desk.wait(5)
    assert desk.sent() == ["+A"]


# Leaving well


def test_the_unsubscribe_waits_until_the_last_command_is_safe() -> None:
    """Rails drops a command whose worker runs after the unsubscribe: there is a quarter of a second between them."""
    desk = Desk()
    handle = desk.live()
    handle.wish.last_command = desk.now
    desk.wait(0.1)
    desk.leave(handle)
    desk.wait(0.14)
    assert desk.sent() == []
    desk.wait(0.02)
    assert desk.sent() == ["-A"]


def test_without_flush_the_unsubscribe_goes_at_once() -> None:
    """Who does not care for the last command does not wait."""
    desk = Desk()
    handle = desk.live()
    handle.wish.last_command = desk.now
    desk.leave(handle, flush=False)
    desk.wait()
    assert desk.sent() == ["-A"]


@pytest.mark.parametrize("answered", [True, False])
def test_who_left_need_not_wait_once_somebody_else_wants_it(answered: bool) -> None:  # noqa: FBT001
    """The wait of who left ends when a newcomer takes over: there is nothing to tell the server any more."""
    desk = Desk()
    handle = desk.live() if answered else desk.join()
    parted: list[bool] = []
    handle.wish.partings.append(lambda: parted.append(True))
    desk.leave(handle)
    assert parted == []
    desk.join()
    assert parted == [True]


def test_leaving_twice_does_nothing() -> None:
    """The second time there is nothing to give back."""
    desk = Desk()
    handle, other = desk.live(), desk.join()
    desk.leave(handle)
    desk.leave(handle)
    desk.wait(10)
    assert desk.sent() == []
    assert other.state is SUBSCRIBED


# Messages around the confirmation


def test_messages_before_the_confirmation_are_delivered_after_it() -> None:
    """A channel may speak while it subscribes."""
    desk = Desk()
    handle = desk.join()
    desk.data("A", 1)
    assert len(handle.mailbox) == 0
    desk.confirm()
    desk.data("A", 2)
    assert unread(handle) == [1, 2]


def test_messages_before_a_rejection_are_dropped() -> None:
    """What a refused subscription said is nobody's."""
    desk = Desk()
    handle = desk.join(retry_rejected=True)
    desk.data("A", 1)
    desk.reject()
    desk.line_down()
    desk.line_up()
    desk.confirm()
    assert unread(handle) == []


def test_stale_messages_do_not_reach_the_next_subscriber() -> None:
    """What arrives for something that was given up is dropped and counted, not kept for whoever comes next."""
    desk = Desk()
    desk.leave(desk.live())
    desk.data("A", "still leaving")
    desk.wait()
    desk.data("A", "left")
    again = desk.join()
    desk.data("A", "returning")
    desk.wait(1)
    desk.confirm()
    desk.data("Other", "unknown")
    assert unread(again) == []
    assert desk.hub.router.counts == {"unwanted": 3, "unknown": 1}


# Names given by functions


def test_a_name_is_asked_for_before_each_subscribe() -> None:
    """The function's answer of the moment is what is subscribed to."""
    desk = Desk()
    handle = desk.join_as(lambda: identifier("unused"))
    (name,) = desk.effects()
    assert isinstance(name, Name)
    assert name.wish is handle.wish
    desk.hub.named(handle.wish, identifier("S1"), desk.now)
    assert desk.sent() == ["+S1"]
    desk.confirm("S1")
    desk.line_down()
    desk.line_up()
    assert desk.sent() == ["name"]
    desk.hub.named(handle.wish, identifier("S2"), desk.now)
    assert desk.sent() == ["+S2"]
    desk.confirm("S2")
    assert handle.state is SUBSCRIBED
    assert [wish.identifier for wish in desk.hub.wishes] == [identifier("S2")]


def named(desk: Desk, *names: str, **options: Any) -> list[Handle]:
    """Subscribe by functions, and give each its name."""
    handles = []
    for name in names:
        handle = desk.join_as(lambda: identifier("unused"), **options)
        desk.hub.named(handle.wish, identifier(name), desk.now)
        handles.append(handle)
    return handles


def test_a_name_that_cannot_be_had_is_asked_for_again() -> None:
    """A failing function is asked again after a while; meanwhile leaving is enough to be rid of it."""
    desk = Desk()
    handle = desk.join_as(lambda: identifier("unused"))
    desk.effects()
    desk.hub.named(handle.wish, None, desk.now)
    desk.wait(2)
    assert desk.sent() == []
    desk.wait(8)
    assert desk.sent() == ["name"]
    desk.leave(handle)
    desk.hub.named(handle.wish, identifier("late"), desk.now)
    assert desk.sent() == []
    assert empty(desk)


def test_two_functions_that_give_one_name_share_its_subscription() -> None:
    """A second subscribe of the same identifier would never be answered."""
    desk = Desk()
    first, second = named(desk, "S", "S")
    plain = desk.join("S")
    assert desk.sent() == ["name", "+S", "name"]
    desk.confirm("S")
    assert [handle.state for handle in (first, second, plain)] == [SUBSCRIBED] * 3
    desk.data("S", 1)
    assert [unread(handle) for handle in (first, second, plain)] == [[1]] * 3


def test_unread_messages_survive_a_new_name() -> None:
    """What came by the old name is read by the old name, however late."""
    desk = Desk()
    (handle,) = named(desk, "S1")
    desk.confirm("S1")
    desk.data("S1", 1)
    assert desk.route(frame("S1", 2), frame("S1", 3)) == []
    desk.line_down()
    desk.line_up()
    desk.hub.named(handle.wish, identifier("S2"), desk.now)
    desk.confirm("S2")
    desk.data("S2", 4)
    desk.route(frame("S2", 5))
    assert unread(handle) == [1, 2, 3, 4, 5]
    assert desk.strays == []


def test_unread_messages_survive_sharing() -> None:
    """A handle that comes to share another subscription keeps what it has not read."""
    desk = Desk()
    (handle,) = named(desk, "S1")
    desk.confirm("S1")
    desk.data("S1", 1)
    desk.route(frame("S1", 2))
    desk.line_down()
    desk.line_up()
    desk.live("S2")
    desk.hub.named(handle.wish, identifier("S2"), desk.now)
    assert handle.state is SUBSCRIBED
    desk.route(frame("S2", 3))
    desk.data("S2", 3)
    assert unread(handle) == [1, 2, 3]
    assert desk.strays == []


@pytest.mark.parametrize("answer", ["confirm", "reject", "retry"])
def test_an_answer_while_the_name_is_asked_for_counts(answer: str) -> None:
    """The server may still answer the earlier question while a new name is on its way."""
    desk = Desk()
    desk.live("Good")
    (handle,) = named(desk, "S", retry_rejected=answer == "retry")
    desk.wait(10)
    desk.effects()
    desk.line_down()
    desk.line_up()
    desk.confirm("Good")
    desk.hub.named(handle.wish, identifier("S"), desk.now)
    desk.wait(20)
    assert desk.sent()[-1] == "name"
    desk.data("S", 1)
    if answer == "confirm":
        desk.confirm("S")
        assert handle.state is SUBSCRIBED
        assert unread(handle) == [1]
    else:
        desk.reject("S")
        assert handle.state is REJECTED
    desk.hub.named(handle.wish, identifier("late"), desk.now)
    assert desk.sent() == []


# In order, and not too many


def test_commands_go_out_in_the_order_of_the_calls() -> None:
    """Also after a drop, and for functions that give names."""
    desk = Desk(up=False)
    for name in "CAB":
        desk.join(name)
    functions = [desk.join_as(lambda: identifier("unused")) for _ in range(3)]
    desk.line_up()
    effects = desk.effects()
    assert [effect.wish for effect in effects if isinstance(effect, Name)] == [handle.wish for handle in functions]


@pytest.mark.parametrize("by_function", [True, False])
def test_at_most_sixteen_are_unanswered(by_function: bool) -> None:  # noqa: FBT001
    """Two hundred subscriptions are asked for as fast as the server answers, not as a storm."""
    desk = Desk()
    handles = [desk.join_as((lambda: identifier("x")) if by_function else identifier(str(n))) for n in range(200)]
    asked = 0
    answered = 0
    while answered < 200:
        effects = desk.effects()
        asked += sum(isinstance(effect, Name) for effect in effects) if by_function else len(effects)
        assert asked - answered <= 16
        if by_function:
            desk.hub.named(handles[answered].wish, identifier(str(answered)), desk.now)
        desk.confirm(str(answered))
        answered += 1
    assert all(handle.state is SUBSCRIBED for handle in handles)


def test_sixteen_silent_ones_do_not_hold_the_others_up_for_long() -> None:
    """A slot is free again when its answer is overdue."""
    desk = Desk()
    for number in range(16):
        desk.join(f"Bad{number}")
    desk.join("Good")
    assert "+Good" not in desk.sent()
    desk.wait(5)
    assert "+Good" in desk.sent()


def test_flips_do_not_take_a_second_slot_or_lose_it() -> None:
    """Leaving and returning before the answer changes nothing about what is unanswered."""
    desk = Desk()
    first = desk.join("0")
    desk.leave(first)
    desk.join("0")
    for number in range(1, 30):
        desk.join(str(number))
    assert len(desk.sent()) == 16


def test_lines_that_never_answer_leave_nothing_behind() -> None:
    """What waits for its turn is asked anew on each line; it does not pile up."""
    desk = Desk(up=False)
    for number in range(100):
        desk.join(str(number))
    for _ in range(50):
        desk.line_up()
        desk.line_down()
    assert len(desk.hub._driver._queue) == 0
    desk.line_up()
    assert desk.sent()[-1] == "+15"


# Handed over to another line


def hand_over(desk: Desk, *names: str) -> HandedOver:
    """Have another line take over, with the subscriptions *names* live on it."""
    event = HandedOver(Recovery.UNKNOWN)
    desk.hub.handed_over({identifier(name) for name in names}, event, desk.now)
    return event


def test_what_moved_stays_as_it_is() -> None:
    """Its holders hear of the seam, and of nothing else; the server is asked for nothing."""
    desk = Desk()
    first, second = desk.live(), desk.join()
    before = desk.events(first), desk.events(second)

    event = hand_over(desk, "A")

    assert desk.sent() == []
    assert [first.state, second.state] == [SUBSCRIBED] * 2
    assert [desk.events(first), desk.events(second)] == [[*told, event] for told in before]
    desk.data("A", "hi")
    assert unread(first) == unread(second) == ["hi"]


def test_what_did_not_move_is_asked_for() -> None:
    """It was lost, and comes again by the way of any other line."""
    desk = Desk()
    moved, left = desk.live("A"), desk.live("B")

    hand_over(desk, "A")

    assert desk.sent() == ["+B"]
    assert [moved.state, left.state] == [SUBSCRIBED, PENDING]
    assert [type(event) for event in desk.events(left)] == [Connected, Disconnected]
    lost = desk.events(left)[-1]
    assert isinstance(lost, Disconnected)
    assert lost.error is None
    desk.confirm("B")
    assert left.state is SUBSCRIBED


def test_the_loss_is_not_told_with_an_error_of_an_earlier_line() -> None:
    """What once broke a line has nothing to do with this."""
    desk = Desk()
    handle = desk.live()
    desk.hub.line_down(LineClosed(1006), desk.now)
    desk.line_up()
    desk.confirm()

    hand_over(desk)

    lost = desk.events(handle)[-1]
    assert isinstance(lost, Disconnected)
    assert lost.error is None


def test_what_was_asked_for_on_the_old_line_is_asked_for_on_the_new() -> None:
    """No answer will come on the old one any more."""
    desk = Desk()
    handle = desk.join()
    assert desk.sent() == ["+A"]

    hand_over(desk)

    assert desk.sent() == ["+A"]
    desk.confirm()
    assert handle.state is SUBSCRIBED
    desk.wait(60)
    assert desk.sent() == []


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0])
def test_what_was_given_up_meanwhile_is_given_up_there_too(seconds: float) -> None:
    """At whatever stage of it on the old line; and it can be wanted again, at a distance."""
    desk = Desk()
    handle = desk.live()
    desk.leave(handle)
    desk.wait(seconds)
    desk.effects()

    hand_over(desk, "A")
    desk.wait()
    again = desk.join()

    assert desk.sent() == ["-A"]
    desk.wait(0.4)
    assert desk.sent() == ["+A"]
    desk.confirm()
    assert again.state is SUBSCRIBED


def test_who_waits_for_a_parting_is_told() -> None:
    """The line on which the server was to be told is gone: there is nothing more to wait for."""
    desk = Desk()
    handle = desk.live()
    parted: list[int] = []
    handle.wish.partings.append(lambda: parted.append(1))
    desk.leave(handle)

    hand_over(desk)

    assert parted == [1]
    assert empty(desk)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 1.0])
def test_what_was_given_up_and_wanted_again_is_live(seconds: float) -> None:
    """Asked for anew on the old line while the new one has it: that is enough."""
    desk = Desk()
    desk.leave(desk.live())
    desk.wait(0.1)
    handle = desk.join()
    desk.wait(seconds)
    desk.effects()

    hand_over(desk, "A")

    assert desk.sent() == []
    assert handle.state is SUBSCRIBED
    desk.data("A", "hi")
    assert unread(handle) == ["hi"]
    desk.wait(60)
    assert desk.sent() == []


def test_a_stray_confirmation_is_taken_up_once_on_each_line() -> None:
    """A new line is a new chance to be told off."""
    desk = Desk()
    desk.confirm("X")
    desk.wait(1)
    assert desk.sent() == ["-X"]

    hand_over(desk, "X")
    desk.wait(1)

    assert desk.sent() == ["-X"]
    assert empty(desk)


def test_live_are_those_that_the_server_has_confirmed() -> None:
    """Not those that are asked for, given up or refused."""
    desk = Desk()
    desk.live("A")
    desk.join("B")
    desk.leave(desk.live("C"))
    desk.join("D")
    desk.reject("D")

    assert desk.hub.live == [identifier("A")]
    desk.line_down()
    assert desk.hub.live == []


def test_it_is_settled_when_all_is_answered() -> None:
    """By a confirmation, a rejection, or the end of the line."""
    desk = Desk()
    assert desk.hub.settled
    desk.join("A")
    desk.join("B")
    assert not desk.hub.settled
    desk.confirm("A")
    assert not desk.hub.settled
    desk.reject("B")
    assert desk.hub.settled
    desk.join("C")
    desk.line_down()
    assert desk.hub.settled
