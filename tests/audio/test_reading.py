import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from sound_files import needs_ffmpeg, noise, run_ffmpeg, write

from nmfaudio import audio
from nmfaudio.errors import AudioError


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
