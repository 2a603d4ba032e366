"""Run hsi, and report imports and reads of its installation after it has dropped root privileges."""

import os
import sys
from pathlib import Path

import handshake_inspect
from handshake_inspect.cli import main
from handshake_inspect.live import privileges

INSTALLED = tuple({os.path.realpath(sys.prefix), str(Path(handshake_inspect.__file__).resolve().parent)})
late = []
gone = []
become = privileges._become


def watch(event, arguments):
    """Record new imports, and files of the installation that are opened."""
    if gone and (event == "import" or (event == "open" and str(arguments[0]).startswith(INSTALLED))):
        late.append(str(arguments[0]))


def let_go(account):
    """Drop privileges, and start to record."""
    become(account)
    gone.append(account)


privileges._become = let_go
sys.addaudithook(watch)
try:
    main()
finally:
    status = f"late: {late}" if gone else "root was never given up"
    os.write(2, f"{status}\n".encode())
