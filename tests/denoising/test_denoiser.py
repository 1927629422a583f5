import copy
import gc
import pickle
import tracemalloc
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import real_recording
from unfolded_helpers import CAUSAL, LOOKING_AHEAD, random_dictionary

import nmfaudio
from nmfaudio import Denoiser, NmfaudioError, StreamingDenoiser
from nmfaudio.denoising.decomposition import decomposition_for
from nmfaudio.denoising.gain import GainRule, ratio_mask, sharpened
from nmfaudio.dictionary import Dictionary, available
from nmfaudio.kernels.unfolded.frame import decompose_frame
from nmfaudio.metrics import si_sdr
from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.spectra.stft import STFT

SMALL = random_dictionary(LOOKING_AHEAD)
SMALL_CAUSAL = random_dictionary(CAUSAL)
PROFILE = nmfaudio.noise_profile(np.random.default_rng(1).standard_normal(1000), 500, SMALL)


def noise(n, channels=None, seed=0):
    shape = n if channels is None else (channels, n)
    return (np.random.default_rng(seed).standard_normal(shape) * 0.1).astype(np.float32)


@cache
def default_denoiser():
    return Denoiser()


@given(st.integers(0, 60), st.integers(1, 2), st.sampled_from(["linked", "independent"]))
def test_output_has_the_shape_of_the_input(n, n_channels, channels):
    y = noise(n, n_channels)
    out = Denoiser(SMALL, channels=channels)(y, 500)
    assert out.shape == y.shape and out.dtype == np.float32 and np.isfinite(out).all()


@pytest.mark.needs_jit
@given(st.lists(st.integers(1, 90), min_size=1, max_size=30))
def test_blocks_of_any_length_give_the_result_of_the_whole(lengths):
    import nmfaudio.denoising.denoiser as module

    y = noise(sum(lengths), 2)
    ends = np.cumsum(lengths)
    blocks = [y[:, end - n : end] for n, end in zip(lengths, ends, strict=True)]
    piece, module._LARGEST_PIECE = module._LARGEST_PIECE, 16  # many seams
    try:
        got = np.concatenate(list(Denoiser(SMALL).process_blocks(blocks, 500)), axis=1)
    finally:
        module._LARGEST_PIECE = piece
    np.testing.assert_allclose(got, Denoiser(SMALL)(y, 500), atol=1e-5)


@pytest.mark.parametrize("n_cores", [1, 2, 3])
@pytest.mark.parametrize("channels", ["linked", "independent"])
def test_pieces_explained_ahead_give_the_result_of_the_whole(n_cores, channels, monkeypatch):
    monkeypatch.setattr("nmfaudio.denoising.full_band._CLEAN_SNR", np.float32(0.1))  # the seconds around a frame matter
    y, denoiser = noise(3000, 2), Denoiser(SMALL, channels=channels)
    want = denoiser(y, 500)
    monkeypatch.setattr("nmfaudio.denoising.denoiser._LARGEST_PIECE", 16)
    monkeypatch.setattr("nmfaudio.denoising.denoiser._AT_ONCE", 7)
    for module in ("denoising.denoiser", "compute.threads", "denoising.unfolded.decomposition"):
        monkeypatch.setattr(f"nmfaudio.{module}.n_cores", lambda: n_cores)
    got = list(denoiser.process_blocks([y[:, :1700], y[:, 1700:]], 500))
    assert len(got) > 2
    np.testing.assert_allclose(np.concatenate(got, axis=1), want, atol=1e-5)


def test_of_many_channels_as_much_is_held_as_of_few_and_the_result_is_that_of_the_whole(monkeypatch):
    denoiser, held = Denoiser(SMALL_CAUSAL), {}
    whole = {n_channels: denoiser(noise(8000, n_channels), 500) for n_channels in (2, 16)}
    monkeypatch.setattr("nmfaudio.denoising.denoiser._LEAST_PIECE", 16)
    monkeypatch.setattr("nmfaudio.denoising.denoiser._PIECE_VALUES", 2**12)
    for module in ("denoising.denoiser", "compute.threads"):
        monkeypatch.setattr(f"nmfaudio.{module}.n_cores", lambda: 1)
    for n_channels, want in whole.items():
        y, n_read = noise(8000, n_channels), []

        def blocks(y=y, n_read=n_read):
            for start in range(0, y.shape[1], 50):
                n_read.append(50 * len(y))
                yield y[:, start : start + 50]

        out = denoiser.process_blocks(blocks(), 500)
        first = next(out)
        held[n_channels] = sum(n_read)
        np.testing.assert_allclose(np.concatenate([first, *out], axis=1), want, atol=1e-5)
    assert held[16] < 2 * held[2] and held[2] < 2 * 8000  # values, of which no more are there


