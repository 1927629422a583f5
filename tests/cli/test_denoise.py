import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import types
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unfolded_helpers import LOOKING_AHEAD, random_dictionary
from worker_functions import clean_and_die_once

from nmfaudio import NmfaudioError, audio
from nmfaudio.audio import ffmpeg
from nmfaudio.cli import console
from nmfaudio.cli import main as nmfaudio_command
from nmfaudio.cli.batch import plan
from nmfaudio.cli.cleaning import Cleaner, Options
from nmfaudio.cli.denoise import build_parser, main
from nmfaudio.cli.options import denoiser_options, settle
from nmfaudio.denoising.denoiser import Denoiser

# The command line is the subject here, so denoising is a stand-in: half the amplitude, in blocks of another length.
STUB = """
import os, time
import numpy as np

class Denoiser:
    noise = None

    @property
    def __class__(self):  # what it stands in for
        from nmfaudio.denoising.denoiser import Denoiser
        return Denoiser

    def __init__(self, dictionary="speech", *, noise, attenuation_limit_db, strength, keep_tones, channels):
        if dictionary == "unknown":
            from nmfaudio.errors import DictionaryError
            raise DictionaryError("no dictionary 'unknown': choose one of speech")
        self.gain = 1.0 if attenuation_limit_db == 0 or strength == 0 else 0.5

    def __call__(self, y, sr):
        return y

    def process_blocks(self, blocks, sr):
        waiting = None
        for y in blocks:
            assert y.dtype == np.float32 and y.ndim == 2
            y = np.float32(self.gain) * y
            waiting = y if waiting is None else np.concatenate([waiting, y], axis=1)
            while waiting.shape[1] > 1500:
                yield waiting[:, :1000]
                waiting = waiting[:, 1000:]
                time.sleep(float(os.environ.get("STUB_SLEEPS_S", 0)))
        if waiting is not None:
            yield waiting
"""


@pytest.fixture(autouse=True)
def stub(monkeypatch):
    module = types.ModuleType("nmfaudio.denoising.denoiser")
    exec(STUB, module.__dict__)
    monkeypatch.setattr("nmfaudio.cli.cleaning.Denoiser", module.Denoiser)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def noise(channels=1, samples=5000, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (samples, channels)).astype(np.float32)


def write(path, y=None, sr=16000, **format):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, noise() if y is None else y, sr, **format)
    return Path(path).read_bytes()


def read(path):
    return sf.read(path, dtype="float32", always_2d=True)[0]


def facts(path):
    with sf.SoundFile(path) as f:
        return f.samplerate, f.channels, f.frames, f.format, f.subtype


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_one_file(folder, capsys):
    write("in.wav")
    assert main(["in.wav", "out.wav"]) == 0
    np.testing.assert_allclose(read("out.wav"), read("in.wav") / 2, atol=2**-15)
    assert files(folder) == ["in.wav", "out.wav"]
    assert capsys.readouterr() == ("", "")


def test_the_same_as_a_subcommand(folder):
    write("in.wav")
    assert nmfaudio_command.main(["denoise", "in.wav", "out.wav"]) == 0
    assert facts("out.wav") == facts("in.wav")


RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000]
CONTAINERS = {
    "PCM_16": ["WAV", "WAVEX", "FLAC", "AIFF", "CAF", "RF64", "W64", "AU"],
    "PCM_24": ["WAV", "WAVEX", "FLAC", "AIFF", "CAF", "RF64", "W64", "AU"],
    "FLOAT": ["WAV", "WAVEX", "AIFF", "CAF", "RF64", "W64", "AU"],
    "PCM_U8": ["WAV", "AIFF"],
    "ULAW": ["WAV", "AU"],
    "DOUBLE": ["WAV"],
    "VORBIS": ["OGG"],
}
MATRIX = [(container, subtype) for subtype, containers in CONTAINERS.items() for container in containers]
ALL_CASES = [(*formats, sr, channels) for formats in MATRIX for sr in RATES for channels in (1, 2, 6)]


def pairs(case):
    """Return every two values of a case, with their places."""
    return set(itertools.combinations(enumerate(case), 2))


def pairwise(cases):
    """Return few of the cases, in which every pair of values is that any case has."""
    chosen, left = [], set().union(*map(pairs, cases))
    while left:
        chosen.append(max(cases, key=lambda case: len(left & pairs(case))))
        left -= pairs(chosen[-1])
    return chosen


PAIRWISE = pairwise(ALL_CASES)


def test_few_cases_have_every_pair_of_values():
    assert set().union(*map(pairs, PAIRWISE)) == set().union(*map(pairs, ALL_CASES))
    assert len(PAIRWISE) < len(ALL_CASES) / 5


@pytest.mark.parametrize("container, subtype, sr, channels", PAIRWISE)
def test_rate_channels_and_sample_format_stay(folder, container, subtype, sr, channels):
    y = noise(channels, 2345)
    write("in", y, sr, format=container, subtype=subtype)
    assert main(["in", "out"]) == 0
    assert facts("out") == facts("in") == (sr, channels, facts("in")[2], container, subtype)
    if subtype != "VORBIS":
        atol = {"PCM_U8": 2**-7, "ULAW": 2**-5, "PCM_16": 2**-15}.get(subtype, 2**-22)
        np.testing.assert_allclose(read("out"), read("in") / 2, atol=atol)


MP3_RATES = [sr for sr in RATES if sr <= 48000]


@pytest.mark.parametrize(
    "container, subtype, sr, channels",
    [
        *itertools.product(["MP3"], ["MPEG_LAYER_III"], MP3_RATES, [1, 2]),
        *itertools.product(["OGG"], ["OPUS"], [8000, 16000, 48000], [1, 2, 6]),
    ],
)
def test_lossy_formats_keep_their_length(folder, container, subtype, sr, channels):
    write("in", noise(channels, 12345), sr, format=container, subtype=subtype)
    assert main(["in", "out"]) == 0
    assert facts("out") == facts("in") == (sr, channels, 12345, container, subtype)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=100)
