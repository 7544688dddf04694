"""Headless Chromium, driven through the two pipes of its debugging protocol: no driver, no port, no package."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
SECONDS = 60.0

# Chromium reads commands from descriptor 3 and writes answers to 4; they are copied high up first, since either may
# already have the number of the other.
LAUNCH = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(read, 3); os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def program() -> str | None:
    """Return where Chromium is installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """Run one page at a time, and keep what it asked for and what it complained of."""

    def __init__(self, path: str, profile: Path) -> None:
        read, self.to = os.pipe()
        self.out, write = os.pipe()
        command = [sys.executable, "-c", LAUNCH, str(read), str(write), path, *FLAGS, f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            command, pass_fds=(read, write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(read)
        os.close(write)
        self.waiting = b""
        self.events: list[dict[str, Any]] = []
        self.n = 0
        target = self._send("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = self._send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End the browser."""
        os.close(self.to)
        os.close(self.out)
        self.process.terminate()
        self.process.wait(SECONDS)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command to the page and return its answer."""
        return self._send(method, parameters, self.session)

    def open(self, file: Path, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        """Show a file in a window of some size, and wait until it is loaded."""
        self.events.clear()
        scale = 2 if phone else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=file.as_uri())
        deadline = time.monotonic() + SECONDS
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._take(deadline)

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """Return what the console, the log, or an exception said since the page was opened."""
        names = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Network.loadingFailed")
        return [json.dumps(event["params"]) for event in self.events if event["method"] in names]

    def requests(self) -> list[str]:
        """Return what the page asked for, itself first."""
        seen = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [request["request"]["url"] for request in seen]

    def screenshot(self, file: Path) -> None:
        """Write a picture of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    def _send(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        self.n += 1
        message = {"id": self.n, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while True:
            answer = self._take(deadline)
            if answer.get("id") == self.n:
                assert "error" not in answer, answer
                return answer["result"]

    def _take(self, deadline: float) -> dict[str, Any]:
        """Return the next message, kept too if it is an event."""
        while b"\0" not in self.waiting:
            ready, _, _ = select.select([self.out], [], [], max(deadline - time.monotonic(), 0))
            piece = os.read(self.out, 1 << 20) if ready else b""
            if not piece:
                message = f"Chromium said nothing for {SECONDS:.0f} s, or ended with {self.process.poll()}"
                raise TimeoutError(message)
            self.waiting += piece
        text, _, self.waiting = self.waiting.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message
