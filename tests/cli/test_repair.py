import os

import numpy as np
import pytest
import soundfile as sf
from signals import real_recording

from nmfaudio import NmfaudioError, audio
from nmfaudio.cli.main import main
from nmfaudio.repair import repair_file

SR = 16000
VOICE = real_recording()[0][:SR]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def repair(*argv):
    return main(["repair", *argv])


def test_a_sound_recording_comes_out_as_it_went_in(folder, capsys):
    sf.write("in.wav", VOICE, SR)
    assert repair("in.wav", "out.wav") == 0
    said = "found no damage: neither clipped peaks nor dropouts; --clicks looks for clicks\n"
    assert capsys.readouterr().err.endswith(said)
    np.testing.assert_array_equal(sf.read("out.wav")[0], sf.read("in.wav")[0])
    assert repair("in.wav", "again.wav", "--dropouts") == 0
    assert capsys.readouterr().err.endswith("again.wav: found no damage\n")


def test_without_an_output_the_result_lies_beside_the_input(folder, capsys):
    os.mkdir("tapes")
    sf.write("tapes/in.wav", VOICE, SR)
    assert repair("tapes/in.wav") == 0
    assert capsys.readouterr().out == "tapes/in_repaired.wav\n"
    np.testing.assert_array_equal(sf.read("tapes/in_repaired.wav")[0], sf.read("tapes/in.wav")[0])
    assert repair("tapes/in.wav") == 2 and "in_repaired.wav: exists already" in capsys.readouterr().err
    assert repair("tapes/in.wav", "--format", "FLAC", "-q") == 0
    assert sf.info("tapes/in_repaired.flac").format == "FLAC"
    assert capsys.readouterr().out == ""


def test_an_output_may_be_a_folder_and_needs_a_suffix(folder, capsys):
    os.mkdir("mended")
    sf.write("in.wav", VOICE, SR)
    assert repair("in.wav", "mended", "-q") == 0
    np.testing.assert_array_equal(sf.read("mended/in.wav")[0], sf.read("in.wav")[0])
    assert repair("in.wav", "new") == 2 and "new: has no suffix: give new.wav\n" in capsys.readouterr().err
    assert repair("in.wav", "new/") == 2 and "new/: no such folder: make it first\n" in capsys.readouterr().err


def test_in_place_needs_no_output(folder):
    y = VOICE.copy()
    y[12000] += 0.5
    sf.write("in.wav", y, SR)
    assert repair("in.wav", "--in-place", "--clicks", "-q") == 0
    assert abs(sf.read("in.wav")[0][12000] - VOICE[12000]) < 0.1
    assert os.listdir() == ["in.wav"]


def test_a_loud_file_without_damage_is_not_lowered(folder, capsys):
    y = VOICE.copy()
    y[5000] = 1.2
    sf.write("in.wav", y, SR, subtype="FLOAT")
    assert repair("in.wav", "out.wav", "--subtype", "PCM_16") == 0
    assert "found no damage" in capsys.readouterr().err
    np.testing.assert_allclose(sf.read("out.wav")[0], y.clip(-1, 1), atol=2**-15)


@pytest.mark.needs_jit
def test_dropouts_and_clipping_are_looked_for_unasked(folder, capsys):
    y = VOICE.clip(-0.1, 0.1)
    y[8000:8100] = 0
    sf.write("in.wav", y, SR, subtype="PCM_24")
    assert repair("in.wav", "out.wav") == 0
    said = capsys.readouterr().err
    assert "dropouts: 6.2 ms replaced" in said and "clipped:" in said
    mended = sf.read("out.wav")[0]
    assert mended[8000:8100].any() and np.abs(mended).max() > 0.12
    assert sf.info("out.wav").subtype == "PCM_24"


@pytest.mark.needs_jit
def test_a_gap_a_hole_and_a_click(folder, capsys):
    y = VOICE.copy()
    y[12000] += 0.5
    sf.write("in.wav", np.stack([y, y], axis=1), SR)
    assert repair("in.wav", "out.flac", "--gap", "0.25-0.27", "--hole", "0.5-0.6@500-1500", "--clicks", "-q") == 0
    assert not capsys.readouterr().err
    mended, sr = sf.read("out.flac")
    assert mended.shape == (SR, 2) and sr == SR
    assert np.abs(mended[12000]).max() < 0.3


