from __future__ import annotations

import datetime
import ipaddress
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker import MOSQUITTO, PASSWD, Broker, Listener, free_port, wait_until
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from example_state import example_state

from radar_edge.clock import ManualClock
from radar_edge.config import MqttConfig, resolve_mqtt, validate
from radar_edge.errors import ConfigError
from radar_edge.web.mqtt import STATE_EXPIRY_S, VERDICTS_KEPT, Mqtt, health_of

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(MOSQUITTO is None or PASSWD is None, reason="no mosquitto: run `make peers`"),
]

PROGRAM = """
import sys, time
from radar_edge.config import MqttConfig
from radar_edge.web.mqtt import Mqtt
with Mqtt(MqttConfig(host="127.0.0.1", port=int(sys.argv[1]), line="line1")):
    time.sleep(60)
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as broker:
        yield broker


def config(port: int, **changes: object) -> MqttConfig:
    return validate(MqttConfig, {"host": "127.0.0.1", "port": port, "line": "line1", **changes}, "test")


def test_a_line_says_that_it_is_there_how_it_is_and_what_it_judged(broker: Broker) -> None:
    with Listener(broker.port) as listener:
        with Mqtt(config(broker.port, prefix="plant/hall 2")) as mqtt:
            mqtt.offer(example_state())
            mqtt.verdict({"part": 1, "code": "PASS"})
            wait_until(lambda: len(listener.messages) == 3)
            assert mqtt.connected
            assert mqtt.trouble is None
        wait_until(lambda: len(listener.messages) == 4)
        assert [message.topic for message in listener.messages] == [
            f"plant/hall 2/line1/{name}" for name in ("status", "state", "verdict", "status")
        ]
        assert listener.said("status") == ["online", "offline"]
        assert json.loads(listener.said("state")[0]) == example_state()
        assert json.loads(listener.said("verdict")[0]) == {"part": 1, "code": "PASS"}


def test_who_comes_later_finds_the_state_and_no_verdict(broker: Broker) -> None:
    with Mqtt(config(broker.port)) as mqtt, Listener(broker.port) as first:
        mqtt.offer(example_state())
        mqtt.verdict({"part": 1})
        wait_until(lambda: len(first.messages) == 3)
        with Listener(broker.port) as listener:
            wait_until(lambda: len(listener.messages) == 2)
            assert {message.topic.rsplit("/", 1)[1]: message.retain for message in listener.messages} == {
                "status": True,
                "state": True,
            }


def test_messages_say_what_they_are_and_when_they_are_old(broker: Broker) -> None:
    with Listener(broker.port) as listener, Mqtt(config(broker.port)) as mqtt:
        mqtt.offer(example_state())
        mqtt.verdict({"part": 1})
        wait_until(lambda: len(listener.messages) == 3)
        status, state, verdict = (listener.of(name)[0].properties for name in ("status", "state", "verdict"))
        assert [p.ContentType for p in (status, state, verdict)] == [
            "text/plain",
            "application/json",
            "application/json",
        ]
        assert {p.PayloadFormatIndicator for p in (status, state, verdict)} == {1}
        assert state.MessageExpiryInterval <= STATE_EXPIRY_S
        assert 3500 < verdict.MessageExpiryInterval <= 3600
        assert not hasattr(status, "MessageExpiryInterval")
        assert {message.qos for message in listener.messages} == {1}


def test_a_state_is_told_once_a_second_and_at_once_when_health_changes(broker: Broker) -> None:
    clock = ManualClock(10**12)
    with Listener(broker.port) as listener, Mqtt(config(broker.port), clock) as mqtt:
        mqtt.offer(example_state(parts=1))
        wait_until(lambda: len(listener.said("state")) == 1)
        for parts in range(2, 50):
            mqtt.offer(example_state(parts=parts))
        mqtt.verdict({"part": 49})
        wait_until(lambda: len(listener.said("verdict")) == 1)
        assert len(listener.said("state")) == 1
        clock.advance_ms(1000)
        wait_until(lambda: len(listener.said("state")) == 2)
        mqtt.offer(example_state(parts=50, status=["READY", "BUSY", "DEGRADED"]))
        mqtt.offer(example_state(parts=51, plc_alive=False))
        wait_until(lambda: len(listener.said("state")) == 3)
        assert [json.loads(text)["parts"] for text in listener.said("state")] == [1, 49, 51]


def test_what_counts_as_a_change_of_health() -> None:
    cameras = example_state()["cameras"]
    cameras["top-rgb"]["state"] = "suspect"
    drift = example_state()["drift"]
    drift["rgb"]["state"] = "steady"
    well = health_of(example_state())
    assert health_of(example_state(parts=5, uptime_s=7, status=["READY", "BUSY", "DEGRADED"])) == well
    changes = {"status": [], "plc_alive": False, "cameras": cameras, "drift": drift, "journal": {"failing_s": 1.0}}
    for key, value in changes.items():
        assert health_of(example_state(**{key: value})) != well, key


def test_the_last_will_of_a_killed_line_is_seen_and_stays(broker: Broker) -> None:
    with Listener(broker.port) as listener:
        line = subprocess.Popen([sys.executable, "-c", PROGRAM, str(broker.port)])
        try:
            wait_until(lambda: listener.said("status") == ["online"], 60)
        finally:
            line.send_signal(signal.SIGKILL)
            line.wait()
        wait_until(lambda: listener.said("status") == ["online", "offline"])
        assert listener.of("status")[1].properties.ContentType == "text/plain"
    with Listener(broker.port) as later:
        wait_until(lambda: later.said("status") == ["offline"])
        assert later.messages[0].retain


def test_a_broker_that_comes_later_gets_the_newest(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    with Mqtt(config(broker.port)) as mqtt:
        wait_until(lambda: "refused" in (mqtt.trouble or "").lower())
        for part in range(VERDICTS_KEPT + 50):
            mqtt.verdict({"part": part})
            mqtt.offer(example_state(parts=part))
        assert mqtt.verdicts_dropped == 50
        assert not mqtt.connected
        with broker, Listener(broker.port) as listener:
            wait_until(lambda: len(listener.said("verdict")) >= VERDICTS_KEPT - 100, 40)
            wait_until(lambda: json.loads(listener.said("verdict")[-1])["part"] == VERDICTS_KEPT + 49)
            numbers = [json.loads(text)["part"] for text in listener.said("verdict")]
            assert numbers == sorted(numbers)
            assert json.loads(listener.said("state")[-1])["parts"] == VERDICTS_KEPT + 49
            assert mqtt.trouble is None


def test_a_broker_that_is_killed_and_comes_again_is_told_anew(broker: Broker) -> None:
    with Mqtt(config(broker.port)) as mqtt:
        wait_until(lambda: mqtt.connected)
        broker.kill()
        wait_until(lambda: not mqtt.connected)
        assert mqtt.trouble is not None
        mqtt.verdict({"part": 1})
        mqtt.offer(example_state())
        broker.start()
        with Listener(broker.port) as listener:
            wait_until(lambda: bool(listener.said("status") and listener.said("state")), 40)
            mqtt.verdict({"part": 2})
            wait_until(lambda: '{"part":2}' in listener.said("verdict"))
            assert listener.said("status")[-1] == "online"


def test_a_broker_that_hangs_costs_neither_time_nor_memory(broker: Broker) -> None:
    with Mqtt(config(broker.port)) as mqtt, Listener(broker.port) as listener:
        wait_until(lambda: bool(listener.said("status")))
        broker.halt()
        try:
            begun = time.monotonic()
            for part in range(20_000):
                mqtt.verdict({"part": part})
            assert time.monotonic() - begun < 10, "20,000 calls, a microsecond or so each"
            assert mqtt.verdicts_dropped > 20_000 - VERDICTS_KEPT - 100
        finally:
            broker.go_on()
        wait_until(lambda: '{"part":19999}' in listener.said("verdict"), 60)


def test_a_line_ends_in_time_although_the_broker_hangs(broker: Broker) -> None:
    mqtt = Mqtt(config(broker.port))
    wait_until(lambda: mqtt.connected)
    broker.halt()
    try:
        for part in range(100):
            mqtt.verdict({"part": part})
        begun = time.monotonic()
        mqtt.close()
        mqtt.close()
        assert time.monotonic() - begun < 15, "three waits of END_S"
    finally:
        broker.go_on()


def test_a_document_that_is_no_json_is_refused_where_it_came_from() -> None:
    with Mqtt(config(free_port())) as mqtt:
        with pytest.raises(ValueError):
            mqtt.verdict({"score": float("nan")})
        with pytest.raises(TypeError):
            mqtt.offer(example_state(version=object()))


def test_a_user_with_a_password_is_let_in_and_one_with_another_is_not(tmp_path: Path) -> None:
    users = tmp_path / "users"
    subprocess.run([str(PASSWD), "-b", "-c", str(users), "line1", "secret"], check=True, capture_output=True)
    users.chmod(0o644)
    (tmp_path / "good").write_text("secret\n")
    (tmp_path / "bad").write_text("another\n")
    settings = [
        "allow_anonymous false",
        f"password_file {users}",
        *(["user root"] if tmp_path.owner() == "root" else []),
    ]
    with Broker(tmp_path, settings) as broker:
        for name, let_in in (("good", True), ("bad", False)):
            given = config(broker.port, username="line1", password_file=str(tmp_path / name))
            with Mqtt(given) as mqtt:
                wait_until(lambda mqtt=mqtt: mqtt.connected or "refuses" in (mqtt.trouble or ""))
                assert mqtt.connected is let_in
                assert let_in or "authorized" in str(mqtt.trouble).lower()


@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")  # paho leaves a refused one to Python
def test_the_brokers_certificate_must_be_signed_by_whom_we_trust(tmp_path: Path) -> None:
    signed = certificates(tmp_path / "a")
    stranger = certificates(tmp_path / "b")
    settings = ["allow_anonymous true", f"certfile {signed / 'server.pem'}", f"keyfile {signed / 'server.key'}"]
    settings += ["user root"] if tmp_path.owner() == "root" else []
    with Broker(tmp_path, settings) as broker:
        with Mqtt(config(broker.port, tls=True, ca_file=str(signed / "ca.pem"))) as mqtt:
            wait_until(lambda: mqtt.connected)
        with Mqtt(config(broker.port, tls=True, ca_file=str(stranger / "ca.pem"))) as mqtt:
            wait_until(lambda: "certificate" in str(mqtt.trouble).lower())
            assert not mqtt.connected


def certificates(folder: Path) -> Path:
    """ca.pem, and server.pem with server.key, signed by it, for 127.0.0.1."""
    folder.mkdir()
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, folder.name)])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)

    def sign(subject: x509.Name, public: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> bytes:
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    (folder / "ca.pem").write_bytes(sign(ca_name, ca_key.public_key(), x509.BasicConstraints(ca=True, path_length=0)))
    (folder / "server.pem").write_bytes(sign(name, key.public_key(), address))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"line": "a/b"}, "line"),
        ({"prefix": "plant/#"}, "prefix"),
        ({"prefix": "/plant"}, "prefix"),
        ({"password_file": "x"}, "password_file needs username"),
        ({"ca_file": "x"}, "need tls"),
        ({"tls": True, "key_file": "x"}, "belong together"),
        ({"password": "secret"}, "password: Extra"),
    ],
)
def test_a_config_that_cannot_be_meant_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config(1883, **changes)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "text").write_text("no certificate")
    for changes in (
        {"username": "u", "password_file": "absent"},
        {"username": "u", "password_file": "empty"},
        {"tls": True, "ca_file": "absent"},
        {"tls": True, "ca_file": "text"},
    ):
        given = resolve_mqtt(config(1883, **changes), tmp_path)
        with pytest.raises(ConfigError, match=str(tmp_path)):
            Mqtt(given)
