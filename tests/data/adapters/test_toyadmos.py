from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from foreign import brought, plan_of, sound, toyadmos

from radar_edge.data.adapters import mel
from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError

RATE_HZ = 16000


def tone(frequency_hz: float, level: float = 1.0, seconds: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)[:, None]


def level_db(path: Path, channel: int = 0) -> np.ndarray:
    """`[bands, frames]`, the lowest band first."""
    return mel.spectrogram(path, channel, RATE_HZ)[::-1] * mel.SCALE_DB + mel.OFFSET_DB


def faults_of(src: Path, **options: object) -> tuple[str, ...]:
    with pytest.raises(DatasetError) as caught:
        plan_of("toyadmos", src, **options)
    return caught.value.faults


def test_names_say_the_class_and_the_machine_is_a_stratum(tmp_path: Path) -> None:
    dataset = index(brought("toyadmos", toyadmos(tmp_path / "src"), tmp_path / "out"))
    assert [len(dataset.select("train", good=True)), len(dataset.select("test", good=False))] == [4, 2]
    assert {sample.strata["machine_id"] for sample in dataset.select("test", good=False)} == {"01", "02"}
    spec = dataset.specs["mic1"]
    assert (spec.channels, spec.bit_depth, spec.height, spec.width) == (1, 16, mel.BANDS, 1 + (4096 - 1024) // 512)
    assert dataset.declared["mic1"].unit == "dB"


def test_every_channel_is_a_modality(tmp_path: Path) -> None:
    src = toyadmos(tmp_path / "src", channels=2)
    left, right = tone(500), tone(4000)
    sound(src / "train/normal_id_01_00000000.wav", np.hstack([left, right]))
    assert index(brought("toyadmos", src, tmp_path / "out")).modalities == ("mic1", "mic2")
    loudest = [level_db(src / "train/normal_id_01_00000000.wav", c).mean(axis=1).argmax() for c in (0, 1)]
    assert loudest[0] < loudest[1]


@pytest.mark.parametrize("frequency_hz", [250.0, 1000.0, 3000.0, 7000.0])
def test_a_tone_of_full_scale_is_0_db_in_its_band(tmp_path: Path, frequency_hz: float) -> None:
    sound(tmp_path / "a.wav", tone(frequency_hz))
    levels = level_db(tmp_path / "a.wav").mean(axis=1)
    centres_hz = mel.hz(np.linspace(0, 2595 * np.log10(1 + 8000 / 700), mel.BANDS + 2)[1:-1])
    # HTK's formula: 1000 Hz is 1000 mel.
    assert float(mel.mel(np.float64(1000))) == pytest.approx(1000, abs=0.1)
    assert abs(centres_hz[levels.argmax()] - frequency_hz) < 0.05 * frequency_hz + 20
    assert -4 < levels.max() < 2


def test_ten_times_quieter_is_20_db_less_whatever_else_was_recorded(tmp_path: Path) -> None:
    for name, level in (("loud", 0.5), ("quiet", 0.05)):
        sound(tmp_path / f"{name}.wav", tone(1000, level))
    loud, quiet = (level_db(tmp_path / f"{name}.wav").max() for name in ("loud", "quiet"))
    assert loud - quiet == pytest.approx(20, abs=0.05)


def test_silence_is_the_floor_and_full_scale_noise_fits(tmp_path: Path) -> None:
    sound(tmp_path / "none.wav", np.zeros((4096, 1)))
    sound(tmp_path / "all.wav", np.random.default_rng(0).choice([-1.0, 1.0], (40960, 1)))
    assert (level_db(tmp_path / "none.wav") == mel.OFFSET_DB).all()
    assert level_db(tmp_path / "all.wav").max() < 5


@pytest.mark.parametrize("width_bytes", [2, 3, 4])
def test_samples_of_every_width_are_the_same_sound(tmp_path: Path, width_bytes: int) -> None:
    wanted = np.array([0.5, -0.25, 0.0, -1.0] * 512)
    counts = np.rint(wanted * 2.0 ** (8 * width_bytes - 1)).astype("<i4")
    with wave.open(str(tmp_path / "a.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(width_bytes)
        out.setframerate(RATE_HZ)
        out.writeframes(counts.view(np.uint8).reshape(-1, 4)[:, :width_bytes].tobytes())
    assert mel.samples(tmp_path / "a.wav", 0) == pytest.approx(wanted)


def test_every_fault_at_once(tmp_path: Path) -> None:
    src = toyadmos(tmp_path, channels=2)
    short = np.zeros((100, 2))
    sound(src / "train/normal_id_01_00000000.wav", short)
    sound(src / "train/normal_id_02_00000001.wav", np.zeros((4096, 2)), rate_hz=8000)
    sound(src / "train/anomaly_id_01_00000009.wav", np.zeros((4096, 2)))
    sound(src / "test/normal_id_01_00000000.wav", np.zeros((4096, 1)))
    sound(src / "test/noise.wav", np.zeros((4096, 2)))
    (src / "test/anomaly_id_01_00000000.wav").write_bytes(b"RIFF")
    (src / "train/labels.txt").write_text("x")
    named = "is not as named: wanted train/normal_id_*, test/normal_id_* or anomaly_id_*"
    assert set(faults_of(src)) == {
        "train/normal_id_01_00000000.wav cannot be used: 16 bit, 100 samples "
        "(wanted 16, 24 or 32 bit and at least 1024 samples)",
        "train/normal_id_02_00000001.wav has 8000 Hz where most have 16000",
        f"train/anomaly_id_01_00000009.wav {named}",
        "test/normal_id_01_00000000.wav has no channel 2: there is no mic2 of this part",
        f"test/noise.wav {named}",
        "train/labels.txt is none of .wav",
        "test/anomaly_id_01_00000000.wav cannot be used: it ends early (wanted WAV, PCM)",
    }


def test_a_recording_that_is_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    src = toyadmos(tmp_path / "src")
    path = src / "test/normal_id_01_00000000.wav"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DatasetError) as caught:
        brought("toyadmos", src, tmp_path / "out")
    assert "is cut off" in caught.value.faults[0]
    assert not (tmp_path / "out").exists()
