"""Where the response begins among records that look alike."""

import numpy as np
import pytest

from handshake_inspect.tcp.setup.setup_rows import CANDIDATES
from handshake_inspect.verdicts.setup.answer import Candidates, Tickets, named, responses
from handshake_inspect.verdicts.setup.words import AMBIGUOUS, EXACT, TICKETS_SKIPPED

SERVICE, OTHER = 0xABCD_0000_0001_0000, 0x1234_0000_0001_0000


def candidates(*lengths, ticket=0, http2=False, holed=False):
    padded = np.zeros((CANDIDATES, 1), dtype=np.int64)
    padded[: len(lengths), 0] = lengths
    return Candidates(
        np.arange(CANDIDATES)[:, None] * 1_000_000, padded, padded, np.array([len(lengths)]), np.array([ticket]),
        np.array([http2]), np.array([holed]),
    )  # fmt: skip


def service(key=SERVICE):
    return np.array([key], dtype=np.uint64)


def known(*lengths, key=SERVICE):
    return Tickets.of(np.full(len(lengths), key, dtype=np.uint64), np.array(lengths, dtype=np.int64))


@pytest.mark.parametrize(
    ("lengths", "given", "first", "last", "method"),
    [
        ((1500,), {}, 0, 0, EXACT),
        ((), {}, -1, -1, EXACT),
        ((99, 16000), {}, 0, 0, EXACT),  # too short for a ticket
        (
            (74, 16000),
            {},
            0,
            1,
            AMBIGUOUS,
        ),  # OpenSSL's, that only name a session
        ((82, 16000), {}, 0, 1, AMBIGUOUS),  # with early data
        ((82, 82, 16000), {}, 0, 2, TICKETS_SKIPPED),
        ((75, 75, 16000), {}, 0, 0, EXACT),
        ((82, 300), {"ticket": 82}, 0, 1, TICKETS_SKIPPED),
        ((100, 16000), {}, 0, 1, AMBIGUOUS),
        ((4500, 16000), {}, 0, 1, AMBIGUOUS),
        ((4501, 16000), {}, 0, 0, EXACT),  # too long
        ((250, 300), {"ticket": 250}, 0, 1, TICKETS_SKIPPED),
        ((250, 250, 300), {"ticket": 250}, 0, 2, TICKETS_SKIPPED),
        ((300, 250), {"ticket": 250}, 0, 0, EXACT),
        ((250, 250, 300), {}, 0, 2, TICKETS_SKIPPED),
        ((250, 250), {}, -1, -1, EXACT),  # nothing but tickets
        ((250, 250, 250, 250, 250), {}, 0, 4, TICKETS_SKIPPED),  # four are the most
        ((250, 16000), {}, 0, 1, AMBIGUOUS),
        ((40, 250, 250, 40, 700), {"http2": True}, 0, 4, TICKETS_SKIPPED),
        ((99, 700), {"http2": True}, 0, 1, TICKETS_SKIPPED),
        ((100, 700), {"http2": True}, 0, 1, AMBIGUOUS),  # too long for SETTINGS
        ((40,), {"http2": True}, 0, 0, EXACT),  # nothing else ever comes
        ((66, 76), {"http2": True}, 0, 1, AMBIGUOUS),  # SETTINGS and a short answer, or the answer and its end
        ((26, 76), {"http2": True}, 1, 1, EXACT),  # an acknowledgment of SETTINGS has no room for an answer
        ((34, 76, 35), {"http2": True}, 1, 2, AMBIGUOUS),
        ((66, 76, 34), {"http2": True}, 0, 1, AMBIGUOUS),  # nor has GOAWAY
        ((26, 30), {"http2": True}, 0, 0, EXACT),  # nothing else ever comes
        ((250, 250, 66, 76), {"http2": True}, 2, 3, AMBIGUOUS),
        ((40, 700), {}, 0, 0, EXACT),
        ((40, 250, 60, 700), {"http2": True}, 1, 3, AMBIGUOUS),
        ((250,), {"holed": True}, -1, -1, EXACT),  # a ticket, perhaps, and the answer is not in the capture
        ((250, 16000), {"holed": True}, 0, 1, AMBIGUOUS),
        ((16000,), {"holed": True}, 0, 0, EXACT),
        ((250, 250, 300), {"holed": True}, 0, 2, TICKETS_SKIPPED),
    ],
)
def test_what_one_connection_shows(lengths, given, first, last, method):
    chosen = responses(candidates(*lengths, **given), service(), known())
    assert (chosen.first[0], chosen.last[0]) == (first, last)
    assert chosen.method[0] == method or last < 0


@pytest.mark.parametrize(
    ("tickets", "last", "method"),
    [
        (known(250), 1, TICKETS_SKIPPED),
        (known(234), 1, TICKETS_SKIPPED),
        (known(266), 1, TICKETS_SKIPPED),
        (known(233), 0, EXACT),  # the service has tickets of another size: this is the answer
        (known(250, key=OTHER), 1, AMBIGUOUS),
    ],
)
def test_other_connections_to_the_service_decide(tickets, last, method):
    chosen = responses(candidates(250, 16000), service(), tickets)
    assert (chosen.last[0], chosen.method[0]) == (last, method)
    alone = responses(candidates(250, holed=True), service(), tickets)
    assert alone.last[0] == (0 if method == EXACT else -1)


def test_a_run_and_what_came_before_the_request_prove_the_length_of_tickets():
    lengths = [candidates(*each, ticket=before).proved_length[0] for each, before in [
        ((250, 250, 9), 0), ((700,), 250), ((250, 9), 0), ((700,), 40),
    ]]  # fmt: skip
    assert lengths == [250, 250, 0, 0]


def test_doubt_of_less_than_a_millisecond_or_two_percent_names_the_last_that_may_be_it():
    first, last = np.array([40_000_000, 40_000_000, 900_000_000]), np.array([40_900_000, 42_000_000, 910_000_000])
    assert named(first, last).tolist() == [40_900_000, -1, 910_000_000]
