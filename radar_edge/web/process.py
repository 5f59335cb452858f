"""The process of the status page and the telemetry, from the line's side: started, started again when it dies, ended
with the line.

Sockets are opened here, so that an address in use is an error before the line starts, and a new process takes
over what the former listened on.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from radar_edge.clock import NS_PER_S, Clock
from radar_edge.config import LineConfig, PageConfig
from radar_edge.errors import ConfigError, MachineError, MissingPackageError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1, 32
END_S = 4.0
USER_TIMEOUT_MS = 30_000
"""A client that acknowledges nothing for so long is cut off by the kernel, with what it never read."""
BACKLOG = 128
LEAST_TOKEN = 16


class PageProcess:
    """A running process; `address` is where the line's feed goes. Use it as a context manager."""

    def __init__(self, config: LineConfig, clock: Clock, say: Callable[[str], None]) -> None:
        """For the sections `page` and `mqtt` of `config`, one of them at least.

        Raises MissingPackageError, ConfigError for a file that cannot be used, MachineError for an address that cannot
        be had.
        """
        word = check(config)
        page = config.page
        self._clock = clock
        self._say = say
        self._listening = None if page is None else listen(page)
        self._folder = Path(tempfile.mkdtemp(prefix="radar-edge-page-"))
        self.address = self._folder / "feed"
        self._feed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._feed.bind(str(self.address))
        self._order = {
            "page": None if page is None else page.model_dump(mode="json"),
            "token": word,
            "local_only": page is not None and page.loopback,
            "mqtt": None if config.mqtt is None else config.mqtt.model_dump(mode="json"),
            "journal": str(config.journal.path.absolute()),
            "evidence": None if config.evidence is None else str(config.evidence.folder.absolute()),
            "feed_fd": self._feed.fileno(),
            "listen_fd": None if self._listening is None else self._listening.fileno(),
        }
        self._pause_s = FIRST_PAUSE_S
        self._start()

    def _start(self) -> None:
        fds = tuple(s.fileno() for s in (self._feed, self._listening) if s is not None)
        command = [sys.executable, "-m", "radar_edge.web.serve"]
        # A session of its own: Ctrl-C is for the line, which then ends this process.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=fds, text=True, start_new_session=True
        )
        if self._process.stdin is None:
            raise AssertionError("a pipe was asked for")
        self._stdin = self._process.stdin
        self._started_ns = self._clock.now_ns()
        self._again_ns: int | None = None
        with suppress(BrokenPipeError):  # it died at once: mind() will see
            self._stdin.write(json.dumps(self._order) + "\n")
            self._stdin.flush()

    @property
    def url(self) -> str | None:
        """Where the page is; None without one."""
        if self._listening is None:
            return None
        host, port = self._listening.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    @property
    def pid(self) -> int:
        return self._process.pid

    def mind(self) -> None:
        """Start it again if it died; each time after a longer pause, unless it lived for long. Call it now and then."""
        now_ns = self._clock.now_ns()
        if self._process.poll() is None:
            return
        if self._again_ns is None:
            lived = now_ns - self._started_ns > LONGEST_PAUSE_S * NS_PER_S
            self._pause_s = FIRST_PAUSE_S if lived else min(2 * self._pause_s, LONGEST_PAUSE_S)
            self._again_ns = now_ns + self._pause_s * NS_PER_S
            self._say(
                f"page and telemetry: their process ended ({self._process.returncode}); again in {self._pause_s} s"
            )
        elif now_ns >= self._again_ns:
            self._let_go()
            try:
                self._start()
            except OSError as error:  # no room for a process ends no line
                self._say(f"page and telemetry: cannot be started ({error.strerror})")
                self._started_ns, self._again_ns = now_ns, None

    def _let_go(self) -> None:
        with suppress(BrokenPipeError):
            self._stdin.close()

    def close(self) -> None:
        self._let_go()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._feed.close()
        if self._listening is not None:
            self._listening.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> PageProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def check(config: LineConfig) -> str | None:
    """The page's token, None if it needs none."""
    needed = dict.fromkeys(("uvicorn", "starlette", "prometheus_client"), "page") if config.page is not None else {}
    needed |= {"paho": "telemetry"} if config.mqtt is not None else {}
    for package, extra in needed.items():
        if find_spec(package) is None:
            raise MissingPackageError(package, extra, "what line.yaml says of page and mqtt")
    if config.mqtt is not None:
        from radar_edge.web.mqtt_client import open_client

        open_client(config.mqtt)  # its files are read: what is wrong with them is said before the line starts
    return None if config.page is None or config.page.token_file is None else read_token(config.page.token_file)


def listen(page: PageConfig) -> socket.socket:
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(page.host, page.port, type=socket.SOCK_STREAM)
        server = socket.create_server(address[:2], family=family, backlog=BACKLOG)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        return server
    except OSError as error:
        raise MachineError(
            f"the status page cannot listen on {page.host}, port {page.port}",
            found=error.strerror,
            next_step="end what listens there, or name another page.port",
        ) from error


def read_token(path: Path) -> str:
    try:
        word = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read page.token_file {path}", found=str(error)) from error
    if len(word) < LEAST_TOKEN or not word.isascii() or not word.isprintable() or set(word) & set(' ";,\\'):
        raise ConfigError(
            f"the token in {path} cannot be used",
            found=f"{len(word)} characters",
            wanted=f'at least {LEAST_TOKEN} printable ASCII characters, none of them a space or one of " ; , \\\\',
            next_step=f"openssl rand -hex 16 > {path}",
        )
    return word
