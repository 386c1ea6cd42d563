"""A real browser without a window, spoken to through its DevTools: opens pages and asks about them."""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from tornado.websocket import websocket_connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
    "--remote-allow-origins=*",
]  # fmt: skip


class Browser:
    """One tab; `with Browser() as tab: tab.open(page, width=390)`."""

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={self.profile.name}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = Path(self.profile.name, "DevToolsActivePort")
        while not (port.exists() and "\n" in port.read_text()):
            assert self.process.poll() is None, f"{CHROMIUM} ended with {self.process.returncode}"
            time.sleep(0.05)
        address = f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json/list"
        with urllib.request.urlopen(address) as answer:
            (tab,) = [one for one in json.load(answer) if one["type"] == "page"]
        self.loop = asyncio.Runner()
        self.socket = self.wait(self.connect(tab["webSocketDebuggerUrl"]))
        self.sent, self.errors, self.asked = 0, [], []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.loop.close()
        self.process.terminate()
        self.process.wait()
        self.profile.cleanup()

    def wait(self, something):
        return self.loop.run(asyncio.wait_for(something, 60))

    @staticmethod
    async def connect(address):
        return await websocket_connect(address, max_message_size=1 << 28)

    @staticmethod
    async def awaited(future):
        return await future

    def send(self, method, **parameters):
        self.sent += 1
        self.wait(
            self.awaited(
                self.socket.write_message(json.dumps({"id": self.sent, "method": method, "params": parameters}))
            )
        )
        while (message := self.receive()).get("id") != self.sent:
            pass
        assert "error" not in message, f"{method}: {message}"
        return message["result"]

    def receive(self):
        message = json.loads(self.wait(self.awaited(self.socket.read_message())))
        said = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.errors.append(said["exceptionDetails"].get("exception", said["exceptionDetails"])["description"])
            case "Runtime.consoleAPICalled" if said["type"] in ("error", "assert"):
                self.errors.append(str([one.get("value") for one in said["args"]]))
            case "Log.entryAdded" if said["entry"]["level"] == "error":
                self.errors.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.asked.append(said["request"]["url"])
        return message

    def open(self, page, *, width, height=844):
        """Open a file and wait until all of it is there; forgets what earlier pages said and asked for."""
        self.errors, self.asked = [], []
        phone = width < 600
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.send("Page.navigate", url=Path(page).as_uri())
        while self.receive().get("method") != "Page.loadEventFired":
            pass

    def ask(self, expression):
        """The value of an expression in the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, path, *, whole=False):
        """Save a screenshot as PNG."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(shot["data"]))
