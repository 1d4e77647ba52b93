"""One fresh ``vestibule dev`` process in a temporary data directory, as a newcomer would start it."""

import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Callable, Optional, TypeVar

import requests

DEFAULT_BINARY = Path(__file__).resolve().parents[3] / "target" / "debug" / "vestibule"
READY_DEADLINE_S = 60
STOP_DEADLINE_S = 15
MESSAGE_DEADLINE_S = 15
POLL_EVERY_S = 0.025

T = TypeVar("T")


def until(what: str, probe: Callable[[], Optional[T]]) -> T:
    """Asks ``probe`` again and again until it answers something, and gives up at a deadline."""
    deadline = time.monotonic() + MESSAGE_DEADLINE_S
    while True:
        found = probe()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {MESSAGE_DEADLINE_S} s for {what}")
        time.sleep(POLL_EVERY_S)


class Server:
    """Starts the server, waits for its ``ready`` line, and knows what it wrote to ``dev.env``."""

    def __init__(self) -> None:
        binary = Path(os.environ.get("VESTIBULE_BIN") or DEFAULT_BINARY).resolve()
        self._data_dir = Path(tempfile.mkdtemp(prefix="vestibule-e2e-"))
        self._log: deque[str] = deque(maxlen=200)
        lines: queue.Queue[Optional[str]] = queue.Queue()
        try:
            self._process = subprocess.Popen(
                self._command(binary),
                env=self._env(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        except (OSError, RuntimeError):
            shutil.rmtree(self._data_dir)
            raise
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()
        try:
            self.url = self._wait_until_ready(lines)
            self._read_settings()
        except BaseException:
            self.stop()
            raise

    def _command(self, binary: Path) -> list:
        return [binary, "dev", "--data-dir", self._data_dir, "--listen", "127.0.0.1:0"]

    def _env(self) -> Optional[dict[str, str]]:
        """The environment of the process; none: this one's."""
        return None

    def _read(self, lines: "queue.Queue[Optional[str]]") -> None:
        for line in self._process.stdout:
            self._log.append(line)
            lines.put(line)
        lines.put(None)

    def _wait_until_ready(self, lines: "queue.Queue[Optional[str]]") -> str:
        deadline = time.monotonic() + READY_DEADLINE_S
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise RuntimeError("the server did not become ready:\n" + "".join(self._log))
            if line.startswith("ready http://"):
                return line.split()[1]

    def _read_settings(self) -> None:
        text = (self._data_dir / "dev.env").read_text(encoding="utf-8")
        env = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
        self.organization_id = env["VESTIBULE_ORGANIZATION_ID"]
        self.user_id = env["VESTIBULE_USER_ID"]
        self.api_public_key = env["VESTIBULE_API_PUBLIC_KEY"]
        self.api_private_key = env["VESTIBULE_API_PRIVATE_KEY"]
        self.auth_proxy_config_id = env["VESTIBULE_AUTH_PROXY_CONFIG_ID"]
        self.bundle_signer_public_key = env["VESTIBULE_BUNDLE_SIGNER_PUBLIC_KEY"]
        self.session_signer_public_key = env["VESTIBULE_SESSION_SIGNER_PUBLIC_KEY"]

    def stop(self) -> None:
        """Ends this one process and removes its data directory."""
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        shutil.rmtree(self._data_dir, ignore_errors=True)

    def messages(self, to: str) -> list[dict]:
        """What was delivered to a contact, newest first."""
        response = requests.get(f"{self.url}/dev/messages", params={"to": to}, timeout=10)
        response.raise_for_status()
        return response.json()["messages"]

    def code(self, to: str, otp_id: str) -> str:
        """The code of this attempt, as its recipient reads it."""
        return until(
            f"a message to {to}",
            lambda: next((m["otpCode"] for m in self.messages(to) if m["otpId"] == otp_id), None),
        )

    def advance_clock(self, seconds: int) -> None:
        """Moves the server's clock forward; it never moves back."""
        response = requests.post(f"{self.url}/dev/clock", json={"advanceSeconds": seconds}, timeout=10)
        response.raise_for_status()
