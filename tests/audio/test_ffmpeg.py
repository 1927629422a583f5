import json
import subprocess

import numpy as np
import pytest
import soundfile as sf

from nmfaudio import Denoiser, audio
from nmfaudio.audio import ffmpeg
from nmfaudio.cli.denoise import main
from nmfaudio.cli.main import main as nmfaudio_main
from nmfaudio.errors import AudioError

needs_ffmpeg = pytest.mark.skipif(not ffmpeg.installed(), reason="ffmpeg is not installed")


class Halver:
    """Stand-in for the denoiser: half the amplitude."""

    __class__ = Denoiser  # for those who ask

    def __init__(self, dictionary, **options):
        pass

    def process_blocks(self, blocks, sr):
        return (y / 2 for y in blocks)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("nmfaudio.cli.cleaning.Denoiser", Halver)
    monkeypatch.chdir(tmp_path)
    t = np.arange(3 * 44100) / 44100
    sf.write("sound.wav", 0.4 * np.sin(2 * np.pi * 440 * t[:, None] * [1, 1.5]) * (t[:, None] > 1), 44100)
    return tmp_path


def run(*args):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *args], check=True)


def film(path, *args, sound=("-i", "sound.wav")):
    """Write a film of 3 s with the sound, and a title."""
    run("-f", "lavfi", "-i", "testsrc=d=3:s=64x48:r=10", *sound, "-metadata", "title=A film", *args, path)


def streams(path):
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", path]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def picture_hash(path):
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-f", "streamhash", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def level(path):
    y, _ = audio.read(path, start_s=1.5, stop_s=2.5)
    return np.sqrt(np.mean(y**2))


@needs_ffmpeg
@pytest.mark.parametrize("name, codec", [("a.mka", "flac"), ("a.wma", "wmav2"), ("a.aac", "aac")])
def test_sound_files_that_only_ffmpeg_knows(folder, name, codec):
    run("-i", "sound.wav", "-c:a", codec, "-metadata", "title=A title", name)
    assert main([name, f"out_{name}"]) == 0
    before, after = audio.info(name), audio.info(f"out_{name}")
    assert (after.sr, after.channels, after.format, after.subtype) == (44100, 2, name[2:].upper(), codec)
    assert after.tags.get("title") == before.tags.get("title")
    assert abs(audio.read(name)[0].shape[1] - audio.read(f"out_{name}")[0].shape[1]) <= 4096  # codecs work in frames
    assert level(f"out_{name}") == pytest.approx(level(name) / 2, rel=0.02)


@needs_ffmpeg
def test_m4a_keeps_its_length(folder):
    run("-i", "sound.wav", "a.m4a")
    assert main(["a.m4a", "b.m4a"]) == 0
    assert audio.read("b.m4a")[0].shape == audio.read("a.m4a")[0].shape


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_film_keeps_its_picture(folder, suffix):
    film(f"in.{suffix}", "-c:v", "mpeg4")
    assert main([f"in.{suffix}", f"out.{suffix}"]) == 0
    assert picture_hash(f"out.{suffix}") == picture_hash(f"in.{suffix}")
    before, after = streams(f"in.{suffix}"), streams(f"out.{suffix}")
    assert [s["codec_name"] for s in after["streams"]] == [s["codec_name"] for s in before["streams"]]
    assert after["format"]["tags"]["title"] == "A film"
    assert float(after["format"]["duration"]) == pytest.approx(float(before["format"]["duration"]), abs=0.2)
    assert level(f"out.{suffix}") == pytest.approx(level(f"in.{suffix}") / 2, rel=0.02)
    assert sorted(path.name for path in folder.iterdir()) == [f"in.{suffix}", f"out.{suffix}", "sound.wav"]


@needs_ffmpeg
def test_sound_and_picture_stay_together(folder):
    film(
        "in.mkv",
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c:v",
        "mpeg4",
        "-c:a",
        "flac",
        sound=("-itsoffset", "0.7", "-i", "sound.wav"),
    )
    assert main(["in.mkv", "out.mkv"]) == 0
    assert float(streams("in.mkv")["streams"][1]["start_time"]) == pytest.approx(0.7, abs=0.01)
    assert float(streams("out.mkv")["streams"][1]["start_time"]) == pytest.approx(0.7, abs=0.01)


