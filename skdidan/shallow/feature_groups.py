"""Groups of features that describe the same acoustic quantity."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdidan.labels import plain_labels

__all__ = ["find_groups"]

# The 88 functionals of eGeMAPSv02 in the order of openSMILE, named by what they describe: two of
# them ten times, the others twice or, at the end, once.
_OFTEN = ("F0semitoneFrom27.5Hz", "loudness")
_TWICE = (
    *("spectralFlux", "mfcc1", "mfcc2", "mfcc3", "mfcc4"),
    *("jitterLocal", "shimmerLocaldB", "HNRdBACF", "logRelF0-H1-H2", "logRelF0-H1-A3"),
    *(f"F{n}{part}" for n in (1, 2, 3) for part in ("frequency", "bandwidth", "amplitudeLogRelF0")),
    *("alphaRatioV", "hammarbergIndexV", "slopeV0-500", "slopeV500-1500", "spectralFluxV"),
    *("mfcc1V", "mfcc2V", "mfcc3V", "mfcc4V"),
)
_ONCE = (
    *("alphaRatioUV", "hammarbergIndexUV", "slopeUV0-500", "slopeUV500-1500", "spectralFluxUV"),
    *("loudnessPeaksPerSec", "VoicedSegmentsPerSec"),
    *("MeanVoicedSegmentLengthSec", "StddevVoicedSegmentLengthSec"),
    *("MeanUnvoicedSegmentLength", "StddevUnvoicedSegmentLength", "equivalentSoundLevel_dBp"),
)
_EGEMAPS = np.repeat(
    [*_OFTEN, *_TWICE, *_ONCE], [10] * len(_OFTEN) + [2] * len(_TWICE) + [1] * len(_ONCE)
)
_SUFFIX = "_sma3"  # of the names of openSMILE, between what is described and the statistic


def find_groups(
    feature_groups: str | ArrayLike | None, n_features: int, names: ArrayLike | None
) -> NDArray[Any] | None:
    """Return the label of the group of each feature, or None without groups.

    The options of `feature_groups` are those of `AKTLR`; `names` are the columns, or None.
    """
    if feature_groups is None:
        return None
    if isinstance(feature_groups, str):
        if feature_groups not in ("auto", "egemaps"):
            raise ValueError(
                "feature_groups must be 'auto', 'egemaps', None or an array with one label for "
                f"each feature; got {feature_groups!r}."
            )
        found = _egemaps(n_features, names)
        if found is None and feature_groups == "egemaps":
            raise ValueError(
                "feature_groups='egemaps' needs a data frame with the names of "
                "Functionals('eGeMAPSv02'), or its 88 columns in their order without names; got "
                f"{n_features} column(s) {'without' if names is None else 'with other'} names."
            )
        return found
    labels = plain_labels(feature_groups)
    if np.shape(labels) != (n_features,) or labels.dtype.kind == "O":
        raise ValueError(
            f"feature_groups must have one label for each of the {n_features} features, all of "
            f"them text or all numbers; got {feature_groups!r}."
        )
    return np.array(labels)  # a copy, since the caller's array may change


def _egemaps(n_features: int, names: ArrayLike | None) -> NDArray[Any] | None:
    if names is None:
        return _EGEMAPS.copy() if n_features == len(_EGEMAPS) else None
    words = [str(name) for name in np.asarray(names)]
    if not any(_SUFFIX in word for word in words):
        return None
    return np.array([re.split(_SUFFIX, word)[0] for word in words])
