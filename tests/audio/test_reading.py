import os
import stat
import subprocess

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nmfaudio import audio
from nmfaudio.audio import ffmpeg
from nmfaudio.errors import AudioError

needs_ffmpeg = pytest.mark.skipif(not ffmpeg.installed(), reason="ffmpeg is not installed")


def run_ffmpeg(*args):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *args], check=True)


def noise(channels, samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (channels, samples)).astype(np.float32)


def write(path, y, sr=16000, **format):
    sf.write(path, y.T, sr, **format)
    return path


@pytest.mark.parametrize("subtype, error", [("PCM_16", 2**-15), ("PCM_24", 2**-23), ("FLOAT", 0), ("DOUBLE", 0)])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_read_gives_channels_by_samples(tmp_path, channels, subtype, error):
    y = noise(channels, 1000)
    path = write(tmp_path / "a.wav", y, 22050, subtype=subtype)
    back, sr = audio.read(path)
    assert sr == 22050
    assert back.shape == (channels, 1000)
    assert back.dtype == np.float32
    assert back.flags.c_contiguous
    np.testing.assert_allclose(back, y, rtol=0, atol=error)


def test_info_is_what_the_header_says(tmp_path):
    with sf.SoundFile(tmp_path / "a.flac", "w", 44100, 2, "PCM_24") as f:
        f.title = "Träume"
        f.artist = "Somebody"
        f.write(noise(2, 500).T)
    info = audio.info(tmp_path / "a.flac")
    assert (info.sr, info.channels, info.frames, info.format, info.subtype) == (44100, 2, 500, "FLAC", "PCM_24")
    assert info.tags["title"] == "Träume"
    assert info.tags["artist"] == "Somebody"
    assert info.duration_s == pytest.approx(500 / 44100)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize(
    "start_s, stop_s", [(None, None), (0.1, None), (None, 0.33), (0.1, 0.2), (0.2, 99), (0.5, 0.5)]
)
def test_a_part_is_the_slice_of_the_whole(tmp_path, suffix, start_s, stop_s):
    path = write(tmp_path / f"a.{suffix}", noise(2, 8000))
    whole, sr = audio.read(path)
    part, _ = audio.read(path, start_s=start_s, stop_s=stop_s)
    expected = whole[:, round((start_s or 0) * sr) : None if stop_s is None else round(stop_s * sr)]
    assert part.shape == expected.shape
    np.testing.assert_allclose(part, expected, atol=1e-6)


def test_a_part_of_a_file_that_cannot_seek(tmp_path):
    path = write(tmp_path / "a.wav", noise(1, 8000), 8000, subtype="GSM610")
    whole, _ = audio.read(path)
    part, _ = audio.read(path, start_s=0.25, stop_s=0.5)
    np.testing.assert_array_equal(part, whole[:, 2000:4000])


def test_a_part_beyond_the_end_is_refused(tmp_path):
    path = write(tmp_path / "a.wav", noise(1, 1600))
    with pytest.raises(AudioError, match=r"a\.wav: has nothing before its beginning"):
        audio.read(path, start_s=-0.1)
    with pytest.raises(AudioError, match=r"a\.wav: is over before 0\.2 s"):
        audio.read(path, start_s=0.2)


@given(st.integers(1, 3000), st.floats(1e-5, 0.3))
def test_blocks_make_the_whole(tmp_path_factory, samples, block_s):
    path = write(tmp_path_factory.mktemp("blocks") / "a.wav", noise(2, samples), 8000)
    blocks = list(audio.blocks(path, block_s))
    assert all(block.shape[1] == max(1, int(block_s * 8000)) for block in blocks[:-1])
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), audio.read(path)[0])


def test_no_samples_are_no_blocks(tmp_path):
    path = write(tmp_path / "a.wav", noise(2, 0))
    assert list(audio.blocks(path)) == []
    assert audio.read(path)[0].shape == (2, 0)