@pytest.mark.parametrize("dtype", [np.float64, np.int16])
def test_blocks_hold_samples_of_any_kind(dtype):
    y = (noise(900, 2) * (32767 if dtype == np.int16 else 1)).astype(dtype)
    got = np.concatenate(list(Denoiser(SMALL).process_blocks([y[:, :500], y[:, 500:]], 500)), axis=1)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, Denoiser(SMALL)(y, 500), atol=1e-5)


def test_a_block_that_cannot_be_meant_is_refused():
    broken = noise(500, 2)
    broken[1, 7] = np.nan
    with pytest.raises(NmfaudioError, match="sample 7 is nan"):
        list(Denoiser(SMALL).process_blocks([noise(500, 2), broken], 500))


def test_blocks_may_be_shorter_than_there_are_channels():
    y = noise(40, 70)
    got = np.concatenate(list(Denoiser(SMALL).process_blocks([y[:, :8], y[:, 8:]], 500)), axis=1)
    assert got.shape == (70, 40)
    assert StreamingDenoiser(SMALL_CAUSAL, sr=500, n_channels=70).process(y).shape == (70, 40)


@pytest.mark.needs_jit
@given(st.floats(-60, 30))
def test_level_does_not_matter(level_db):
    y, factor = noise(700), np.float32(10 ** (level_db / 20))
    np.testing.assert_allclose(
        Denoiser(SMALL)(y * factor, 500) / factor, Denoiser(SMALL)(y, 500), atol=2e-5 * np.abs(y).max()
    )


@pytest.mark.parametrize("options", [{"strength": 0}, {"attenuation_limit_db": 0}])
def test_no_strength_returns_the_input_exactly(options):
    y = noise(777, 2)
    np.testing.assert_array_equal(Denoiser(SMALL, **options)(y, 500), y)


def test_attenuation_limit_bounds_what_is_taken_away():
    y = noise(2000) - noise(2000).mean()  # an offset is removed whatever the limit
    for limit_db in (3, 12):
        lost_db = 10 * np.log10(np.sum(y**2) / np.sum(Denoiser(SMALL, attenuation_limit_db=limit_db)(y, 500) ** 2))
        assert 0 < lost_db <= limit_db + 0.01


def test_more_strength_takes_more_away():
    y = noise(2000)
    powers = [np.sum(Denoiser(SMALL, strength=s)(y, 500) ** 2) for s in (0.5, 1, 2)]
    assert powers[0] > powers[1] > powers[2]


def test_linked_channels_share_one_gain_and_independent_ones_do_not():
    y = np.stack([noise(2000, seed=1), 0.01 * noise(2000, seed=2)])
    linked = Denoiser(SMALL)(np.stack([y[0], y[0]]), 500)
    np.testing.assert_array_equal(linked[0], linked[1])
    alone = Denoiser(SMALL)(y[1], 500)
    np.testing.assert_allclose(Denoiser(SMALL, channels="independent")(y, 500)[1], alone, atol=1e-7)
    assert np.abs(Denoiser(SMALL)(y, 500)[1] - alone).max() > 1e-5


def test_integers_are_scaled_and_float64_is_kept():
    y = noise(500)
    pcm = np.round(y * 32768).astype(np.int16)
    np.testing.assert_allclose(Denoiser(SMALL)(pcm, 500), Denoiser(SMALL)(pcm / 32768, 500), atol=1e-6)
    assert Denoiser(SMALL)(y.astype(np.float64), 500).dtype == np.float64


@pytest.mark.parametrize(
    "y, message",
    [
        (np.zeros((2, 3, 4), np.float32), "shape"),
        (np.zeros((5000, 2), np.float32), "y.T"),
        (np.array([0, np.nan, 0], np.float32), "sample 1 is nan"),
        (np.array([[0, 0], [0, -np.inf]], np.float32), "sample 1 is -inf"),
        (np.array([0, 0, 1e30]), "sample 2 is 1e\\+30"),
        (np.zeros(5, complex), "complex"),
        (np.float32(0), r"shape \(\)"),
    ],
)
def test_signals_that_cannot_be_meant_are_refused(y, message):
    with pytest.raises(NmfaudioError, match=message):
        Denoiser(SMALL)(y, 500)


