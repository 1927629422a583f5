"""Separation of songs: cues, their context, and whole songs."""

import itertools
import tracemalloc
from dataclasses import asdict, replace

import numpy as np
import pytest

from nmfaudio import Dictionary, FrontEnd, NmfaudioError, separate
from nmfaudio.errors import DictionaryError
from nmfaudio.separation.songs import cues as cues_module
from nmfaudio.separation.songs.context import SongContext
from nmfaudio.separation.songs.cues import PARTS, cues
from nmfaudio.separation.songs.drums import DrumSeparator
from nmfaudio.separation.songs.separator import SongSeparator
from nmfaudio.unfolded.weights import Weights, named_arrays

SR = 8000
FRONT_END = FrontEnd(SR, window_s=0.016, hop_s=0.008, n_bins=24, exponent=0.6, n_high=8, high_hz=4000.0)
NAMES = ("voice", "drums", "rest")
FIRST = SongContext(
    24, 6, 1437.5, 8, mixture_means=((-2, -1), (1, 1)), cue_means=((0, 0), (-3, 3)), cue_atoms=((0, 0),)
)
SECOND = SongContext(
    24, 6, 1437.5, 8, n_sources=3, cue_means=((0, 0),), source_means=((-2, 0), (1, 2)), source_atoms=((0, 0), (-1, 1))
)


def random_stage(context, seed):
    rng = np.random.default_rng(seed)
    D, J, F, K = context.n_rows, context.n_tracked, context.height, 5
    shapes = {"start": (K,), "tracked_start": (J,), "power": (F,), "sources": (3, F, K), "source_gains": (3, J, F)}
    shapes |= {"atoms0": (D, K), "weights0": (D,), "penalty0": (K,), "relaxation0": (K,)}
    shapes |= {"gains0": (J, D), "tracked_penalty0": (J,)}
    return Weights.from_arrays({name: (rng.random(shape) + 0.1).astype(np.float32) for name, shape in shapes.items()})


def of_stages(*contexts, names=NAMES):
    arrays = named_arrays([random_stage(context, i) for i, context in enumerate(contexts)])
    stages = [{"order": [0, 0], "context": asdict(context)} for context in contexts]
    return Dictionary("songs", arrays, FRONT_END, {"sources": list(names), "stages": stages}, name="mine")


@pytest.fixture(scope="module")
def dictionary():
    """A dictionary that separates nothing well but runs through every path."""
    return of_stages(FIRST, SECOND)


def song(seconds=2.0, channels=2, sr=SR):
    """A chord at one side, a voice that glides in the centre, and strokes."""
    rng, t = np.random.default_rng(0), np.arange(int(seconds * sr)) / sr
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330))
    voice = np.sin(2 * np.pi * 600 * t + 30 * np.sin(2 * np.pi * 0.9 * t**1.5))
    strokes = rng.standard_normal(len(t)) * np.exp(-60 * (t % 0.25))
    left, right = chord + voice + strokes, 0.1 * chord + voice + strokes
    return (0.1 * np.stack([left, right][:channels])).astype(np.float32)


def spectra(y):
    return FRONT_END.stft(SR)(y)


def test_the_parts_add_up_to_the_spectrogram():
    X = cues(spectra(song()), FRONT_END)
    assert X.shape[:2] == (1 + len(PARTS), 32) and X.dtype == np.float32
    assert (X >= 0).all()
    np.testing.assert_allclose(X[1:].sum(axis=0), X[0], rtol=1e-4, atol=1e-5 * X[0].max())
    powers = FRONT_END.spectrogram(song(), SR) ** (2 / FRONT_END.exponent)
    np.testing.assert_allclose(X[0], powers.mean(axis=0) ** (FRONT_END.exponent / 2), rtol=1e-3, atol=1e-5 * X[0].max())