@pytest.mark.parametrize("quality", ["-b:a 64k", "-q:a 5"])
@pytest.mark.parametrize("tags", [[], ["-metadata", "title=A title", "-id3v2_version", "3"]])
@needs_ffmpeg
def test_mp3_without_a_length_is_read_to_its_end(tmp_path, quality, tags):
    # libsndfile guesses its length from the first frame, and would cut a file of variable bit rate off
    y = np.concatenate([np.zeros((1, 8000), np.float32), noise(1, 40_000)], axis=1)
    write(tmp_path / "a.wav", y)
    run_ffmpeg("-i", tmp_path / "a.wav", *quality.split(), *tags, "-write_xing", "0", tmp_path / "a.mp3")
    assert audio.info(tmp_path / "a.mp3").duration_s == pytest.approx(3.0, abs=0.1)
    whole, _ = audio.read(tmp_path / "a.mp3")
    assert whole.shape[1] == audio.info(tmp_path / "a.mp3").frames
    assert np.abs(whole[0, -2000:]).max() > 0.1
    part, _ = audio.read(tmp_path / "a.mp3", start_s=1, stop_s=2)
    np.testing.assert_allclose(part, whole[:, 16000:32000], atol=1e-6)


def bad_files(folder):
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("This is not sound.")
    (folder / "image.png").write_bytes(b"\x89PNG\r\n" + bytes(100))
    (folder / "samples.raw").write_bytes(bytes(100))
    (folder / "folder.wav").mkdir()
    y = noise(2, 1600)
    y[1, 800] = np.nan
    write(folder / "nan.wav", y, subtype="FLOAT")
    y[1, 800] = -np.inf
    write(folder / "inf.wav", y, subtype="FLOAT")
    y[1, 800] = 1e30
    write(folder / "huge.wav", y, subtype="FLOAT")
    whole = write(folder / "cut.flac", noise(2, 100_000)).read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    slow = bytearray(write(folder / "rate.wav", noise(1, 10)).read_bytes())
    slow[24:28] = (7).to_bytes(4, "little")
    (folder / "rate.wav").write_bytes(slow)


