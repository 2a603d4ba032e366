"""The payload of a segment stays where the frame is."""

import pytest

from handshake_inspect.decode import payload, segment


@pytest.mark.parametrize(("held", "sent", "kept"), [(5, 5, b"hello"), (4, 5, b"hell"), (5, 2, b"he"), (0, 5, b"")])
def test_captured_bytes_are_appended(held, sent, kept):
    """Padding behind the packet is captured as well, and is no payload."""
    records = segment.segments(2)
    records.owners[1] = b"....hello...."
    record = records[0]
    record.batch_slot, record.payload_len = 1, sent
    payload.set_payload(records.owners[1], 4, held, record)
    appended = bytearray(b"before ")
    payload.append(appended, records.owners, record)
    assert bytes(appended) == b"before " + kept
    assert [payload.byte(records.owners, record, at) for at in range(payload.captured(record))] == list(kept)


def test_a_copy_of_a_record_has_each_byte_of_it():
    records = segment.segments(2)
    records[0].ts_ns, records[0].seq, records[0].mtu = 5, 6, 7
    copies = bytearray()
    segment.append(copies, records[0])
    segment.append(copies, records[1])
    assert bytes(copies) == bytes(records)
    segment.copy(records, 1, records[0])
    assert bytes(records) == bytes(records[0]) * 2
    segment.clear(records[1])
    assert (records[1].ts_ns, records[1].seq, records[1].mtu) == (5, 0, 0)
