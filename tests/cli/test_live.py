import sys

import numpy as np
import pytest
from unfolded_helpers import CAUSAL, LOOKING_AHEAD, random_dictionary

from nmfaudio import StreamingDenoiser
from nmfaudio.cli.live import Passing
from nmfaudio.cli.main import main


class PortAudioError(Exception):
    pass


class FakeDevices:
    """Stand-in for sounddevice: a microphone that hears `heard`, then Ctrl-C."""

    PortAudioError = PortAudioError

    def __init__(self, heard=None, gaps=(), broken=False):
        self.heard, self.gaps, self.broken = heard, gaps, broken
        self.played, self.options, self.is_open = [], None, False

    def query_devices(self, device=None, kind=None):
        if device is None and kind is None:
            return "  0 microphone\n  1 loudspeaker"
        if device == "nothing":
            raise ValueError("No output device matching 'nothing'")
        return {"default_samplerate": 1000.0}

    def Stream(self, **options):
        if self.broken:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        self.options = options
        return self

    def __enter__(self):
        self.is_open = True
        return self

    def __exit__(self, *_):
        self.is_open = False

    latency = (0.01, 0.02)

    @property
    def active(self):
        return self.heard is not None

    def sleep(self, ms):
        for i, block in enumerate(self.heard):
            out = np.full(block.shape, np.nan, np.float32)
            self.options["callback"](block, out, len(block), None, i in self.gaps)
            self.played.append(out)
        raise KeyboardInterrupt


@pytest.fixture
def dictionary(tmp_path):
    random_dictionary(CAUSAL).save(tmp_path / "causal.npz")
    random_dictionary(LOOKING_AHEAD).save(tmp_path / "ahead.npz")
    return str(tmp_path / "causal.npz")


def run(monkeypatch, devices, *args):
    monkeypatch.setitem(sys.modules, "sounddevice", devices)
    return main(["live", *args])


def blocks(n_channels=1):
    y = np.random.default_rng(0).standard_normal((400, n_channels)).astype(np.float32) * 0.1
    return np.split(y, [64, 100, 350])


@pytest.mark.parametrize("n_channels", [1, 2])
def test_what_is_heard_is_played_cleaned_until_ctrl_c(monkeypatch, dictionary, capsys, n_channels):
    devices = FakeDevices(blocks(n_channels))
    args = ["-d", dictionary, "--input", "2", "--output", "loud", "--channels", str(n_channels)]
    assert run(monkeypatch, devices, *args) == 0
    assert not devices.is_open
    assert devices.options["device"] == (2, "loud")
    assert (devices.options["samplerate"], devices.options["channels"]) == (1000, n_channels)
    stream = StreamingDenoiser(dictionary, sr=1000, n_channels=n_channels)
    expected = stream.process(np.concatenate(devices.heard).T).T
    np.testing.assert_array_equal(np.concatenate(devices.played), expected)
    assert capsys.readouterr().err == f"1000 Hz, {stream.latency + 30} ms behind; Ctrl-C ends\n"


def test_options_reach_the_denoiser(monkeypatch, dictionary):
    devices = FakeDevices(blocks())
    assert run(monkeypatch, devices, "-d", dictionary, "--rate", "500", "--attenuation-limit", "0") == 0
    delay = StreamingDenoiser(dictionary, sr=500).latency
    played, heard = np.concatenate(devices.played), np.concatenate(devices.heard)
    np.testing.assert_allclose(played[delay:], heard[:-delay], atol=1e-6)


def test_tones_are_kept_if_that_is_said(monkeypatch, dictionary):
    tone = np.sin(2 * np.pi * 60 * np.arange(6000) / 1000).astype(np.float32)[:, None]
    devices = FakeDevices([tone])
    assert run(monkeypatch, devices, "-d", dictionary, "--keep-tones") == 0
    streams = (StreamingDenoiser(dictionary, sr=1000, keep_tones=keep) for keep in (True, False))
    kept, lowered = (stream.process(tone.T).T for stream in streams)
    np.testing.assert_array_equal(devices.played[0], kept)
    assert not np.array_equal(kept, lowered)


def test_ctrl_c_before_the_sound_begins(monkeypatch, dictionary, capsys):
    class Impatient(FakeDevices):
        def query_devices(self, *args):
            raise KeyboardInterrupt

    assert run(monkeypatch, Impatient(), "-d", dictionary) == 130
    assert capsys.readouterr().err == "nmfaudio live: interrupted\n"


def test_gaps_are_counted(monkeypatch, dictionary, capsys):
    assert run(monkeypatch, FakeDevices(blocks(), gaps=(1, 3)), "-d", dictionary) == 0
    assert "2 times the sound had a gap" in capsys.readouterr().err


def test_broken_samples_do_not_end_the_sound(dictionary):
    passing = Passing(StreamingDenoiser(dictionary, sr=1000))
    heard, played = np.array([[0.1], [np.nan], [np.inf]], np.float32), np.empty((3, 1), np.float32)
    for _ in range(30):
        passing(heard, played, 3, None, None)
        assert np.isfinite(played).all()


class NoDevices(FakeDevices):
    """As sounddevice on a server: an empty list, which prints as an empty line."""

    def query_devices(self, device=None, kind=None):
        if kind is None:
            return ()
        raise PortAudioError("Error querying device -1")

    Stream = None


def test_a_machine_without_devices_is_explained(monkeypatch, dictionary, capsys):
    assert run(monkeypatch, NoDevices(), "-d", dictionary) == 2
    err = capsys.readouterr().err
    assert "no microphone or loudspeaker on this machine" in err and "denoise FILE" in err and err.count("\n") == 1
    assert run(monkeypatch, NoDevices(), "--list-devices") == 0
    assert capsys.readouterr().out.startswith("no microphone or loudspeaker on this machine")


def test_devices_are_listed(monkeypatch, capsys):
    assert run(monkeypatch, FakeDevices(), "--list-devices") == 0
    assert "1 loudspeaker" in capsys.readouterr().out


@pytest.mark.parametrize(
    "devices, options, words",
    [
        (None, [], "pip install 'nmfaudio[live]'"),
        (
            FakeDevices(),
            ["--output", "nothing"],
            "No output device matching 'nothing'): nmfaudio live --list-devices names",
        ),
        (FakeDevices(broken=True), [], "Invalid sample rate"),
        (FakeDevices(), [], "the sound device has stopped"),
        (FakeDevices(), ["-d", "unknown"], "no dictionary named 'unknown'"),
        (FakeDevices(), ["-d", "AHEAD"], "looks"),
        (FakeDevices(), ["--noise", "missing.wav"], "missing.wav: no such file"),
    ],
)
def test_what_is_missing_is_one_line(monkeypatch, dictionary, capsys, devices, options, words):
    options = [dictionary.replace("causal", "ahead") if option == "AHEAD" else option for option in options]
    assert run(monkeypatch, devices, "-d", dictionary, *options) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("nmfaudio live: error: ") and words in err


def test_a_missing_library_is_named(monkeypatch, tmp_path, capsys):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["live"]) == 2
    assert "PortAudio library not found: install PortAudio" in capsys.readouterr().err
