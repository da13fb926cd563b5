"""A headless Chromium, driven over HTTP: the few words of the WebDriver protocol that are needed.

The driver is one that runs already (``WFRPDE_WEBDRIVER``, its address), or ``chromedriver``.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip
ADDRESS = os.environ.get("WFRPDE_WEBDRIVER", "")
KEYS = {"left": "\ue012", "up": "\ue013", "right": "\ue014", "down": "\ue015", "home": "\ue011",
        "end": "\ue010", "tab": "\ue004", "enter": "\ue007"}  # fmt: skip
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which the protocol names an element."""


def available() -> bool:
    """Whether there is a browser to drive."""
    return bool(ADDRESS or shutil.which("chromedriver"))


class Browser:
    """One window."""

    def __init__(self, address: str, profile: str) -> None:
        self._address = address
        arguments = [*OPTIONS, f"--user-data-dir={profile}"]
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._address += f"/session/{made['sessionId']}"

    def _ask(self, method: str, path: str, content=None):
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self._address + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def open(self, path, width: int, height: int = 1000) -> None:
        """Open a file in a page of this width, and wait until its explorer stands."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **size)
        self._ask("POST", "/url", {"url": path.resolve().as_uri()})
        for _ in range(200):
            if self.run("return !document.getElementById('explorer') || "
                        "document.getElementById('explorer').dataset.ready === 'yes'"):  # fmt: skip
                return
            time.sleep(0.05)
        raise AssertionError(f"the explorer does not start: {self.console()}")

    def run(self, script: str, *arguments):
        """Run the body of a function in the page and return what it returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, command: str, **parameters):
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def press(self, selector: str, *keys: str) -> None:
        """Press keys while an element has the focus."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        text = "".join(KEYS.get(key, key) for key in keys)
        self._ask("POST", f"/element/{found[ELEMENT]}/value", {"text": text})

    def click(self, selector: str) -> None:
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"/element/{found[ELEMENT]}/click", {})

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def console(self) -> list[str]:
        """What the page complained of since it was asked last."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def picture(self) -> bytes:
        """Take a PNG of the whole page."""
        taken = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def close(self) -> None:
        self._ask("DELETE", "")


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser, and a driver if none is given; both end with the block."""
    driver = None
    address = ADDRESS
    if not address:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as profile:
        try:
            for attempt in range(100):
                try:
                    window = Browser(address, profile)
                    break
                except urllib.error.URLError:
                    if attempt == 99:
                        raise
                    time.sleep(0.1)
            try:
                yield window
            finally:
                window.close()
        finally:
            if driver is not None:
                driver.terminate()
                driver.wait()
