"""The command line: options to engine to report to renderer to exit status."""

from handshake_inspect.cli.root import hsi


def main() -> None:
    """Run `hsi`; never returns."""
    hsi.main(prog_name="hsi")
