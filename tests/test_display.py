import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt

from nmfaudio import NmfaudioError, display

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
def test_specshow_puts_a_sine_at_its_frequency_level_and_time(ax, sr):
    y = np.concatenate([np.zeros(sr // 2), sine(2000, 0.1, sr)])
    assert display.specshow(y, sr, ax=ax) is ax
    assert value_at(ax, 0.75, 2.0) == pytest.approx(-20, abs=1)
    assert value_at(ax, 0.75, 3.0) < -60
    assert value_at(ax, 0.25, 2.0) < -60
    assert ax.get_xlim() == (0, 1) and ax.get_ylim() == (0, sr / 2000)
    assert ax.get_xlabel() == "Time (s)" and ax.get_ylabel() == "Frequency (kHz)"


def test_specshow_averages_the_power_of_channels(ax):
    display.specshow(np.stack([sine(2000, 0.1), sine(4000, 0.1)]), SR, ax=ax)
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
    assert display.specshow(sine(1000, 0.5), SR).figure is figure
    plt.close("all")


def test_colours_grow_in_lightness_and_read_in_grey(ax):
    display.specshow(sine(1000, 0.5), SR, ax=ax)
    display.gainshow(sine(1000, 0.5), sine(1000, 0.1), SR, ax=ax)
    for image in ax.images:
        lightness = matplotlib.colormaps[image.get_cmap().name](np.linspace(0, 1, 64))[:, :3] @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(lightness) > 0).all()


def test_what_cannot_be_drawn_is_named(ax, monkeypatch):
    with pytest.raises(NmfaudioError, match="nothing to draw"):
        display.specshow(np.zeros(0), SR, ax=ax)
    with pytest.raises(NmfaudioError, match=r"\(5,\) and \(4,\)"):
        display.gainshow(np.zeros(5), np.zeros(4), SR, ax=ax)
    with pytest.raises(NmfaudioError, match=r"shape \(5,\)"):
        display.atomshow(np.ones(5), ax=ax)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    with pytest.raises(NmfaudioError, match=r"pip install 'nmfaudio\[notebooks\]'"):
        display.specshow(np.zeros(500), SR)
