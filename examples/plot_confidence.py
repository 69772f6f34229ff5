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
    plot_calibration,
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

# %%
# Two curves
# ----------
#
# Left: points below the diagonal are too confident. Right: the accuracy on the rows that are kept,
# if the least sure are given to a person.

DOMAINS = {
    "new speakers of the source": (X_src[new], y_src[new], "-"),
    "target": (X_tgt, y_tgt, "--"),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for name, (X, y, style) in DOMAINS.items():
    probabilities = classifier.predict_proba(X)
    plot_calibration(y, probabilities, classifier.classes_, n_bins=5, name=name, ax=left)
    colour = left.lines[-1].get_color()
    is_right = classifier.predict(X) == y
    order = np.argsort(-probabilities.max(axis=1))
    kept = np.arange(1, len(order) + 1)
    start = len(order) // 10
    accuracy = 100 * np.cumsum(is_right[order]) / kept
    share = 100 * kept / len(order)
    right.plot(share[start:], accuracy[start:], style, color=colour, label=name)
right.set(
    xlabel="share kept (%)", ylabel="accuracy on the kept (%)", title="Accuracy of the surest"
)
right.set_ylim(0, 102)
right.legend(loc="lower left")
right.grid(alpha=0.3)
plt.show()
