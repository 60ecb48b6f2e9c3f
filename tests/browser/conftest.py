"""A real Chromium, driven over its own debugging protocol: no browser driver has to be installed beside it."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.waiting import WATCHDOG_S

WIDTH_PX, HEIGHT_PX = 1366, 768
_NUMBERS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowUp": 38, "ArrowDown": 40}


class Page:
    """One tab of a headless Chromium."""

    def __init__(self, executable: str, folder: str):
        from websockets.sync.client import connect

        self.process = subprocess.Popen(
            [
                executable, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--disable-background-networking", "--disable-component-update", "--no-first-run", "--no-proxy-server",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--remote-debugging-port=0",
                f"--user-data-dir={folder}", f"--window-size={WIDTH_PX},{HEIGHT_PX}", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        note = Path(folder, "DevToolsActivePort")
        self._until(note.exists, 60, "Chromium did not start")
        self._until(lambda: note.read_text().strip(), 10, "Chromium named no port")
        port = note.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            target = next(one for one in json.load(answer) if one["type"] == "page")
        self.socket = connect(
            target["webSocketDebuggerUrl"], max_size=None, compression=None, proxy=None, ping_interval=None
        )
        self.ids = itertools.count(1)
        self.events: list[dict] = []
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride", width=WIDTH_PX, height=HEIGHT_PX, deviceScaleFactor=1, mobile=False
        )

    @staticmethod
    def _until(ready, seconds: float, message: str):
        end = time.monotonic() + 15 * seconds  # as on a machine that has fifteen times as much to do
        while time.monotonic() < end:
            found = ready()
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(message)

    def call(self, method: str, **params):
        number = next(self.ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=WATCHDOG_S))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def eval(self, script: str):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def wait(self, script: str, seconds: float = 40):
        return self._until(
            lambda: self.eval(f"Boolean({script})"), seconds, f"never true: {script}\n{self.text()[:2000]}"
        )

    def text(self) -> str:
        return self.eval("document.body ? document.body.innerText : ''")

    def press(self, key: str, code: str = "", modifiers: int = 0) -> None:
        """Press and release one key; modifiers: 1 alt, 2 ctrl, 4 meta, 8 shift."""
        number = _NUMBERS.get(key, ord(key.upper()) if len(key) == 1 else 0)
        code = code or ("Digit" + key if key.isdigit() else "Key" + key.upper() if len(key) == 1 else key)
        about = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        text = {"text": "\r" if key == "Enter" else key} if not modifiers and (key == "Enter" or len(key) == 1) else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def click(self, script: str) -> None:
        """Click with the mouse on the middle of the element the script returns, once it has stopped moving."""
        where = (
            f"(() => {{ const r = ({script}).getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2, r.width] })()"
        )
        box, before, still = self.eval(where), None, 0
        while still < 3:
            time.sleep(0.1)
            before, box = box, self.eval(where)
            still = still + 1 if box == before and box[2] > 0 else 0
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def picture(self, path: Path) -> Path:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return path

    def requested(self) -> list[str]:
        """Addresses the page asked for since it was opened."""
        self.eval("1")
        return [
            one["params"]["request"]["url"] for one in self.events if one.get("method") == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


NO_BROWSER = "Debian's chromium is not installed (apt-get install chromium)"


def find_browser() -> str | None:
    """Where Chromium is; None where it is not installed."""
    return os.environ.get("RELAIONET_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def open_page(executable: str):
    """A blank page of a Chromium of its own, which ends with it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        tab = Page(executable, folder)
        try:
            yield tab
        finally:
            tab.close()


@pytest.fixture
def page():
    executable = find_browser()
    if not executable:
        pytest.skip(NO_BROWSER)
    with open_page(executable) as tab:
        yield tab
