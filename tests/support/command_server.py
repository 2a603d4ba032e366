"""Run `hsi` commands in children of one process that has imported the package already.

Importing it takes most of the time of a short command.  The server imports it once and forks a child for each command,
which gets an empty standard input, pipes as standard output and standard error, and the caller's working directory.
What depends on how a process begins (environment, limits, its input) needs a new interpreter: see `hsi` in
`tests/conftest.py`.
"""

import gc
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = ("analyze", "check", "diff", "explain", "fields", "help", "live_run", "pair", "schema", "verify")
RENDERERS = ("delimited", "json", "markdown", "ndjson", "text")
MOST = 1 << 20  # bytes of a request or an answer


class CommandServer:
    """The caller's side: starts the server, which `close` ends."""

    def __init__(self, package: Path) -> None:
        self._inherited = _inherited()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            environment = os.environ | {"PYTHONPATH": str(package.parent), "OPENBLAS_NUM_THREADS": "1"}
            command = [sys.executable, "-P", __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(  # its streams are of the kind that a child's are
                command, env=environment, pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip

    def close(self) -> None:
        """End the server."""
        self._socket.close()
        self._process.communicate()

    @property
    def is_current(self) -> bool:
        """Whether a child would still inherit what the server did: tests change it."""
        return _inherited() == self._inherited

    def run(self, arguments: list[str], cwd: str, timeout: float) -> "subprocess.CompletedProcess[bytes]":
        """Exit status and output of one command; TimeoutExpired, and the command is killed, after `timeout` seconds."""
        out, out_end = os.pipe()
        errors, errors_end = os.pipe()
        try:
            request = json.dumps({"arguments": arguments, "cwd": cwd})
            socket.send_fds(self._socket, [request.encode()], [out_end, errors_end])
            pid = json.loads(self._socket.recv(MOST))
        finally:
            os.close(out_end)
            os.close(errors_end)
        texts = _read_all({out: bytearray(), errors: bytearray()}, time.monotonic() + timeout)
        if texts is None:
            os.kill(pid, 9)
        status = json.loads(self._socket.recv(MOST))
        if texts is None:
            raise subprocess.TimeoutExpired(["hsi", *arguments], timeout)
        return subprocess.CompletedProcess(["hsi", *arguments], status, *map(bytes, texts))


def _inherited() -> tuple[dict[str, str], int]:
    """The environment and the network namespace."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    namespace = Path("/proc/thread-self/ns/net")
    return environment, namespace.stat().st_ino if namespace.exists() else 0


def _read_all(texts: dict[int, bytearray], deadline: float) -> list[bytearray] | None:
    """Read these descriptors to their ends, and close them; None where the time is over before that."""
    with selectors.DefaultSelector() as waiting:
        for file in texts:
            waiting.register(file, selectors.EVENT_READ)
        while waiting.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                piece = os.read(key.fd, MOST)
                texts[key.fd] += piece
                if not piece:
                    waiting.unregister(key.fd)
        ended = not waiting.get_map()
    for file in texts:
        os.close(file)
    return list(texts.values()) if ended else None


def _serve(server: socket.socket) -> None:
    """Fork a child for each request and answer with its number, then with its exit status as `subprocess` has it."""
    _import_commands()
    while True:
        request, files, _, _ = socket.recv_fds(server, MOST, 2)
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            server.close()
            _become(json.loads(request), *files)
        for file in files:
            os.close(file)
        server.send(json.dumps(pid).encode())
        _, status = os.waitpid(pid, 0)
        server.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())


def _import_commands() -> None:
    import importlib  # noqa: PLC0415 - the caller's side needs none of it

    import numpy as np  # noqa: F401, PLC0415

    for name in COMMANDS:
        importlib.import_module(f"handshake_inspect.cli.{name}")
    for name in RENDERERS:
        importlib.import_module(f"handshake_inspect.render.{name}")
    importlib.import_module("handshake_inspect.engine.reporting")
    gc.freeze()  # else each child's collections would copy all of it


def _become(request: dict[str, object], out: int, errors: int) -> None:
    """Be `python -m handshake_inspect` with these arguments; never returns."""
    import runpy  # noqa: PLC0415

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(errors, 2)
    os.close(out)
    os.close(errors)
    os.chdir(str(request["cwd"]))
    os.environ.pop("PWD", None)
    sys.argv = ["hsi", *request["arguments"]]  # type: ignore[misc]
    try:
        runpy.run_module("handshake_inspect", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if not isinstance(ended.code, int):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code)  # nothing is taken down that was imported for all children
    sys.exit()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        _serve(connection)
