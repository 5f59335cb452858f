"""The codec against a foreign one (pymodbus) and against junk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu import register_message as messages

from radar_edge.runtime.plc.rtu import (
    READ_HOLDING,
    READ_INPUT,
    WRITE_MANY,
    WRITE_ONE,
    Assembler,
    Fault,
    Read,
    Refused,
    Request,
    Write,
    crc16,
    exception_reply,
    is_whole,
    parse_request,
    read_reply,
    read_reply_bytes,
    seal,
    write_reply,
)

WORD = st.integers(0, 65535)
UNIT = st.integers(0, 247)
WORDS = st.lists(WORD, min_size=1, max_size=123).map(tuple)
REQUESTS = st.one_of(
    st.builds(Read, UNIT, st.sampled_from([READ_HOLDING, READ_INPUT]), WORD, st.integers(1, 125)),
    st.builds(Write, UNIT, st.just(WRITE_ONE), WORD, WORD.map(lambda value: (value,))),
    st.builds(Write, UNIT, st.just(WRITE_MANY), WORD, WORDS),
)


def encode(request: Request) -> bytes:
    """The frame that pymodbus makes of a request."""
    if request.function in (READ_HOLDING, READ_INPUT):
        kind = {
            READ_HOLDING: messages.ReadHoldingRegistersRequest,
            READ_INPUT: messages.ReadInputRegistersRequest,
        }[request.function]
        pdu = kind(address=request.address, count=request.count, dev_id=request.unit)
    elif request.function == WRITE_ONE:
        pdu = messages.WriteSingleRegisterRequest(
            address=request.address, registers=list(request.values), dev_id=request.unit
        )
    else:
        pdu = messages.WriteMultipleRegistersRequest(
            address=request.address, registers=list(request.values), dev_id=request.unit
        )
    return FramerRTU(DecodePDU(True)).buildFrame(pdu)


def decode_reply(frame: bytes) -> object:
    """What pymodbus reads in a reply."""
    used, pdu = FramerRTU(DecodePDU(False)).handleFrame(frame, 0, 0)
    assert used == len(frame)
    return pdu


def test_the_crc_is_that_of_the_standard() -> None:
    # Modbus over Serial Line V1.02, 6.2.2: the CRC of 02 07 is 1241 hex, sent low byte first.
    assert crc16(b"\x02\x07") == 0x1241
    assert seal(b"\x02\x07") == b"\x02\x07\x41\x12"
    assert is_whole(b"\x02\x07\x41\x12")
    assert not is_whole(b"\x02\x07\x12\x41")


@given(REQUESTS)
def test_a_request_of_pymodbus_is_read_back(request_: Request) -> None:
    frames = Assembler().feed(encode(request_))
    assert [parse_request(frame) for frame in frames] == [request_]


@given(st.lists(REQUESTS, max_size=4), st.data())
def test_frames_may_come_in_any_pieces(requests: list[Request], data: st.DataObject) -> None:
    stream = b"".join(encode(request) for request in requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    assembler, found = Assembler(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += assembler.feed(stream[start:end])
    assert [parse_request(frame) for frame in found] == requests


@given(st.binary(max_size=600))
def test_junk_never_raises_and_nothing_malformed_is_accepted(junk: bytes) -> None:
    assembler = Assembler()
    for frame in assembler.feed(junk) + assembler.flush():
        assert is_whole(frame)
        parse_request(frame)
    assert assembler.flush() == []


@given(st.binary(min_size=2, max_size=40))
def test_a_whole_frame_of_any_content_parses(body: bytes) -> None:
    for frame in Assembler().feed(seal(body)):
        request = parse_request(frame)
        if isinstance(request, Write):
            assert encode(request) == frame


@given(REQUESTS, st.data())
def test_one_flipped_bit_is_no_request(request_: Request, data: st.DataObject) -> None:
    frame = bytearray(encode(request_))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assembler = Assembler()
    assert bytes(frame) not in assembler.feed(bytes(frame)) + assembler.flush()


@pytest.mark.parametrize("noise", ["00", "ff ff ff", "01", "01 04", "01 04 33 00", "01 10 00 00 00 05 0a", "10 06 f3"])
def test_a_frame_behind_noise_is_found_at_the_latest_after_silence(noise: str) -> None:
    wanted = Read(1, READ_INPUT, 0, 12)
    assembler = Assembler()
    found = assembler.feed(bytes.fromhex(noise) + encode(wanted)) + assembler.flush()
    assert [parse_request(frame) for frame in found] == [wanted]


def test_noise_that_begins_no_long_frame_costs_no_time() -> None:
    wanted = encode(Read(1, READ_INPUT, 0, 12))
    assert Assembler().feed(b"\x00\xff\x55" + wanted) == [wanted]


def test_after_silence_half_a_frame_is_forgotten() -> None:
    frame = encode(Read(1, READ_INPUT, 0, 12))
    assembler = Assembler()
    assert assembler.feed(frame[:5]) == []
    assert assembler.flush() == []
    assert assembler.feed(frame) == [frame]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("01 03 0000 0000", Fault.ILLEGAL_VALUE),  # no register
        ("01 04 0000 007e", Fault.ILLEGAL_VALUE),  # 126 registers
        ("01 10 0000 0001 04 0001 0002", Fault.ILLEGAL_VALUE),  # one register in four bytes
        ("01 10 0000 0000 00", Fault.ILLEGAL_VALUE),
        ("01 01 0000 0001", Fault.ILLEGAL_FUNCTION),
        ("01 05 0000 ff00", Fault.ILLEGAL_FUNCTION),
        ("01 0f 0000 0001 01 01", Fault.ILLEGAL_FUNCTION),
        ("01 17 0000 0001 0000 0001 02 0001", Fault.ILLEGAL_FUNCTION),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(body: str, fault: Fault) -> None:
    (frame,) = Assembler().feed(seal(bytes.fromhex(body)))
    request = parse_request(frame)
    assert request == Refused(1, frame[1], fault)
    reply = decode_reply(exception_reply(request, fault))
    assert (reply.function_code, reply.exception_code) == (frame[1] | 0x80, fault)


@given(st.lists(WORD, min_size=1, max_size=125), st.sampled_from([READ_HOLDING, READ_INPUT]))
def test_pymodbus_reads_our_answer_to_a_read(values: list[int], function: int) -> None:
    frame = read_reply(Read(9, function, 0, len(values)), values)
    assert len(frame) == read_reply_bytes(len(values))
    reply = decode_reply(frame)
    assert (reply.dev_id, reply.function_code, reply.registers) == (9, function, values)


@given(WORD, WORDS)
def test_pymodbus_reads_our_answer_to_a_write(address: int, values: tuple[int, ...]) -> None:
    many = decode_reply(write_reply(Write(9, WRITE_MANY, address, values)))
    assert (many.dev_id, many.address, many.count) == (9, address, len(values))
    one = decode_reply(write_reply(Write(9, WRITE_ONE, address, values[:1])))
    assert (one.dev_id, one.address, tuple(one.registers)) == (9, address, values[:1])
