import os

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


@pytest.mark.parametrize("content", [b"hello\n", b"RIFF", bytes(5000), np.random.default_rng(0).bytes(5000)])
def test_a_file_named_mp3_without_mp3_in_it_is_one_error(tmp_path, capfd, content):
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.mp3: not a sound file that can be read"):
        audio.info(tmp_path / "a.mp3")
    assert capfd.readouterr() == ("", "")


def test_another_format_may_be_named_mp3(tmp_path):
    path = write(tmp_path / "a.wav", noise(2, 1000), 22050)
    assert audio.info(path.rename(tmp_path / "a.mp3")).frames == 1000


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


def test_a_file_that_is_cut_while_it_is_read_is_not_taken_for_whole(tmp_path):
    path = tmp_path / "a.wav"
    sf.write(path, np.full(160_000, 0.1), 16000)
    blocks = audio.blocks(path, 0.1)
    next(blocks)
    os.truncate(path, 160_000)
    with pytest.raises(AudioError, match=r"a.wav: damaged after 4.99 s of 10.00 s \(the sound ends early\)"):
        list(blocks)


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
        (
            "cut.flac",
            r"damaged after .* of 6\.25 s.*: denoise, separate and report take the part before that with --end",
        ),
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


def test_a_disk_that_fails_is_that_of_the_file_that_is_read(tmp_path, monkeypatch):
    def failing(source, frames):
        raise OSError(5, "Input/output error")

    source = write(tmp_path / "in.wav", noise(1, 1600))
    like = audio.info(source)
    monkeypatch.setattr("nmfaudio.audio.reading._Libsndfile.read", failing)
    with (
        pytest.raises(AudioError, match=r"in\.wav: cannot be read \(Input/output error\)"),
        audio.open_like(tmp_path / "out.wav", like) as out,
    ):
        for y in audio.blocks(source):
            out.write(y)


def example(tmp_path, name, sr=16000, channels=1, seed=0, **format):
    """Write two seconds of noise that swells, which no codec takes for silence."""
    swell = np.linspace(0.2, 1, 2 * sr).astype(np.float32)
    return write(tmp_path / name, noise(channels, 2 * sr, seed) * swell, sr, **format)


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "opus", "flac", "wav", "aiff", "au"])
def test_files_that_were_joined_are_read_to_their_end(tmp_path, suffix):
    options = {"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}
    parts = [example(tmp_path, f"{i}.{suffix}", seed=i, **options) for i in range(3)]
    joined = tmp_path / f"joined.{suffix}"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    expected = np.concatenate([audio.read(part)[0] for part in parts], axis=1)
    np.testing.assert_array_equal(audio.read(joined)[0], expected)
    assert audio.info(joined).frames == expected.shape[1]
    part, _ = audio.read(joined, start_s=1.5, stop_s=4.5)
    np.testing.assert_array_equal(part, expected[:, 24000:72000])


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "flac", "wav"])
def test_joined_files_of_several_kinds_are_refused_where_they_change(tmp_path, suffix, monkeypatch):
    parts = [example(tmp_path, f"1.{suffix}"), example(tmp_path, f"2.{suffix}", 44100, 2)]
    joined = tmp_path / f"joined.{suffix}"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    monkeypatch.setenv("PATH", str(tmp_path))  # no ffmpeg
    with pytest.raises(AudioError, match=r"after 2\.00 s.*goes on with 2 channels at 44100 Hz.*--end 2\.00"):
        audio.read(joined)
    assert audio.read(joined, stop_s=2.0)[0].shape[1] == 32000


@needs_ffmpeg
def test_joined_mp3s_of_several_kinds_are_read_by_ffmpeg(tmp_path):
    parts = [example(tmp_path, "1.mp3"), example(tmp_path, "2.mp3", 44100, 2)]
    (tmp_path / "joined.mp3").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert audio.read(tmp_path / "joined.mp3")[0].shape[1] / 16000 == pytest.approx(4, abs=0.2)


def test_titles_between_joined_mp3s_are_passed_over(tmp_path):
    with sf.SoundFile(tmp_path / "a.mp3", "w", 16000, 1) as f:
        f.title = "A title"
        f.write(noise(1, 32000).T)
    both = (tmp_path / "a.mp3").read_bytes() * 2
    (tmp_path / "joined.mp3").write_bytes(both + b"TAG" + bytes(125))
    info = audio.info(tmp_path / "joined.mp3")
    assert (info.frames, info.tags["title"]) == (64000, "A title")
    assert audio.read(tmp_path / "joined.mp3")[0].shape[1] == 64000


@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), b"APETAGEX" + bytes(200), b"junk" * 300])
def test_what_is_behind_the_sound_of_mp3_is_passed_over_in_silence(tmp_path, tail, capfd):
    path = write(tmp_path / "a.mp3", noise(1, 16000))
    whole, _ = audio.read(path)
    path.write_bytes(path.read_bytes() + tail)
    np.testing.assert_array_equal(audio.read(path)[0], whole)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", ["wav", "aiff", "caf", "au"])
def test_joined_files_of_odd_sizes_are_read_to_their_end(tmp_path, suffix):
    subtype = {"wav": "PCM_U8", "au": "ULAW"}.get(suffix, "PCM_S8")
    part = write(tmp_path / f"a.{suffix}", noise(1, 3001), subtype=subtype)
    (tmp_path / f"joined.{suffix}").write_bytes(3 * part.read_bytes())
    expected = np.tile(audio.read(part)[0], 3)
    np.testing.assert_array_equal(audio.read(tmp_path / f"joined.{suffix}")[0], expected)


