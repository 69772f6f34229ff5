"""
Adaptation in two dimensions
============================

A classifier draws a border between two emotions of the source. In the target all features are moved
and stretched, so the border is in the wrong place. `CorrelationAlignment` maps the source onto the
target before the border is drawn.
"""

# %%
# Two emotions in two corpora
# ---------------------------
#
# The target has the same two emotions, as if recorded by another microphone. Its labels only score.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from skdidan import CorrelationAlignment, uar

rng = np.random.default_rng(0)
centres = {"anger": (1.0, 1.0), "sadness": (-1.0, -0.6)}
y_src = y_tgt = np.repeat(list(centres), 120)


def draw_corpus():
    """Draw a cloud of recordings for each emotion."""
    return np.concatenate([rng.normal(centre, (0.9, 0.5), (120, 2)) for centre in centres.values()])


X_src = draw_corpus()
X_tgt = draw_corpus() @ [[0.8, 0.5], [-0.3, 1.3]] + (1.0, 2.6)

# %%
# A border with and without the target
# ------------------------------------
#
# ``fit_transform`` returns the source as it looks in the target.

alignment = CorrelationAlignment()
moved = alignment.fit_transform(X_src, y_src, X_tgt)
source_only = LogisticRegression().fit(X_src, y_src)
adapted = LogisticRegression().fit(moved, y_src)

# %%
# Each mark is a recording. Filled marks are the source, open ones the target. The shade is the
# predicted emotion.

COLOURS = {"anger": "#d55e00", "sadness": "#0072b2"}
MARKERS = {"anger": "^", "sadness": "o"}


def draw(ax, classifier, X, *, is_source):
    """Draw the regions of a classifier and the recordings of one corpus."""
    grid = np.stack(np.meshgrid(np.linspace(-5, 5, 300), np.linspace(-3, 7, 300)), axis=2)
    probability = classifier.predict_proba(grid.reshape(-1, 2))[:, 0].reshape(300, 300)
    ax.contourf(*np.moveaxis(grid, 2, 0), probability, [0, 0.5, 1], colors=["#d4e6f4", "#fbe3d0"])
    ax.contour(*np.moveaxis(grid, 2, 0), probability, [0.5], colors="k", linewidths=1.5)
    for emotion, colour in COLOURS.items():
        face = {"color": colour} if is_source else {"facecolors": "none", "edgecolors": colour}
        rows = X[y_src == emotion]
        ax.scatter(*rows.T, s=22, marker=MARKERS[emotion], label=emotion, **face)
    ax.set(xticks=[], yticks=[], xlim=(-5, 5), ylim=(-3, 7), xlabel="feature 1")


figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True, layout="constrained")
draw(axes[0], source_only, X_src, is_source=True)
draw(axes[1], source_only, X_tgt, is_source=False)
draw(axes[2], adapted, X_tgt, is_source=False)
scores = {
    "Source": uar(y_src, source_only.predict(X_src)),
    "Target, before": uar(y_tgt, source_only.predict(X_tgt)),
    "Target, after adaptation": uar(y_tgt, adapted.predict(X_tgt)),
}
for ax, (title, score) in zip(axes, scores.items(), strict=True):
    ax.set_title(f"{title}: UAR {100 * score:.0f} %")
axes[0].set_ylabel("feature 2")
axes[0].legend(loc="lower right")
plt.show()
