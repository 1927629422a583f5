import functools
import itertools
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmfaudio import STFT
from nmfaudio.dictionary import Dictionary
from nmfaudio.errors import NmfaudioError
from nmfaudio.metrics import si_sdr
from nmfaudio.separation import Components, Separator, harmonic_percussive, multichannel_wiener
from nmfaudio.separation.components import memory_needed
from nmfaudio.separation.guidance import presence
from nmfaudio.separation.hpss import harmonic_percussive_blocks
from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.spectra.phase import METHODS
from nmfaudio.training.source import train_dictionary

SR = 8000
rng = np.random.default_rng(0)


def tones(frequencies, seconds=1.0, seed=0, sr=SR):
    """Notes of a quarter of a second, each with three harmonics."""
    rng = np.random.default_rng(seed)
    n = int(sr / 4)
    t = np.arange(n) / sr
    notes = [
        sum(np.sin(2 * np.pi * f * h * t) / h for h in (1, 2, 3)) * np.exp(-6 * t)
        for f in rng.choice(frequencies, round(4 * seconds))
    ]
    return np.concatenate(notes).astype(np.float32) / 4


def hisses(seconds=1.0, seed=0):
    """Bursts of high-passed noise."""
    rng = np.random.default_rng(seed)
    y = np.diff(rng.standard_normal(int(seconds * SR) + 1)) / 4
    return (y * (rng.random(round(8 * seconds)) < 0.6).repeat(SR // 8)).astype(np.float32)


def dictionary(y, n_components=6, n_taps=1, window_s=0.064):
    return train_dictionary("source", [y], SR, n_components=n_components, n_taps=n_taps, window_s=window_s)


LOW, HIGH = [220, 262, 330], [523, 659, 784]
SOURCES = np.stack([tones(LOW, seed=1), hisses(seed=1)])


@functools.cache
def known():
    return {"tones": dictionary(tones(LOW, 3)), "hiss": dictionary(hisses(3), n_taps=3)}


def gains(stems, sources):
    mixture = np.broadcast_to(sources.sum(axis=0), sources.shape)
    return si_sdr(sources, np.stack(list(stems.values()))) - si_sdr(sources, mixture)


@pytest.mark.needs_jit
@pytest.mark.parametrize("phase", ["mixture", "misi", "consistent"])
def test_known_sources_are_told_apart(phase):
    stems = Separator(known(), phase=phase, n_iter=30)(SOURCES.sum(axis=0), SR)
    assert list(stems) == ["tones", "hiss"]
    assert (gains(stems, SOURCES) > 8).all()
    np.testing.assert_allclose(sum(stems.values()), SOURCES.sum(axis=0), atol=1e-5)


@pytest.mark.needs_jit
@pytest.mark.parametrize("phase", ["mixture", "spatial"])
def test_the_level_of_known_sources_does_not_matter(phase):
    mixture = np.stack([SOURCES.sum(axis=0), SOURCES[0]])
    one, two = (
        Separator(known(), phase=phase, n_iter=10)(np.ldexp(mixture, exponent), SR)["tones"] for exponent in (0, -73)
    )
    np.testing.assert_array_equal(np.ldexp(two, 73), one)


@pytest.mark.needs_jit
def test_a_source_without_a_dictionary_is_learnt():
    stems = Separator({"tones": known()["tones"], "rest": 3}, n_iter=40)(SOURCES.sum(axis=0), SR)
    assert (gains(stems, SOURCES) > 5).all()


@pytest.mark.needs_jit
def test_guidance_tells_sources_apart_that_nothing_else_does():
    sources = np.stack([tones([262], seed=1), tones([784], seed=2)])
    sources[0, SR // 2 :] = 0
    sources[1, : SR // 4] = 0
    guidance = {"first": {"silent": [(0.55, 1.0)], "alone": [(0.0, 0.2)]}}
    stems = Separator({"first": 3, "second": 3}, n_iter=40)(sources.sum(axis=0), SR, guidance)
    assert not stems["first"][int(0.65 * SR) :].any()
    assert (gains(stems, sources) > 10).all()


def test_guidance_that_cannot_be_used_is_explained():
    stft = STFT(512, 256)
    for guidance, message in [
        ({"drums": {}}, "none of the sources voice, piano"),
        ({"voice": {"loud": [(0, 1)]}}, "'loud' is neither"),
        ({"voice": [(0, 1)]}, "must be a mapping of a string to a mapping"),
        ({"voice": {"silent": [(1, 0)]}}, "is no range"),
        ({"voice": {"silent": [(0, 1, 5)]}}, "is no range"),
        ({"voice": {"silent": ["x"]}}, "is no range"),
        ({"voice": {"silent": [3]}}, "is no range"),
    ]:
        with pytest.raises(NmfaudioError, match=message):
            presence(guidance, ["voice", "piano"], stft, 10, 16000)


@pytest.mark.needs_jit
@settings(max_examples=12)
@given(
    sr=st.sampled_from([4000, 8000, 11025, 16000]),
    channels=st.sampled_from([None, 1, 2, 3]),
    length=st.integers(1, 6000),
    phase=st.sampled_from(["mixture", "misi", "consistent", "spatial"]),
    scale=st.sampled_from([0, 1e-4, 1]),
)
def test_stems_add_up_at_any_rate_and_shape(sr, channels, length, phase, scale):
    rng = np.random.default_rng(length)
    y = rng.uniform(-scale, scale, length if channels is None else (channels, length)).astype(np.float32)
    guidance = {"rest": {"silent": [(0.1, 0.2)]}, "hiss": {"alone": [(0.2, 0.3, 1000, 2000)]}}
    stems = Separator({**known(), "rest": 2}, phase=phase, n_iter=3)(y, sr, guidance)
    assert all(stem.shape == y.shape and stem.dtype == y.dtype for stem in stems.values())
    np.testing.assert_allclose(sum(stems.values()), y, atol=1e-5)


@pytest.mark.needs_jit
def test_the_band_above_the_dictionaries_is_shared_out_too():
    y = 0.1 * np.random.default_rng(0).standard_normal(16000)
    stems = Separator(known(), n_iter=20)(y, 16000)
    spectrum = np.abs(np.fft.rfft(stems["hiss"]))
    assert spectrum[5000:8000].mean() > 3 * np.abs(np.fft.rfft(stems["tones"]))[5000:8000].mean()


@pytest.mark.needs_jit
def test_dictionaries_that_do_not_fit_are_named():
    two = Dictionary("sources", {"a": np.eye(9, 2), "b": np.eye(9, 2)}, FrontEnd(n_bins=9))
    with pytest.raises(NmfaudioError, match="no source 'c': choose a or b"):
        Separator({"c": two})
    with pytest.raises(
        NmfaudioError, match=r"of 'tones' and 'x' differ \(window_s 0.064 and 0.032, hop_s .*one --window"
    ):
        Separator({"tones": known()["tones"], "x": dictionary(tones(LOW), window_s=0.032)})
    with pytest.raises(NmfaudioError, match="'speech-fast' is trained for denoising"):
        Separator({"speech": "speech-fast"})
    with pytest.raises(NmfaudioError, match="'drums' has all its sources, .'kick', 'snare', 'cymbals'.: give it alone"):
        Separator({"kick": "drums"})
    with pytest.raises(NmfaudioError, match="no sources"):
        Separator({})


@pytest.mark.needs_jit
def test_a_dictionary_of_long_atoms_is_kept_as_it_is(tmp_path):
    known()["hiss"].save(tmp_path / "hiss.npz")
    loaded = Dictionary.load(tmp_path / "hiss.npz")
    np.testing.assert_array_equal(loaded.arrays["source"], known()["hiss"].arrays["source"])
    assert loaded.arrays["source"].ndim == 3


@pytest.mark.needs_jit
def test_spatial_cues_tell_like_sounds_apart():
    sources = np.stack([tones(LOW, seed=3), tones(HIGH, seed=4)])
    images = sources[:, None] * np.array([[1.0, 0.3], [0.3, 1.0]])[:, :, None].astype(np.float32)
    both = {"low": dictionary(tones(LOW, 3)), "high": dictionary(tones(HIGH, 3))}
    mixture = images.sum(axis=0)
    alone, together = (gains(Separator(both, phase=p, n_iter=20)(mixture, SR), images) for p in ("mixture", "spatial"))
    assert together.mean() > alone.mean() + 5
    groups = (components := Components(mixture, SR, n_components=8, n_iter=40)).group(2)
    stems = np.stack(list(components.stems(groups, "spatial").values()))
    best = max((si_sdr(images, stems[order]) for order in ([0, 1], [1, 0])), key=np.mean)
    assert best.mean() > 10


def test_multichannel_wiener_of_one_channel_and_of_silence():
    Y = (rng.standard_normal((1, 5, 30)) + 1j * rng.standard_normal((1, 5, 30))).astype(np.complex64)
    found = multichannel_wiener(rng.random((3, 1, 5, 30), np.float32), Y)
    np.testing.assert_allclose(found.sum(axis=0), Y, atol=1e-5)
    for n_channels in (1, 2, 3):
        silence = np.zeros((n_channels, 5, 30), np.complex64)
        assert not multichannel_wiener(np.zeros((2, *silence.shape), np.float32), silence).any()


def test_multichannel_wiener_of_surround_sound_takes_little_memory():
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((6, 64, 300)) + 1j * rng.standard_normal((6, 64, 300))
    powers = rng.random((2, 6, 64, 300))
    tracemalloc.start()
    try:
        multichannel_wiener(powers, Y, n_iter=1)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_no_sound_and_no_atoms_are_refused():
    y = np.zeros(1000)
    for separate in (Separator({"a": 2, "b": 2}), lambda y, sr: Components(y, sr)):
        with pytest.raises(NmfaudioError, match="no samples"):
            separate(y[:0], 8000)
    for sources in ({"a": 0, "b": 3}, {"a": -1, "b": 3}):
        with pytest.raises(NmfaudioError, match="atoms of 'a'"):
            Separator(sources)
    for options in ({"n_components": 0}, {"n_taps": 0}):
        with pytest.raises(NmfaudioError, match=f"{[*options][0]} must be a positive integer, not 0"):
            Components(y, 8000, **options)
    assert Separator({"a": np.int64(2), "b": 1}, n_iter=1)(y, 8000)["a"].shape == y.shape


@pytest.mark.needs_jit
def test_components_are_grouped_by_how_they_sound():
    components = Components(SOURCES.sum(axis=0), SR, n_components=6, n_iter=40)
    groups = components.group(2)
    assert list(groups) == ["source1", "source2"]
    assert sorted(sum(groups.values(), [])) == list(range(6))
    stems = np.stack(list(components.stems(groups).values()))
    mixture = np.stack([SOURCES.sum(axis=0)] * 2)
    best = max((si_sdr(SOURCES, stems[order]) for order in ([0, 1], [1, 0])), key=np.mean)
    assert (best - si_sdr(SOURCES, mixture)).mean() > 5


@pytest.mark.parametrize("n_components", [1, 3])
def test_silence_and_single_components_can_be_grouped(n_components):
    components = Components(np.zeros(2000), SR, n_components=n_components, n_iter=2)
    groups = components.group(n_components)
    assert sorted(sum(groups.values(), [])) == list(range(n_components))
    assert not sum(components.stems(groups).values()).any()


@pytest.mark.needs_jit
def test_groups_are_the_users_to_change():
    y = SOURCES.sum(axis=0)
    components = Components(y, SR, n_components=4, n_iter=10)
    again = Components(y, SR, n_components=4, n_iter=10)
    groups = json.loads(json.dumps(components.group(2)))
    for a, b in zip(components.stems(groups).values(), again.stems(groups).values(), strict=True):
        np.testing.assert_array_equal(a, b)
    mine = components.stems({"bass": [2], "none": []})
    assert list(mine) == ["bass", "none", "rest"]
    np.testing.assert_allclose(sum(mine.values()), y, atol=1e-5)
    for wrong, message in [
        ({"a": [0, 4]}, "component 4 does not exist"),
        ({"a": [1], "b": [1]}, "component 1 does not exist or is in two"),
        ({"a": 3}, "a list of which each is an integer"),
    ]:
        with pytest.raises(NmfaudioError, match=message):
            components.stems(wrong)
    with pytest.raises(NmfaudioError, match="4 components cannot make 5"):
        components.group(5)


def test_strokes_and_tones_are_split():
    tone = np.sin(0.3 * np.arange(SR)).astype(np.float32)
    strokes = np.zeros(SR, np.float32)
    strokes[1000::2000] = 8
    parts = harmonic_percussive(np.stack([tone + strokes] * 2), SR)
    np.testing.assert_allclose(parts["harmonic"] + parts["percussive"], [tone + strokes] * 2, atol=1e-5)
    assert si_sdr(tone, parts["harmonic"][0]) > si_sdr(tone, tone + strokes) + 5


def test_training_on_silence_is_refused():
    with pytest.raises(NmfaudioError, match="nothing to train on but silence"):
        train_dictionary("nothing", [np.zeros(1000, np.float32)], SR)


def in_blocks(y, n=3001):
    return (y[..., start : start + n] for start in range(0, y.shape[-1], n))


def joined(blocks):
    blocks = list(blocks)
    return {name: np.concatenate([block[name] for block in blocks], axis=1) for name in blocks[0]}


@pytest.mark.parametrize("n", [500, 10**6])
def test_tones_and_strokes_are_split_in_blocks_as_in_one_piece(n):
    y = np.stack([SOURCES.sum(axis=0), SOURCES[0]])
    whole, blocks = harmonic_percussive(y, SR), joined(harmonic_percussive_blocks(in_blocks(y, n), SR))
    for name, part in whole.items():
        np.testing.assert_allclose(blocks[name], part, atol=1e-6)


@pytest.mark.needs_jit
def test_known_sources_of_a_long_mixture_are_separated_in_pieces(monkeypatch):
    sources = np.stack([tones(LOW, 6.0, seed=1), hisses(6.0, seed=1)])
    y = sources.sum(axis=0)
    separator = Separator(known(), n_iter=20)
    whole = separator(y, SR)
    for name, stem in joined(separator.process_blocks(in_blocks(y[None]), SR)).items():
        np.testing.assert_array_equal(stem[0], whole[name])
    monkeypatch.setattr("nmfaudio.separation.separator._PIECE_VALUES", 4 * SR)  # 2 s for each of two sources
    silent = {"hiss": {"silent": [(2.5, 3.5)]}}
    pieces = separator(y, SR, silent)
    np.testing.assert_allclose(sum(pieces.values()), y, atol=1e-5)
    assert not pieces["hiss"][round(2.6 * SR) : round(3.4 * SR)].any()
    assert gains(separator(y, SR), sources).min() > gains(whole, sources).min() - 1


@pytest.mark.needs_jit
def test_a_learnt_source_stays_the_same_from_piece_to_piece(monkeypatch):
    sources = np.stack([tones(LOW, 6.0, seed=1), hisses(6.0, seed=1)])
    separator = Separator({"tones": known()["tones"], "hiss": 2}, n_iter=30)
    whole = separator(sources.sum(axis=0), SR)
    monkeypatch.setattr("nmfaudio.separation.separator._PIECE_VALUES", 4 * SR)
    pieces = separator(sources.sum(axis=0), SR)
    assert (gains(pieces, sources) > gains(whole, sources) - 1).all()


@pytest.mark.needs_jit
def test_memory_of_pieces_does_not_grow_with_the_length(monkeypatch):
    monkeypatch.setattr("nmfaudio.separation.separator._PIECE_VALUES", 4 * SR)
    separator = Separator({"a": known()["tones"], "b": 2}, n_iter=2)
    y = SOURCES.sum(axis=0)[None]
    for process in (separator.process_blocks, harmonic_percussive_blocks):
        peaks = []
        for n in (8, 8, 32):  # the first is there to compile
            tracemalloc.start()
            try:
                for _ in process(itertools.repeat(y, n), SR):
                    pass
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
        assert peaks[2] < 1.1 * peaks[1]


@pytest.mark.needs_jit
@pytest.mark.parametrize("n_sources", [2, 6])
@pytest.mark.parametrize("phase", [*METHODS, "spatial"])
def test_unknown_sources_take_the_memory_that_is_said_before(monkeypatch, phase, n_sources):
    monkeypatch.setattr("nmfaudio.spectra.phase.METHODS", {**METHODS, "misi": 2, "griffin-lim": 2, "consistent": 3})
    y = np.tile(SOURCES.sum(axis=0), (2, 4))
    groups = {f"source{i}": [i] for i in range(n_sources)}
    for _ in range(2):  # the first is there to compile
        tracemalloc.start()
        try:
            Components(y, SR, n_components=n_sources, n_iter=2).stems(groups, phase)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert 0.5 < peak / memory_needed(y.shape[1], 2, SR, n_sources, phase) < 1.05
