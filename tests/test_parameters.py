"""Checks of single parameters, and where warnings point."""

from functools import partial

import numpy as np
import pytest

from skdidan.parameters import (
    check_boolean,
    check_count,
    check_counts,
    check_fraction,
    check_not_negative,
    check_option,
    check_positive,
    check_share,
    split_product,
)
from skdidan.reporting import warn_caller

COUNT = "x must be a whole number of at least 1"
NUMBERS = "x must be a list or tuple of whole numbers"


@pytest.mark.parametrize(
    ("check", "accepted", "refused", "message"),
    [
        (check_boolean, [True, False], [0, 1, "yes", None], "x must be True or False"),
        (check_count, [1, np.int64(3)], [0, -1, 2.0, "3", True, None, np.nan], COUNT),
        (check_counts, [(3, np.int64(4)), ()], [3, "34", None, {3}, np.ones(2)], NUMBERS),
        (check_counts, [(3,)], [[3, 0], [2.5]], COUNT),
        (
            check_positive,
            [np.float32(0.5), 3],
            [0, -0.5, np.inf, np.nan, "1", None, True],
            "x must be a finite number above 0",
        ),
        (
            check_not_negative,
            [0, 0.5],
            [-1e-9, np.inf, np.nan, "0", None, False],
            "x must be a finite number of at least 0",
        ),
        (
            check_fraction,
            [0, 0.5, 1],
            [-0.1, 1.1, np.nan, "1", True],
            "x must be a number from 0 to",
        ),
        (
            check_share,
            [0.5, np.float32(0.5)],
            [0, 1, np.nan, "0.5"],
            "x must be a number between 0 and 1",
        ),
        (
            partial(check_option, options=("b", "a")),
            ["a", "b"],
            ["c", None, 3, ["a"]],
            r"x must be one of \['a', 'b'\]",
        ),
        (
            partial(split_product, options={"a", "b", "c"}, factors={"a", "b"}),
            [],
            ["d", "a*d", "a*a", "", None, 3],
            r"x must be one of \['a', 'b', 'c'\], or a product",
        ),
        (
            partial(split_product, options={"a", "b", "c"}, factors={"a", "b"}),
            [],
            ["a*c"],
            r"A product in x takes factors that are not negative, \['a', 'b'\]",
        ),
    ],
)
def test_a_check_returns_the_value_or_names_the_parameter(check, accepted, refused, message):
    for value in accepted:
        assert check("x", value) == value
    for value in refused:
        with pytest.raises(ValueError, match=rf"^{message}.*; got"):
            check("x", value)


@pytest.mark.parametrize("check", [check_positive, check_not_negative])
def test_numbers_whose_products_may_overflow_are_refused(check):
    assert check("x", 1e250) == 1e250 and check("x", 1e-250) == 1e-250
    for value in (1e251, 1e308, 1e-251, 5e-324):
        with pytest.raises(ValueError, match=r"^x must be of a size from 1e-250 to 1e250; got"):
            check("x", value)


@pytest.mark.parametrize("check", [check_positive, check_not_negative])
def test_numbers_that_single_precision_does_not_hold_are_refused_for_networks(check):
    assert check("x", 1e37, single=True) == 1e37 and check("x", 1e-37, single=True) == 1e-37
    for value in (1e38, 1e250, 1e-38, 1e-250):
        with pytest.raises(ValueError, match=r"^x must be of a size from 1e-37 to 1e37; got"):
            check("x", value, single=True)


def test_factors_of_a_product_are_split():
    assert split_product("x", "b*a", {"a", "b", "c"}, {"a", "b"}) == ["b", "a"]
    assert split_product("x", "c", {"a", "b", "c"}, {"a", "b"}) == ["c"]


def test_warnings_point_to_the_caller():
    with pytest.warns(UserWarning, match="look here") as caught:
        warn_caller("look here", UserWarning)
    assert caught[0].filename == __file__
