"""The expected shares of the classes in the target."""

import numpy as np
import pytest
import torch

from skdidan import DANClassifier, DIDANClassifier, SourceOnlyClassifier
from skdidan.neural.prior import PriorDistance, expected_shares
from skdidan.tables import CLASSIFIERS

CLASSES, Y = np.array(["anger", "neutral"]), np.repeat(["anger", "neutral"], [1, 3])
NEURAL = [c for c in CLASSIFIERS.values() if hasattr(c, "default_n_networks")]
ADAPTING = [c for c in NEURAL if c is not SourceOnlyClassifier]


@pytest.mark.parametrize(
    ("prior", "shares"),
    [
        ("uniform", [0.5, 0.5]),
        ("source", [0.25, 0.75]),
        ({"neutral": 0.9, "anger": 0.1}, [0.1, 0.9]),
        ([0.3, 0.7], [0.3, 0.7]),
        (np.array([1, 0]), [1.0, 0.0]),
    ],
)
def test_shares_of_the_sorted_classes(prior, shares):
    torch.testing.assert_close(expected_shares(prior, CLASSES, Y), torch.tensor(shares))


def test_the_distance_is_that_of_the_mean_prediction():
    predictions = torch.tensor([[1.0, 0.0], [0.2, 0.8]])  # a mean of 0.6 and 0.4
    distance = PriorDistance(torch.tensor([0.9, 0.1]))(None, None, predictions=predictions)
    torch.testing.assert_close(distance, torch.tensor(2 * 0.3**2))


@pytest.mark.parametrize("classifier", ADAPTING, ids=lambda cls: cls.__name__)
def test_every_adapting_network_follows_the_shares(classifier):
    X = np.random.default_rng(0).normal(size=(80, 4))
    y = np.where(X[:, 0] > 0, "anger", "neutral")
    params = {"n_networks": 1, "max_epochs": 15, "random_state": 0}
    means = {
        share: classifier(target_prior=[share, 1 - share], **params)
        .fit(X, y, X + 0.2)
        .predict_proba(X + 0.2)[:, 0]
        .mean()
        for share in (0.2, 0.8)
    }
    assert means[0.8] - means[0.2] > 0.15


def test_without_a_prior_there_is_no_term(domains):
    params = {"max_epochs": 1, "random_state": 0}
    columns = [
        set(DANClassifier(target_prior=prior, **params).fit(*domains[:3]).history_[0])
        for prior in ("uniform", None)
    ]
    assert columns[0] - columns[1] == {"target_prior"}


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("equal", 'target_prior must be "uniform", "source", a dict .*; got \'equal\''),
        ({"anger": 1.0}, r"target_prior must name the classes \['anger', 'neutral', 'sadness'\]"),
        ([0.5, 0.5], r"a finite share of at least 0 for each of \['anger', .*; got \[0.5, 0.5\]"),
        ([1.2, -0.1, -0.1], "a finite share of at least 0 for each of"),
        ([np.nan, 0.5, 0.5], "a finite share of at least 0 for each of"),
        (object(), "a finite share of at least 0 for each of"),
        ([0.5, 0.5, 0.5], "The shares of target_prior must add up to 1; got 1.5"),
    ],
)
def test_shares_that_are_none(prior, message, domains):
    with pytest.raises(ValueError, match=message):
        DIDANClassifier(target_prior=prior, max_epochs=1).fit(*domains[:3])
