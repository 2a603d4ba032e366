"""The command line `hsi`: parse options, run the engine, render the report and set the exit status."""

import gc
import os

try:
    from handshake_inspect.cli import memory
    from handshake_inspect.cli.root import hsi
    from handshake_inspect.cli.signals import clean_up_on_signal
except KeyboardInterrupt:  # Ctrl-C during imports: exit without a traceback
    raise SystemExit(130) from None


def main() -> None:
    """Run `hsi`; never returns."""
    # This process runs hsi only, so it may tune globals: OpenBLAS threads only cost start-up time, and reference
    # cycles are rare enough for high collection thresholds.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(100_000, 50, 1000)
    memory.dedicated = True
    with clean_up_on_signal():
        hsi.main(prog_name="hsi")
