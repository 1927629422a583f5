import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nmfaudio import audio
from nmfaudio.errors import AudioError


@pytest.mark.parametrize("shape", [(1600,), (2, 1600), (0,), (2, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_resample_keeps_shape_dtype_and_sound(shape, dtype):
    y = np.broadcast_to(np.sin(2 * np.pi * 1000 * np.arange(shape[-1]) / 16000), shape).astype(dtype)
    z = audio.resample(y, 16000, 48000)
    assert z.shape == (*shape[:-1], 3 * shape[-1])
    assert z.dtype == dtype
    expected = np.sin(2 * np.pi * 1000 * np.arange(3 * shape[-1]) / 48000)
    np.testing.assert_allclose(z[..., 300:-300], np.broadcast_to(expected, z.shape)[..., 300:-300], atol=1e-3)


@given(hnp.arrays(st.sampled_from([np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32]), 20))
def test_integers_are_scaled_to_full_scale(y):
    z = audio.to_float(y)
    assert np.abs(z).max() <= 1
    kind = np.iinfo(y.dtype)
    middle = (int(kind.max) + int(kind.min) + 1) // 2
    expected = [(int(v) - middle) / (int(kind.max) - middle + 1) for v in y]
    np.testing.assert_allclose(z, expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    "dtype, expected",
    [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i2", "f4"), ("i4", "f8"), (">f4", "f4"), ("g", "f8")],
)
def test_float_types(dtype, expected):
    z = audio.to_float(np.array([1, 0], dtype))
    assert z.dtype == np.dtype(expected)


@pytest.mark.parametrize("y", [np.array([1j]), np.array([None]), np.array(["a"]), np.array([True]), "sound"])
def test_what_is_not_a_number_is_refused(y):
    with pytest.raises(AudioError, match="real numbers"):
        audio.to_float(y)


@pytest.mark.parametrize(
    "y, words",
    [
        (3.0, r"shape \(\): give \(samples,\) or \(channels, samples\)"),
        (np.zeros((3, 2, 100)), r"shape \(3, 2, 100\): give \(samples,\) or"),
        (np.zeros((0, 100)), r"shape \(0, 100\): give \(samples,\) or"),
        (np.zeros((16000, 2)), r"\(16000, 2\) looks like \(samples, channels\).*y\.T"),
        (np.array([0.0, np.nan]), "sample 1 is nan"),
        (np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -np.inf]]), "sample 2 is -inf"),
    ],
)
def test_what_is_not_a_signal_is_refused(y, words):
    with pytest.raises(AudioError, match=words):
        audio.as_signal(y)


@pytest.mark.parametrize("shape", [(0,), (1,), (2, 0), (2, 1), (6, 5)])
def test_signals_pass(shape):
    assert audio.as_signal(np.zeros(shape, np.int16)).shape == shape
