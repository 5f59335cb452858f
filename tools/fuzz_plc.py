"""Coverage-guided fuzzing (atheris) of everything that reads what came over the PLC's wire.

    tools/fuzz_plc.py --seconds 300     needs the extra `fuzz`; the last line on stdout is JSON

No exception may escape, and what is accepted must be exactly a well-formed frame: its CRC is computed again bit by bit.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time

BYTES_LONGEST = 600


def crc_of(body: bytes) -> int:
    """CRC-16/MODBUS from its definition."""
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def check(data: bytes) -> None:
    """Raises AssertionError if something malformed was accepted."""
    from radar_edge.runtime.plc import ascii_codec, rtu, rtu_master

    step = data[0] % 40 + 1 if data else 1
    assembler, lines = rtu.Assembler(), ascii_codec.Lines()
    frames = []
    for i in range(0, len(data), step):
        frames += assembler.feed(data[i : i + step])
        for line in lines.feed(data[i : i + step]):
            for kind in ("crc16", "xor8"):
                if ascii_codec.parse_line(line, kind) is not None:
                    body, _, found = line.rpartition(b"*")
                    assert ascii_codec.seal_line(body.decode("ascii"), kind) == line + b"\r"
                    assert kind != "crc16" or found == b"%04X" % crc_of(body)
    for frame in frames + assembler.flush():
        assert crc_of(frame[:-2]) == int.from_bytes(frame[-2:], "little")
        assert frame in data
        request = rtu.parse_request(frame)
        assert not isinstance(request, rtu.Write) or all(0 <= value <= 65535 for value in request.values)
    sealed = rtu.seal(data[:250])
    for ask in (rtu_master.read_holding(1, 0, 5), rtu_master.write_holding(1, 100, [0] * 12)):
        for reply in (data, sealed):
            values = rtu_master.values_of(ask, reply)
            assert values is None or (crc_of(reply[:-2]) == int.from_bytes(reply[-2:], "little") and reply[0] == 1)
            rtu_master.exception_of(ask, reply)
            rtu_master.reply_length(ask, reply)


def seal_and_check(data: bytes) -> None:
    """Half of the inputs get a right CRC, so that what lies behind it is reached too."""
    from radar_edge.runtime.plc import ascii_codec, rtu

    check(data)
    if data and data[0] & 1:
        check(data[:1] + rtu.seal(data[1:250]))
    text = data.decode("ascii", "ignore").replace("\r", "")
    check(b"\r" + ascii_codec.seal_line(text[:100], "crc16"))


def fuzz(seconds: int) -> None:
    import atheris

    with atheris.instrument_imports():
        from radar_edge.runtime.plc import ascii_codec, rtu, rtu_master  # noqa: F401

    arguments = [sys.argv[0], f"-max_total_time={seconds}", f"-max_len={BYTES_LONGEST}", "-print_final_stats=1"]
    atheris.Setup(arguments, seal_and_check)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300)
    given = parser.parse_args()
    # The fuzzer ends its process itself.
    child = multiprocessing.get_context("spawn").Process(target=fuzz, args=(given.seconds,))
    began = time.monotonic()
    child.start()
    child.join()
    found = {"tool": "atheris", "seconds": round(time.monotonic() - began, 1), "exit_code": child.exitcode}
    print(json.dumps(found | {"faults": [] if child.exitcode == 0 else ["see the report above"]}))
    return 1 if child.exitcode else 0


if __name__ == "__main__":
    sys.exit(main())
