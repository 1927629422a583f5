import os
import threading

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from nmfaudio.compute.threads import ahead, by_rows, in_parallel, n_cores, parts, shares, sum_over
from nmfaudio.nmf.beta_divergence import Divergence


def test_results_come_in_order_and_from_all_at_once(monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: 3)
    meeting = threading.Barrier(3, timeout=60)  # which three have to reach

    def work(x):
        meeting.wait()
        return x * x

    assert in_parallel(work, [3, 1, 2]) == [9, 1, 4]


def test_an_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_parallel(lambda x: 1 / x, [1, 0])


def test_the_next_result_is_computed_while_that_before_it_is_used(monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: 2)
    here, begun, taken_in = threading.current_thread(), [threading.Event() for _ in range(3)], set()

    def items():
        for i in range(3):
            taken_in.add(threading.current_thread())
            yield i

    def work(i):
        begun[i].set()
        assert threading.current_thread() is not here
        return i * i

    results = ahead(work, items())
    assert next(results) == 0
    assert begun[1].wait(60) and not begun[2].is_set()
    assert list(results) == [1, 4]
    assert taken_in == {here}


def test_one_core_computes_a_result_when_it_is_asked_for(monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: 1)
    done = []
    results = ahead(lambda i: done.append(i) or threading.current_thread(), [1, 2])
    assert next(results) is threading.current_thread()
    assert done == [1]


@pytest.mark.parametrize("n", [1, 2])
def test_an_error_ahead_is_raised_in_its_turn_and_ends_what_was_begun(n, monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: n)
    results = ahead(lambda x: 1 / x, [1, 0, 2])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
    left = ahead(abs, [1, 2, 3])
    next(left)
    left.close()
    assert not any(thread.name.startswith("nmfaudio-ahead") for thread in threading.enumerate())


def test_matrix_products_inside_have_a_core_each_and_limits_are_kept():
    A = np.ones((4, 4))
    A @ A
    with threadpool_limits(1, user_api="blas"):
        assert n_cores() == 1
    before = n_cores()
    assert in_parallel(lambda _: n_cores(), [0, 1]) == [1, 1]
    assert n_cores() == before


def test_callers_at_once_do_not_take_turns_with_the_limit(monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: 2)
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own(monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: 2)
    assert in_parallel(abs, [-1, -2]) == [1, 2]
    child = os.fork()
    if child == 0:
        threading.Timer(30, os._exit, [1]).start()  # it would wait for threads that are not there
        os._exit(0 if in_parallel(abs, [-1, -2]) == [1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_large_arrays_are_cut_for_the_cache_and_shared_out_evenly(monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads._LEAST_VALUES", 4)
    monkeypatch.setattr("nmfaudio.compute.threads._MOST_VALUES", 6)
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: 2)
    assert shares(10, 20) == [[slice(0, 2), slice(5, 7)], [slice(2, 5), slice(7, 10)]]
    assert sum_over(lambda part: (part.stop - part.start, np.array([part.start])), shares(10, 20)) == (10, [14])
    assert in_parallel(lambda _: parts(10, 20), [0, 1]) == [[slice(0, 10)]] * 2


def test_rows_are_shared_out(monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads._LEAST_VALUES", 4)
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: 3)
    A = np.arange(14).reshape(7, 2)
    assert [part.tolist() for part in by_rows(lambda rows, none: rows[:, 0], A, None)] == [[0, 2], [4, 6], [8, 10, 12]]


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("beta", [2, 1, 0, 1.5])
def test_a_pass_with_an_update_equals_the_three_that_it_is_made_of(beta, sparse):
    if sparse and beta not in (1, 2):
        pytest.skip("needs dense data")
    rng = np.random.default_rng(0)
    X, W, T = rng.random((9, 5)) + 0.1, rng.random((9, 3)) + 0.1, rng.random((5, 3)) + 0.1
    data = Divergence(csr_matrix(X) if sparse else X, beta)
    p, q = data.parts_W(W, T)
    moved = W.copy()
    value, *of_T = data.alternate(moved, T, lambda rows, w, p, q: np.divide(w * p, q, out=w))
    np.testing.assert_allclose(value, data.value(W, T), rtol=1e-12)
    np.testing.assert_allclose(moved, W * p / q, rtol=1e-12)
    for x, y in zip(of_T, data.parts_T(moved, T), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("beta", [1, 0, 1.5])
def test_a_divergence_and_its_gradient_by_rows_are_the_same(beta, weighted, monkeypatch):
    rng = np.random.default_rng(0)
    weights = rng.random((9, 5)) if weighted else None
    X, W, T = rng.random((9, 5)) + 0.1, rng.random((9, 3)) + 0.1, rng.random((5, 3)) + 0.1
    found = []
    for n_threads in (1, 3):
        monkeypatch.setattr("nmfaudio.compute.threads._LEAST_VALUES", 1)
        monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda n=n_threads: n)
        data = Divergence(X, beta, weights)
        moved = W.copy()
        alternated = data.alternate(moved, T, lambda rows, w, p, q: np.divide(w * p, q, out=w))
        found.append((data.value(W, T), *data.parts_W(W, T), *data.parts_T(W, T), moved, *alternated))
    for x, y in zip(*found, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)
