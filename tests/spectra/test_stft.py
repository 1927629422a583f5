import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmfaudio.errors import NmfaudioError
from nmfaudio.spectra.stft import STFT
from nmfaudio.spectra.streaming_stft import StreamingSTFT

FRAMES = [
    (64, 32, None, "sqrt_hann"),
    (64, 16, None, "sqrt_hann"),
    (64, 20, None, "sqrt_hann"),  # the hop does not divide the window
    (63, 21, None, "sqrt_hann"),
    (64, 24, 48, "sqrt_hann"),  # zero-padded frames
    (64, 16, None, "hann"),
    (64, 16, None, ("kaiser", 6.0)),
    (64, 64, None, "boxcar"),
    (45, 45, 45, "boxcar"),
    (50, 10, 33, "hamming"),
    (32, 8, None, np.linspace(0.5, 1.5, 32)),  # asymmetric
    (1, 1, None, "boxcar"),
]
frames = st.sampled_from([STFT(*args) for args in FRAMES])
dtypes = st.sampled_from([(np.float32, np.complex64, 1e-6), (np.float64, np.complex128, 1e-12)])


def signal(seed, shape, dtype=np.float32):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


@given(frames, st.integers(0, 400), st.sampled_from([(), (1,), (3,), (2, 3)]), dtypes, st.integers(0, 2**32 - 1))
def test_any_signal_comes_back(stft, length, channels, dtype, seed):
    real, cplx, error = dtype
    y = signal(seed, (*channels, length), real)
    Y = stft(y)
    assert Y.shape == (*channels, stft.n_bins, stft.n_frames(length))
    assert Y.dtype == cplx
    assert Y.flags.c_contiguous
    back = stft.synthesis(Y, length)
    assert back.shape == y.shape
    assert back.dtype == real
    np.testing.assert_allclose(back, y, rtol=0, atol=error)


@pytest.mark.parametrize("sr", [8000, 44100, 48000])
def test_a_second_of_sound_comes_back_in_float32(sr):
    stft = STFT.for_rate(sr)
    y = signal(0, (2, sr + 7))
    np.testing.assert_allclose(stft.synthesis(stft(y), sr + 7), y, rtol=0, atol=1e-6)


@given(st.integers(2, 80), st.integers(1, 100), st.sampled_from(["sqrt_hann", "hann", "blackman", "hamming", "boxcar"]))
def test_window_and_hop_either_reconstruct_or_are_refused(win_length, hop_length, window):
    try:
        stft = STFT(win_length, hop_length, window=window)
    except NmfaudioError as error:
        assert str(hop_length) in str(error)
        assert str(win_length) in str(error)
        return
    y = signal(1, 150)
    np.testing.assert_allclose(stft.synthesis(stft(y), 150), y, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    "args, words",
    [
        ((64, 64, None, "hann"), "smaller hop_length"),
        ((64, 64, None, "sqrt_hann"), "smaller hop_length"),
        ((64, 65, None, "boxcar"), "hop_length 65"),
        ((64, 0, None, "boxcar"), "hop_length must be a positive integer, not 0"),
        ((64, 16, 80, "hann"), "n_fft 64"),
        ((64, 16, None, "no_such_window"), "no_such_window"),
        ((64, 16, None, np.ones(63)), "64 finite samples"),
        ((64, 16, None, np.full(64, np.nan)), "64 finite samples"),
        ((64, 16, None, np.zeros(64)), "the given window"),
    ],
)
def test_frames_without_perfect_reconstruction_are_refused(args, words):
    with pytest.raises(NmfaudioError, match=words):
        STFT(*args)


def test_a_frame_never_looks_ahead():
    stft = STFT(64, 16)
    y = signal(2, 200)
    later = y.copy()
    later[5 * 16 :] = 0
    np.testing.assert_array_equal(stft(y)[:, :5], stft(later)[:, :5])
    assert np.abs(stft(y)[:, 5] - stft(later)[:, 5]).max() > 0.1


