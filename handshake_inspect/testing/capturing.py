"""A context manager that captures on an interface while its block runs."""
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from handshake_inspect.errors import LiveError, UsageError, check_keywords
from handshake_inspect.testing.captured import Captured

if TYPE_CHECKING:
    from handshake_inspect.engine.background import Background
    from handshake_inspect.report.model import Report

_MIDSTREAM = "outcome != midstream"
_OPTIONS = ("snap_len", "backend", "ring_mib", "promiscuous")  # passed on to `open_live`


def capture(interface: str, **options: Any) -> Capture:
    """Capture while a block runs, on one interface or on all of them (`any`).

    Use it as in `with capture("lo", port=8080) as report:`.  The options are those of `Capture`.  Entering the block
    raises LiveError if capturing is not possible here.
    """
    return Capture(interface, **options)


class Capture:
    """A context manager that returns a `Captured`, which has a report once the block has ended."""

    def __init__(
        self,
        interface: str,
        *,
        host: str | None = None,
        port: int | Iterable[int] | None = None,
        filter: str | None = None,  # noqa: A002 - what tcpdump and hsi call it
        midstream: bool = False,
        settle: float = 0.1,
        **options: Any,
    ) -> None:
        """Set up the capture; the interface is opened when the block begins.

        `host` and `port` match either end of a connection; given several ports, any of them matches.  `filter` is a
        tcpdump expression.  `midstream` includes connections that were already open before the block.  After the
        block, the capture continues until all connections have closed or the link was idle for `settle` seconds, but
        at most ten times as long.  For `snap_len`, `backend`, `ring_mib` and `promiscuous` see
        `handshake_inspect.live.session`.
        """
        check_keywords("capture", options, [*_OPTIONS, *(Capture.__init__.__kwdefaults__ or ())])
        self._interface = interface
        ports = _ports(port)
        self._kernel, self._terms = _filters(host, ports, filter)
        self._needs_libpcap = filter is not None
        if not midstream:
            self._terms = [*self._terms, _MIDSTREAM]
        self._settle = settle
        self._options = options
        self._background: Background | None = None
        self.captured = Captured(_name(interface, host, ports, filter))

    def __enter__(self) -> Captured:
        """Start capturing; every frame sent after this returns is captured."""
        if sys.platform == "win32":
            raise LiveError(f"{self._interface}: capturing is not possible on Windows; capture on Linux or macOS")
        if self._background is not None:
            raise UsageError("a capture works for one block only: make another one")
        from handshake_inspect.engine.background import Background
        from handshake_inspect.live.filters import is_available
        from handshake_inspect.live.session import open_live

        # Without libpcap the kernel filters nothing; the connections are then selected from the report alone.
        wanted = self._kernel if self._needs_libpcap or is_available() else ""
        self._background = Background(open_live(self._interface, filter_text=wanted, **self._options))
        self._background.start()
        return self.captured

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop capturing and make the report; exceptions raised in the block propagate unchanged."""
        background = self._background
        assert background is not None  # noqa: S101 - it was entered
        try:
            if error is None:
                self._fill(background)
                if background.failure is not None:
                    raise background.failure
            else:
                self._fill_after(background, error)
        finally:
            background.close()

    def _fill(self, background: Background) -> None:
        try:
            report = background.finish(self._settle)
        except BaseException as error:
            self.captured.set_unavailable(f"capturing failed ({error})")
            raise
        self.captured.fill(report, self._narrowed(report))

    def _fill_after(self, background: Background, error: BaseException) -> None:
        """Make the report after the block failed, if possible, without hiding the block's exception."""
        self.captured.set_unavailable(f"the block ended with {type(error).__name__}")
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            return
        try:
            self._fill(background)
        except Exception as other:
            self.captured.set_unavailable(
                f"the block ended with {type(error).__name__}, and capturing failed ({other})"
            )

    def _narrowed(self, report: Report) -> Report:
        from handshake_inspect.expression.language import parse
        from handshake_inspect.expression.select import filtered

        return filtered(report, parse(" and ".join(self._terms))) if self._terms else report


def _name(interface: str, host: str | None, ports: list[int], text: str | None) -> str:
    parts = [] if host is None else [f"host {host}"]
    if ports:
        parts.append(f"port {', '.join(map(str, ports))}")
    if text is not None:
        parts.append(text)
    return f"handshakes on {interface}" + (f" ({' and '.join(parts)})" if parts else "")


def _ports(port: int | Iterable[int] | None) -> list[int]:
    ports = [] if port is None else [port] if isinstance(port, int) else list(port)
    for each in ports:
        if isinstance(each, bool) or not isinstance(each, int) or not 0 <= each <= 0xFFFF:
            raise UsageError(f"port: {each!r} is not a port; ports are 0 to 65535")
    if port is not None and not ports:
        raise UsageError("port: the list is empty; leave it out for all ports")
    return ports


def _filters(host: str | None, ports: list[int], text: str | None) -> tuple[str, list[str]]:
    """Return the selection as a capture filter, which also passes ICMP errors, and as terms of an expression."""
    kernel, tests = [], []
    if host is not None:
        from ipaddress import ip_address

        try:
            address = ip_address(host)
        except ValueError:
            raise UsageError(f"host: {host!r} is not an address; give one, such as 127.0.0.1 or ::1") from None
        kernel.append(f"host {address}")
        tests.append(f"(client.ip == {address} or server.ip == {address})")
    if ports:
        kernel.append(f"({' or '.join(f'tcp port {each}' for each in ports)})")
        names = ", ".join(map(str, ports))
        tests.append(f"(client.port in {{{names}}} or server.port in {{{names}}})")
    expression = f"({' and '.join(kernel)}) or icmp or icmp6" if kernel else ""
    if text is not None:
        expression = f"({expression}) and ({text})" if expression else text
    return expression, tests
