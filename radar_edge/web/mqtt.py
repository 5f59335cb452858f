"""A line's state and verdicts to an MQTT 5 broker. Knows no line: documents in, messages out.

    <prefix>/<line>/status    online | offline    retained; offline is also the last will
    <prefix>/<line>/state     Line.state()        retained; once a second at most, at once when health changes
    <prefix>/<line>/verdict   one verdict         not retained

    offer(), verdict() --> one state, a bounded queue --publisher thread--> paho --its thread--> broker

Nothing here waits for the network but the two threads. A broker that is away is tried for ever; meanwhile the newest
state replaces the one before, and the oldest verdicts are dropped and counted. Everything is QoS 1: what is in flight
when a connection breaks is sent again, so a verdict may come twice (its `run` and `part` tell) but is not lost on the
way; and only acknowledgements keep a connection that hangs from filling the memory.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from radar_edge.clock import NS_PER_S, Clock, MonotonicClock
from radar_edge.config.telemetry import MqttConfig
from radar_edge.runtime.crew import Crew
from radar_edge.web.mqtt_client import IN_FLIGHT, Message, offline, online, open_client, publish

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

VERDICTS_KEPT = 1000
"""While the broker is away; some 300 kB."""
STATE_EVERY_NS = NS_PER_S
STATE_EXPIRY_S = 10
"""The broker forgets a state that nobody renews: an old one would look like a line at work."""
VERDICT_EXPIRY_S = 3600
TICK_S = 0.1
END_S = 1.0


class Mqtt:
    """A publisher; its methods may be called from any thread and never wait for the network."""

    def __init__(self, config: MqttConfig, clock: Clock | None = None) -> None:
        """Begin to connect. Raises ConfigError if a file that `config` names cannot be used."""
        self._config = config
        self._clock = clock or MonotonicClock()
        self._wake = threading.Condition()
        self._connected = False
        self._trouble: str | None = f"not connected to {config.host}:{config.port} yet"
        self._say_online = False
        self._state: bytes | None = None
        self._state_sent_ns: int | None = None
        self._health: Any = None
        self._at_once = False
        self._verdicts: deque[bytes] = deque()
        self._dropped = 0
        self._closed = False
        self._room = threading.Semaphore(IN_FLIGHT)
        self._client = open_client(config)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._crew = Crew()
        self._crew.start("mqtt", self._publish_loop)
        self._client.connect_async(config.host, config.port, keepalive=config.keepalive_s)
        self._client.loop_start()

    # --- what the line tells

    def offer(self, state: Mapping[str, Any]) -> None:
        """The newest state. Raises TypeError or ValueError if it is no JSON."""
        payload, health = to_json(state), health_of(state)
        with self._wake:
            self._state = payload
            self._at_once = self._at_once or health != self._health
            self._health = health
            self._wake.notify()

    def verdict(self, document: Mapping[str, Any]) -> None:
        """One verdict. Raises as `offer` does."""
        payload = to_json(document)
        with self._wake:
            if len(self._verdicts) == VERDICTS_KEPT:
                self._verdicts.popleft()
                self._dropped += 1
            self._verdicts.append(payload)
            self._wake.notify()

    # --- how it is

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def trouble(self) -> str | None:
        """Why there is no connection, in words; None while there is one."""
        return self._trouble

    @property
    def verdicts_dropped(self) -> int:
        """How many verdicts were lost because the broker was away for too long."""
        return self._dropped

    # --- paho's thread

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._trouble = f"the broker refuses us: {reason}"
            return
        with self._wake:
            self._connected, self._trouble, self._say_online = True, None, True
            self._wake.notify()

    def _on_connect_fail(self, _client: Client, _data: object) -> None:
        error = sys.exc_info()[1]  # paho calls from where it caught it, and does not pass it on
        self._trouble = f"cannot connect to {self._config.host}:{self._config.port}: {error}"

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        was, self._connected = self._connected, False
        if was:
            self._trouble = f"the connection ended: {reason}"

    def _on_publish(
        self, _client: Client, _data: object, _number: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        """One message is out of paho's hands."""
        self._room.release()
        if reason.is_failure:
            self._trouble = f"the broker takes no message of ours: {reason}"

    # --- the publisher's thread

    def _publish_loop(self) -> None:
        while self._turn() or not self._crew.stopping.is_set():
            pass

    def _turn(self) -> bool:
        """Publish one message, waiting for it and for room no longer than a tick each; whether there was one."""
        if not self._room.acquire(timeout=TICK_S):
            return False
        message = self._next()
        if message is None:
            self._room.release()
            return False
        publish(self._client, message)
        return True

    def _next(self) -> Message | None:
        """What is due, waiting for it no longer than a tick; None without a connection."""
        with self._wake:
            self._wake.wait_for(self._due, TICK_S)
            return self._taken() if self._due() else None

    def _due(self) -> bool:
        return self._connected and bool(self._say_online or self._state_due() or self._verdicts)

    def _state_due(self) -> bool:
        if self._state is None:
            return False
        last_ns = self._state_sent_ns
        return self._at_once or last_ns is None or self._clock.now_ns() - last_ns >= STATE_EVERY_NS

    def _taken(self) -> Message:
        if self._say_online:
            self._say_online = False
            return online(self._config)
        if self._state is not None and self._state_due():
            payload, self._state = self._state, None
            self._state_sent_ns, self._at_once = self._clock.now_ns(), False
            return Message(self._config.topic("state"), payload, retain=True, expiry_s=STATE_EXPIRY_S)
        topic = self._config.topic("verdict")
        return Message(topic, self._verdicts.popleft(), retain=False, expiry_s=VERDICT_EXPIRY_S)

    def close(self) -> None:
        """Send what is queued and say offline, for END_S at most each. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        self._crew.stop(END_S)
        if self._connected:
            with suppress(RuntimeError):  # the connection broke just now: the broker has our will
                publish(self._client, offline(self._config)).wait_for_publish(END_S)
        self._client.disconnect()
        end = Crew()  # paho may be looking up a name: nobody waits for that
        end.start("mqtt-end", self._end_network)
        end.stop(END_S)
        self._crew.raise_error()

    def _end_network(self) -> None:
        self._client.loop_stop()

    def __enter__(self) -> Mqtt:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def to_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def health_of(state: Mapping[str, Any]) -> Any:
    """What is told at once when it changes. BUSY comes and goes with every part."""
    return (
        [bit for bit in state.get("status", ()) if bit != "BUSY"],
        state.get("plc_alive"),
        {name: (camera["state"], camera["cause"]) for name, camera in state.get("cameras", {}).items()},
        {slug: drift["state"] for slug, drift in state.get("drift", {}).items()},
        state.get("journal", {}).get("failing_s") is None,
    )