def test_spectrum_is_that_of_the_windowed_frame():
    stft = STFT(64, 16, 48, "hann")
    y = signal(3, 300, np.float64)
    t = 10
    frame = y[(t + 1) * 16 - 48 : (t + 1) * 16] * stft.analysis_window
    np.testing.assert_allclose(stft(y)[:, t], np.fft.rfft(frame, 64), atol=1e-12)


@pytest.mark.parametrize("sr", [8000, 11025, 16000, 44100])
def test_a_sine_has_the_same_level_and_place_at_every_rate(sr):
    stft = STFT.for_rate(sr)
    y = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(sr) / sr)
    level = np.abs(stft(y))[:, 20] * stft.amplitude_scale
    assert np.argmax(level) == 32
    assert level.max() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize(
    "sr, n_fft",
    [
        (8000, 256),
        (11025, 352),
        (16000, 512),
        (22050, 704),
        (24000, 768),
        (32000, 1024),
        (44100, 1408),
        (48000, 1536),
        (96000, 3072),
    ],
)
def test_usual_rates(sr, n_fft):
    stft = STFT.for_rate(sr)
    assert (stft.n_fft, stft.hop_length) == (n_fft, n_fft // 2)


@given(st.integers(1000, 400_000))
def test_any_rate_keeps_the_duration(sr):
    stft = STFT.for_rate(sr)
    assert stft.n_fft == 2 * stft.hop_length
    assert abs(stft.hop_length - 0.016 * sr) <= max(0.5, 0.005 * 0.016 * sr)


@pytest.mark.parametrize("sr", [0, -16000, 10, float("nan")])
def test_impossible_rates_are_refused(sr):
    with pytest.raises(NmfaudioError, match="sampling rate|sr must be"):
        STFT.for_rate(sr)


@pytest.mark.parametrize("y", [np.float32(1), np.ones(9, complex), np.array(["a"]), np.array([None])])
def test_what_is_not_a_real_signal_is_refused(y):
    with pytest.raises(NmfaudioError, match="real signal"):
        STFT(64, 16)(y)


@pytest.mark.parametrize("shape, length", [((33, 5), 300), ((32, 22), 300), ((33,), 300), ((33, 1), 0)])
def test_a_spectrum_of_another_shape_is_refused(shape, length):
    with pytest.raises(NmfaudioError, match="has shape"):
        STFT(64, 16).synthesis(np.zeros(shape, np.complex64), length)


@given(frames, st.integers(1, 12), st.integers(1, 3), dtypes)
def test_a_stream_gives_the_numbers_of_the_whole(stft, n_blocks, n_channels, dtype):
    real, cplx, error = dtype
    hop = stft.hop_length
    y = signal(4, (n_channels, n_blocks * hop), real)
    Y = stft(y)
    stream = StreamingSTFT(stft, n_channels, real)
    out = []
    for t in range(Y.shape[-1]):
        block = y[:, t * hop : (t + 1) * hop] if t < n_blocks else np.zeros((n_channels, hop), real)
        spectrum = stream.analyse(block)
        assert spectrum.dtype == cplx
        np.testing.assert_allclose(spectrum, Y[..., t], rtol=0, atol=error * stft.n_fft)
        out.append(stream.synthesise(spectrum))
    whole = np.concatenate(out, axis=1)
    assert whole.dtype == real
    np.testing.assert_allclose(whole[:, : stft.overlap], 0, atol=error)
    np.testing.assert_allclose(whole[:, stft.overlap :][:, : y.shape[1]], y, rtol=0, atol=error)


def test_a_stream_can_be_copied_and_reset():
    stream = StreamingSTFT(STFT(64, 16), 1)
    blocks = signal(5, (6, 1, 16))

    def play(stream, blocks):
        return np.concatenate([stream.synthesise(stream.analyse(block)) for block in blocks])

    first = play(stream, blocks[:3])
    twin = stream.copy()
    np.testing.assert_array_equal(play(stream, blocks[3:]), play(twin, blocks[3:]))
    stream.reset()
    np.testing.assert_array_equal(play(stream, blocks[:3]), first)
    assert np.abs(play(twin, blocks[:3]) - first).max() > 0.01
