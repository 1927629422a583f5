import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nmfaudio.factorize.divergence import Divergence
from nmfaudio.kernels.divergence import beta_divergence
from nmfaudio.kernels.multiplicative import ratios
from nmfaudio.parallel import by_rows, in_parallel, n_cores


def test_results_come_in_order_and_from_all_at_once():
    meeting = threading.Barrier(3, timeout=60)  # which three have to reach

    def work(x):
        meeting.wait()
        return x * x

    assert in_parallel(work, [3, 1, 2]) == [9, 1, 4]


def test_an_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_parallel(lambda x: 1 / x, [1, 0])


def test_matrix_products_inside_have_a_core_each_and_limits_are_kept():
    A = np.ones((4, 4))
    A @ A
    with threadpool_limits(1, user_api="blas"):
        assert n_cores() == 1
    before = n_cores()
    assert in_parallel(lambda _: n_cores(), [0, 1]) == [1, 1]
    assert n_cores() == before


def test_callers_at_once_do_not_take_turns_with_the_limit():
    begun, end = threading.Event(), threading.Event()

    def first_work(_):
        begun.set()
        assert end.wait(60)

    first = threading.Thread(target=in_parallel, args=(first_work, [0, 1]))
    first.start()
    assert begun.wait(60)
    here = threading.current_thread()
    assert in_parallel(lambda _: threading.current_thread(), [0, 1]) == [here, here]
    end.set()
    first.join(60)
    assert here not in in_parallel(lambda _: threading.current_thread(), [0, 1])


def test_rows_are_shared_out(monkeypatch):
    monkeypatch.setattr("nmfaudio.parallel._LEAST_VALUES", 4)
    monkeypatch.setattr("nmfaudio.parallel.n_cores", lambda: 3)
    A = np.arange(14).reshape(7, 2)
    assert [part.tolist() for part in by_rows(lambda rows, none: rows[:, 0], A, None)] == [[0, 2], [4, 6], [8, 10, 12]]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("beta", [1, 0, 1.5])
def test_kernels_by_rows_give_the_same(beta, weighted, monkeypatch):
    rng = np.random.default_rng(0)
    V, L, weights = rng.random((3, 9, 5)) + 0.1
    found = []
    for n_threads in (1, 3):
        monkeypatch.setattr("nmfaudio.parallel._LEAST_VALUES", 1)
        monkeypatch.setattr("nmfaudio.parallel.n_cores", lambda n=n_threads: n)
        P, R, given = L.copy(), np.empty_like(V), weights if weighted else None
        value = beta_divergence(V, P, beta, 1e-9, np.empty_like(V), given)
        ratios(V, P, R, beta, 1e-9, given)
        found.append((value, P, R))
    for x, y in zip(*found, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


@pytest.mark.parametrize("beta", [1, 0, 1.5])
def test_a_divergence_and_its_gradient_by_rows_are_the_same(beta, monkeypatch):
    rng = np.random.default_rng(0)
    X, W, T = rng.random((9, 5)) + 0.1, rng.random((9, 3)) + 0.1, rng.random((5, 3)) + 0.1
    found = []
    for n_threads in (1, 3):
        monkeypatch.setattr("nmfaudio.parallel._LEAST_VALUES", 1)
        monkeypatch.setattr("nmfaudio.parallel.n_cores", lambda n=n_threads: n)
        data = Divergence(X, beta)
        found.append((data.value(W, T), *data.parts_T(W, T, known=True), *data.parts_T(W, T), *data.parts_W(W, T)))
    for x, y in zip(*found, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)
