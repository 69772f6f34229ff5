"""Small domains, references and checks of scikit-learn, which several tests share."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import estimator_checks_generator

from skdidan.corpora.known import load_corpus


def real_corpus(name):
    """Return a corpus on this machine, or skip: licences do not allow to ship any."""
    folder = os.environ.get("SKDIDAN_CORPORA")
    if not folder:
        pytest.skip("SKDIDAN_CORPORA is not set: a folder with one sub-folder per corpus")
    root = Path(folder) / name
    if not root.is_dir():
        pytest.skip(f"SKDIDAN_CORPORA has no folder {name}")
    return load_corpus(name, root)


def shifted_blobs(n_source, n_target, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(scale=3, size=(3, 6))
    labels = np.array(["anger", "neutral", "sadness"])
    codes_src, codes_tgt = np.arange(n_source) % 3, np.arange(n_target) % 3
    X_src = centres[codes_src] + rng.normal(size=(n_source, 6))
    X_tgt = centres[codes_tgt] + rng.normal(size=(n_target, 6)) + 0.5
    return X_src, labels[codes_src], X_tgt, labels[codes_tgt]


def features(n, d=4, seed=0, shift=0.0):
    """Rows of normal features in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) + shift


def one_hot(classes, n_classes=3):
    return torch.nn.functional.one_hot(torch.as_tensor(classes), n_classes).double()


def mean_distance_reference(source, target):
    """One minus the share of variance left within the domains, each of which counts a half."""
    centre = (source.mean(axis=0) + target.mean(axis=0)) / 2

    def variance(about_source, about_target):
        return sum(
            np.mean(np.sum((rows - about) ** 2, axis=1))
            for rows, about in ((source, about_source), (target, about_target))
        )

    within = variance(source.mean(axis=0), target.mean(axis=0))
    return 1 - within / variance(centre, centre)


def mcc_reference(logits, temperature, weights=None):
    """Minimum class confusion, entry by entry; the weights by default those of the rows."""
    scaled = np.exp(logits / temperature)
    probable = scaled / scaled.sum(axis=1, keepdims=True)
    if weights is None:
        weights = [1 + np.exp(np.sum(p * np.log(p))) for p in probable]
    n_classes = logits.shape[1]
    confusion = np.zeros((n_classes, n_classes))
    for k in range(n_classes):
        for m in range(n_classes):
            confusion[k, m] = sum(w * p[k] * p[m] for w, p in zip(weights, probable, strict=True))
    confusion /= confusion.sum(axis=1, keepdims=True)
    return (confusion.sum() - np.trace(confusion)) / n_classes


# The base classes decide these checks of scikit-learn: they write `fit`, `transform` and `predict`,
# validate rows and labels, and set the tags.
DECIDED_BY_BASES = {
    "check_all_zero_sample_weights_error",
    "check_array_api_input",
    "check_class_weight_classifiers",
    "check_classifier_data_not_an_array",
    "check_classifiers_classes",
    "check_classifiers_one_label",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_regression_target",
    "check_classifiers_train",
    "check_complex_data",
    "check_decision_proba_consistency",
    "check_dtype_object",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_tag",
    "check_estimator_tags_renamed",
    "check_estimators_empty_data_messages",
    "check_estimators_fit_returns_self",
    "check_estimators_nan_inf",
    "check_estimators_partial_fit_n_features",
    "check_estimators_unfitted",
    "check_f_contiguous_array_estimator",
    "check_fit1d",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_score_takes_y",
    "check_methods_subset_invariance",
    "check_mixin_order",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_requires_y_none",
    "check_sample_weight_equivalence_on_dense_data",
    "check_supervised_y_2d",
    "check_supervised_y_no_nan",
    "check_transformer_data_not_an_array",
    "check_transformers_unfitted",
    "check_valid_tag_types",
}


def own_checks(*estimators):
    """Parametrise with the checks of scikit-learn that are not decided by a base class.

    They are for an estimator whose base classes are checked in full elsewhere, by another
    subclass or other parameters.
    """
    pairs = [
        pytest.param(estimator, check, id=f"{type(estimator).__name__}-{name}")
        for estimator in estimators
        for estimator, check in estimator_checks_generator(estimator)
        if (name := check.func.__name__) not in DECIDED_BY_BASES
    ]
    return pytest.mark.parametrize("estimator, check", pairs)
