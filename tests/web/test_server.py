"""The page's process over real sockets: what it answers, whom it turns away, what it survives."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_parts import Played, free_port, line_config, running_page, well

from radar_edge.clock import NS_PER_S, ManualClock, MonotonicClock
from radar_edge.errors import ConfigError, MachineError
from radar_edge.web.process import PageProcess

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with running_page(tmp_path_factory.mktemp("page")) as played:
        played.state()
        played.pictures()
        played.until("/api/state", '"heat":{')
        yield played


def test_every_answer(page: Played) -> None:
    assert page.fresh()["title"] == "Press 4"
    kinds = {
        "/": "text/html; charset=utf-8",
        "/static/page.js": "text/javascript; charset=utf-8",
        "/static/page.css": "text/css; charset=utf-8",
        "/view/rgb.jpg": "image/jpeg",
        "/view/heat.png": "image/png",
        "/api/history/8": "application/json",
        "/api/gallery": "application/json",
    }
    for path, kind in kinds.items():
        status, headers, body = page.get(path)
        assert (status, headers["content-type"], bool(body)) == (200, kind, True), path
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
    page.fresh()
    status, headers, body = page.get("/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    assert b"radar_edge_up 1.0" in body


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/view/..%2f..%2fetc.jpg",
        "/nothing",
        "/evidence/1/1/..%2f..%2f..%2fjournal.jpg",
        "/evidence/1/1/rgb.jpg",
        "/evidence/-1/1/rgb.jpg",
        "/api/history/9",
        "/evidence/99999999999999999999999/1/rgb.jpg",
        "/api/history/8%00",
        "/%ff%fe",
        "//etc/passwd",
        "/view/%C3%A9.jpg",
    ],
)
def test_what_is_not_there(page: Played, path: str) -> None:
    assert page.get(path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(page: Played, method: str) -> None:
    for path in ("/", "/api/state", "/api/gallery", "/events", "/metrics"):
        assert raw(page.port, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")[:12] == (
            b"HTTP/1.1 405"
        )


def raw(port: int, text: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(text.encode("latin-1"))
        found = b""
        while chunk := connection.recv(65536):
            found += chunk
        return found


def test_headers_without_end_are_refused(page: Played) -> None:
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        answer = b""
        try:
            for _ in range(40):
                connection.sendall(b"x: " + b"y" * 65_536 + b"\r\n")
            answer = connection.recv(4096)
        except ConnectionError:  # it hung up
            answer = answer or b"HTTP/1.1 400"
    assert answer[:12] == b"HTTP/1.1 400"
    assert page.get("/")[0] == 200


def test_a_foreign_name_for_this_machine_is_turned_away(page: Played) -> None:
    assert page.get("/", Host="evil.example:8090")[0] == 400
    assert page.get("/", Host="localhost:1234")[0] == 200
    assert page.get("/", Host="[::1]:1234")[0] == 200


def test_news_come_as_events(page: Played) -> None:
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as connection:
        connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        page.state(parts=777)
        seen = b""
        while b'"parts": 777' not in seen:
            chunk = connection.recv(65536)
            assert chunk
            seen += chunk
    assert b"text/event-stream" in seen


def test_clients_that_never_read_and_never_ask_keep_nobody_waiting(page: Played) -> None:
    idle = [socket.create_connection(("127.0.0.1", page.port), timeout=20) for _ in range(30)]
    try:
        for number, connection in enumerate(idle):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n" if number % 2 else b"GET / HT")
        for part in range(100):
            page.state(parts=part, plc_trouble="x" * 5000)
            time.sleep(0.005)
        assert page.until("/api/state", '"parts":99')
    finally:
        for connection in idle:
            connection.close()


def test_random_requests_bring_no_fault_of_ours(page: Played) -> None:
    """The long form, with memory and open files, is tools/fuzz_page.py."""
    command = [sys.executable, "tools/fuzz_page.py", "--requests", "400", "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert found.returncode == 0, found.stdout + found.stderr
    assert json.loads(found.stdout.splitlines()[-1])["requests"] == 400


def test_a_token_opens_the_page(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    with running_page(tmp_path, token_file=str(tmp_path / "token")) as page:
        assert page.get("/")[0] == 401
        assert page.get("/api/state", Authorization="Bearer wrong")[0] == 401
        assert page.get("/api/state?token=" + TOKEN)[0] == 401
        assert page.get("/api/state", Authorization=f"Bearer {TOKEN}")[0] == 200
        status, headers, _ = page.get(f"/?token={TOKEN}")
        assert (status, headers["location"]) == (303, "/")
        assert "HttpOnly" in headers["set-cookie"]
        assert page.get("/", Cookie=headers["set-cookie"].split(";")[0])[0] == 200
        # over a reverse proxy the Host is another machine's name
        assert page.get("/", Host="plant.example", Authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize("word", ["short", "with a space in it here", 'quote"in-the-middle-of-it'])
def test_a_token_that_cannot_be_used(tmp_path: Path, word: str) -> None:
    (tmp_path / "token").write_text(word)
    with pytest.raises(ConfigError, match="token"):
        PageProcess(line_config(tmp_path, token_file=str(tmp_path / "token")), MonotonicClock(), lambda _: None)


def test_a_page_for_others_needs_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs token_file"):
        line_config(tmp_path, host="0.0.0.0")


def test_an_address_in_use_is_told_before_the_line_starts(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(MachineError, match=f"port {port}") as caught:
        PageProcess(line_config(tmp_path, port=port), MonotonicClock(), lambda _: None)
    assert caught.value.exit_code == 3


def test_a_killed_page_comes_back_on_the_same_address(tmp_path: Path) -> None:
    clock, said = ManualClock(), []
    with PageProcess(line_config(tmp_path), clock, said.append) as process:
        page = Played(process)
        page.fresh()
        os.kill(process.pid, signal.SIGKILL)
        while not said:
            process.mind()
            time.sleep(0.01)
        process.mind()
        assert len(said) == 1  # it waits
        clock.advance_ms(2100)
        former = process.pid
        process.mind()
        assert process.pid != former
        page.state(parts=5)
        assert page.until("/api/state", '"parts":5')
        page.close()


def test_a_machine_without_room_for_a_process_ends_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = ManualClock(), []
    with PageProcess(line_config(tmp_path), clock, said.append) as process:
        os.kill(process.pid, signal.SIGKILL)
        while not said:
            process.mind()
            time.sleep(0.01)

        def full(*_: object, **__: object) -> None:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patched:
            patched.setattr(subprocess, "Popen", full)
            clock.advance_ms(2100)
            process.mind()
        assert "Too many open files" in said[-1]
        former = process.pid
        for _ in range(10):
            clock.advance_ms(40_000)
            process.mind()
        assert process.pid != former


def test_the_page_ends_with_the_line(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[2]);"
        "from page_parts import *;"
        "process = PageProcess(line_config(Path(sys.argv[1])), MonotonicClock(), print);"
        "print(process.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as line:
        assert line.stdout is not None
        pid = int(line.stdout.readline())
        line.kill()
    end = time.monotonic() + 20
    while time.monotonic() < end and alive(pid):
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_line_that_fell_silent_is_not_fresh(page: Played) -> None:
    old = well(at_ns=time.monotonic_ns() - 10 * NS_PER_S)
    page.send({"kind": "state", "state": old})
    assert page.until("/api/state", '"fresh":false')
