import gc
import os
import stat

import numpy as np
import pytest
import soundfile as sf
from sound_files import noise, write

from nmfaudio import audio
from nmfaudio.errors import AudioError


@pytest.mark.parametrize(
    "format, subtype", [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_24"), ("AIFF", "PCM_16")]
)
def test_a_copy_has_the_same_samples_format_and_tags(tmp_path, format, subtype):
    source, target = tmp_path / "a", tmp_path / "b"
    with sf.SoundFile(source, "w", 48000, 2, subtype, format=format) as f:
        f.title = "A title"
        f.write(noise(2, 5000).T)
    with audio.open_like(target, audio.info(source)) as out:
        for block in audio.blocks(source, 0.01):
            out.write(block)
    before, after = audio.info(source), audio.info(target)
    assert (after.sr, after.channels, after.frames) == (48000, 2, 5000)
    assert (after.format, after.subtype, after.endian, after.tags) == (
        before.format,
        before.subtype,
        before.endian,
        before.tags,
    )
    np.testing.assert_array_equal(audio.read(target)[0], audio.read(source)[0])


@pytest.mark.parametrize("subtype, step", [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23)])
def test_samples_are_rounded_not_cut(tmp_path, subtype, step):
    y = noise(1, 5000)
    like = audio.AudioInfo(tmp_path / "b.wav", 16000, 1, 5000, "WAV", subtype)
    with audio.open_like(like.path, like) as out:
        out.write(y)
    error = audio.read(like.path)[0].astype(np.float64) - y
    assert np.abs(error).max() <= step / 2
    assert abs(error.mean()) < step / 50


def test_big_endian_wav_stays_big_endian(tmp_path):
    write(tmp_path / "a.wav", noise(1, 100), endian="BIG")
    with audio.open_like(tmp_path / "b.wav", audio.info(tmp_path / "a.wav")) as out:
        out.write(noise(1, 100))
    assert (tmp_path / "b.wav").read_bytes()[:4] == b"RIFX"


@pytest.mark.parametrize("subtype, peak", [("PCM_16", 1), ("ULAW", 1), ("ALAW", 1), ("FLOAT", 3)])
def test_limited_formats_clip_at_full_scale(tmp_path, subtype, peak):
    like = audio.AudioInfo(tmp_path / "b.wav", 16000, 1, 4, "WAV", subtype)
    with audio.open_like(like.path, like) as out:
        out.write(np.array([[3, -3, 0.5, 1]], np.float32))
    assert out.clipped == (0 if peak == 3 else 2)
    np.testing.assert_allclose(audio.read(like.path)[0], [[peak, -peak, 0.5, 1]], atol=0.04)


class Trouble(Exception):
    pass


@pytest.mark.parametrize("trouble", [Trouble, KeyboardInterrupt, AudioError])
def test_a_file_appears_whole_or_not_at_all(tmp_path, trouble):
    like = audio.AudioInfo(tmp_path / "b.wav", 16000, 1, 4, "WAV", "PCM_16")
    (tmp_path / "b.wav").write_text("the former file")
    with pytest.raises(trouble), audio.open_like(like.path, like) as out:
        out.write(noise(1, 100))
        raise trouble
    assert [p.name for p in tmp_path.iterdir()] == ["b.wav"]
    assert like.path.read_text() == "the former file"


def test_a_link_stays_a_link(tmp_path):
    like = audio.AudioInfo(tmp_path / "link.wav", 16000, 1, 4, "WAV", "PCM_16")
    (tmp_path / "link.wav").symlink_to(tmp_path / "file.wav")
    with audio.open_like(like.path, like) as out:
        out.write(noise(1, 100))
    assert like.path.is_symlink()
    assert audio.info(tmp_path / "file.wav").frames == 100


def test_a_new_file_has_the_usual_permissions(tmp_path):
    like = audio.AudioInfo(tmp_path / "b.wav", 16000, 1, 4, "WAV", "PCM_16")
    with audio.open_like(like.path, like) as out:
        out.write(noise(1, 100))
    (tmp_path / "usual").touch()
    assert stat.S_IMODE(os.stat(like.path).st_mode) == stat.S_IMODE(os.stat(tmp_path / "usual").st_mode)


@pytest.mark.parametrize(
    "path, format, channels, sr, words",
    [
        ("no/such/b.wav", ("WAV", "PCM_16"), 1, 16000, "No such file or directory"),
        ("file/b.wav", ("WAV", "PCM_16"), 1, 16000, "Not a directory"),
        ("b.mp3", ("MP3", "MPEG_LAYER_III"), 6, 48000, "MP3 MPEG_LAYER_III of 6 channels at 48000 Hz"),
        ("b.opus", ("OGG", "OPUS"), 1, 44100, "OGG OPUS of 1 channels at 44100 Hz.*48000"),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path, path, format, channels, sr, words):
    (tmp_path / "file").touch()
    like = audio.AudioInfo(tmp_path / path, sr, channels, 4, *format)
    with pytest.raises(AudioError, match=words) as caught, audio.open_like(like.path, like) as out:
        out.write(noise(channels, 100))
    assert path in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "format, subtype", [("WAV", "PCM_16"), ("AIFF", "FLOAT"), ("CAF", "ALAC_16"), ("AU", "PCM_16")]
)
def test_a_quality_of_what_has_none_is_refused(tmp_path, capfd, format, subtype):
    like = audio.AudioInfo(tmp_path / "b", 16000, 1, 4, format, subtype, quality=0.5)
    with pytest.raises(AudioError, match=f"b: {format} has no scale of quality"), audio.open_like(like.path, like):
        pass
    gc.collect()  # libsndfile must not write to a file that is closed
    assert not capfd.readouterr().err
