"""Sound as a picture: a log-mel spectrogram in 16-bit counts on one fixed scale. Knows no folder.

Power spectrum of frames of FFT samples every HOP samples under a Hann window, scaled so that a sine of full scale has
power 1 (0 dB); BANDS triangles of height 1, evenly spaced from 0 to half the sample rate in mel (HTK's formula,
O'Shaughnessy 1987: mel = 2595 log10(1 + f / 700 Hz)). Frame, hop and bands are those of the DCASE 2020 task 2 baseline.
level in dB = count * SCALE_DB + OFFSET_DB, never scaled by the recording itself. The lowest band is the last row.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from radar_edge.errors import DatasetError
from radar_edge.records import Image

FFT, HOP, BANDS = 1024, 512, 128
SCALE_DB, OFFSET_DB = 0.0025, -140.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recording:
    """What the head of a WAV file says."""

    channels: int
    rate_hz: int
    frames: int
    width_bytes: int


def look(path: Path) -> Recording:
    """Raises DatasetError unless it is a PCM WAV of 16, 24 or 32 bit with at least one frame of FFT samples."""
    try:
        with wave.open(str(path), "rb") as sound:
            found = Recording(sound.getnchannels(), sound.getframerate(), sound.getnframes(), sound.getsampwidth())
    except (OSError, EOFError, wave.Error) as error:
        raise DatasetError(f"{path} cannot be read", found=str(error) or "it ends early", wanted="WAV, PCM") from error
    if found.width_bytes not in (2, 3, 4) or found.frames < FFT:
        raise DatasetError(
            f"{path} cannot be used",
            found=f"{found.width_bytes * 8} bit, {found.frames} samples",
            wanted=f"16, 24 or 32 bit and at least {FFT} samples",
        )
    return found


def samples(path: Path, channel: int) -> Floats:
    """One channel, full scale = 1."""
    head = look(path)
    with wave.open(str(path), "rb") as sound:
        data = np.frombuffer(sound.readframes(head.frames), np.uint8)
    if data.size != head.frames * head.channels * head.width_bytes:
        raise DatasetError(f"{path} is cut off", found=f"{data.size} bytes of sound", next_step="copy the file again")
    # Little-endian integers of 2 to 4 bytes, put at the high end of 4.
    wide = np.zeros((head.frames, head.channels, 4), np.uint8)
    wide[:, :, 4 - head.width_bytes :] = data.reshape(head.frames, head.channels, head.width_bytes)
    return wide.view("<i4")[:, channel, 0] / 2.0**31


def spectrogram(path: Path, channel: int, rate_hz: int) -> Image:
    """`[BANDS, frames]` in counts."""
    sound = samples(path, channel)
    window = np.hanning(FFT + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(sound, FFT)[::HOP]
    power = np.abs(np.fft.rfft(frames * window, axis=1) / (window.sum() / 2)) ** 2
    bands = power @ filters(rate_hz).T
    level_db = 10 * np.log10(np.maximum(bands, 10 ** (OFFSET_DB / 10)))
    # No band is above 5 dB (Parseval: a frame has at most the power FFT / 2 * sum of window squared); 16 bit reach 23.
    counts = np.rint((level_db - OFFSET_DB) / SCALE_DB)
    return np.ascontiguousarray(counts.astype(np.uint16).T[::-1])


def filters(rate_hz: int) -> Floats:
    """`[BANDS, FFT / 2 + 1]`"""
    edges_hz = hz(np.linspace(0, mel(np.float64(rate_hz / 2)), BANDS + 2))
    bins_hz = np.fft.rfftfreq(FFT, 1 / rate_hz)
    low, middle, high = (edges_hz[i : i + BANDS, None] for i in range(3))
    rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


def mel(frequency_hz: Floats | np.float64) -> Floats | np.float64:
    return 2595 * np.log10(1 + frequency_hz / 700)


def hz(mels: Floats) -> Floats:
    return np.asarray(700 * (10 ** (mels / 2595) - 1))
