"""Opening a serial port, and a clear message when it cannot be. Knows no protocol.

The port is locked (flock), so that no second process of ours shares the line by mistake.
"""

from __future__ import annotations

import errno
import os
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import serial
from serial.tools import list_ports

from radar_edge.config import LinePinsConfig, PortConfig
from radar_edge.errors import PortError

# What a port that was pulled raises, depending on the call: termios.error is no OSError.
PORT_FAULTS = (OSError, termios.error, serial.SerialException)

WRITE_TIMEOUT_S = 0.5
FIRST_RETRY_S = 0.05
LAST_RETRY_S = 1.0
"""A cable that is put back is noticed within this and what opening takes."""
JOIN_S = 3.0
"""A thread that owns a port ends within this."""
_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


def open_port(config: PortConfig, read_timeout_s: float) -> serial.Serial:
    """The port of `config`, raw, 8 data bits. A read returns what is there, or b"" after `read_timeout_s`.
    Raises PortError with the cause and the next step."""
    device = device_of(config)
    port = serial.Serial(
        baudrate=config.baud,
        parity=_PARITY[config.parity],
        stopbits=config.stop_bits,
        timeout=read_timeout_s,
        write_timeout=WRITE_TIMEOUT_S,
        exclusive=True,
    )
    if isinstance(config, LinePinsConfig):
        # pyserial sets DTR before RTS, so that the pair never reads PASS on the way from both on to both off.
        port.dtr = port.rts = False
    port.port = device
    try:
        port.open()
        if config.rs485:
            switch_rs485(port)
    except (*PORT_FAULTS, ValueError) as error:
        port.close()
        raise port_error(device, error) from error
    return port


def reopen(
    open_it: Callable[[], serial.Serial], stopping: threading.Event, tell: Callable[[str | None], None]
) -> serial.Serial | None:
    """Try with capped back-off until the port is back; None once `stopping` is set.

    `tell` hears of every try: the problem, or None when the port is open.
    """
    wait_s = FIRST_RETRY_S
    while not stopping.wait(wait_s):
        wait_s = min(2 * wait_s, LAST_RETRY_S)
        try:
            port = open_it()
        except PortError as error:
            tell(error.problem)
        else:
            tell(None)
            return port
    return None


def device_of(config: PortConfig) -> str:
    """The device path, looked up anew where an adapter is named by its serial number."""
    if config.port is not None:
        return config.port
    found = {port.serial_number: port.device for port in list_ports.comports() if port.serial_number}
    if config.usb_serial not in found:
        raise PortError(
            f"no USB serial adapter has the serial number {config.usb_serial}",
            found=", ".join(sorted(found)) or "no USB serial adapter at all",
            next_step="plug it in, or correct plc.usb_serial",
        )
    return str(found[config.usb_serial])


def switch_rs485(port: serial.Serial) -> None:
    """Let the kernel switch the transceiver (TIOCSRS485). Raises OSError where the driver cannot."""
    import serial.rs485

    port.rs485_mode = serial.rs485.RS485Settings()


def char_ns(config: PortConfig) -> int:
    """Wire time of one character: start, 8 data bits, parity, stop."""
    bits = 1 + 8 + (config.parity != "none") + config.stop_bits
    return bits * 1_000_000_000 // config.baud


def port_error(port: str, error: Exception) -> PortError:
    """Why `port` could not be opened, in words."""
    cause = error.errno if isinstance(error, OSError) else None
    if cause == errno.ENOENT:
        return PortError(
            f"the serial port {port} does not exist",
            wanted="a serial device, such as /dev/ttyUSB0, /dev/ttyTHS1 or a name under /dev/serial/by-id",
            next_step="plug in the adapter, look with `ls /dev/serial/by-id /dev/tty*`, correct plc.port",
        )
    if cause in (errno.EACCES, errno.EPERM):
        return PortError(
            f"no permission to open the serial port {port}",
            next_step="add the user to the port's group: sudo usermod -aG dialout $USER, then log in again",
        )
    if cause in (errno.EAGAIN, errno.EBUSY):
        return PortError(
            f"the serial port {port} is in use by another process",
            found=", ".join(holders(port)) or "a process of another user",
            next_step="stop that process (a getty, ModemManager, a second radar-edge?), then start again",
        )
    return PortError(
        f"cannot open {port} as a serial port",
        found=str(error),
        next_step="check plc.port, baud, parity and stop_bits against what the adapter can do",
    )


def holders(port: str) -> list[str]:
    """The other processes that have `port` open, as far as we may look: "pid 123 (name)"."""
    target = Path(port).resolve()
    processes = sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name))
    others = [process for process in processes if int(process.name) != os.getpid()]
    return [f"pid {process.name} ({_name(process)})" for process in others if _has_open(process, target)]


def _has_open(process: Path, target: Path) -> bool:
    try:
        links = list((process / "fd").iterdir())
    except OSError:  # ended since, or another user's
        return False
    return any(_points_to(link, target) for link in links)


def _points_to(link: Path, target: Path) -> bool:
    try:
        return link.readlink() == target
    except OSError:
        return False


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "ended"
