import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nmfaudio.parallel import in_parallel, n_cores


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
