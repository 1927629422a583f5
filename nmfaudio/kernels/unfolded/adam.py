"""A step of Adam on non-negative weights."""

import numpy as np

from .._jit import jit


@jit
def adam_square(theta, weight, gradient, mean, square, rate, beta1, beta2, correction1, correction2, least):
    """Move the square root of each weight by one step of Adam (Kingma and Ba 2015, algorithm 1).

    Parameters
    ----------
    theta : ndarray, shape (n,)
        Square roots of the weights, changed in place. They stay above `least`, so that no weight is lost for good.
    weight : ndarray, shape (n,)
        Output: ``theta ** 2``.
    gradient : ndarray, shape (n,)
        Gradient of the loss by `weight`; that by `theta` is ``2 * theta * gradient``.
    mean, square : ndarray, shape (n,)
        First and second moments of the gradient, changed in place.
    rate : float
    beta1, beta2 : float
        Weight of the past in both moments.
    correction1, correction2 : float
        ``1 - beta1**t`` and ``1 - beta2**t`` for step t.
    least : float
    """
    one = theta.dtype.type(1)
    two = theta.dtype.type(2)
    tiny = theta.dtype.type(1e-20)
    for i in range(theta.size):
        g = two * theta[i] * gradient[i]
        m = beta1 * mean[i] + (one - beta1) * g
        s = beta2 * square[i] + (one - beta2) * g * g
        mean[i] = m
        square[i] = s
        theta[i] = max(theta[i] - rate * (m / correction1) / (np.sqrt(s / correction2) + tiny), least)
        weight[i] = theta[i] * theta[i]
