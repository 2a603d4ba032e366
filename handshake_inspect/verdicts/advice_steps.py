"""Advice in steps, of which some may be taken already: what the capturing host is set to is not recommended to it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

LOWEST_PORT, HIGHEST_PORT = 1024, 65000  # a range of ephemeral ports that reaches about so far cannot be widened


COOKIES_ON = "SYN cookies are on already. "  # where the wire shows that the first step is taken


class Step(NamedTuple):
    """Something to do, and how the setting with this key of `capture.host` shows that it is done."""

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
    """One sentence of all steps."""
    texts = [step.text for step in steps]
    listed = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])}, and {texts[-1]}"
    return f"{listed[0].upper()}{listed[1:]}."


def left(steps: Sequence[Step], settings: Mapping[str, Any]) -> list[Step]:
    """Those of the steps that these settings do not show to be done."""
    return [step for step in steps if not is_done(step, settings.get(step.setting or ""))]


def is_done(step: Step, setting: Any) -> bool:
    """Whether a host that is set so has taken this step; None where it does not say."""
    return setting is not None and step.done(setting)