@needs_ffmpeg
def test_the_sound_of_a_film(folder):
    film("in.mp4", "-c:v", "mpeg4")
    assert main(["in.mp4", "out.wav"]) == 0
    assert audio.info("out.wav").subtype == "PCM_16"
    assert audio.info("out.wav").tags["title"] == "A film"
    assert audio.read("out.wav")[0].shape == audio.read("in.mp4")[0].shape
    assert main(["in.mp4", "out.m4a"]) == 0
    assert [s["codec_type"] for s in streams("out.m4a")["streams"]] == ["audio"]


@needs_ffmpeg
def test_a_part_of_a_film_is_sound_only(folder, capsys):
    film("in.mp4", "-c:v", "mpeg4")
    assert main(["in.mp4", "out.mp4", "--start", "1"]) == 2
    assert "out.mp4: start and end cut sound, not pictures" in capsys.readouterr().err
    assert main(["in.mp4", "out.wav", "--start", "1", "--end", "2"]) == 0
    assert audio.info("out.wav").frames == 44100


@needs_ffmpeg
def test_chapters_and_covers_stay(folder):
    (folder / "book.txt").write_text(
        ";FFMETADATA1\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=one\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=3000\ntitle=two\n"
    )
    run("-f", "lavfi", "-i", "testsrc=d=0.1:s=64x48:r=10", "-frames:v", "1", "cover.png")
    cover = ("-i", "cover.png", "-map", "0:a", "-map", "1:v", "-c:v", "png", "-disposition:v", "attached_pic")
    run("-i", "sound.wav", *cover, "a.m4a")
    for name in ("a.m4b", "a.mka"):
        run("-i", "sound.wav", "-i", "book.txt", "-map", "0:a", "-map_chapters", "1", name)
    picture = picture_hash("a.m4a")
    for name in ("a.m4a", "a.m4b", "a.mka"):
        assert main([name, "--in-place"]) == 0
        assert level(name) == pytest.approx(level("sound.wav") / 2, rel=0.02)
    assert picture_hash("a.m4a") == picture
    for name in ("a.m4b", "a.mka"):
        shown = subprocess.run(["ffprobe", "-v", "error", "-show_chapters", name], capture_output=True, check=True)
        assert [word in shown.stdout for word in (b"TAG:title=one", b"TAG:title=two", b"start_time=1.0")] == [True] * 3


@needs_ffmpeg
def test_films_in_a_folder(folder):
    (folder / "in").mkdir()
    film("in/film.mp4", "-c:v", "mpeg4")
    sf.write("in/a.wav", np.zeros(100), 8000)
    assert main(["in", "--out-dir", "out"]) == 0
    assert main(["in", "--out-dir", "m4a", "--format", "m4a"]) == 0
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.wav", "film.mp4"]
    assert sorted(path.name for path in (folder / "m4a").iterdir()) == ["a.m4a", "film.m4a"]


@needs_ffmpeg
def test_a_film_and_a_song_never_get_the_stems_of_each_other(folder, capsys):
    film("a.mp4", "-c:v", "mpeg4")
    run("-i", "sound.wav", "a.wav")
    assert nmfaudio_main(["separate", "a.mp4", "a.wav", "--split", "-q"]) == 2
    assert "a.mp4 and a.wav would have the same stems: rename one" in capsys.readouterr().err
    assert not list(folder.glob("a_*"))


@needs_ffmpeg
def test_from_libsndfile_to_ffmpeg(folder):
    with sf.SoundFile("in.flac", "w", 48000, 1) as f:
        f.title = "A title"
        f.write(0.5 * np.sin(np.arange(144_000) / 20))
    assert main(["in.flac", "out.m4a"]) == 0
    info = audio.info("out.m4a")
    assert (info.sr, info.channels, info.subtype, info.tags["title"]) == (48000, 1, "aac", "A title")
    assert level("out.m4a") == pytest.approx(level("in.flac") / 2, rel=0.02)
    assert main(["in.flac", "out.mka", "--subtype", "alac"]) == 0
    assert audio.info("out.mka").subtype == "alac"


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["flac", "caf"])
def test_files_through_a_pipe_whose_header_has_no_length(folder, suffix):
    with open(f"in.{suffix}", "wb") as f:
        command = ["ffmpeg", "-v", "error", "-i", "sound.wav", "-f", suffix, "-"]
        piped = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        f.write(piped.stdout)
    np.testing.assert_array_equal(audio.read(f"in.{suffix}")[0], audio.read("sound.wav")[0])
    assert main([f"in.{suffix}", f"out.{suffix}"]) == 0
    info = audio.info(f"out.{suffix}")
    assert (info.frames, info.format, info.subtype) == (3 * 44100, suffix.upper(), "PCM_16")


