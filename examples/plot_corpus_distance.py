"""
How far apart two corpora are
=============================

The proxy A-distance asks a classifier to tell the corpora apart. It is 2 (1 - 2 e), where e is the
error on held-out speakers: 0 if they cannot be told apart, 2 if they always can. It differs by the
features.
"""

# %%
# Feature sets, as they are and scaled
# ------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, cross_val_score

from skdidan import (
    MFCC,
    CorpusScaler,
    CorrelationAlignment,
    Functionals,
    LogMelSpectrogram,
    make_speech_corpora,
)

corpora = make_speech_corpora(120, 120, variability=1.0, random_state=0)
speakers = np.concatenate([corpora.speaker_src, corpora.speaker_tgt])


def proxy_a_distance(X_src, X_tgt):
    """Return the distance of two corpora for a random forest."""
    X = np.concatenate([X_src, X_tgt])
    domain = np.repeat([0, 1], [len(X_src), len(X_tgt)])
    classifier = RandomForestClassifier(100, random_state=0)
    accuracy = cross_val_score(classifier, X, domain, groups=speakers, cv=GroupKFold(4)).mean()
    return max(0.0, 2 * (2 * accuracy - 1))


def statistics(S):
    """Return the means and deviations of the bands of spectrograms."""
    return np.concatenate([S.mean(axis=2), S.std(axis=2)], axis=1)


SETS = {
    "functionals": Functionals(),
    "log-mel": LogMelSpectrogram(),
    "MFCC": MFCC(),
}
distances = {}
for name, transformer in SETS.items():
    X_src, X_tgt = transformer.fit_transform(corpora.X_src), transformer.transform(corpora.X_tgt)
    if X_src.ndim == 3:
        X_src, X_tgt = statistics(X_src), statistics(X_tgt)
    scaler, alignment = CorpusScaler(), CorrelationAlignment()
    Z_src, Z_tgt = scaler.fit_transform(X_src, X_tgt=X_tgt), scaler.transform(X_tgt)
    A_src = alignment.fit_transform(Z_src, corpora.y_src, Z_tgt)
    distances[name] = [
        proxy_a_distance(X_src, X_tgt),
        proxy_a_distance(Z_src, Z_tgt),
        proxy_a_distance(A_src, alignment.transform(Z_tgt)),
    ]

# %%
# The distances
# -------------
#
# `CorpusScaler` makes the means and deviations equal, `CorrelationAlignment` the covariances, too.
# A forest still finds other differences. A small distance does not say that the emotions fit:
# features that carry nothing have the distance 0.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
places = np.arange(len(SETS))
for k, (stage, colour) in enumerate(
    [("as it is", "#003f5c"), ("CorpusScaler", "#e69f00"), ("and CORAL", "#cce5f6")]
):
    bars = ax.bar(
        places + 0.27 * (k - 1), [values[k] for values in distances.values()], 0.25,
        color=colour, edgecolor="k", linewidth=0.6, label=stage,
    )  # fmt: skip
    ax.bar_label(bars, fmt="%.1f", padding=2)
ax.set_xticks(places, SETS)
ax.set(ylabel="proxy A-distance", ylim=(0, 2.2))
ax.set_title("How well a classifier tells two corpora apart")
ax.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False)
plt.show()