@pytest.mark.parametrize(
    "options", [{"strength": -1}, {"strength": np.nan}, {"attenuation_limit_db": -3}, {"channels": "both"}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(NmfaudioError, match=next(iter(options)).split("_")[0]):
        Denoiser(SMALL, **options)


@pytest.mark.parametrize("options", [{"strength": 0}, {"attenuation_limit_db": 0}])
def test_no_strength_keeps_every_digit_of_float64(options):
    y = noise(100).astype(np.float64) / 3
    out = Denoiser(SMALL, **options)(y, 500)
    np.testing.assert_array_equal(out, y)
    assert out is not y


def test_silence_stays_silence():
    np.testing.assert_array_equal(Denoiser(SMALL)(np.zeros(500, np.float32), 500), 0)
    np.testing.assert_array_equal(default_denoiser()(np.zeros((2, 5000), np.float32), 44100), 0)


@pytest.mark.needs_jit
def test_a_constant_is_lowered():
    y = np.full(16000, 0.5, np.float32)
    assert np.abs(default_denoiser()(y, 16000)[4000:-4000]).max() < 0.05


@pytest.mark.needs_jit
def test_clipped_sound_is_cleaned():
    speech, noisy = real_recording()
    clipped = np.clip(8 * noisy, -1, 1)
    cleaned = default_denoiser()(clipped, 16000)
    assert np.isfinite(cleaned).all()
    assert si_sdr(speech, cleaned) > si_sdr(speech, clipped) + 1


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257])
def test_a_sample_or_a_few_are_a_signal_too(n):
    out = default_denoiser()(np.ones(n, np.float32), 16000)
    assert out.shape == (n,) and np.isfinite(out).all()


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_nothing_gives_nothing(shape):
    assert Denoiser(SMALL)(np.zeros(shape, np.float32), 500).shape == shape


SAMPLES = st.one_of(
    st.tuples(st.sampled_from([np.int8, np.int16, np.int32, np.uint8, np.uint16]), st.just(1.0)),
    st.tuples(st.sampled_from([np.float16, np.float32, np.float64]), st.sampled_from([1e-30, 1e-4, 1.0, 1e4])),
    st.tuples(st.sampled_from([np.float32, np.float64]), st.sampled_from([1e-45, 1e9])),
)
SHAPES = {
    "noise": lambda rng, n: rng.uniform(-1, 1, n),
    "square": lambda rng, n: np.sign(np.sin(np.arange(n) / 7) + 1e-9),
    "constant": lambda rng, n: np.ones(n),
    "click": lambda rng, n: (np.arange(n) == n // 2).astype(float),
    "gap": lambda rng, n: rng.uniform(-1, 1, n) * (np.arange(n) < n // 2),
}


@pytest.mark.needs_jit
@settings(max_examples=150)
@given(
    SAMPLES,
    st.sampled_from(sorted(SHAPES)),
    st.integers(0, 400),
    st.integers(1, 3),
    st.sampled_from([300, 500, 1100]),
    st.sampled_from(["linked", "independent"]),
    st.booleans(),
)
def test_any_real_signal_gives_a_finite_one_of_its_shape(samples, shape, n, n_channels, sr, channels, profiled):
    dtype, level = samples
    y = np.stack([SHAPES[shape](np.random.default_rng(i), n) for i in range(n_channels)]) * level
    if np.issubdtype(dtype, np.integer):
        y = np.clip(y * np.iinfo(dtype).max, np.iinfo(dtype).min, np.iinfo(dtype).max)
    y = y.astype(dtype)
    out = Denoiser(SMALL, channels=channels, noise=PROFILE if profiled else None)(y, sr)
    assert out.shape == y.shape and np.isfinite(out).all()
    assert out.dtype == (np.float64 if dtype in (np.float64, np.int32) else np.float32)


@pytest.mark.needs_jit
@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 2), st.sampled_from([None, PROFILE]))
def test_stream_gives_the_result_of_the_whole_whatever_the_blocks(lengths, n_channels, profile):
    y = noise(sum(lengths), n_channels)
    stream = StreamingDenoiser(SMALL_CAUSAL, sr=500, n_channels=n_channels, noise=profile)
    ends = np.cumsum(lengths)
    out = [stream.process(y[:, end - n : end]) for n, end in zip(lengths, ends, strict=True)]
    assert [block.shape[1] for block in out] == lengths
    out.append(np.atleast_2d(stream.flush()))
    got = np.concatenate(out, axis=1)[:, stream.latency :]
    np.testing.assert_allclose(got, Denoiser(SMALL_CAUSAL, noise=profile)(y, 500), atol=1e-5)


