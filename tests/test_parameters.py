"""Checks of single parameters, and where warnings point."""

import numpy as np
import pytest

from skdidan.parameters import (
    check_boolean,
    check_count,
    check_counts,
    check_not_negative,
    check_option,
    check_positive,
)
from skdidan.reporting import warn_caller


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", True, None, np.nan])
def test_count(value):
    assert check_count("n", np.int64(3)) == 3
    with pytest.raises(ValueError, match="n must be a whole number of at least 1; got"):
        check_count("n", value)


@pytest.mark.parametrize("value", [3, "34", None, {3}, np.ones(2)])
def test_counts(value):
    assert check_counts("n", [np.int64(3), 4]) == (3, 4) and check_counts("n", ()) == ()
    with pytest.raises(ValueError, match="n must be a list or tuple of whole numbers; got"):
        check_counts("n", value)
    with pytest.raises(ValueError, match="n must be a whole number of at least 1; got 0"):
        check_counts("n", [3, 0])


@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_boolean(value):
    assert check_boolean("x", True) is True
    with pytest.raises(ValueError, match="x must be True or False; got"):
        check_boolean("x", value)


@pytest.mark.parametrize("value", [0, -0.5, np.inf, np.nan, "1", None, True])
def test_positive(value):
    assert check_positive("x", np.float32(0.5)) == 0.5
    with pytest.raises(ValueError, match="x must be a finite number above 0; got"):
        check_positive("x", value)


@pytest.mark.parametrize("value", [-1e-9, np.inf, np.nan, "0", None, False])
def test_not_negative(value):
    assert check_not_negative("x", 0) == 0
    with pytest.raises(ValueError, match="x must be a finite number of at least 0; got"):
        check_not_negative("x", value)


@pytest.mark.parametrize("value", ["c", None, 3, ["a"]])
def test_option(value):
    assert check_option("x", "a", ("b", "a")) == "a"
    with pytest.raises(ValueError, match=r"x must be one of \['a', 'b'\]; got"):
        check_option("x", value, ("b", "a"))


def test_warnings_point_at_the_caller():
    with pytest.warns(UserWarning, match="look here") as caught:
        warn_caller("look here", UserWarning)
    assert caught[0].filename == __file__