def test_each_sound_is_mostly_in_the_parts_that_describe_it():
    t = np.arange(4 * SR) / SR
    tone, stroke = (
        np.sin(2 * np.pi * 500 * t),
        np.exp(-80 * (t % 0.5)) * np.random.default_rng(0).standard_normal(len(t)),
    )

    def shares(y):
        X = cues(spectra(np.asarray(y, np.float32)), FRONT_END)[:, :, 20:-20]
        return dict(zip(PARTS, X[1:].sum(axis=(1, 2)) / X[0].sum(), strict=True))

    assert shares([tone, tone])["sustained, centre"] > 0.8
    beside = shares([tone, 0.01 * tone])
    assert beside["tonal, repeating, side"] + beside["tonal, new, side"] > 0.8
    struck = shares([stroke, stroke])
    assert struck["percussive, repeating"] + struck["percussive, new"] > 0.7


@pytest.mark.parametrize("silent", [0, 2e-5])  # digital silence, and dither
def test_channels_without_sound_leave_what_is_in_the_centre_there(silent):
    left, right = song()
    nothing = silent * np.random.default_rng(1).standard_normal(len(left)).astype(np.float32)

    def shares(*channels):
        X = cues(spectra(np.stack(channels)), FRONT_END)
        return X[1:].sum(axis=(1, 2)) / X[0].sum()

    np.testing.assert_allclose(shares(left, nothing), shares(left), atol=1e-3)
    np.testing.assert_allclose(shares(left, right, *[nothing] * 4), shares(left, right), atol=1e-3)


def test_cues_of_a_piece_are_those_of_the_whole(monkeypatch):
    monkeypatch.setattr(cues_module, "REACH", 30)
    Y = spectra(song())
    whole, near = cues(Y, FRONT_END), slice(60, 220)
    piece = cues(Y[..., near], FRONT_END)
    np.testing.assert_allclose(piece[..., 40:-40], whole[..., 100:180], rtol=1e-4, atol=1e-5 * whole.max())


@pytest.mark.needs_jit
def test_a_silent_song_has_finite_cues_and_stems(dictionary):
    assert not cues(spectra(np.zeros((2, SR), np.float32)), FRONT_END).any()
    assert not any(y.any() for y in SongSeparator(dictionary)(np.zeros((2, SR)), SR).values())


@pytest.mark.parametrize("context", [FIRST, SECOND])
def test_the_stack_is_that_of_the_formulas(context):
    rng = np.random.default_rng(0)
    X, masks = rng.random((1 + len(PARTS), 32, 9)).astype(np.float32), rng.random((3, 32, 9)).astype(np.float32)
    parts = {f"cue_{kind} {i}": x for kind in ("means", "atoms") for i, x in enumerate(X[1:])}
    parts |= {f"source_{kind} {i}": X[0] * mask for kind in ("means", "atoms") for i, mask in enumerate(masks)}
    parts |= {"mixture": X[0], "mixture_means": X[0]}
    stack, tracked = context.stack_rows(X, masks if context.n_sources else None)
    at = lambda V, t: V[:, t] if 0 <= t < 9 else np.zeros(32)  # noqa: E731  silence outside
    for t in range(9):
        pieces, atoms = [], []
        for part in context.layout:
            for first, last in part.spans:
                mean = np.mean([at(parts[part.name], t + s) for s in range(first, last + 1)], axis=0)
                (atoms if part.kind == "atoms" else pieces).append(
                    context.bands @ mean if part.kind == "bands" else mean
                )
        row = np.concatenate(pieces)
        np.testing.assert_allclose(stack[t], row / row.mean(), rtol=1e-4, atol=1e-6)
        want = [np.concatenate([atom, context.bands @ atom]) / row.mean() for atom in atoms]
        np.testing.assert_allclose(tracked[t], want, rtol=1e-4, atol=1e-6)
    assert stack.shape[1] == context.n_rows and tracked.shape[1] == context.n_tracked
    assert SongContext.from_json(asdict(context)) == context