@pytest.mark.parametrize(
    "name, words",
    [
        ("missing.wav", "no such file"),
        ("empty.wav", "is empty"),
        ("text.wav", "not a sound file.*convert it"),
        ("image.png", "not a sound file.*convert it"),
        ("samples.raw", "without a header"),
        ("folder.wav", "is a folder"),
        ("nan.wav", r"the sample at 0\.050 s is nan"),
        ("inf.wav", r"the sample at 0\.050 s is -inf"),
        ("huge.wav", r"the sample at 0\.050 s is 1e\+30"),
        ("cut.flac", r"damaged after .* of 6\.25 s.*--end"),
        ("rate.wav", "sampling rate of 7 Hz"),
        ("zero\0byte.wav", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path, name, words):
    bad_files(tmp_path)
    with pytest.raises(AudioError, match=words) as caught:
        audio.read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


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
    "source, path, format, subtype, expected",
    [
        (("WAV", "PCM_24"), "b.wav", None, None, ("WAV", "PCM_24")),
        (("WAVEX", "PCM_24"), "b.wav", None, None, ("WAVEX", "PCM_24")),
        (("RF64", "FLOAT"), "b.WAV", None, None, ("RF64", "FLOAT")),
        (("FLAC", "PCM_16"), "b.wav", None, None, ("WAV", "PCM_16")),
        (("WAV", "PCM_16"), "b.flac", None, None, ("FLAC", "PCM_16")),
        (("WAV", "FLOAT"), "b.flac", None, None, ("FLAC", "PCM_24")),
        (("WAV", "PCM_U8"), "b.flac", None, None, ("FLAC", "PCM_16")),
        (("WAV", "FLOAT"), "b.mp3", None, None, ("MP3", "MPEG_LAYER_III")),
        (("WAV", "FLOAT"), "b.opus", None, None, ("OGG", "OPUS")),
        (("OGG", "VORBIS"), "b.ogg", None, None, ("OGG", "VORBIS")),
        (("OGG", "OPUS"), "b.ogg", None, None, ("OGG", "OPUS")),
        (("OGG", "VORBIS"), "b.wav", None, None, ("WAV", "PCM_16")),
        (("CAF", "PCM_16"), "b", None, None, ("CAF", "PCM_16")),
        (("WAV", "PCM_16"), "b.wav", "w64", "float", ("W64", "FLOAT")),
        (("WAV", "PCM_16"), "b.flac", None, "PCM_24", ("FLAC", "PCM_24")),
    ],
)
def test_the_format_follows_the_source_the_suffix_and_the_wish(source, path, format, subtype, expected):
    info = audio.AudioInfo("a", 16000, 1, 1000, *source).written_to(path, format, subtype)
    assert (info.format, info.subtype) == expected


def test_wav_over_4_gb_becomes_rf64():
    info = audio.AudioInfo("a.w64", 48000, 2, 48000 * 3600 * 5, "W64", "PCM_24")
    assert info.written_to("b.wav").format == "RF64"
    assert info.written_to("b.w64").format == "W64"


@pytest.mark.parametrize(
    "format, subtype, words",
    [("nonsense", None, "WAV"), (None, "VORBIS", "'VORBIS' in WAV.*PCM_16"), ("raw", "x", "PCM_16")],
)
def test_unknown_formats_are_refused_with_the_choice(format, subtype, words):
    with pytest.raises(AudioError, match=words):
        audio.AudioInfo("a.wav", 16000, 1, 1000, "WAV", "PCM_16").written_to("b.wav", format, subtype)


@pytest.mark.parametrize("shape", [(1600,), (2, 1600), (0,), (2, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_resample_keeps_shape_dtype_and_sound(shape, dtype):
    y = np.broadcast_to(np.sin(2 * np.pi * 1000 * np.arange(shape[-1]) / 16000), shape).astype(dtype)
    z = audio.resample(y, 16000, 48000)
    assert z.shape == (*shape[:-1], 3 * shape[-1])
    assert z.dtype == dtype
    expected = np.sin(2 * np.pi * 1000 * np.arange(3 * shape[-1]) / 48000)
    np.testing.assert_allclose(z[..., 300:-300], np.broadcast_to(expected, z.shape)[..., 300:-300], atol=1e-3)


@given(hnp.arrays(st.sampled_from([np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32]), 20))
def test_integers_are_scaled_to_full_scale(y):
    z = audio.to_float(y)
    assert np.abs(z).max() <= 1
    kind = np.iinfo(y.dtype)
    middle = (int(kind.max) + int(kind.min) + 1) // 2
    expected = [(int(v) - middle) / (int(kind.max) - middle + 1) for v in y]
    np.testing.assert_allclose(z, expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    "dtype, expected", [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i2", "f4"), ("i4", "f8"), (">f4", "f4")]
)
def test_float_types(dtype, expected):
    z = audio.to_float(np.array([1, 0], dtype))
    assert z.dtype == np.dtype(expected)


@pytest.mark.parametrize("y", [np.array([1j]), np.array([None]), np.array(["a"]), np.array([True]), "sound"])
def test_what_is_not_a_number_is_refused(y):
    with pytest.raises(AudioError, match="real numbers"):
        audio.to_float(y)


@pytest.mark.parametrize(
    "y, words",
    [
        (3.0, "single number"),
        (np.zeros((16000, 2)), r"\(16000, 2\) looks like \(samples, channels\).*y\.T"),
        (np.array([0.0, np.nan]), "sample 1 is nan"),
        (np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -np.inf]]), "sample 2 is -inf"),
    ],
)
def test_what_is_not_a_signal_is_refused(y, words):
    with pytest.raises(AudioError, match=words):
        audio.as_signal(y)


@pytest.mark.parametrize("shape", [(0,), (1,), (2, 0), (2, 1), (6, 5), (3, 2, 100)])
def test_signals_pass(shape):
    assert audio.as_signal(np.zeros(shape, np.int16)).shape == shape
