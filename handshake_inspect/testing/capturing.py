"""A capture around a block of code."""
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
_OPTIONS = ("snap_len", "backend", "ring_mib", "promiscuous")  # of `open_live`


def capture(interface: str, **options: Any) -> Capture:
    """Capture while a block runs, on an interface or on all of them (`any`).

    Used as in `with capture("lo", port=8080) as report:`.  The options are those of `Capture`.  Raises LiveError when
    that is not possible here.
    """
    return Capture(interface, **options)


class Capture:
    """A context manager that gives a `Captured`, which is filled when the block has ended."""

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
        """Say what is to be captured; nothing is opened before the block begins.

        `host` and `port` are an end of the connections, either one; several ports are any of these.  `filter` is a
        tcpdump expression.  With `midstream` connections count that were open before the block.  After the block the
        capture goes on until all connections have ended or nothing has come for `settle` seconds, ten times as long
        at most.  `snap_len`, `backend`, `ring_mib` and `promiscuous` are as in `handshake_inspect.live.session`.
        """
        check_keywords("capture", options, [*_OPTIONS, *(Capture.__init__.__kwdefaults__ or ())])
        self._interface = interface
        ports = _ports(port)
        self._kernel, self._test = _meant(host, ports, filter)
        self._needs_libpcap = filter is not None
        if not midstream:
            self._test = [*self._test, _MIDSTREAM]
        self._settle = settle
        self._options = options
        self._background: Background | None = None
        self.captured = Captured(_name(interface, host, ports, filter))

    def __enter__(self) -> Captured:
        """Begin: what is sent from now on is captured."""
        if sys.platform == "win32":
            raise LiveError(f"{self._interface}: capturing is not possible on Windows; capture on Linux or macOS")
        if self._background is not None:
            raise UsageError("a capture works for one block only: make another one")
        from handshake_inspect.engine.background import Background
        from handshake_inspect.live.filters import is_available
        from handshake_inspect.live.session import open_live

        # Without libpcap the kernel filters nothing; which connections are meant is then seen by their ends.
        wanted = self._kernel if self._needs_libpcap or is_available() else ""
        self._background = Background(open_live(self._interface, filter_text=wanted, **self._options))
        self._background.start()
        return self.captured

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and fill the report; what was raised in the block goes on as it is."""
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
            self.captured.leave(f"capturing failed ({error})")
            raise
        self.captured.fill(report, self._narrowed(report))

    def _fill_after(self, background: Background, error: BaseException) -> None:
        """Report what happened until the block failed, if possible; nothing may hide the failure."""
        self.captured.leave(f"the block ended with {type(error).__name__}")
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            return
        try:
            self._fill(background)
        except Exception as other:
            self.captured.leave(f"the block ended with {type(error).__name__}, and capturing failed ({other})")

    def _narrowed(self, report: Report) -> Report:
        from handshake_inspect.expression.language import parse
        from handshake_inspect.expression.select import filtered

        return filtered(report, parse(" and ".join(self._test))) if self._test else report


def _name(interface: str, host: str | None, ports: list[int], text: str | None) -> str:
    asked = [] if host is None else [f"host {host}"]
    if ports:
        asked.append(f"port {', '.join(map(str, ports))}")
    if text is not None:
        asked.append(text)
    return f"handshakes on {interface}" + (f" ({' and '.join(asked)})" if asked else "")


def _ports(port: int | Iterable[int] | None) -> list[int]:
    ports = [] if port is None else [port] if isinstance(port, int) else list(port)
    for each in ports:
        if isinstance(each, bool) or not isinstance(each, int) or not 0 <= each <= 0xFFFF:
            raise UsageError(f"port: {each!r} is not a port; ports are 0 to 65535")
    if port is not None and not ports:
        raise UsageError("port: the list is empty; leave it out for all ports")
    return ports


def _meant(host: str | None, ports: list[int], text: str | None) -> tuple[str, list[str]]:
    """The same as a filter for the kernel, which also lets ICMP errors pass, and as tests of a connection."""
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