@needs_ffmpeg
@pytest.mark.parametrize("start, stop", [(0, -77), (100, None), (333, -50)])
def test_mp3_that_begins_or_ends_inside_a_frame(tmp_path, start, stop):
    example(tmp_path, "a.wav")
    run_ffmpeg(
        "-i", tmp_path / "a.wav", "-b:a", "32k", "-write_xing", "0", "-id3v2_version", "0", tmp_path / "whole.mp3"
    )
    content = (tmp_path / "whole.mp3").read_bytes()
    (tmp_path / "cut.mp3").write_bytes(content[start:stop])
    whole, cut = (audio.read(tmp_path / name)[0].shape[1] for name in ("whole.mp3", "cut.mp3"))
    assert whole - 5 * 576 <= cut < whole


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("riff_too", [False, True])
def test_a_wav_file_that_does_not_know_its_size(tmp_path, size, riff_too):
    path = example(tmp_path, "a.wav")
    content = bytearray(path.read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    if riff_too:
        content[4:8] = size.to_bytes(4, "little")
    (tmp_path / "b.wav").write_bytes(content)
    np.testing.assert_array_equal(audio.read(tmp_path / "b.wav")[0], audio.read(path)[0])


def test_a_wav_file_without_sound_before_its_last_chunk_is_empty(tmp_path):
    path = write(tmp_path / "a.wav", noise(1, 0))
    content = bytearray(path.read_bytes()) + b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    content[4:8] = (len(content) - 8).to_bytes(4, "little")
    path.write_bytes(content)
    assert audio.info(path).frames == 0


def test_a_wav_file_whose_size_has_wrapped(tmp_path):
    frames = 2**31 + 8000  # of 16 bits: 4 GiB and a second, most of it a hole that takes no room
    path = write(tmp_path / "a.wav", noise(1, 8000), 8000, subtype="PCM_16")
    with path.open("r+b") as file:
        last = file.read()[-16000:]
        file.seek(44 + 2**32)
        file.write(last)
    info = audio.info(path)
    assert (info.frames, info.format, info.subtype) == (frames, "WAV", "PCM_16")
    first, _ = audio.read(path, stop_s=1)
    end, _ = audio.read(path, start_s=2**31 / 8000)
    np.testing.assert_array_equal(end, first)


@needs_ffmpeg
def test_mp3_inside_wav(tmp_path, monkeypatch):
    example(tmp_path, "a.wav")
    run_ffmpeg("-i", tmp_path / "a.wav", "-c:a", "libmp3lame", tmp_path / "mp3.wav")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert audio.read(tmp_path / "mp3.wav")[0].shape[1] / 16000 == pytest.approx(2, abs=0.2)


def test_a_lost_page_of_ogg_is_found_where_it_is(tmp_path):
    path = write(tmp_path / "a.ogg", noise(1, 160_000))
    content = path.read_bytes()
    pages = [i for i in range(len(content)) if content.startswith(b"OggS", i)]
    lost = content[: pages[5]] + content[pages[6] :]
    path.write_bytes(lost)
    with pytest.raises(AudioError, match="a page is missing") as caught:
        audio.read(path)
    end_s = float(str(caught.value).split("stop_s=")[1].rstrip(")"))
    assert 0.5 < end_s < 9
    assert audio.read(path, stop_s=end_s)[0].shape[1] == round(16000 * end_s)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.wav", "list.mkv"])
def test_playlists_are_no_sound(tmp_path, name):
    example(tmp_path, "other.wav")
    run_ffmpeg("-i", tmp_path / "other.wav", tmp_path / "other.ts")
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:3", "#EXTINF:3,", str(tmp_path / "other.ts"), "#EXT-X-ENDLIST", ""]
    (tmp_path / name).write_text("\n".join(lines))
    with pytest.raises(AudioError, match="not a sound file"):
        audio.read(tmp_path / name)
    (tmp_path / name).write_text(f"ffconcat version 1.0\nfile {tmp_path / 'other.wav'}\n")
    with pytest.raises(AudioError, match="not a sound file"):
        audio.read(tmp_path / name)


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_links_to_folders_are_followed_once(tmp_path):
    for name in ("in/real/a.wav", "elsewhere/b.wav", "in/.hidden.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for link, place in [("again", "real"), ("back", "."), ("disk", "../elsewhere")]:
        (tmp_path / "in" / link).symlink_to(place)
    found = audio.list_files(tmp_path / "in")
    assert [str(path.relative_to(tmp_path / "in")) for path in found] == ["disk/b.wav", "real/a.wav"]
    (tmp_path / "in" / "up").symlink_to("..")
    with pytest.raises(AudioError, match="up: leads to a folder that .*in is in"):
        audio.list_files(tmp_path / "in")


@needs_ffmpeg
@pytest.mark.parametrize("codec, subtype", [("pcm_f32le", "FLOAT"), ("pcm_f64le", "DOUBLE"), ("pcm_mulaw", "ULAW")])
def test_w64_says_what_its_samples_are(tmp_path, codec, subtype):
    y = noise(3, 1000)
    write(tmp_path / "y.wav", y, subtype="FLOAT")
    run_ffmpeg("-i", tmp_path / "y.wav", "-c:a", codec, tmp_path / "a.w64")
    assert audio.info(tmp_path / "a.w64").subtype == subtype
    np.testing.assert_allclose(audio.read(tmp_path / "a.w64")[0], y, atol=0.02 if subtype == "ULAW" else 0)
