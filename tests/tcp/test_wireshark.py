"""Wireshark's tcp.completeness: 1 SYN, 2 SYN-ACK, 4 ACK, 8 data (which is no ACK), 16 FIN, 32 RST."""

import pytest
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import tracked

NUMBERS = {"seq": CLIENT_ISN + 1, "ack": SERVER_ISN + 1}
SYN, SYN_ACK = frames.syn(), frames.syn_ack()
ACK = frames.ack(CLIENT, SERVER, **NUMBERS)
DATA = frames.data(b"x" * 10, CLIENT, SERVER, **NUMBERS)
ANSWER = frames.data(b"x" * 10, SERVER, CLIENT, seq=SERVER_ISN + 1, ack=CLIENT_ISN + 11)
FIN = frames.fin(CLIENT, SERVER, **NUMBERS)
RST = frames.rst(seq=SERVER_ISN + 1)


@pytest.mark.parametrize(
    ("seen", "completeness"),
    [
        ([SYN, SYN_ACK], 3),
        ([SYN, SYN_ACK, ACK], 7),
        ([SYN, SYN_ACK, DATA], 11),
        ([SYN, SYN_ACK, ACK, DATA, ANSWER], 15),
        ([SYN, SYN_ACK, ACK, FIN], 23),
        ([SYN, SYN_ACK, ACK, RST], 39),
        ([SYN, RST], 33 + 4),
        ([ACK], 4),
        ([DATA], 8),
        ([FIN], 20),
        ([RST], 36),
    ],
)
def test_completeness(seen, completeness):
    assert tracked(*seen).connection_rows[0].completeness == completeness
