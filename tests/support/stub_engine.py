"""An engine that reads nothing: it answers with a hand-made report, so that the command line can be tried alone."""

import errno
import sys
import time
from dataclasses import dataclass
from types import ModuleType

import handshake_inspect
from handshake_inspect.errors import CaptureError
from support.reports import SAMPLES


@dataclass(frozen=True)
class Options:
    max_connections: int | None = None
    time_wait_ns: int = 0
    unanswered_ns: int = 0
    setup: bool = True
    names: bool = True
    jobs: int | None = None


class StubEngine(ModuleType):
    """Remembers how it was called; a path that names a sample gives that sample."""

    Options = Options

    def __init__(self):
        super().__init__("handshake_inspect.engine")
        self.paths = self.options = None

    def analyze(self, paths, *, options, progress=None, background=None):
        self.paths, self.options = list(paths), options
        for path in paths:
            self._misbehave(str(path))
        if progress is not None:
            progress(50, 100)
        return SAMPLES.get(str(paths[0]), SAMPLES["healthy"])()

    @staticmethod
    def _misbehave(path):
        if path == "missing":
            raise CaptureError("missing: no such file")
        if path == "bug":
            raise ZeroDivisionError("a\nbug")
        if path == "interrupt":
            raise KeyboardInterrupt
        if path == "memory":
            raise MemoryError
        if path == "pages":
            raise OSError(errno.ENOMEM, "Cannot allocate memory")  # how Python says it of mmap
        if path == "slow":
            time.sleep(60)


def install():
    """Put the stub where the commands look for the engine; for a fresh interpreter."""
    stub = StubEngine()
    sys.modules["handshake_inspect.engine"] = stub
    handshake_inspect.engine = stub
    return stub