def test_stream_can_be_begun_anew():
    y = noise(300)
    stream = StreamingDenoiser(SMALL_CAUSAL, sr=500)
    stream.process(y[:100])
    stream.reset()
    first = StreamingDenoiser(SMALL_CAUSAL, sr=500).process(y)
    np.testing.assert_array_equal(stream.process(y), first)


def pickled(stream):
    return pickle.loads(pickle.dumps(stream))


@pytest.mark.parametrize("copied", [StreamingDenoiser.copy, copy.copy, copy.deepcopy, pickled])
def test_a_copy_of_a_stream_goes_on_by_itself(copied):
    y = noise(300)
    stream = StreamingDenoiser(SMALL_CAUSAL, sr=500, noise=PROFILE)
    stream.process(y[:100])
    twin = copied(stream)
    rest = stream.process(y[100:])
    np.testing.assert_array_equal(twin.process(y[100:]), rest)


@pytest.mark.parametrize("copied", [StreamingDenoiser.copy, copy.deepcopy])
def test_a_copy_of_a_stream_shares_the_dictionary(copied):
    many = random_dictionary(CAUSAL, n_atoms=2000)
    stream = StreamingDenoiser(many, sr=500, noise=PROFILE)
    tracemalloc.start()
    try:
        twin = copied(stream)
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert twin.dictionary is many
    assert size < sum(array.nbytes for array in many.arrays.values()) / 10


def arrays_size():
    """Bytes in numpy's arrays alone; what the interpreter keeps for objects to come is no growth."""
    gc.collect()
    arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([arrays]).traces)


@pytest.mark.needs_jit
def test_a_stream_neither_grows_nor_compiles_as_it_goes_on():
    stream = StreamingDenoiser(SMALL_CAUSAL, sr=500, n_channels=2, noise=PROFILE)
    compiled = len(decompose_frame.signatures)
    y = noise(800, 2)
    tracemalloc.start()
    try:
        for n in (800, 1, 7, 300, 492) * 2:  # from then on it holds as much after every round
            stream.process(y[:, :n])
        before = arrays_size()
        for n in (1, 7, 300, 492) * 8:
            stream.process(y[:, :n])
        assert arrays_size() - before < 1_000  # what was heard since takes 51 kB
    finally:
        tracemalloc.stop()
    assert len(decompose_frame.signatures) == compiled


@pytest.mark.parametrize(
    "block, words",
    [
        (np.zeros((3, 10), np.float32), "1 channel"),
        (np.full(10, np.nan), "sample 0 is nan"),
        (np.full(10, np.inf), "sample 0 is inf"),
        (np.zeros(10, complex), "complex"),
    ],
)
def test_stream_refuses_blocks_that_do_not_fit_and_goes_on(block, words):
    y = noise(200)
    stream, twin = (StreamingDenoiser(SMALL_CAUSAL, sr=500) for _ in range(2))
    stream.process(y[:99])
    with pytest.raises(NmfaudioError, match=words):
        stream.process(block)
    np.testing.assert_array_equal(stream.process(y[99:]), twin.process(y)[99:])


def test_stream_scales_integers():
    y = noise(100)
    pcm = np.round(y * 32768).astype(np.int16)
    streams = (StreamingDenoiser(SMALL_CAUSAL, sr=500) for _ in range(2))
    of_pcm, of_float = (stream.process(z) for stream, z in zip(streams, (pcm, pcm / 32768), strict=True))
    np.testing.assert_allclose(of_pcm, of_float, atol=1e-6)


def test_stream_refuses_a_dictionary_that_looks_ahead():
    with pytest.raises(NmfaudioError, match="ahead"):
        StreamingDenoiser(SMALL, sr=500)


@pytest.mark.needs_jit
@pytest.mark.parametrize("sr", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000])
def test_latency_of_a_stream_is_at_most_32_ms(sr):
    assert StreamingDenoiser("speech-causal-fast", sr=sr).latency <= 0.032 * sr
    assert Dictionary.load("speech-causal").front_end.bins_alone() == Dictionary.load("speech-causal-fast").front_end


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", sorted(name for name in available() if name.startswith("speech")))
def test_shipped_dictionaries_take_noise_out_and_keep_the_voice(name):
    speech, noisy = real_recording()
    assert si_sdr(speech, Denoiser(name)(noisy, 16000)) > si_sdr(speech, noisy) + 1.0


@pytest.mark.needs_jit
@pytest.mark.parametrize("sr", [8000, 11025, 44100, 48000])
def test_any_rate_is_cleaned(sr):
    speech, noisy = real_recording(sr)
    assert si_sdr(speech, nmfaudio.denoise(noisy, sr)) > si_sdr(speech, noisy) + 1.0


