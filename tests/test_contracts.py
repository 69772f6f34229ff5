"""Contracts that every registered estimator obeys."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdidan.classifiers import CLASSIFIERS

EXPECTED_FAILURES = {
    "check_methods_subset_invariance": "in single precision the outputs of one row alone and among "
    "others, products of matrices of different sizes, agree to 1e-6 but not to 1e-7",
}


@pytest.mark.filterwarnings("ignore::skdidan.domains.NoTargetWarning")
@parametrize_with_checks(
    [cls() for cls in CLASSIFIERS.values()],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
    xfail_strict=False,
)
def test_classifiers_are_scikit_learn_estimators(estimator, check):
    check(estimator)
