"""What a wrong checksum means: a damaged segment, or one whose checksum was left to the network card."""

from typing import Any

from handshake_inspect.tcp.facts import CHECK_GOOD
from handshake_inspect.wire.const import NOTE_BAD_IP_CHECKSUM


class Checksums:
    """The right and wrong checksums of one trace, and where the first wrong ones are."""

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self.first_bad = 0
        self.bad_ip = 0
        self.first_bad_ip = 0

    def is_corrupt(self, sender: Any, segment: Any) -> bool:
        """Count a wrong checksum; whether it means a damaged segment, which its receiver drops, and not offloading."""
        if segment.notes & NOTE_BAD_IP_CHECKSUM:
            self.bad_ip += 1
            if self.first_bad_ip == 0:
                self.first_bad_ip = segment.frame
        else:
            self.bad += 1
            if self.first_bad == 0:
                self.first_bad = segment.frame
        return sender.checks & CHECK_GOOD != 0 or self.good > 20 * (self.bad + self.bad_ip)
