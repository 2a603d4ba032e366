"""The command line: options to engine to report to renderer to exit status."""

import gc
import os

try:
    from handshake_inspect.cli import memory
    from handshake_inspect.cli.root import hsi
    from handshake_inspect.cli.signals import put_right
except KeyboardInterrupt:  # Ctrl-C at once: nobody wants to read where imports were
    raise SystemExit(130) from None


def main() -> None:
    """Run `hsi`; never returns."""
    # A process of its own may choose for itself: linear algebra needs no threads here, and they cost start-up time;
    # nothing here makes garbage in cycles faster than this.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(100_000, 50, 1000)
    memory.owned = True
    with put_right():
        hsi.main(prog_name="hsi")
