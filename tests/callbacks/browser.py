"""A headless Chromium that is asked over its debugging pipe, as its own dump of a page leaves shadow trees out."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
OFFLINE = ("no-first-run", "disable-background-networking", "disable-component-update", "disable-sync", "disable-quic")
# Chromium reads commands from 3 and answers on 4.
EXEC_WITH_PIPES = """
import os, sys
for end, source in ((3, sys.argv[1]), (4, sys.argv[2])):
    os.dup2(int(source), end)
os.execv(sys.argv[3], sys.argv[3:])
"""
ALL_TEXT = """(function text(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.textContent;
  if (["STYLE", "SCRIPT", "TEMPLATE"].includes(node.nodeName)) return "";
  const inside = node.nodeName === "IFRAME" && node.contentDocument ? [node.contentDocument.body] : [];
  return [...(node.shadowRoot ? node.shadowRoot.childNodes : []), ...node.childNodes, ...inside].map(text).join("");
})(document.body)"""


class Browser:
    def __init__(self, profile: Path) -> None:
        pipes = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (*os.pipe(), *os.pipe())]
        commands, self._commands, self._answers, answers = pipes
        switches = [
            f"--{name}" for name in ("headless", "no-sandbox", "disable-gpu", *OFFLINE, "remote-debugging-pipe")
        ]
        command = [str(BROWSER), *switches, f"--user-data-dir={profile}", "--window-size=1600,1400"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", EXEC_WITH_PIPES, str(commands), str(answers), *command],
            pass_fds=(commands, answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._number, self._unread, self._session = 0, b"", None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def ask(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._unread:
                assert select.select([self._answers], [], [], 30)[0], f"no answer to {method}"
                read = os.read(self._answers, 1 << 20)
                assert read, "the browser has gone"
                self._unread += read
            line, _, self._unread = self._unread.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self._number:
                return answer["result"]

    def missing(self, url: str, wanted: Sequence[str], *, seconds: float = 30) -> list[str]:
        """Opens a page and returns what of `wanted` has not appeared in its text when the time is up."""
        self.ask("Page.navigate", url="about:blank")  # a change of the anchor alone would not load anew
        self.ask("Page.navigate", url=url)
        deadline = time.monotonic() + seconds
        missing = list(wanted)
        while missing and time.monotonic() < deadline:
            time.sleep(0.2)
            text = self.ask("Runtime.evaluate", expression=ALL_TEXT)["result"].get("value", "")
            missing = [words for words in wanted if words not in text]
        return missing

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._commands)
        os.close(self._answers)
