import sys

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from nmfaudio import Dictionary, NmfaudioError, display

matplotlib.use("Agg")
SR = 16000


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close("all")


def sine(frequency_hz, amplitude, sr=SR, seconds=0.5):
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * sr)) / sr)


def value_at(ax, x, y):
    """What the image in the axes shows at a point."""
    (image,) = ax.images
    left, right, bottom, top = image.get_extent()
    values = image.get_array()
    return values[int((y - bottom) / (top - bottom) * len(values)), int((x - left) / (right - left) * values.shape[1])]


@pytest.mark.parametrize("sr", [8000, 16000, 44100])
def test_spectrogram_puts_a_sine_at_its_frequency_level_and_time(ax, sr):
    y = np.concatenate([np.zeros(sr // 2), sine(2000, 0.1, sr)])
    assert display.spectrogram(y, sr, ax=ax) is ax
    assert value_at(ax, 0.75, 2.0) == pytest.approx(-20, abs=1)
    assert value_at(ax, 0.75, 3.0) < -60
    assert value_at(ax, 0.25, 2.0) < -60
    assert ax.get_xlim() == (0, 1) and ax.get_ylim() == (0, sr / 2000)
    assert ax.get_xlabel() == "Time (s)" and ax.get_ylabel() == "Frequency (kHz)"


def test_silence_is_black(ax):
    display.spectrogram(np.zeros(SR), SR, ax=ax)
    (image,) = ax.images
    assert image.norm(image.get_array()).max() <= 0


@pytest.mark.parametrize("width", [2, 3])
def test_a_long_recording_is_drawn_where_it_is(ax, monkeypatch, width):
    y = np.concatenate([np.zeros(SR), sine(2000, 0.1, seconds=1.0)])
    monkeypatch.setattr(display, "_COLUMNS", len(y) // 256 // width + 1)
    monkeypatch.setattr(display, "_FRAMES", 16)
    display.spectrogram(y, SR, ax=ax)
    assert ax.images[0].get_array().shape[1] == pytest.approx(len(y) / 256 / width, abs=1)
    assert value_at(ax, 1.1, 2.0) == pytest.approx(-20, abs=1) and value_at(ax, 0.9, 2.0) < -60
    assert ax.get_xlim() == (0, 2)


def test_spectrogram_averages_the_power_of_channels(ax):
    display.spectrogram(np.stack([sine(2000, 0.1), sine(4000, 0.1)]), SR, ax=ax)
    assert value_at(ax, 0.25, 2.0) == pytest.approx(-23, abs=1)
    assert value_at(ax, 0.25, 4.0) == pytest.approx(-23, abs=1)


def test_gainshow_tells_what_was_taken_away(ax):
    low, high = sine(1000, 0.1), sine(3000, 0.1)
    display.gainshow(low + high, low + 0.1 * high, SR, ax=ax)
    assert value_at(ax, 0.25, 1.0) == pytest.approx(0, abs=0.1)
    assert value_at(ax, 0.25, 3.0) == pytest.approx(-20, abs=0.1)


def test_compare_shows_before_and_after_in_the_same_colours():
    y = sine(1000, 0.5)
    axes = display.compare(y, 0.1 * y, SR)
    before, gain, after = (ax.images[0] for ax in axes)
    assert before.get_clim() == after.get_clim()
    assert value_at(axes[1], 0.25, 1.0) == pytest.approx(-20, abs=0.1)
    assert value_at(axes[0], 0.25, 1.0) - value_at(axes[2], 0.25, 1.0) == pytest.approx(20, abs=0.1)
    plt.close("all")


def test_atomshow_draws_each_atom_relative_to_its_peak(ax):
    atoms = np.zeros((257, 3))
    atoms[[32, 64, 96], [0, 1, 2]] = 0.3, 0.6, 0.9
    display.atomshow(atoms, ax=ax)
    for k, frequency_khz in enumerate((1, 2, 3)):
        assert value_at(ax, k, frequency_khz) == 0
        assert value_at(ax, (k + 1) % 3, frequency_khz) < -40


def test_axes_are_made_where_none_are_given():
    figure = plt.figure()
    assert display.spectrogram(sine(1000, 0.5), SR).figure is figure
    plt.close("all")


def test_colours_grow_in_lightness_and_read_in_grey(ax):
    display.spectrogram(sine(1000, 0.5), SR, ax=ax)
    display.gainshow(sine(1000, 0.5), sine(1000, 0.1), SR, ax=ax)
    for image in ax.images:
        lightness = matplotlib.colormaps[image.get_cmap().name](np.linspace(0, 1, 64))[:, :3] @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(lightness) > 0).all()


def test_what_cannot_be_drawn_is_named(ax, monkeypatch):
    with pytest.raises(NmfaudioError, match="nothing to draw"):
        display.spectrogram(np.zeros(0), SR, ax=ax)
    with pytest.raises(NmfaudioError, match=r"\(5,\) and \(4,\)"):
        display.gainshow(np.zeros(5), np.zeros(4), SR, ax=ax)
    with pytest.raises(NmfaudioError, match=r"shape \(5,\)"):
        display.atomshow(np.ones(5), ax=ax)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    with pytest.raises(NmfaudioError, match=r"pip install 'nmfaudio\[notebooks\]'"):
        display.spectrogram(np.zeros(500), SR)


def harmonic_atoms(pitches_hz, bin_hz=31.25, n_bins=257):
    """Atoms of ten harmonics each."""
    frequency = np.arange(n_bins)[:, None, None] * bin_hz
    harmonics = np.arange(1, 11) * np.asarray(pitches_hz)[:, None]
    return np.exp(-0.5 * ((frequency - harmonics) / bin_hz) ** 2).sum(axis=2)


@given(st.permutations([90.0, 120.0, 160.0, 215.0, 290.0, 390.0]))
def test_atoms_are_sorted_by_pitch_and_centroid(pitches):
    atoms = harmonic_atoms(pitches)
    for by in ("pitch", "centroid"):
        assert (display.atom_order(atoms, by) == np.argsort(pitches)).all()


def test_pitch_is_not_the_centroid():
    low_voice, dull = harmonic_atoms([100.0]), harmonic_atoms([250.0])
    dull[40:] = 0
    atoms = np.hstack([dull, low_voice * (np.arange(257) > 16)[:, None]])
    assert list(display.atom_order(atoms, "centroid")) == [0, 1]
    assert list(display.atom_order(atoms, "pitch")) == [1, 0]


def test_atomshow_sorts(ax):
    atoms = np.zeros((257, 3))
    atoms[[96, 32, 64], [0, 1, 2]] = 1
    display.atomshow(atoms, by="centroid", ax=ax)
    for k, frequency_khz in enumerate((1, 2, 3)):
        assert value_at(ax, k, frequency_khz) == 0
    assert "centroid" in ax.get_xlabel()


def test_activationshow_puts_an_atom_at_its_time(ax):
    H = np.full((4, 100), 1e-9)
    H[2, 50] = 1.0
    H[1, 50] = 0.1
    display.activationshow(H, hop_s=0.01, ax=ax)
    assert value_at(ax, 0.5, 2) == 0
    assert value_at(ax, 0.5, 1) == pytest.approx(-20)
    assert value_at(ax, 0.4, 2) < -100
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (s)", "Atom")


def dictionary_with(record):
    return Dictionary("sparse", {"speech": np.eye(257, 2), "noise": np.eye(257, 2)}, record=record, name="mine")


def test_learningshow_draws_the_record(ax):
    first = [{"step": 1, "train": 0.5, "dev": 0.6}, {"step": 2, "train": 0.4, "dev": 0.55}]
    second = [{"step": 1, "train": 0.3, "dev": None}]
    record = {"stages": [{"curve": first}, {"curve": []}, {"curve": second}]}
    assert display.learningshow(dictionary_with(record), ax=ax) is ax
    drawn = {line.get_label(): list(zip(*line.get_data(), strict=True)) for line in ax.lines}
    assert drawn == {
        "training, stage 1": [(1, 0.5), (2, 0.4)],
        "development, stage 1": [(1, 0.6), (2, 0.55)],
        "training, stage 2": [(1, 0.3)],
    }
    styles = {(line.get_linestyle(), line.get_color()) for line in ax.lines}
    assert len(styles) == 3 and all(0 <= float(grey) < 0.7 for _, grey in styles)


def test_rankshow_rings_the_best_mean(ax):
    display.rankshow([2, 4, 8], [[3, 5], [1, 2], [2, 4]], ax=ax)
    *dots, mean, ring = ax.lines
    assert len(dots) == 2 and list(mean.get_ydata()) == [4, 1.5, 3]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (4, 1.5)


def test_what_has_no_picture_is_named(ax):
    with pytest.raises(NmfaudioError, match="'mine': its record has no learning curves"):
        display.learningshow(dictionary_with({}), ax=ax)
    with pytest.raises(NmfaudioError, match=r"shape \(5,\)"):
        display.activationshow(np.ones(5), ax=ax)
    with pytest.raises(NmfaudioError, match=r"\(2,\) do not fit 3 ranks"):
        display.rankshow([1, 2, 3], [1, 2], ax=ax)
    with pytest.raises(NmfaudioError, match="by must be one of 'centroid', 'pitch', not 'beauty'"):
        display.atomshow(np.eye(9), by="beauty", ax=ax)