@pytest.mark.needs_jit
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sr", [1000, 3000, 6000, SR, 22050])  # without some of the bins, without bands, ...
def test_stems_add_up_to_the_song_at_any_rate(dictionary, sr, channels):
    y = song(0.7, channels, sr)
    stems = SongSeparator(dictionary)(y, sr)
    assert list(stems) == list(NAMES) and all(stem.shape == y.shape for stem in stems.values())
    np.testing.assert_allclose(sum(stems.values()), y, atol=2e-6)


@pytest.mark.needs_jit
@pytest.mark.parametrize("channels", [1, 2])
def test_drums_take_the_place_of_the_drum_stem(dictionary, channels):
    pieces = DrumSeparator(dictionary, of_stages(FIRST, SECOND, names=["a", "b", "c"]))
    y = song(1.5, channels)
    stems, drums = SongSeparator(dictionary)(y, SR), separate(y, SR, pieces)
    assert list(drums) == ["a", "b", "c", "voice", "rest"]
    for name in ("voice", "rest"):
        np.testing.assert_allclose(drums[name], stems[name], atol=1e-6)
    np.testing.assert_allclose(drums["a"] + drums["b"] + drums["c"], stems["drums"], atol=2e-6)


def test_dictionaries_that_do_not_separate_drums_are_refused():
    with pytest.raises(DictionaryError, match="'drums': has kick, snare, cymbals, and no drums .*, as songs$"):
        DrumSeparator("drums")
    with pytest.raises(DictionaryError, match="'songs': has vocals, bass, other, as 'songs' has: .*, as drums$"):
        DrumSeparator("songs", "songs")


@pytest.mark.needs_jit
def test_a_song_in_blocks_is_the_whole_song(dictionary, monkeypatch):
    for name, value in (("REACH", 30), ("_SPATIAL", 15), ("_REACH", 30)):
        monkeypatch.setattr(f"nmfaudio.separation.songs.separator.{name}", value)
    monkeypatch.setattr(cues_module, "REACH", 30)
    separator, y = SongSeparator(dictionary), song(3.0)
    whole = separator(y, SR)
    for name in ("_PIECE", "_AT_ONCE"):
        monkeypatch.setattr(f"nmfaudio.separation.songs.separator.{name}", 50)
    pieces = list(separator.process_blocks(np.array_split(y, 7, axis=1), SR))
    assert len(pieces) > 3
    for name, stem in whole.items():
        np.testing.assert_allclose(np.concatenate([piece[name] for piece in pieces], axis=1), stem, atol=1e-6)


@pytest.mark.needs_jit
def test_songs_that_are_not_stereo_do_not_wait_for_the_places_of_their_sources(dictionary, monkeypatch):
    for name, value in (("REACH", 30), ("_PIECE", 50)):
        monkeypatch.setattr(f"nmfaudio.separation.songs.separator.{name}", value)
    monkeypatch.setattr(cues_module, "REACH", 30)

    def seconds_until_stems(channels, spatial):
        blocks = iter([song(1.0, channels)] * 12)
        next(SongSeparator(dictionary, spatial=spatial).process_blocks(blocks, SR))
        return 12 - len(list(blocks))

    assert seconds_until_stems(1, True) == seconds_until_stems(1, False) < seconds_until_stems(2, True)


@pytest.mark.needs_jit
def test_the_memory_of_a_song_is_that_of_the_spectra_of_a_few_seconds(dictionary, monkeypatch):
    sizes = {"REACH": 30, "_SPATIAL": 15, "_REACH": 30, "_PIECE": 500, "_AT_ONCE": 250, "_MASKED": 50, "_TO_SOUND": 50}
    for name, value in sizes.items():
        monkeypatch.setattr(f"nmfaudio.separation.songs.separator.{name}", value)
    monkeypatch.setattr(cues_module, "REACH", 30)
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: 1)
    separator, block, peaks = SongSeparator(dictionary), song(1.0, sr=44100), []
    for seconds in (12, 12, 40):  # the first is there to compile
        tracemalloc.start()
        try:
            for _ in separator.process_blocks(itertools.repeat(block, seconds), 44100):
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[2] < 1.1 * peaks[1]
    assert peaks[2] < 6 * sizes["_PIECE"] * FRONT_END.stft(44100).n_bins * 2 * 8


