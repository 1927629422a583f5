"""Small instances of the estimators, and scikit-learn's checks of them, for the tests that all of them pass."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from nmfaudio.factorize import NMF, GroupSparseNMF, OnlineNMF, SmoothNMF, SparsenessNMF, SparseNMF

FEW = {"max_iter": 10, "random_state": 0}

NMF_SOLVERS = [
    NMF(2, solver=solver, beta_loss=beta, **FEW)
    for solver, beta in [
        *((solver, 2) for solver in ("mu", "amu", "pg", "anls-as", "bpp", "nenmf", "hals", "ahals")),
        *((solver, beta) for solver in ("mu", "amu") for beta in (1, 0, 0.5, 1.5, 3)),
        ("cd", 1),
    ]
]

SMOOTH = [*(("squares", beta) for beta in (2, 1, 0, 1.5, 3)), *(("variation", beta) for beta in (2, 1))]

MONOTONE = [
    *NMF_SOLVERS,
    *(
        NMF(2, solver=m.solver, beta_loss=m.beta_loss, alpha_W=0.01, alpha_H=0.02, l1_ratio=0.5, **FEW)
        for m in NMF_SOLVERS
    ),
    *(SparseNMF(2, beta_loss=beta, **FEW) for beta in (2, 1, 0)),
    *(GroupSparseNMF(2, beta_loss=beta, **FEW) for beta in (2, 1, 0, 1.5)),
    *(SmoothNMF(2, smoothness=p, beta_loss=beta, **FEW) for p, beta in SMOOTH),
    SparsenessNMF(2, **FEW),
    SparsenessNMF(2, sparseness_H=None, sparseness_W=0.6, **FEW),
    SparsenessNMF(2, sparseness_H=0.3, sparseness_W=0.4, **FEW),
]

# A batch is seen as it comes: what the next one costs may be more.
ALL = [*MONOTONE, *(OnlineNMF(2, beta_loss=beta, batch_size=5, **FEW) for beta in (2, 1, 0, 3))]

CHECKED = [  # by scikit-learn; one of each kind
    NMF(2, max_iter=150, random_state=0),
    NMF(2, beta_loss=1, max_iter=50, random_state=0),
    SparseNMF(2, **FEW),
    GroupSparseNMF(2, **FEW),
    SmoothNMF(2, **FEW),
    SparsenessNMF(2, **FEW),
    OnlineNMF(2, **FEW),
]


def scikit_learn_checks(estimators, expected_failures):
    """As scikit-learn's `parametrize_with_checks`, whose cases are no list, as pytest 9 demands, before version 1.8."""
    cases = [
        case
        for estimator in estimators
        for case in estimator_checks_generator(
            estimator, expected_failed_checks=expected_failures(estimator), mark="xfail"
        )
    ]
    names = {"ids": lambda it: repr(it).replace("\n", "") if hasattr(it, "fit") else it.func.__name__}
    return pytest.mark.parametrize(("estimator", "check"), cases, **names)


def expected_failures(estimator):
    """Names of scikit-learn's checks that an estimator fails, and why it must."""
    slow = "multiplicative updates approach the minimum too slowly for fit_transform and transform to agree to 1e-2"
    both = ("check_transformer_general", "check_transformer_data_not_an_array")
    failures = {}
    if isinstance(estimator, SparseNMF | GroupSparseNMF | SmoothNMF):
        failures |= dict.fromkeys(both, slow)
    if isinstance(estimator, SmoothNMF):
        order = "activations depend on the samples before and after"
        failures |= dict.fromkeys(("check_methods_sample_order_invariance", "check_methods_subset_invariance"), order)
    return failures
