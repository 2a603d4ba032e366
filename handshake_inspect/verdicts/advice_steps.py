"""Advice in steps; steps that the capturing host's settings show as done are left out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

LOWEST_PORT, HIGHEST_PORT = 1024, 65000  # an ephemeral port range this wide cannot be widened further


COOKIES_ON = "SYN cookies are on already. "  # replaces the first step if the capture shows SYN cookies


class Step(NamedTuple):
    """One step; `done` checks the value of `setting` (a key of `capture.host`)."""

    text: str
    setting: str | None = None
    done: Callable[[Any], bool] = lambda _: False


TW_REUSE = Step(
    "set `sysctl net.ipv4.tcp_tw_reuse=1` on the client, which is safe where timestamps are on",
    "tcp_tw_reuse",
    lambda mode: mode == 1,
)
PORTS = Step(
    "widen `net.ipv4.ip_local_port_range` on the client",
    "ip_local_port_range",
    lambda ports: ports[0] <= LOWEST_PORT and ports[1] >= HIGHEST_PORT,
)


def sentence(steps: Sequence[Step]) -> str:
    """Join the steps into one sentence."""
    texts = [step.text for step in steps]
    listed = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])}, and {texts[-1]}"
    return f"{listed[0].upper()}{listed[1:]}."


def remaining_steps(steps: Sequence[Step], settings: Mapping[str, Any]) -> list[Step]:
    """Return the steps that these settings do not show as done."""
    return [step for step in steps if not is_done(step, settings.get(step.setting or ""))]


def is_done(step: Step, setting: Any) -> bool:
    """Return whether a host with this setting has taken the step; None means unknown."""
    return setting is not None and step.done(setting)
