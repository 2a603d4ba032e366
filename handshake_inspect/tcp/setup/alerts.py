"""Record TLS alerts (RFC 8446 section 6) that ended a handshake, or came before the first response."""

from typing import Any

from handshake_inspect.tcp.setup.facts import (
    SETUP_ALERT,
    SETUP_ALERT_ENCRYPTED,
    SETUP_ALERT_LATE,
    SETUP_ALERT_SERVER,
    SETUP_CLIENT_FINISHED,
)

FATAL = 2


def note_alert(focus: Any, level: int, code: int) -> None:
    """Record an alert (level 0 if encrypted); the first one is kept, except that a fatal one replaces a warning."""
    setup = focus.setup
    if setup.flags & SETUP_ALERT and (setup.alert_level != 1 or level != FATAL):
        return
    flags = setup.flags & ~(SETUP_ALERT_SERVER | SETUP_ALERT_ENCRYPTED | SETUP_ALERT_LATE) | SETUP_ALERT
    if not focus.is_client:
        flags |= SETUP_ALERT_SERVER
    if level == 0:
        flags |= SETUP_ALERT_ENCRYPTED
    if flags & SETUP_CLIENT_FINISHED:
        flags |= SETUP_ALERT_LATE
    setup.flags = flags
    setup.alert_level = level
    setup.alert_code = code
    setup.alert_ns = focus.reading.seen_ns[focus.side]
    setup.alert_frame = focus.reading.frame[focus.side]


def withdraw_alert(focus: Any) -> None:
    """Withdraw an alert whose sender continues: it ended nothing, or was not an alert."""
    setup = focus.setup
    if focus.is_client == (setup.flags & SETUP_ALERT_SERVER == 0):
        forget_alert(setup)


def forget_alert(setup: Any) -> None:
    """Withdraw the recorded alert."""
    setup.flags &= ~(SETUP_ALERT | SETUP_ALERT_SERVER | SETUP_ALERT_ENCRYPTED | SETUP_ALERT_LATE)
    setup.alert_level = 0
    setup.alert_code = 0
    setup.alert_ns = 0
    setup.alert_frame = 0