@pytest.mark.needs_jit
@pytest.mark.parametrize("sr", [44100, 48000])
def test_noise_above_the_trained_band_is_taken_away_too(sr):
    _, noisy = real_recording(sr)  # nothing above 8 kHz
    hissing = noisy + noise(len(noisy)) * 0.02
    top = [np.abs(np.fft.rfft(y)[-len(y) // 20 :]).mean() for y in (hissing, nmfaudio.denoise(hissing, sr))]
    assert top[1] < 0.7 * top[0]


@pytest.mark.needs_jit
def test_noise_above_a_dull_voice_does_not_come_with_its_words():
    sr = 44100
    speech, _ = real_recording(sr)  # nothing above 8 kHz
    pause = np.zeros(3 * sr // 2, np.float32)
    voice = np.concatenate([pause, speech, pause, speech, pause])
    n = noise(len(voice)) * 0.05
    stft = STFT(1024, 512)
    N, Y = (np.abs(stft.analysis(y.astype(np.float32)))[240:440] ** 2 for y in (n, nmfaudio.denoise(voice + n, sr)))
    level = (np.abs(stft.analysis(voice)) ** 2).sum(axis=0)
    words, pauses = level > 0.01 * level.max(), level == 0
    down = [10 * np.log10(N[:, t].sum() / Y[:, t].sum()) for t in (words, pauses)]
    assert down[0] > 20
    assert abs(down[0] - down[1]) < 6


@pytest.mark.needs_jit
def test_clean_speech_is_kept():
    speech, _ = real_recording()
    assert si_sdr(speech, nmfaudio.denoise(speech, 16000)) > 12


@pytest.mark.needs_jit
def test_speech_free_noise_becomes_quiet():
    n = noise(48000)
    assert 10 * np.log10(np.sum(n**2) / np.sum(nmfaudio.denoise(n, 16000) ** 2)) > 10


def test_ratio_mask_is_a_share_and_is_sharpened_by_a_power():
    S, N = np.array([[3.0, 1.0, 0.0]]), np.array([[1.0, 3.0, 0.0]])
    np.testing.assert_allclose(ratio_mask(S, N), [[0.75, 0.25, 0]])
    np.testing.assert_allclose(sharpened(ratio_mask(S, N), 2), [[0.9, 0.1, 0]])


def test_no_bin_is_lowered_beyond_the_limit():
    gain = GainRule(attenuation_limit_db=20, strength=2)(np.array([0.0, 0.5, 1.0], np.float32))
    np.testing.assert_allclose(gain, [0.1, 0.25, 1.0])
    assert GainRule(attenuation_limit_db=20).least == pytest.approx(0.1)
    assert GainRule(strength=0).least == 1


def sparse_dictionary():
    rng = np.random.default_rng(0)
    settings = {"segment_frames": 16, "margin_frames": 8}
    front_end = FrontEnd(sr=500, n_bins=9)
    arrays = {"speech": rng.random((9, 4)), "noise": rng.random((9, 3))}
    arrays = {name: atoms / np.linalg.norm(atoms, axis=0) for name, atoms in arrays.items()}
    return Dictionary("sparse", arrays, front_end, settings)


@pytest.mark.needs_jit
@given(st.integers(0, 2000), st.integers(1, 300))
def test_sparse_dictionaries_too_give_the_result_of_the_whole_in_blocks(n, block):
    import nmfaudio.denoising.denoiser as module

    y = noise(n, 1)
    denoiser = Denoiser(sparse_dictionary())
    piece, module._LARGEST_PIECE = module._LARGEST_PIECE, 16
    try:
        blocks = list(denoiser.process_blocks((y[:, i : i + block] for i in range(0, n, block)), 500))
    finally:
        module._LARGEST_PIECE = piece
    got = np.concatenate([np.zeros((1, 0), np.float32), *blocks], axis=1)
    np.testing.assert_allclose(got, denoiser(y, 500), atol=1e-5)


def test_each_kind_of_dictionary_has_its_decomposition():
    atoms = np.eye(257, 3)
    sparse = Dictionary("sparse", {"speech": atoms, "noise": np.roll(atoms, 9, axis=0)}, FrontEnd())
    mask = decomposition_for(sparse)(np.random.default_rng(0).random((257, 30)).astype(np.float32))
    assert mask.shape == (257, 30)


def test_dictionaries_of_sources_do_not_denoise():
    with pytest.raises(NmfaudioError, match="'band' does not denoise: it is for nmfaudio separate"):
        Denoiser(Dictionary("sources", {"piano": np.eye(257, 3)}, name="band"))
