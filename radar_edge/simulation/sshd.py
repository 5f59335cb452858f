"""An ssh server of one's own on this machine, with a scratch root as the unit behind it. For tests and benches. Linux.

It has its own keys and port, knows one user (who starts it), and touches nothing of the machine's own ssh.
"""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from radar_edge import files
from radar_edge.errors import MachineError

START_S = 10.0


def available() -> bool:
    return all(shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin") for tool in ("sshd", "ssh", "rsync"))


class Sshd:
    """`folder` holds its keys; the unit's radar-edge runs with `home` as its RADAR_EDGE_HOME."""

    def __init__(self, folder: Path, home: Path, environment: Mapping[str, str] | None = None) -> None:
        """`environment`: of the unit's radar-edge, beside its home."""
        self._folder = folder
        self.host = f"{getpass.getuser()}@127.0.0.1"
        self.port = free_port()
        self.identity = folder / "id"
        self.command = folder / "radar-edge"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("host", "id"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        shutil.copy(folder / "id.pub", folder / "authorized_keys")
        self._write_command({"RADAR_EDGE_HOME": str(home), **(environment or {})})
        self._process = self._start()

    @property
    def options(self) -> tuple[str, ...]:
        """For ssh's -o: the server's key, and nothing of the user's own files."""
        return (f"UserKnownHostsFile={self._folder / 'known_hosts'}", "StrictHostKeyChecking=accept-new")

    @property
    def pid(self) -> int:
        return self._process.pid

    def _write_command(self, environment: Mapping[str, str]) -> None:
        """radar-edge as the unit has it: this very one."""
        path = os.pathsep.join(entry for entry in sys.path if entry)
        settings = {"PYTHONPATH": path, **environment}
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
        text = f'#!/bin/sh\n{exports}exec {sys.executable} -m radar_edge "$@"\n'
        files.write_bytes(self.command, text.encode(), mode=0o755)

    def _start(self) -> subprocess.Popen[bytes]:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        settings = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": self._folder / "host",
            "AuthorizedKeysFile": self._folder / "authorized_keys",
            "PidFile": self._folder / "pid",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "MaxStartups": "100",
            "SetEnv": f"HOME={self._folder}",  # the user's own start-up files are none of the unit's
        }
        config = self._folder / "sshd_config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise MachineError("sshd is not installed", next_step="make peers")
        process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
        until = time.monotonic() + START_S
        while not answers(self.port):
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise MachineError("sshd did not start", next_step=f"{program} -d -f {config}")
            time.sleep(0.02)
        return process

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def __enter__(self) -> Sshd:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
