"""
When adaptation hurts
=====================

Alignment assumes that both corpora hold the same emotions in the same shares. This example breaks
the assumption in two ways: one emotion becomes frequent in the target (label shift), or recordings
of an emotion come in that the source lacks (open set).
"""

# %%
# Two classifiers on the same features
# ------------------------------------
#
# "Not adapted" scales the target by the statistics of the source. "Adapted" scales each corpus by
# its own and makes the covariances alike.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdidan import (
    CorpusScaler,
    CorrelationAlignment,
    Functionals,
    make_adaptation_pipeline,
    make_speech_corpora,
    uar,
)

EMOTIONS = "anger", "happiness", "neutral", "sadness"
corpora = make_speech_corpora(160, 320, emotions=EMOTIONS, shift=0.5, random_state=0)
functionals = Functionals()
X_src, X_tgt = functionals.fit_transform(corpora.X_src), functionals.transform(corpora.X_tgt)
y_src, y_tgt = corpora.y_src, corpora.y_tgt
rng = np.random.default_rng(0)


def score(rows, known):
    """Adapt to some target rows; return the UAR on all that are known, without and with it."""
    source = np.isin(y_src, list(known))
    scored = np.isin(y_tgt, list(known))
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    plain.fit(X_src[source], y_src[source])
    adapted = make_adaptation_pipeline(
        CorpusScaler(), CorrelationAlignment(), LogisticRegression(C=0.1, max_iter=1000)
    ).fit(X_src[source], y_src[source], X_tgt[rows])
    return [100 * uar(y_tgt[scored], model.predict(X_tgt[scored])) for model in (plain, adapted)]


def draw_rows(emotion, share, n_rows=80):
    """Draw target rows, a share of them with one emotion."""
    n_emotion = round(share * n_rows)
    chosen = rng.choice(np.flatnonzero(y_tgt == emotion), n_emotion, replace=False)
    others = rng.choice(np.flatnonzero(y_tgt != emotion), n_rows - n_emotion, replace=False)
    return np.concatenate([chosen, others])


# %%
# Change the share of one emotion
# -------------------------------
#
# Each point is the mean over two draws and the four emotions, each in turn the frequent or the
# unknown one.

shares = np.array([0.0, 0.25, 0.5, 0.75, 0.9])
shifted, opened = [], []
for share in shares:
    targets = [(emotion, draw_rows(emotion, share)) for emotion in EMOTIONS for _ in range(2)]
    others = {emotion: [other for other in EMOTIONS if other != emotion] for emotion in EMOTIONS}
    opened.append(np.mean([score(rows, others[emotion]) for emotion, rows in targets], axis=0))
    if share:
        shifted.append(np.mean([score(rows, EMOTIONS) for _, rows in targets], axis=0))

# %%
# What it costs
# -------------
#
# With equal shares adaptation helps. The further the shares differ, the more it moves recordings to
# the wrong emotions. :doc:`/how_to/label_sets` says what to do.

figure, axes = plt.subplots(1, 2, figsize=(9.5, 4), sharey=True, layout="constrained")
panels = (
    (axes[0], shares[1:], shifted, "Label shift", "share of one emotion in the target"),
    (axes[1], shares, opened, "Open set", "share of an unknown emotion in the target"),
)
for ax, x, values, title, label in panels:
    plain, adapted = np.transpose(values)
    ax.plot(x, plain, "o--", color="0.35", label="not adapted")
    ax.plot(x, adapted, "s-", color="#d55e00", label="adapted")
    ax.set(title=title, xlabel=label)
    ax.grid(alpha=0.3)
axes[0].set_ylabel("UAR on the known emotions (%)")
axes[0].legend()
plt.show()