@needs_ffmpeg
def test_what_ffmpeg_cannot_do_is_said_in_one_line(folder, capsys):
    film("whole.mp4", "-c:v", "mpeg4")
    (folder / "cut.mp4").write_bytes((folder / "whole.mp4").read_bytes()[:5000])
    run("-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=10", "-c:v", "mpeg4", "silent.mp4")
    for args, words in [
        (["cut.mp4", "out.mp4"], "cut.mp4: not a sound file that can be read"),
        (["silent.mp4", "out.mp4"], "silent.mp4: not a sound file that can be read (no sound in it)"),
        (["sound.wav", "out.m4a", "--subtype", "nonsense"], "no subtype 'nonsense' for M4A"),
        (["sound.wav", "out.m4a", "--subtype", "opus"], "out.m4a: M4A opus cannot have 2 channels at 44100 Hz"),
        (["sound.wav", "out.amr", "--subtype", "aac"], "out.amr: cannot be written by ffmpeg"),
    ]:
        assert main(args) == 2
        err = capsys.readouterr().err
        assert words in err
        assert err.count("\n") == 1
    assert {path.name for path in folder.iterdir()} == {"sound.wav", "whole.mp4", "cut.mp4", "silent.mp4"}


@needs_ffmpeg
def test_a_failure_on_the_way_leaves_nothing(folder, monkeypatch):
    def process_blocks(self, blocks, sr):
        yield next(iter(blocks))
        raise KeyboardInterrupt

    run("-i", "sound.wav", "in.m4a")
    monkeypatch.setattr(Halver, "process_blocks", process_blocks)
    assert main(["in.m4a", "out.m4a"]) == 130
    assert {path.name for path in folder.iterdir()} == {"sound.wav", "in.m4a"}


