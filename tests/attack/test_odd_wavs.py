"""WAV files as other programs write them: every sample is read and written back, or the error says why not."""

import struct

import numpy as np
import pytest

from nmfaudio import audio, denoise_file
from nmfaudio.errors import AudioError

SR, N = 8000, 1000
Y = np.random.default_rng(0).uniform(-0.5, 0.5, N)
PCM_16 = (Y * 32767).astype("<i2").tobytes()
PCM_24 = b"".join(struct.pack("<i", value)[:3] for value in (Y * 8388607).astype(int))
BROKEN = Y.copy()
BROKEN[100] = np.inf


def chunk(name, content, size=None):
    return name + struct.pack("<I", len(content) if size is None else size) + content + b"\0" * (len(content) % 2)


def fmt(tag=1, channels=1, bits=16, valid=None, sr=SR):
    width = channels * -(-bits // 8)
    plain = struct.pack("<HHIIHH", tag if valid is None else 0xFFFE, channels, sr, sr * width, width, bits)
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    return chunk(b"fmt ", plain if valid is None else plain + struct.pack("<HHI", 22, valid, 0) + guid)


def riff(*chunks, size=None, order="RIFF"):
    return chunk(order.encode(), b"WAVE" + b"".join(chunks), size)


WHOLE = riff(fmt(), chunk(b"data", PCM_16))
READ = {
    "no mask of channels": riff(fmt(channels=2, valid=16), chunk(b"data", PCM_16)),
    "float64": riff(fmt(3, bits=64), chunk(b"data", Y.tobytes())),
    "odd bytes without padding": riff(fmt(bits=8), chunk(b"data", PCM_16[1:])[:-1]),
    "24 bits in 32": riff(fmt(bits=32, valid=24), chunk(b"data", (Y * 8388607).astype("<i4").tobytes())),
    "20 bits in 24": riff(fmt(bits=24, valid=20), chunk(b"data", PCM_24)),
    "12 bits": riff(fmt(bits=12), chunk(b"data", PCM_16)),
    "A-law": riff(fmt(6, bits=8), chunk(b"data", PCM_16)),
    "many chunks": riff(
        chunk(b"bext", bytes(602)),
        fmt(),
        chunk(b"LIST", b"INFOINAM\4\0\0\0name"),
        chunk(b"cue ", struct.pack("<IIIIIII", 1, 1, 0, 0, 0, 0, 7)),
        chunk(b"JUNK", b"x" * 33),
        chunk(b"data", PCM_16),
        chunk(b"id3 ", b"ID3\3\0\0\0\0\0\0"),
    ),
    "ID3 in front": b"ID3\3\0\0\0\0\0\x14" + bytes(20) + WHOLE,
    "a tag at the end": WHOLE + b"TAG" + bytes(125),
    "endless": riff(fmt(), chunk(b"data", PCM_16, 2**32 - 1), size=2**32 - 1),
    "no size": riff(fmt(), chunk(b"data", PCM_16, 0), size=0),
    "100 channels": riff(fmt(channels=100), chunk(b"data", PCM_16)),
}
REFUSED = {
    "infinity": (riff(fmt(3, bits=64), chunk(b"data", BROKEN.tobytes())), "sample at 0.013 s is inf"),
    "no samples": (riff(fmt(), chunk(b"data", b"")), "has no sound in it"),
    "no data": (riff(fmt()), "not a sound file that can be read"),
    "several data": (riff(fmt(), *[chunk(b"data", PCM_16)] * 2), "damaged after 0.12 s|not a sound file"),
    "no channels": (riff(fmt(channels=0), chunk(b"data", PCM_16)), "not a sound file that can be read"),
    "no rate": (riff(fmt(sr=0), chunk(b"data", PCM_16)), "not a sound file that can be read"),
    "1025 channels": (riff(fmt(channels=1025), chunk(b"data", PCM_16)), "not a sound file that can be read"),
}


@pytest.mark.parametrize("name", READ)
def test_odd_files_are_read_and_written_whole(tmp_path, name):
    path, copy = tmp_path / "in.wav", tmp_path / "out.wav"
    path.write_bytes(READ[name])
    denoise_file(path, copy, dictionary="speech-sparse", attenuation_limit_db=0)
    y, header = audio.read(path)[0], audio.info(path)
    assert y.any() and y.size == header.channels * header.frames
    np.testing.assert_array_equal(audio.read(copy)[0], y)
    assert audio.info(copy).subtype == header.subtype


@pytest.mark.parametrize("name", REFUSED)
def test_files_without_sound_are_refused_in_one_line(tmp_path, name):
    path, (content, words) = tmp_path / "in.wav", REFUSED[name]
    path.write_bytes(content)
    with pytest.raises(AudioError, match=words) as caught:
        denoise_file(path, tmp_path / "out.wav", dictionary="speech-sparse", attenuation_limit_db=0)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.wav").exists()