@pytest.mark.needs_jit
def test_the_level_does_not_matter(dictionary):
    separator, y = SongSeparator(dictionary), song(0.5)
    for name, stem in separator(y * 1e-3, SR).items():
        np.testing.assert_allclose(1e3 * stem, separator(y, SR)[name], atol=1e-5)


@pytest.mark.needs_jit
def test_shipped_songs_put_a_tune_and_strokes_into_their_stems():
    sr, t = 44100, np.arange(4 * 44100) / 44100
    kick = np.sin(2 * np.pi * 55 * (t % 0.5) + 8 * (1 - np.exp(-40 * (t % 0.5)))) * np.exp(-12 * (t % 0.5))
    hat = 0.3 * np.random.default_rng(0).standard_normal(len(t)) * np.exp(-90 * (t % 0.25))
    piano = 0.3 * sum(np.sin(2 * np.pi * f * t) for f in (440, 554.4, 659.3)) * np.exp(-1.5 * (t % 1))
    drums, other = np.tile(kick + hat, (2, 1)), np.stack([piano, 0.3 * piano])
    stems = separate(0.2 * (drums + other), sr)
    for name, source in (("drums", drums), ("other", other)):
        error = stems[name] - 0.2 * source
        assert 10 * np.log10(np.sum((0.2 * source) ** 2) / np.sum(error**2)) > 4


@pytest.mark.needs_jit
def test_shipped_drums_are_a_kick_and_a_hat():
    sr, t = 44100, np.arange(4 * 44100) / 44100
    kick = np.sin(2 * np.pi * 55 * (t % 0.5) + 8 * (1 - np.exp(-40 * (t % 0.5)))) * np.exp(-12 * (t % 0.5))
    hat = np.random.default_rng(0).standard_normal(len(t) + 1) * np.exp(-90 * (np.append(t, 4) % 0.25))
    strokes = {"kick": np.tile(0.2 * kick, (2, 1)), "cymbals": np.tile(0.1 * np.diff(hat), (2, 1))}
    stems = SongSeparator("drums")(sum(strokes.values()), sr)
    assert list(stems) == ["kick", "snare", "cymbals"]
    for name, source in strokes.items():
        assert 10 * np.log10(np.sum(source**2) / np.sum((stems[name] - source) ** 2)) > 6


def test_other_dictionaries_are_refused(dictionary):
    with pytest.raises(DictionaryError, match="'speech-fast': of kind 'unfolded', not songs"):
        SongSeparator("speech-fast")
    with pytest.raises(NmfaudioError, match="keeps the phase"):
        separate(song(), SR, dictionary, phase="misi")


@pytest.mark.parametrize(
    "changes", [{"sources": ["a"]}, {"stages": []}, {"stages": [{}]}, {"stages": [{"order": [7], "context": {}}]}]
)
def test_broken_dictionaries_say_so(dictionary, changes):
    broken = Dictionary("songs", dictionary.arrays, FRONT_END, {**dictionary.settings, **changes}, name="mine")
    with pytest.raises(DictionaryError, match="mine"):
        SongSeparator(broken)


@pytest.mark.parametrize(
    ("broken", "match"),
    [
        (of_stages(SECOND), "'mine': its stage 0 does not fit, with masks of 3 sources"),
        (of_stages(FIRST, replace(SECOND, n_high=0)), "'mine': its stage 1 does not fit, .* and 0 bands"),
        (of_stages(replace(FIRST, n_high=0)), "'mine': its stage 0 does not fit, .* and 0 bands"),
        (of_stages(FIRST, names=["a", "a", "b"]), "'mine': two of its sources have one name .*'a', 'a'"),
    ],
)
def test_what_would_break_or_lose_stems_later_is_refused_at_once(broken, match):
    with pytest.raises(DictionaryError, match=match):
        SongSeparator(broken)