def test_without_ffmpeg_the_message_says_so(folder, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(folder))
    (folder / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    assert main(["film.mp4", "out.wav"]) == 2
    assert "film.mp4: needs ffmpeg, which is not installed" in capsys.readouterr().err
    assert main(["sound.wav", "out.m4a"]) == 2
    assert "out.m4a: M4A needs ffmpeg, which is not installed" in capsys.readouterr().err
    assert main(["sound.wav", "out.flac"]) == 0
    with pytest.raises(AudioError, match="not a sound file that can be read"):
        (folder / "text.wav").write_text("text")
        audio.info("text.wav")


def lag(a, b):
    """Samples by which b comes later than a."""
    n = 2 ** int(np.ceil(np.log2(len(a) + len(b))))
    c = np.fft.irfft(np.fft.rfft(b, n) * np.conj(np.fft.rfft(a, n)), n)
    return (np.argmax(c) + n // 2) % n - n // 2


def pass_through(source, target, **wishes):
    like = audio.info(source).written_to(target, **wishes)
    with audio.open_like(target, like) as out:
        for y in audio.blocks(source):
            out.write(y)
    return like


def noise_file(name, sr=44100, subtype="PCM_16"):
    y = np.random.default_rng(0).standard_normal((2 * sr, 1)) * np.linspace(0, 0.2, 2 * sr)[:, None]
    sf.write(name, y, sr, subtype)


@needs_ffmpeg
@pytest.mark.parametrize(
    "name, codec",
    [
        ("a.aac", "aac"),
        ("a.wma", "wmav2"),
        ("a.avi", "libmp3lame"),
        ("b.avi", "aac"),
        ("a.mka", "aac"),
        ("a.m4a", "aac"),
        ("a.ts", "mp2"),
        ("a.ac3", "ac3"),
        ("a.flv", "libmp3lame"),
    ],
)
def test_lossy_sound_stays_at_its_time(folder, name, codec):
    noise_file("noise.wav")
    run("-i", "noise.wav", "-c:a", codec, name)
    pass_through(name, f"out_{name}")
    before, after = audio.read(name)[0][0], audio.read(f"out_{name}")[0][0]
    assert lag(before, after) == 0
    assert len(after) >= len(before) - 100


@needs_ffmpeg
def test_nothing_is_lost_at_the_ends_of_wma(folder):
    noise_file("noise.wav")
    pass_through("noise.wav", "a.wma")
    assert lag(audio.read("noise.wav")[0][0], audio.read("a.wma")[0][0]) == 0
    assert audio.read("a.wma")[0].shape[1] >= 2 * 44100


@needs_ffmpeg
@pytest.mark.parametrize("bits, samples", [(16, ("s16", "s16p")), (24, ("s32", "s32p"))])
@pytest.mark.parametrize("name, codec", [("a.mka", "flac"), ("a.m4a", "alac"), ("a.wv", "wavpack"), ("a.mp4", "flac")])
def test_lossless_sound_keeps_its_bits(folder, name, codec, bits, samples):
    noise_file("noise.wav", subtype=f"PCM_{bits}")
    fmt = samples[codec in ("alac", "wavpack")]
    run("-i", "noise.wav", "-c:a", codec, "-sample_fmt", fmt, "-strict", "-2", name)
    for target in (f"out_{name}", "out.wav", "out.flac"):
        like = pass_through(name, target)
        np.testing.assert_array_equal(audio.read(target)[0], audio.read(name)[0])
    assert like.subtype == f"PCM_{bits}"
    before, after = (streams(path)["streams"][0] for path in (name, f"out_{name}"))
    assert (after["codec_name"], after["sample_fmt"]) == (before["codec_name"], before["sample_fmt"])


@needs_ffmpeg
def test_what_cannot_be_written_as_it_was_is_refused_with_a_way(folder):
    run("-i", "sound.wav", "-c:a", "flac", "-f", "ogg", "a.oga")
    with pytest.raises(AudioError, match=r"b\.oga: flac in OGG cannot be written: give a name that ends in \.flac"):
        pass_through("a.oga", "b.oga")
    assert pass_through("a.oga", "b.oga", subtype="VORBIS").subtype == "VORBIS"
    with pytest.raises(AudioError, match=r"b\.ape: APE cannot be written: .* \.wav, or --format FLAC"):
        audio.AudioInfo(folder / "a.ape", 44100, 2, 100, "APE", "ape", bits=16).written_to("b.ape")
    with pytest.raises(
        AudioError, match=r"b\.wma: wmapro cannot be written: .* in \.flac or \.wav, or --subtype wmav2"
    ):
        audio.AudioInfo(folder / "a.wma", 44100, 2, 100, "WMA", "wmapro").written_to("b.wma")


@pytest.mark.skipif(not ffmpeg.can_encode("speex"), reason="an ffmpeg without Speex")
@pytest.mark.parametrize("name", ["a.spx", "a.ogg", "a.oga"])
def test_speex_does_not_become_vorbis_unasked(folder, name, capsys):
    run("-i", "sound.wav", "-ar", "16000", "-c:a", "libspeex", "-f", "ogg", name)
    assert main([name, f"out_{name}"]) == 2
    assert "speex in OGG cannot be written: give a name that ends in .flac" in capsys.readouterr().err
    assert main([name, "out.flac"]) == 0
    assert main([name, "out.ogg", "--subtype", "vorbis"]) == 0
    assert audio.info("out.ogg").subtype == "VORBIS"
    run("-i", name, "-c:a", "copy", "b.mka")
    assert main(["b.mka", "out.mka"]) == 0
    assert audio.info("out.mka").subtype == "speex"


@needs_ffmpeg
@pytest.mark.parametrize("codec", ["libopus", "eac3", "flac", "alac"])
def test_m4a_with_other_codecs(folder, codec):
    noise_file("noise.wav", 48000)
    run("-i", "noise.wav", "-c:a", codec, "-f", "mp4", "-strict", "-2", "a.m4a")
    pass_through("a.m4a", "b.m4a")
    before, after = (streams(name)["streams"][0]["codec_name"] for name in ("a.m4a", "b.m4a"))
    assert before == after


@needs_ffmpeg
def test_a_rate_that_a_codec_lacks_is_refused(folder):
    noise_file("noise.wav", 96000)
    with pytest.raises(AudioError, match=r"a\.avi: AVI mp3 cannot have 1 channels at 96000 Hz"):
        pass_through("noise.wav", "a.avi", subtype="mp3")


@needs_ffmpeg
def test_damage_in_the_middle_is_said_with_its_time(folder):
    noise_file("noise.wav")
    run("-i", "noise.wav", "-c:a", "flac", "a.mka")
    content = bytearray((folder / "a.mka").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    (folder / "b.mka").write_bytes(content)
    with pytest.raises(AudioError, match=r"b\.mka: damaged after \d\.\d\d s of 2\.00 s") as caught:
        audio.read("b.mka")
    end_s = float(str(caught.value).split("stop_s=")[1].rstrip(")"))
    np.testing.assert_array_equal(audio.read("b.mka", stop_s=end_s)[0], audio.read("a.mka", stop_s=end_s)[0])


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.m4a", "a.mov", "a.wma", "a.avi", "a.tta", "a.mka", "a.aac"])
def test_joined_files_are_read_to_their_end_or_refused_where_ffmpeg_stops(folder, name):
    noise_file("noise.wav")
    run("-i", "noise.wav", name)
    whole = audio.read(name)[0]
    (folder / f"joined_{name}").write_bytes(2 * (folder / name).read_bytes())
    try:
        n_samples = audio.read(f"joined_{name}")[0].shape[1]
    except AudioError as error:
        assert name not in ("a.avi", "a.mka", "a.aac") and "another file follows" in str(error)
        end_s = float(str(error).split("stop_s=")[1].rstrip(")"))
        assert audio.read(f"joined_{name}", stop_s=end_s)[0].shape[1] > whole.shape[1] - 500
    else:
        assert n_samples > 1.95 * whole.shape[1]


@needs_ffmpeg
@pytest.mark.parametrize("layout, n", [("3.0", 3), ("quad", 4), ("4.0", 4), ("7.1", 8)])
@pytest.mark.parametrize(
    "name, codec", [("a.mka", "flac"), ("a.wv", "wavpack"), ("a.mov", "pcm_s24le"), ("a.m4a", "aac")]
)
def test_each_channel_stays_at_its_place(folder, name, codec, layout, n):
    y = np.sin(np.arange(3, n + 3)[:, None] * np.arange(48000) / 400) / 8  # low, for the channel that is for the bass
    y.T.astype("<f4").tofile("y.f32")
    raw = ["-f", "f32le", "-ar", "48000", "-ac", str(n), "-channel_layout", layout, "-i", "y.f32"]
    run(*raw, "-c:a", codec, *(["-sample_fmt", "s32"] if codec == "flac" else []), name)
    pass_through(name, f"out_{name}")
    before, after = (streams(path)["streams"][0] for path in (name, f"out_{name}"))
    assert after["channel_layout"] == before["channel_layout"] == layout
    before, after = (audio.read(path)[0] for path in (name, f"out_{name}"))
    for copy in (before, after):
        assert (np.diag(np.corrcoef(copy[:, 9000:39000], y[:, 9000:39000])[:n, n:]) > 0.99).all()
    assert codec == "aac" or np.array_equal(before, after)


@needs_ffmpeg
@pytest.mark.parametrize("layout", ["4.0", "5.1(side)", "7.1"])
def test_wav_keeps_the_places_of_its_channels(folder, layout):
    run("-f", "lavfi", "-i", f"anoisesrc=d=0.1,aformat=channel_layouts={layout}", "a.wav")
    pass_through("a.wav", "out.wav")
    assert streams("out.wav")["streams"][0]["channel_layout"] == layout


@needs_ffmpeg
@pytest.mark.parametrize(
    "name, codec, subtype",
    [("a.wv", "wavpack", "FLOAT"), ("a.mka", "pcm_f32le", "FLOAT"), ("a.mov", "pcm_f64le", "DOUBLE")],
)
def test_float_samples_stay_float_and_beyond_full_scale(folder, name, codec, subtype):
    y = np.array([[1.5, -1.25, 1e-9, 0.3]] * 1000, np.float32).reshape(1, -1)
    sf.write("y.wav", y.T, 8000, "FLOAT")
    run("-i", "y.wav", "-c:a", codec, name)
    for target in (f"out_{name}", "out.wav"):
        like = pass_through(name, target)
        np.testing.assert_array_equal(audio.read(target)[0], y)
    assert like.subtype == subtype
    assert streams(f"out_{name}")["streams"][0]["codec_name"] == codec


@needs_ffmpeg
@pytest.mark.parametrize("name, codec", [("a.mka", "dts"), ("a.mp2", "mp2")])
def test_lossy_sound_keeps_its_codec(folder, name, codec):
    noise_file("noise.wav")
    run("-i", "noise.wav", "-c:a", {"dts": "dca"}.get(codec, codec), "-strict", "-2", name)
    pass_through(name, f"out_{name}")
    assert [streams(path)["streams"][0]["codec_name"] for path in (name, f"out_{name}")] == [codec, codec]
    assert lag(audio.read(name)[0][0], audio.read(f"out_{name}")[0][0]) == 0


@needs_ffmpeg
def test_the_length_of_opus_in_caf_is_counted(folder):
    run("-i", "sound.wav", "-c:a", "libopus", "a.caf")
    assert audio.info("a.caf").frames == audio.read("a.caf")[0].shape[1]
