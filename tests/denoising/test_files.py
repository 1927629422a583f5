"""Sound files through the denoiser, from Python."""

import numpy as np
import pytest
import soundfile as sf
from unfolded_helpers import LOOKING_AHEAD, random_dictionary

import nmfaudio
from nmfaudio import Denoiser, NmfaudioError, denoise_file, repair_file
from nmfaudio.cli.denoise import main

SR = 1000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder with a dictionary, and a second of noise with a tone after it."""
    monkeypatch.chdir(tmp_path)
    random_dictionary(LOOKING_AHEAD).save("d.npz")
    y = np.random.default_rng(0).uniform(-0.1, 0.1, (6000, 2)).astype(np.float32)
    y[1000:] += 0.3 * np.sin(np.arange(5000) / 5)[:, None].astype(np.float32)
    sf.write("in.wav", y, SR, subtype="FLOAT")
    return tmp_path


def read(path):
    return sf.read(path, dtype="float32", always_2d=True)[0].T


def test_a_file_is_denoised_as_its_samples_are(folder):
    report = denoise_file("in.wav", folder / "out.wav", dictionary="d.npz", strength=0.5, residual="rest.wav")
    expected = Denoiser("d.npz", strength=0.5)(read("in.wav"), SR)
    np.testing.assert_allclose(read("out.wav"), expected, atol=1e-6)
    np.testing.assert_allclose(read("out.wav") + read("rest.wav"), read("in.wav"), atol=1e-6)
    assert (report.input, report.output) == ("in.wav", str(folder / "out.wav"))
    assert (report.sr, report.channels, report.duration_s, report.clipped_samples) == (SR, 2, 6.0, 0)
    assert report.level_in_db == pytest.approx(10 * np.log10(np.mean(read("in.wav") ** 2)), abs=0.01)
    assert report.level_out_db == pytest.approx(10 * np.log10(np.mean(expected**2)), abs=0.01)


def test_what_denoising_lowered_does_not_depend_on_the_loudness_asked_for(folder):
    plain = denoise_file("in.wav", "plain.wav", dictionary="d.npz")
    quiet = denoise_file("in.wav", "quiet.wav", dictionary="d.npz", loudness_lufs=-40.0)
    assert quiet.lowered_db == plain.lowered_db == pytest.approx(plain.level_in_db - plain.level_out_db, abs=0.02)
    assert quiet.level_out_db < plain.level_out_db - 3


def test_the_command_does_the_same_with_a_part_and_its_noise(folder):
    parts = []
    options = {"noise": (0.0, 1.0), "start_s": 2.0, "stop_s": 5.0, "attenuation_limit_db": 12, "subtype": "PCM_24"}
    denoise_file("in.wav", "out.flac", dictionary="d.npz", progress=parts.append, **options)
    command = "in.wav command.flac -d d.npz --noise 0-1 --start 2 --end 5 --attenuation-limit 12 --subtype PCM_24"
    assert main(command.split()) == 0
    np.testing.assert_array_equal(read("out.flac"), read("command.flac"))
    assert read("out.flac").shape == (2, 3000) and parts == sorted(parts) and 0 <= parts[0] < parts[-1] == 1


def test_a_file_that_exists_stays_unless_asked(folder):
    before = (folder / "in.wav").read_bytes()
    (folder / "out.wav").write_text("old")
    with pytest.raises(NmfaudioError, match=r"out.wav: exists already: .*overwrite=True"):
        denoise_file("in.wav", "out.wav", dictionary="d.npz")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(NmfaudioError, match=r"in.wav: is the input itself: .*in_place=True"):
            denoise_file("in.wav", folder / "in.wav", dictionary="d.npz", **options)
        with pytest.raises(NmfaudioError, match="is the input itself|exists already"):
            repair_file("in.wav", folder / "in.wav", **options)
    for residual in ("in.wav", "new.wav"):
        with pytest.raises(NmfaudioError, match="is also the input|need different places"):
            denoise_file("in.wav", "new.wav", dictionary="d.npz", residual=residual, overwrite=True)
    assert (folder / "in.wav").read_bytes() == before
    denoise_file("in.wav", "in.wav", dictionary="d.npz", in_place=True)
    assert (folder / "in.wav").read_bytes() != before


def test_the_face_has_it_all():
    assert nmfaudio.denoise_file is denoise_file
    assert nmfaudio.separate_file is nmfaudio.separation.separate_file
    assert nmfaudio.repair_file is nmfaudio.repair.repair_file
    assert callable(nmfaudio.training.train_denoiser) and callable(nmfaudio.separate)
