"""``vestibule serve`` as in production: a configuration, keys, an organization, and no inbox to read codes from."""

import json
import os
import subprocess
from pathlib import Path
from typing import Optional

from support.server import Server


class ServedServer(Server):
    """A fresh server whose configuration ends with ``channels``, the sections on messages."""

    def __init__(
        self, channels: str, environment: Optional[dict[str, str]] = None, of_server: str = ""
    ) -> None:
        """``of_server`` goes into the section on the server."""
        self._channels = channels
        self._of_server = of_server
        self._environment = environment or {}
        super().__init__()

    def _command(self, binary: Path) -> list:
        self._binary = binary
        (self._data_dir / "vestibule.toml").write_text(
            f'[server]\nlisten = "127.0.0.1:0"\ndata_dir = "data"\n{self._of_server}[keys]\nfile = "keys.json"\n'
            + "".join(
                f"[limits.address_{what}]\naction = \"off\"\n" for what in ("requests", "sends", "failures")
            )
            + self._channels,
            encoding="utf-8",
        )
        self._run("keys", "generate", "--out", str(self._data_dir / "keys.json"))
        return [binary, "serve", "--config", self._data_dir / "vestibule.toml"]

    def _env(self) -> dict[str, str]:
        return {**os.environ, **self._environment}

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._binary, *arguments], env=self._env(), capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"vestibule {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def _read_settings(self) -> None:
        config = str(self._data_dir / "vestibule.toml")
        made = json.loads(self._run("org", "create", "--config", config, "--name", "Acme"))
        self.organization_id = made["organizationId"]
        self.user_id = made["userId"]
        self.api_public_key = made["apiPublicKey"]
        self.api_private_key = made["apiPrivateKey"]

    @property
    def log(self) -> str:
        """The last lines of the server's log."""
        return "".join(self._log)

