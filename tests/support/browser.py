"""Headless Chromium for tests of pages: its DevTools protocol over two pipes, as far as these need it."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
PATIENCE_S = 60
AXE = Path(os.environ.get("HSI_AXE", Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"))


class Browser:
    """One browser with one page; what the page logs and asks for is kept."""

    def __init__(self):
        # A child of the browser may write into it while it is removed.
        self._home = tempfile.TemporaryDirectory(prefix="hsi-browser-", ignore_cleanup_errors=True)
        take, self._give = os.pipe()
        self._take, give = os.pipe()
        command = [
            PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
            "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={self._home.name}", "about:blank",
        ]  # fmt: skip

        shell = 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, str(take), str(give), *command], pass_fds=(take, give),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(take)
        os.close(give)
        self._left, self._number, self.events = b"", 0, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Send a command; its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        os.write(self._give, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self):
        while b"\0" not in self._left:
            assert select.select([self._take], [], [], PATIENCE_S)[0], "the browser says nothing"
            got = os.read(self._take, 1 << 20)
            assert got, "the browser went away"
            self._left += got
        one, self._left = self._left.split(b"\0", 1)
        return json.loads(one)

    def open(self, url, *, width=1000, height=800, dark=False, scripts=True):
        """Open a page and wait until it is loaded."""
        self.events.clear()
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Page.navigate", url=url)
        while not any(each.get("method") == "Page.loadEventFired" for each in self.events):
            self.events.append(self._read())

    def run(self, script):
        """The value of an expression in the page."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    @property
    def said(self):
        """What the page, or the browser about it, wrote to the console."""
        self.call("Runtime.evaluate", expression="0")
        logged = [each["params"]["entry"]["text"] for each in self.events if each.get("method") == "Log.entryAdded"]
        names = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return logged + [json.dumps(each["params"]) for each in self.events if each.get("method") in names]

    @property
    def asked(self):
        """The addresses that the page asked for, itself among them."""
        requests = [each for each in self.events if each.get("method") == "Network.requestWillBeSent"]
        return [each["params"]["request"]["url"] for each in requests]

    def picture(self, path):
        """A picture of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        """End it."""
        os.close(self._give)
        os.close(self._take)
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its children, where any is left
        self._home.cleanup()
