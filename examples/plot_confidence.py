"""
Calibration and rejecting
=========================

A calibrated classifier is right in 80 % of the predictions to which it gives the probability 0.8. A
temperature is fitted to held-out speakers of the source. On the target the classifier is still too
confident, but the order of the probabilities is of use: the surest predictions are more often
right.
"""

# %%
# Fit with a temperature
# ----------------------
#
# A quarter of the source's speakers stays unseen, to show the calibration in the source.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    Functionals,
    make_adaptation_pipeline,
    make_speech_corpora,
)

corpora = make_speech_corpora(
    300, 150, n_speakers_source=30, shift=1.5, variability=1.0, random_state=0
)
features = make_adaptation_pipeline(Functionals(), CorpusScaler())
X_src = features.fit_transform(corpora.X_src, corpora.y_src, corpora.X_tgt)
X_tgt, y_src, y_tgt = features.transform(corpora.X_tgt), corpora.y_src, corpora.y_tgt
splitter = GroupShuffleSplit(1, test_size=0.25, random_state=0)
train, new = next(splitter.split(X_src, y_src, corpora.speaker_src))
classifier = DIDANClassifier(
    n_networks=1, calibration="temperature", validation_fraction=0.3, random_state=0
).fit(X_src[train], y_src[train], X_tgt, groups=corpora.speaker_src[train])


def confidence_and_truth(X, y):
    """Return the confidence of each row, and whether it is right."""
    return classifier.predict_proba(X).max(axis=1), classifier.predict(X) == y


# %%
# Two curves
# ----------
#
# Left: points below the diagonal are too confident. Right: the accuracy on the rows that are kept,
# if the least sure are given to a person.

DOMAINS = {
    "new speakers of the source": (X_src[new], y_src[new], "#0072b2", "o-"),
    "target": (X_tgt, y_tgt, "#d55e00", "s--"),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
left.plot([0.2, 1], [0.2, 1], color="0.6", linestyle=":", label="calibrated")
for name, (X, y, colour, style) in DOMAINS.items():
    confidence, is_right = confidence_and_truth(X, y)
    bins = np.array_split(np.argsort(confidence), 5)  # of equal size
    points = [(confidence[rows].mean(), is_right[rows].mean()) for rows in bins]
    left.plot(*np.transpose(points), style, color=colour, label=name)
    order = np.argsort(-confidence)
    kept = np.arange(1, len(order) + 1)
    start = len(order) // 10
    accuracy = 100 * np.cumsum(is_right[order]) / kept
    share = 100 * kept / len(order)
    right.plot(share[start:], accuracy[start:], style[1:], color=colour, label=name)
left.set(xlabel="mean confidence", ylabel="accuracy", title="Calibration")
left.set(xlim=(0.2, 1), ylim=(0, 1))
right.set(xlabel="share kept (%)", ylabel="accuracy on the kept (%)", title="Keeping the surest")
right.set_ylim(0, 102)
left.legend(loc="upper left")
for ax in (left, right):
    ax.grid(alpha=0.3)
plt.show()
