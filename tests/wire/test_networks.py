"""Targets that are networks, wherever findings are matched with connections."""

import pytest

from handshake_inspect.wire.address import halves_within, prefix_text

MAPPED = 0xFFFF << 32


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        ("192.0.2.7", (0, MAPPED | 0xC0000207, MAPPED | 0xC0000207)),
        ("192.0.2.0/24", (0, MAPPED | 0xC0000200, MAPPED | 0xC00002FF)),
        ("2001:db8::5", (0x20010DB8_00000000, 5, 5)),
        ("2001:db8::/64", (0x20010DB8_00000000, 0, (1 << 64) - 1)),
    ],
)
def test_addresses_and_networks_are_ranges(text, halves):
    assert halves_within(text) == halves


def test_networks_are_written_as_they_are_read():
    for text in ("192.0.2.0/24", "2001:db8:0:7::/64"):
        hi, low, _ = halves_within(text)
        assert prefix_text(hi, low, int(text.rpartition("/")[2])) == text
