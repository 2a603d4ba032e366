"""Make a sample's behaviour once more, with `hsi live` watching the interface beside tcpdump.

Run as root: `python tests/lab/live.py OUT NAME`.  OUT gets NAME.json (what the kernels said, as for pcaps/), NAME.pcap
(tcpdump's file), NAME.live.json (the report of `hsi live`) and NAME.live.pcapng (what it wrote).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "pcaps"))

import lab.sample
from lab import scenarios  # noqa: F401 - importing the scenarios registers them
from lab.capture import TCP_AND_ERRORS, Capture, DisturbedError
from lab.namespace import Host, remove_leftovers
from lab.sample import SCENARIOS, Sample

PATIENCE_S = 30


class Watched(Capture):
    """A capture that `hsi live` watches too."""

    def __init__(self, host: Host, file: Path, **how: Any) -> None:
        super().__init__(host, file, **how)
        report, kept = file.with_suffix(".live.json"), file.with_suffix(".live.pcapng")
        self._live = host.spawn(
            sys.executable, "-P", "-m", "handshake_inspect", "live", "-i", self.interface, "-s", str(self.snap), "-Z",
            "root", "-T", "json", "-o", str(report), "-w", str(kept), "-f", how.get("expression", TCP_AND_ERRORS),
        )  # fmt: skip
        assert self._live.stderr is not None
        said = []
        for line in self._live.stderr:
            if "listening on" in line:
                return
            said.append(line)
        raise RuntimeError(f"hsi live did not start: {''.join(said)}")

    def stop(self) -> None:
        """End both at the same time; of what hsi dropped nothing can be expected."""
        self._process.send_signal(signal.SIGINT)
        self._live.send_signal(signal.SIGINT)
        _, said = self._live.communicate(timeout=PATIENCE_S)
        if self._live.returncode != 0:
            raise RuntimeError(f"hsi live: {said}")
        if "0 packets dropped by kernel" not in said:
            raise DisturbedError(f"hsi live: {said}")
        super().stop()

    def kill(self) -> None:
        """End both whatever happened."""
        if self._live.poll() is None:
            self._live.kill()
            self._live.communicate()
        super().kill()


def main(out: Path, name: str) -> int:
    """Make one; EX_TEMPFAIL when the machine was too busy for it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    lab.sample.Capture = Watched  # type: ignore[misc]
    sample = Sample(name, out)
    try:
        with sample.stack:
            SCENARIOS[name](sample)
            sample.write()
    except DisturbedError as error:
        print(error, file=sys.stderr)
        return os.EX_TEMPFAIL
    finally:
        remove_leftovers(os.getpid())
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