@given(
    samples=st.one_of(st.integers(1, 20), st.integers(1, 3000)),
    sr=st.integers(1000, 200_000),
    channels=st.integers(1, 9),
    format=st.sampled_from([("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("CAF", "FLOAT"), ("OGG", "VORBIS")]),
)
def test_any_length_rate_and_channels(folder, samples, sr, channels, format):
    container, subtype = format
    if container == "FLAC":
        channels, sr = min(channels, 8), min(sr, 65535)
    write("in", noise(channels, samples), sr, format=container, subtype=subtype)
    assert main(["in", "out", "--overwrite"]) == 0
    assert facts("out") == (sr, channels, samples, container, subtype)


def damaged(whole, seed):
    """Return a sound file with bytes changed, cut off, taken out or put in."""
    rng = np.random.default_rng(seed)
    data = bytearray(whole)
    reach = min(len(data), int(rng.choice([64, 512, len(data)])))  # headers are where it hurts
    for _ in range(int(rng.integers(1, 20))):
        at = int(rng.integers(0, reach))
        kind = rng.integers(0, 10)
        if kind < 7:
            data[at : at + 1] = rng.bytes(1)
        elif kind == 7:
            del data[at : at + int(rng.integers(1, 50))]
        elif kind == 8:
            data[at:at] = rng.bytes(int(rng.integers(1, 50)))
        else:
            data[at : at + 4] = bytes(rng.choice([0, 255]).astype(np.uint8).tobytes()) * 4
    if rng.random() < 0.3:
        del data[int(rng.integers(0, len(data) + 1)) :]
    return bytes(data)


def count_samples(path):
    return audio.read(path)[0].shape[1]


FUZZED = [
    *MATRIX,
    ("MP3", "MPEG_LAYER_III"),
    ("OGG", "OPUS"),
    ("WAV", "IMA_ADPCM"),
    ("WAV", "GSM610"),
    ("CAF", "ALAC_16"),
]


@pytest.mark.parametrize("container, subtype", FUZZED)
def test_damaged_files_never_end_in_a_traceback_or_half_a_file(folder, capfd, monkeypatch, container, subtype):
    monkeypatch.setattr(ffmpeg, "installed", lambda: False)
    check_damaged(folder, capfd, container, subtype, seeds=range(15))


@pytest.mark.parametrize("container, subtype", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")])
def test_damaged_files_with_a_second_opinion_of_ffmpeg(folder, capfd, container, subtype):
    if not ffmpeg.installed():
        pytest.skip("ffmpeg is not installed")
    check_damaged(folder, capfd, container, subtype, seeds=range(100, 110))


def check_damaged(folder, capfd, container, subtype, seeds):
    channels = 1 if subtype == "GSM610" else 2
    whole = write("whole", noise(channels, 4000), 8000, format=container, subtype=subtype)
    for seed in seeds:
        Path("in").write_bytes(damaged(whole, seed))
        code = main(["in", "out", "--overwrite"])
        error = [line for line in capfd.readouterr().err.splitlines() if line.startswith("denoise:")]
        if code == 0:
            surplus = count_samples("out") - count_samples("in")
            assert surplus == 0 or (subtype == "GSM610" and surplus == 320), seed  # libsndfile adds a block of silence
        else:
            assert code == 2
            assert len(error) == 1
            assert error[0].startswith("denoise: error: in: ") or error[0].startswith("denoise: error: out: "), error
            assert "unexpected" not in error[0]
            assert set(files(folder)) <= {"whole", "in", "out"}


def one_line(capsys, prog="denoise"):
    """Return what stderr says, which must be one line of the usual form."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{prog}: error: ")
    assert err.count("\n") == 1
    return err


def make_bad_files():
    write("good.wav")
    Path("empty.wav").touch()
    Path("text.wav").write_text("not sound")
    write("no_samples.wav", noise(2, 0))
    y = noise(2)
    y[1234, 1] = np.nan
    write("nan.wav", y, subtype="FLOAT")
    y[1234, 1] = np.inf
    write("inf.wav", y, subtype="FLOAT")
    Path("cut.flac").write_bytes(write("whole.flac", noise(2, 50_000))[:20_000])
    Path("film.mp4").write_bytes(b"\0\0\0\x20ftypisom nonsense")
    Path("folder").mkdir()
    Path("file").touch()
    Path("old.npz").touch()


@pytest.mark.parametrize(
    "args, words",
    [
        ("missing.wav out.wav", "missing.wav: no such file"),
        ("empty.wav out.wav", "empty.wav: is empty"),
        ("text.wav out.wav", "text.wav: not a sound file"),
        ("no_samples.wav out.wav", "no_samples.wav: has no sound in it"),
        ("nan.wav out.wav", "nan.wav: the sample at 0.077 s is nan"),
        ("inf.wav out.wav", "inf.wav: the sample at 0.077 s is inf"),
        ("cut.flac out.flac", "cut.flac: damaged after 0."),
        ("film.mp4 out.mp4", "film.mp4: "),
        ("folder out.wav", "folder: is a folder: give -o FOLDER"),
        ("folder --out-dir out", "folder: no sound files"),
        ("good.wav no/such/folder/out.wav", "no/such/folder/out.wav: cannot be written (No such file or directory)"),
        ("good.wav file/out.wav", "file/out.wav: cannot be written (Not a directory)"),
        ("good.wav --out-dir file/out", "file"),
        ("good.wav out.wav -d unknown", "no dictionary 'unknown'"),
        ("good.wav good.wav", "good.wav: is the input itself: give --in-place"),
        ("good.wav file", "file: exists already: give --overwrite"),
        ("good.wav out.mp33", "out.mp33: no sound format is known by the suffix .mp33"),
        ("-", "standard input: where to?"),
        ("good.wav nan.wav inf.wav", "good.wav and 2 more: give -o FOLDER"),
        ("good.wav new/", "new/: no such folder: make it first, or give -o new/"),
        ("good.wav new", "new: has no suffix: give new.wav, or -o new if a folder is meant"),
        ("good.wav out.wav --start 2 --end 1", "--start 2 s is not before --end 1 s"),
        ("good.wav out.wav --start 5", "good.wav: has no sound after 5 s"),
        ("good.wav out.wav --format nonsense", "no sound format 'NONSENSE': choose one of AIFF"),
        ("good.wav out.wav --subtype vorbis", "no subtype 'VORBIS' in WAV: choose one of PCM_16"),
        ("good.wav out.wav --residual out.wav", "out.wav: the output and the residual need different places"),
        ("good.wav folder/../good.wav ./good.wav --out-dir out", "good.wav and folder/../good.wav would both become"),
        ("- --out-dir out", "standard input has no name"),
        ("good.wav out.wav --save-profile p.npz", "p.npz: nothing to learn a profile from: give --noise"),
        ("good.wav out.wav --noise 0-1 --save-profile old.npz", "old.npz: exists already: give --overwrite"),
        ("good.wav nan.wav --out-dir out --noise 0-1 --save-profile p.npz", "p.npz: each input has a profile of its"),
        ("good.wav out.wav --report old.npz", "old.npz: exists already: give --overwrite"),
        ("good.wav out.wav --report good.wav", "good.wav: is also the input good.wav"),
        ("good.wav out.wav --report ./out.wav", "./out.wav: the output and the report need different places"),
        ("good.wav out.wav --report no/such/report.json", "no/such/report.json: cannot be written"),
        ("good.wav out.wav --scheduler tcp://x:1 --report p.html", "p.html: is made where the file is cleaned, not"),
        ("good.wav out.wav --scheduler tcp://x:1 --noise 0-1 --save-profile p.npz", "p.npz: is made where the file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder, capsys, args, words):
    make_bad_files()
    before = {name: Path(name).read_bytes() for name in files(folder)}
    assert main(args.split()) == 2
    assert words in one_line(capsys)
    after = {name: Path(name).read_bytes() for name in files(folder)}
    assert set(after) - set(before) <= ({"out.wav"} if "no/such/report" in args else set())
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    "args, words",
    [
        ("a.wav b.wav --strength -1", "'-1' is not a strength from 0 to 10"),
        ("a.wav b.wav --strength nan", "'nan' is not a strength"),
        ("a.wav b.wav --attenuation-limit -3", "'-3' is not a number of decibels"),
        ("a.wav b.wav --attenuation-limit inf", "'inf' is not a number of decibels"),
        ("a.wav b.wav --attenuation-limit much", "'much' is not a number of decibels"),
        ("a.wav b.wav --start yesterday", "'yesterday' is not a time"),
        ("a.wav b.wav --end 1:60", "'1:60' is not a time"),
        ("a.wav b.wav --noise 2-1", "'2-1' is neither a file nor a part of a recording"),
        ("a.wav b.wav --noise 0-1,5", "'0-1,5' is neither a file nor a part of a recording"),
        ("a.wav b.wav --noise a.wav --save-profile b.wav", "'b.wav' is not the name of a profile"),
        ("a.wav b.wav --jobs 0", "'0' is not a number from 1 to 100000"),
        ("a.wav b.wav --overwrite --skip-existing", "not allowed with argument"),
        ("a.wav b.wav --nonsense", "unrecognized arguments: --nonsense (see"),
        ("a.wav b.wav --noize=c.wav", "unrecognized arguments: --noize=c.wav: did you mean --noise? (see"),
        ("a.wav b.wav --channels link", "did you mean linked?"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(capsys, args, words):
    with pytest.raises(SystemExit) as caught:
        main(args.split())
    assert caught.value.code == 2
    error = one_line(capsys)
    assert words in error
    assert "--help" in error


def test_unwritable_folder(folder, capsys):
    if os.geteuid() == 0:
        pytest.skip("the superuser may write anywhere")
    write("in.wav")
    Path("locked").mkdir(mode=0o555)
    assert main(["in.wav", "locked/out.wav"]) == 2
    assert "locked/out.wav: cannot be written (Permission denied)" in one_line(capsys)


def test_help_fits_a_screen(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 47
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("command, name", [(main, "denoise"), (nmfaudio_command.main, "nmfaudio")])
def test_version(capsys, command, name):
    from nmfaudio import __version__

    with pytest.raises(SystemExit) as caught:
        command(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"{name} {__version__}")


def test_help_loads_nothing_heavy():
    for module, call in (("denoise", "denoise.main"), ("main", "main.main")):
        code = (
            f"import sys; from nmfaudio.cli import {module}\n"
            f"try: {call}(['--help'])\n"
            "except SystemExit: print({'numpy', 'scipy', 'numba', 'librosa', 'soundfile'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("name, words", [("improve", "'denoise', "), ("denose", ": did you mean denoise?")])
def test_an_unknown_subcommand_lists_those_that_exist(capsys, name, words):
    with pytest.raises(SystemExit) as caught:
        nmfaudio_command.main([name])
    assert caught.value.code == 2
    assert words in one_line(capsys, "nmfaudio")


@pytest.mark.parametrize("args", [[], ["train"], ["dictionaries"], ["denoise"], ["repair"]])
def test_without_a_command_the_help_is_shown(capsys, args):
    with pytest.raises(SystemExit) as caught:
        nmfaudio_command.main(args)
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("usage: nmfaudio")


def test_errors_of_subcommands_name_the_subcommand(folder, capsys):
    assert nmfaudio_command.main(["denoise", "missing.wav", "out.wav"]) == 2
    assert "missing.wav: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--attenuation-limit", "0"], ["--strength", "0"]])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
def test_zero_strength_gives_the_input_exactly(folder, option, subtype):
    y = noise(2)
    y[:4] = [[1, -1], [0.99, -0.99], [0, 1e-9], [1, 1]]
    write("in.wav", y, subtype=subtype)
    assert main(["in.wav", "out.wav", *option]) == 0
    np.testing.assert_array_equal(read("out.wav"), read("in.wav"))


def test_existing_output_is_replaced_only_when_asked(folder, capsys):
    write("in.wav")
    write("out.wav", noise(2, 10))
    assert main(["in.wav", "out.wav"]) == 2
    assert "--overwrite" in one_line(capsys)
    assert facts("out.wav")[2] == 10
    assert main(["in.wav", "out.wav", "--skip-existing"]) == 0
    assert facts("out.wav")[2] == 10
    assert main(["in.wav", "out.wav", "--residual", "removed.wav", "--skip-existing"]) == 2
    assert one_line(capsys).endswith("out.wav: exists already: give --overwrite\n")
    assert main(["in.wav", "out.wav", "--overwrite"]) == 0
    assert facts("out.wav") == facts("in.wav")


def test_what_is_skipped_is_reported_again_and_again_but_has_no_page(folder, capsys):
    write("in.wav")
    for status in ("done", "skipped", "skipped"):
        assert main(["in.wav", "out.wav", "--skip-existing", "--report", "report.json"]) == 0
        assert json.loads(Path("report.json").read_text())["files"][0]["status"] == status
    assert capsys.readouterr().err == ""
    profile = ["--noise", "0-0.3", "--save-profile", "part.npz"]
    assert main(["in.wav", "out.wav", "--skip-existing", "--report", "page.html", *profile]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {name}: not made, as in.wav was skipped: give --overwrite instead"
        for name in ("page.html", "part.npz")
    ]
    assert files(folder) == ["in.wav", "out.wav", "report.json"]


@pytest.mark.parametrize("args", ["in.wav in.wav", "in.wav .", "in.wav ./in.wav", ". --out-dir ."])
def test_the_input_is_replaced_only_when_that_is_asked_for(folder, capsys, args):
    before = write("in.wav")
    y = read("in.wav")
    for options in ([], ["--overwrite"]):
        assert main([*args.split(), *options]) == 2
        assert "in.wav: is the input itself: give --in-place" in one_line(capsys)
        assert Path("in.wav").read_bytes() == before
    assert main([*args.split(), "--in-place", "-q"]) == 0
    np.testing.assert_allclose(read("in.wav"), y / 2, atol=2**-15)
    assert files(folder) == ["in.wav"]


@pytest.mark.parametrize(
    "args", ["in.wav -q out.wav", "-q in.wav --start 0 out.wav", "in.wav out.wav -q", "in.wav --end 9 -q -- -out.wav"]
)
def test_options_may_stand_anywhere(folder, args):
    write("in.wav")
    assert main(args.split()) == 0
    assert files(folder) == sorted(["in.wav", args.split()[-1] if "--" in args.split() else "out.wav"])


def test_in_place_needs_no_output(folder):
    write("in.wav")
    y = read("in.wav")
    assert main(["in.wav", "--in-place", "-q"]) == 0
    np.testing.assert_allclose(read("in.wav"), y / 2, atol=2**-15)
    assert files(folder) == ["in.wav"]


@pytest.mark.parametrize(
    "args",
    [
        "in.wav link.wav",
        "in.wav hard.wav",
        "in.wav noise.wav --noise noise.wav",
        "in.wav out.wav --residual in.wav",
        "in.wav out.wav --residual hard.wav",
        "in.wav out.wav --residual noise.wav --noise noise.wav",
        "in.wav out.wav --report in.wav",
        "in.wav out.wav --noise noise.wav --save-profile d.npz -d d.npz",
        "in.wav out.wav --report out.wav",
        "in.wav out.wav --residual out.wav",
        "in.wav out.wav --residual r.wav --report r.wav",
        "in.wav noise.wav --out-dir . --residual .",
        "in.wav noise.wav --out-dir out --residual .",
        "in.wav noise.wav --out-dir out --report in.wav",
        "other/noise.wav --out-dir . --noise noise.wav",
        "in.wav in.wav --in-place --residual in.wav",
        "in.wav in.wav --in-place --report page.html",
    ],
)
def test_an_output_replaces_no_input_and_no_other_output(folder, capsys, args):
    write("in.wav")
    write("noise.wav", noise(seed=1))
    write("other/noise.wav")
    write("d.npz", format="WAV")
    Path("link.wav").symlink_to("in.wav")
    os.link("in.wav", "hard.wav")
    before = {name: Path(name).read_bytes() for name in files(folder)}
    assert main([*args.split(), "--overwrite"]) == 2
    one_line(capsys)
    assert {name: Path(name).read_bytes() for name in files(folder)} == before


@pytest.mark.parametrize("options", ["", "--residual out.wav", "--report out.wav"])
def test_a_file_that_appears_meanwhile_is_kept(folder, capsys, monkeypatch, options):
    write("in.wav")
    process_blocks = sys.modules["nmfaudio.cli.cleaning"].Denoiser.process_blocks

    def slow(self, blocks, sr):
        Path("out.wav").write_text("of somebody else")
        return process_blocks(self, blocks, sr)

    monkeypatch.setattr("nmfaudio.cli.cleaning.Denoiser.process_blocks", slow)
    args = ["in.wav", "other.wav" if options else "out.wav", *options.split()]
    assert main(args) == 2
    assert "out.wav: exists already" in one_line(capsys)
    assert Path("out.wav").read_text() == "of somebody else"
    assert main([*args, "--overwrite"]) == 0


@pytest.mark.parametrize(
    "option", ["--report no/r.json", "--report no/r.html", "--noise n.wav --save-profile no/p.npz"]
)
def test_places_that_cannot_be_written_are_found_before_the_work(folder, capsys, option):
    write("in.wav")
    write("n.wav")
    assert main(["in.wav", "out.wav", *option.split()]) == 2
    assert "No such file or directory" in one_line(capsys)
    assert not Path("out.wav").exists()


def test_an_output_folder_takes_the_name_of_the_input(folder):
    write("deep/in.wav")
    Path("out").mkdir()
    assert main(["deep/in.wav", "out"]) == 0
    assert main(["deep/in.wav", "out/", "--format", "flac"]) == 0
    assert files("out") == ["in.flac", "in.wav"]


def test_folders_are_mirrored(folder, capsys):
    for name in ("a.wav", "deep/b.flac", "deep/er/c.ogg", "deep/er/UPPER.WAV", ".hidden.wav", ".hidden/d.wav"):
        format = {"format": "OGG"} if name.endswith("ogg") else {}
        write(f"in/{name}", **format)
    Path("in/notes.txt").write_text("not sound")
    assert main(["in", "--out-dir", "in/clean"]) == 0
    assert files("in/clean") == [".nmfaudio", "a.wav", "deep/b.flac", "deep/er/UPPER.WAV", "deep/er/c.ogg"]
    assert facts("in/clean/deep/er/c.ogg") == facts("in/deep/er/c.ogg")
    assert capsys.readouterr().err == "4 files: 4 done\n"
    write("in/new.wav")
    assert main(["in", "--out-dir", "in/clean", "--skip-existing"]) == 0
    assert files("in/clean") == [".nmfaudio", "a.wav", "deep/b.flac", "deep/er/UPPER.WAV", "deep/er/c.ogg", "new.wav"]
    assert capsys.readouterr().err == "5 files: 1 done, 4 skipped\n"


def test_a_link_that_leads_back_does_not_trap(folder):
    write("in/a.wav")
    Path("in/loop").symlink_to("../in")
    assert main(["in", "--out-dir", "out"]) == 0
    assert files("out") == ["a.wav"]


def test_outputs_of_earlier_runs_are_no_input(folder, capsys):
    write("in/deep/a.wav")
    write("in/b.wav")
    for _ in range(2):
        assert (
            main("in --out-dir in/clean --residual in/deep/removed --report in/clean/r.json --overwrite".split()) == 0
        )
        assert capsys.readouterr().err == "2 files: 2 done\n"
    assert main("in --out-dir in/other".split()) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said] == ["in/clean", "in/deep/removed", "2 files"]
    assert files("in/other") == [".nmfaudio", "b.wav", "deep/a.wav"]
    assert main("in/clean --out-dir out".split()) == 0  # named, so meant
    assert files("out") == ["b.wav", "deep/a.wav"]


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
def test_links_to_folders_are_followed_once_and_what_cannot_be_read_is_named(folder, capsys, monkeypatch):
    for name in ("in/a.wav", "in/real/b.wav", "in/closed/c.wav", "elsewhere/d.wav", "elsewhere/more/e.wav"):
        write(name)
    for link, place in [("again", "real"), ("disk", "../elsewhere"), ("twice", "../elsewhere/more"), ("up", "../")]:
        Path("in", link).symlink_to(place)
    Path("elsewhere/back").symlink_to("../in")
    os.mkfifo("in/pipe.wav")
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("nmfaudio.folders.os.scandir", closed)
    assert main(["in", "--out-dir", "out"]) == 1
    assert files("out") == ["a.wav", "disk/d.wav", "disk/more/e.wav", "real/b.wav"]
    said = sorted(capsys.readouterr().err.splitlines())
    assert said[0] == "7 files: 4 done, 3 failed"
    assert [line.split(": ", 2)[2] for line in said[1:]] == [
        "in/closed: cannot be read (Permission denied)",
        "in/pipe.wav: is a pipe or a device: give it by name, or remove it",
        "in/up: leads to a folder that in is in",
    ]


def test_files_and_folders_in_another_format(folder):
    write("in/a.wav", subtype="PCM_24")
    write("in/b.aiff", noise(2))
    write("c.ogg", format="OGG")
    assert main(["in", "c.ogg", "--out-dir", "out", "--format", "flac"]) == 0
    assert files("out") == ["a.flac", "b.flac", "c.flac"]
    assert facts("out/a.flac")[3:] == ("FLAC", "PCM_24")
    assert facts("out/b.flac")[1:] == (2, 5000, "FLAC", "PCM_16")


def test_one_bad_file_among_many_does_not_stop_the_others(folder, capsys):
    make_bad_files()
    write("other.wav")
    code = main(["good.wav", "nan.wav", "missing.wav", "other.wav", "--out-dir", "out", "--report", "report.json"])
    assert code == 1
    assert files("out") == ["good.wav", "other.wav"]
    err = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[2] for line in err[:2]] == ["nan.wav", "missing.wav"]
    assert err[2] == "4 files: 2 done, 2 failed"
    results = json.loads(Path("report.json").read_text())["files"]
    assert [r["status"] for r in results] == ["done", "failed", "failed", "done"]
    assert "nan.wav: the sample at" in results[1]["error"]


def test_an_error_of_a_file_among_many_names_it(folder, capsys, monkeypatch):
    def process_blocks(self, blocks, sr):
        raise NmfaudioError(f"sampling rate {sr:g} Hz: too low")
        yield

    monkeypatch.setattr("nmfaudio.cli.cleaning.Denoiser.process_blocks", process_blocks)
    write("low.wav", sr=2000)
    assert main(["low.wav", "--out-dir", "out", "-q"]) == 2
    assert "error: low.wav: sampling rate 2000 Hz: too low" in one_line(capsys)


def test_all_bad_is_exit_code_2_and_leaves_no_folder(folder):
    make_bad_files()
    assert main(["nan.wav", "missing.wav", "--out-dir", "new/out", "--residual", "rest"]) == 2
    assert not Path("new").exists() and not Path("rest").exists()
    assert main(["good.wav", "--out-dir", "new/out", "--report", "missing/report.json"]) == 2
    assert not Path("new").exists()


def test_no_folder_is_left_without_a_file_but_one_that_was_there(folder):
    write("in/good/a.wav")
    for path in ("in/bad", "in/out/there"):
        Path(path).mkdir(parents=True)
    Path("in/bad/b.wav").write_bytes(b"no sound")
    assert main(["in", "--out-dir", "in/out", "--residual", "in/rest"]) == 1
    written = [".nmfaudio", "good", "good/a.wav"]
    assert sorted(str(path.relative_to("in/out")) for path in Path("in/out").rglob("*")) == [*written, "there"]
    assert sorted(str(path.relative_to("in/rest")) for path in Path("in/rest").rglob("*")) == written


def test_what_nobody_expected_does_not_stop_the_others(folder, capsys, monkeypatch):
    def process_blocks(self, blocks, sr):
        if sr == 8000:
            raise IndexError("a bug")
        yield from blocks

    monkeypatch.setattr("nmfaudio.cli.cleaning.Denoiser.process_blocks", process_blocks)
    write("a.wav", sr=8000)
    write("b.wav")
    assert main(["a.wav", "b.wav", "--out-dir", "out", "-q"]) == 1
    assert files("out") == ["b.wav"]
    assert "a.wav: unexpected IndexError: a bug" in one_line(capsys)


def test_report_says_what_was_done(folder):
    write("in.wav", 0.5 * np.ones((16000, 2), np.float32), subtype="FLOAT")
    write("silent.wav", np.zeros((100, 1), np.float32))
    assert main(["in.wav", "silent.wav", "--out-dir", "out", "--report", "r.json", "--strength", "2"]) == 0
    report = json.loads(Path("r.json").read_text())
    assert report["options"]["strength"] == 2
    first, silent = report["files"]
    assert (first["input"], first["output"], first["status"]) == ("in.wav", "out/in.wav", "done")
    assert (first["sr"], first["channels"], first["duration_s"]) == (16000, 2, 1.0)
    assert first["level_in_db"] == pytest.approx(-6.02, abs=0.01)
    assert first["level_out_db"] == pytest.approx(-12.04, abs=0.01)
    assert first["clipped_samples"] == 0
    assert first["elapsed_s"] >= 0
    assert silent["level_in_db"] is None


def test_residual_and_output_make_the_input(folder):
    write("in.wav", noise(2, 300_000), subtype="FLOAT")
    assert main(["in.wav", "out.wav", "--residual", "rest.flac", "--subtype", "float"]) == 2
    assert main(["in.wav", "out.wav", "--residual", "rest.wav"]) == 0
    assert facts("rest.wav") == facts("in.wav")
    np.testing.assert_allclose(read("out.wav") + read("rest.wav"), read("in.wav"), atol=1e-6)
    assert np.abs(read("rest.wav")).max() > 0.1


def test_residuals_of_a_folder_go_to_a_folder(folder):
    write("in/a.wav")
    write("in/deep/b.wav")
    assert main(["in", "--out-dir", "out", "--residual", "rest"]) == 0
    assert files("out") == files("rest") == ["a.wav", "deep/b.wav"]
    Path("rest/a.wav").unlink()
    assert main(["in", "--out-dir", "out", "--residual", "rest", "--overwrite"]) == 0
    assert files("rest") == ["a.wav", "deep/b.wav"]


@pytest.mark.parametrize(
    "options, start, stop",
    [
        (["--start", "0.1"], 1600, None),
        (["--end", "0:00.2"], 0, 3200),
        (["--start", "0:0:0.1", "--end", "0.2"], 1600, 3200),
        (["--end", "1:00:00"], 0, None),
    ],
)
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_a_part_is_cut_out(folder, options, start, stop, suffix):
    write(f"in.{suffix}")
    assert main([f"in.{suffix}", "out.wav", *options]) == 0
    np.testing.assert_allclose(read("out.wav"), read(f"in.{suffix}")[start:stop] / 2, atol=2**-14)


@pytest.mark.parametrize(
    "format", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("AIFF", "PCM_16"), ("MP3", "MPEG_LAYER_III")]
)
@pytest.mark.parametrize("target", ["out", "out.flac", "out.ogg"])
def test_tags_are_kept(folder, format, target):
    tags = {"title": "Ein Gespräch", "artist": "Somebody", "date": "2024"}
    with sf.SoundFile("in", "w", 16000, 1, format=format[0], subtype=format[1]) as f:
        for name, value in tags.items():
            setattr(f, name, value)
        f.write(noise())
    with sf.SoundFile("in") as f:
        written = {name: getattr(f, name) for name in tags}
    assert main(["in", target]) == 0
    with sf.SoundFile(target) as f:
        assert {name: getattr(f, name) for name in tags} == written


class Pipe:
    """Stand-in for sys.stdin or sys.stdout."""

    def __init__(self, data=b""):
        self.buffer = io.BytesIO(data)

    def isatty(self):
        return False

    def flush(self):
        pass

    def fileno(self):
        raise io.UnsupportedOperation

    def write(self, text):
        raise AssertionError(f"{text!r} on standard output")


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_standard_input_to_standard_output(folder, monkeypatch, format):
    whole = write("in", format=format)
    monkeypatch.setattr(sys, "stdin", Pipe(whole))
    monkeypatch.setattr(sys, "stdout", out := Pipe())
    assert main(["-", "-"]) == 0
    Path("out").write_bytes(out.buffer.getvalue())
    assert facts("out") == facts("in")
    assert main(["in", "same"]) == 0
    np.testing.assert_array_equal(read("out"), read("same"))


def test_standard_input_to_a_file_and_a_file_to_standard_output(folder, monkeypatch):
    whole = write("in.wav")
    monkeypatch.setattr(sys, "stdin", Pipe(whole))
    assert main(["-", "out.flac"]) == 0
    assert facts("out.flac")[3] == "FLAC"
    monkeypatch.setattr(sys, "stdout", out := Pipe())
    assert main(["in.wav", "-", "--format", "flac"]) == 0
    assert out.buffer.getvalue()[:4] == b"fLaC"
    assert files(folder) == ["in.wav", "out.flac"]


def test_standard_output_that_cannot_be_written_is_an_error(folder, monkeypatch, capsys):
    class Closed(Pipe):
        def __init__(self):
            self.buffer = open(os.open(os.devnull, os.O_RDONLY), "wb", buffering=0)  # writing to it fails

    write("in.wav")
    monkeypatch.setattr(sys, "stdout", out := Closed())
    with out.buffer:
        assert main(["in.wav", "-"]) == 2
    assert "standard output: cannot be written" in capsys.readouterr().err


def test_bad_standard_input(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Pipe(b"not sound"))
    monkeypatch.setattr(sys, "stdout", out := Pipe())
    assert main(["-", "-"]) == 2
    assert out.buffer.getvalue() == b""
    assert "standard input: not a sound file" in capsys.readouterr().err


def test_a_terminal_is_no_input(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", stdin := Pipe())
    stdin.isatty = lambda: True
    assert main(["-", "out.wav"]) == 2
    assert "nothing is piped in" in one_line(capsys)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_progress_and_what_was_done(folder, monkeypatch):
    write("in.wav", noise(1, 2_000_000), 48000)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert main(["in.wav", "out.wav"]) == 0
    shown = terminal.getvalue()
    assert "%  in.wav" in shown
    assert "\rin.wav -> out.wav: 41.7 s, 48000 Hz, 1 channel in " in shown


@pytest.mark.parametrize("options, words", [(["-q"], ""), (["-v"], "in.wav -> out.wav: 0.3 s, 16000 Hz, 2 channels")])
def test_quiet_and_verbose(folder, capsys, options, words):
    write("in.wav", noise(2))
    assert main(["in.wav", "out.wav", *options]) == 0
    assert words in capsys.readouterr().err
    if not words:
        assert main(["in.wav", "--out-dir", "out", *options]) == 0
        assert capsys.readouterr() == ("", "")


@pytest.fixture
def installed_stub(folder, monkeypatch):
    """Environment in which every new process has the stand-in."""
    code = "import sys, types\nmodule = types.ModuleType('nmfaudio.denoising.denoiser')\n"
    code += f"exec({STUB!r}, module.__dict__)\nsys.modules['nmfaudio.denoising.denoiser'] = module\n"
    site = folder / ".site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # nothing lands in the folder but what the command writes


COMMAND = [sys.executable, "-c", "import sys; from nmfaudio.cli.denoise import main; sys.exit(main())"]


def test_many_files_at_a_time(installed_stub, folder):
    for i in range(5):
        write(f"in/{i}.wav", noise(1, 4000, seed=i))
    Path("in/bad.wav").write_text("not sound")
    done = subprocess.run([*COMMAND, "in", "--out-dir", "out", "--jobs", "2"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "denoise: error: in/bad.wav: not a sound file that can be read (Format not recognised): "
        "convert it to WAV or FLAC",
        "6 files: 5 done, 1 failed",
    ]
    assert files("out") == [f"{i}.wav" for i in range(5)]
    for i in range(5):
        np.testing.assert_allclose(read(f"out/{i}.wav"), read(f"in/{i}.wav") / 2, atol=2**-15)


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number, to_group", [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)])
def test_an_interruption_leaves_nothing_behind(installed_stub, folder, monkeypatch, jobs, number, to_group):
    monkeypatch.setenv("STUB_SLEEPS_S", "600")
    for i in range(4):
        write(f"in/{i}.wav")
    command = [*COMMAND, "in", "--out-dir", "out", "--jobs", str(jobs)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: Path("out").exists() and len(files("out")) == jobs)
    if to_group:  # as Ctrl-C in a terminal does
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    try:
        assert process.communicate(timeout=60)[1] == "denoise: interrupted\n"
        assert process.returncode == 130
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert files("out") == []


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_is_ignored_stays_so(installed_stub, folder, monkeypatch, number):
    """As nohup ignores that of a closed terminal, and a script that of Ctrl-C for what it starts in the background."""
    monkeypatch.setenv("STUB_SLEEPS_S", "0.3")
    for i in range(2):
        write(f"in/{i}.wav")
    ignoring = f"import signal; signal.signal({int(number)}, signal.SIG_IGN); " + COMMAND[-1]
    command = [*COMMAND[:-1], ignoring, "in", "--out-dir", "out"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: Path("out").exists() and len(files("out")) == 1)
    process.send_signal(number)
    assert process.communicate(timeout=60)[1] == "2 files: 2 done\n" and process.returncode == 0
    assert files("out") == ["0.wav", "1.wav"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interruption_that_a_library_swallows_is_one(capsys):
    def run():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except KeyboardInterrupt:
            raise RuntimeError("no compiled object yet") from None

    assert console.call("denoise", run) == 130
    assert capsys.readouterr().err == "denoise: interrupted\n"


@pytest.mark.skipif(os.name != "posix", reason="pipes with names")
def test_named_pipes_and_devices(folder):
    whole = write("in.wav")
    os.mkfifo("pipe")
    writer = subprocess.Popen([sys.executable, "-c", f"open('pipe', 'wb').write({whole!r})"])
    assert main(["pipe", "out.wav"]) == 0
    assert writer.wait() == 0
    assert facts("out.wav") == facts("in.wav")
    assert main(["in.wav", "/dev/null"]) == 0
    assert not Path("/dev/null").is_file()


def test_a_full_disk_is_named_and_leaves_nothing(installed_stub, folder):
    pytest.importorskip("resource")
    write("in.wav", noise(2, 100_000))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
    command = [sys.executable, "-c", limit + COMMAND[-1], "in.wav", "out.wav"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("denoise: error: out.wav: cannot be written")
    assert done.stderr.count("\n") == 1
    assert files(folder) == [".site/sitecustomize.py", "in.wav"]


def test_the_denoiser_itself(folder, monkeypatch, capsys):
    from nmfaudio.dictionary import Dictionary

    monkeypatch.setattr("nmfaudio.cli.cleaning.Denoiser", Denoiser)

    rng = np.random.default_rng(0)
    Dictionary("sparse", {name: unit_columns(rng.random((257, 6))) for name in ("speech", "noise")}).save("d.npz")
    write("in.wav", noise(2, 20_000), 22050, subtype="FLOAT")
    assert main(["in.wav", "out.wav", "-d", "d.npz"]) == 0
    cleaned = Denoiser("d.npz")(read("in.wav").T, 22050).T
    np.testing.assert_allclose(read("out.wav"), cleaned, atol=1e-6)
    assert np.abs(cleaned - read("in.wav")).max() > 0.01

    Path("broken.npz").write_bytes(Path("d.npz").read_bytes()[:1000])
    for name in ("nothing", "broken.npz", "in.wav", "missing.npz"):
        assert main(["in.wav", "new.wav", "-d", name]) == 2
        assert name in one_line(capsys)
    assert not Path("new.wav").exists()


def unit_columns(W):
    return W / np.linalg.norm(W, axis=0)


@pytest.fixture
def real(folder, monkeypatch):
    """A small dictionary for the denoiser itself, and noise for a second with a tone after it."""
    monkeypatch.setattr("nmfaudio.cli.cleaning.Denoiser", Denoiser)
    random_dictionary(LOOKING_AHEAD).save("d.npz")
    y = 0.1 * noise(2, 6000)
    y[1000:] += 0.3 * np.sin(np.arange(5000) / 5)[:, None].astype(np.float32)
    write("in.wav", y, 1000, subtype="FLOAT")
    write("noise.wav", y[:1000], 1000, subtype="FLOAT")


@pytest.mark.needs_jit
def test_noise_is_learnt_from_a_file_or_a_part_of_the_input_or_kept(real):
    def cleaned(*options):
        assert main(["in.wav", "out.wav", "-d", "d.npz", "--overwrite", *options]) == 0
        return read("out.wav")

    plain = cleaned()
    by_file = cleaned("--noise", "noise.wav", "--save-profile", "kept.npz")
    assert np.abs(by_file - plain).max() > 1e-3
    np.testing.assert_array_equal(cleaned("--noise", "kept.npz"), by_file)
    np.testing.assert_array_equal(cleaned("--noise", "0-0:01", "--save-profile", "part.npz"), by_file)
    np.testing.assert_array_equal(cleaned("--noise", "part.npz"), by_file)
    expected = Denoiser("d.npz", noise="kept.npz")(read("in.wav").T, 1000).T
    np.testing.assert_allclose(by_file, expected, atol=1e-6)
    Path("out.wav").unlink()
    again = ["in.wav", "out.wav", "-d", "d.npz", "--skip-existing", "--noise", "0-2", "--save-profile", "part.npz"]
    former = Path("part.npz").read_bytes()
    assert main(again) == 0
    assert Path("part.npz").read_bytes() != former
    later = cleaned("--noise", "0-1", "--start", "2")
    assert len(later) == 4000  # the part to learn from is one of the file, not of what is cut out of it


def test_a_file_that_was_replaced_is_not_cleaned_again(folder):
    args = build_parser().parse_args(["in.wav", "--in-place"])
    settle(args)
    before = write("in.wav")
    (job,) = plan(args)
    cleaner = Cleaner(Options(denoiser_options(args), {}, in_place=True))
    assert cleaner.attempt(job)["status"] == "done"
    once = Path("in.wav").read_bytes()
    assert once != before
    again = cleaner.attempt(job)
    assert again["status"] == "failed"
    assert again["error"].startswith("in.wav: has changed since the command began, and may be clean already: look at")
    assert Path("in.wav").read_bytes() == once


@pytest.mark.needs_jit
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_worker_that_dies_after_it_replaced_a_file_has_it_not_cleaned_twice(real, capsys, monkeypatch):
    write("more/other.wav", 0.1 * noise(1, 3000), 1000)
    write("more/third.wav", 0.1 * noise(1, 3000), 1000)
    assert main(["more", "-o", "once", "-d", "d.npz", "-q"]) == 0
    Path("token").touch()
    monkeypatch.setattr("nmfaudio.cli.batch._attempt", partial(clean_and_die_once, "token"))
    assert main(["more", "-o", "more", "--in-place", "-d", "d.npz", "-q", "-j", "2"]) in (1, 2)
    assert "has changed since the command began, and may be clean already" in capsys.readouterr().err
    for name in files("once"):
        np.testing.assert_array_equal(read(f"more/{name}"), read(f"once/{name}"))


@pytest.mark.needs_jit
def test_each_file_has_noise_of_its_own(real):
    write("other.wav", np.cumsum(noise(1, 3000), axis=0) / 50, 1000, subtype="FLOAT")
    assert main(["in.wav", "other.wav", "--out-dir", "out", "-d", "d.npz", "--noise", "0-1", "--report", "r.json"]) == 0
    assert json.loads(Path("r.json").read_text())["options"]["noise"] == [0, 1]
    for name in ("in.wav", "other.wav"):
        assert main([name, "alone.wav", "-d", "d.npz", "--noise", "0-1", "--overwrite"]) == 0
        np.testing.assert_array_equal(read(f"out/{name}"), read("alone.wav"))


@pytest.mark.parametrize(
    "what, words",
    [
        ("missing.wav", "missing.wav: no such file"),
        ("missing.npz", "missing.npz: no such file"),
        ("d.npz", "not a noise profile"),
        ("silent.wav", "silent.wav: the noise is silence"),
        ("7-8", "in.wav: is over before 7.0 s"),
        ("0-0.01", "in.wav: noise of 0.01 s is too short"),
    ],
)
def test_noise_that_cannot_be_used(real, capsys, what, words):
    write("silent.wav", np.zeros((2000, 1), np.float32), 1000)
    assert main(["in.wav", "out.wav", "-d", "d.npz", "--noise", what, "--save-profile", "kept.npz"]) == 2
    assert words in one_line(capsys)
    assert not Path("out.wav").exists() and not Path("kept.npz").exists()


def test_what_a_subcommand_does_not_know_is_its_own_error(capsys):
    with pytest.raises(SystemExit):
        nmfaudio_command.main(["report", "in.wav", "--nonsense"])
    assert one_line(capsys, "nmfaudio report").endswith("--nonsense (see nmfaudio report --help)\n")


@pytest.mark.parametrize("name", nmfaudio_command.SUBCOMMANDS)
def test_every_subcommand_has_help(capsys, name):
    with pytest.raises(SystemExit) as caught:
        nmfaudio_command.main([name, "--help"])
    assert caught.value.code == 0
    assert f"nmfaudio {name}" in capsys.readouterr().out