@pytest.mark.needs_jit
def test_peaks_beyond_full_scale_are_given_room(folder, capsys):
    sf.write("in.wav", (5 * VOICE / np.abs(VOICE).max()).clip(-1, 1), SR)
    assert repair("in.wav", "out.wav", "--clipped") == 0
    assert "to make room" in capsys.readouterr().err
    flat = np.abs(sf.read("out.wav")[0]) > 0.999
    assert not (flat[1:] & flat[:-1]).any()


@pytest.mark.needs_jit
def test_the_band_is_extended_to_the_rate_of_the_dictionary(folder):
    sf.write("in.wav", VOICE[::2], SR // 2)
    assert repair("in.wav", "out.wav", "--band") == 0
    y, sr = sf.read("out.wav")
    assert sr == SR and len(y) == len(VOICE)
    assert repair("--band", "in.wav", "--", "other.wav") == 0  # a file is no frequency
    np.testing.assert_array_equal(sf.read("other.wav")[0], y)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["missing.wav", "out.wav"], "missing.wav"),
        (["in.wav", "there.wav"], "there.wav: exists already: give --overwrite"),
        (["in.wav", "out.wav", "--gap", "2-2.1"], "the gap 2-2.1 s is beyond the end of the recording"),
        (["in.wav", "out.wav", "--gap", "0.2-0.1"], "'0.2-0.1' is not START-END"),
        (["in.wav", "out.wav", "--hole", "0.2-0.3"], "is not START-END@LOW-HIGH"),
        (["in.wav", "out.wav", "--hole", "0.2-0.3@900-100"], "is not START-END@LOW-HIGH"),
        (["in.wav", "out.wav", "--hole", "2-3@100-900"], "the recording ends at 1 s"),
        (["--band", "4k", "in.wav", "out.wav"], "'4k' is not a frequency in Hz"),
        (["in.wav", "out.wav", "--band", "0"], "'0' is not a frequency"),
        (["in.wav", "out.wav", "--band", "x"], "'x' is not a frequency"),
        (["in.wav", "out.wav", "--band"], "give the cutoff"),
        (["in.wav", "out.wav", "--band", "3400", "-d", "nobody"], "no dictionary"),
        (["empty.wav", "out.wav"], "empty.wav: has no sound"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, argv, message):
    sf.write("in.wav", VOICE, SR)
    sf.write("there.wav", VOICE, SR)
    sf.write("empty.wav", VOICE[:0], SR)
    before = (folder / "there.wav").read_bytes()
    try:
        code = repair(*argv)
    except SystemExit as exit:
        code = exit.code
    said = capsys.readouterr().err
    assert code == 2 and message in said and said.count("\n") == 1
    assert (folder / "there.wav").read_bytes() == before
    assert not (folder / "out.wav").exists()


def test_python_repairs_as_the_command_does(folder):
    y = VOICE.copy()
    y[8000:8100] = 0
    sf.write("in.wav", y, SR, subtype="FLOAT")
    assert repair("in.wav", "command.wav", "--gap", "0.25-0.26", "--dropouts", "-q") == 0
    report = repair_file("in.wav", "out.wav", gaps=[(0.25, 0.26)], damage=["dropouts"])
    assert report.repairs == ("filled 0.25-0.26 s", "dropouts: 6.2 ms replaced")
    np.testing.assert_array_equal(sf.read("out.wav")[0], sf.read("command.wav")[0])
    with pytest.raises(NmfaudioError, match="damage must be one of 'dropouts', 'clicks', 'clipped', not 'hiss'"):
        repair_file("in.wav", "other.wav", damage=["hiss"])


@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_that_is_changed_meanwhile_is_not_repaired_by_what_it_was(folder, capsys, monkeypatch, channels):
    sf.write("in.wav", VOICE, SR)
    blocks = audio.blocks

    def changing(*args, **options):
        yield from blocks(*args, **options)
        sf.write("new.wav", np.repeat(VOICE[:8000, None], channels, axis=1), SR)
        os.replace("new.wav", "in.wav")

    monkeypatch.setattr(audio, "blocks", changing)
    assert repair("in.wav", "out.wav") == 2
    assert "in.wav: was changed while it was read: try again" in capsys.readouterr().err
    assert not (folder / "out.wav").exists()
