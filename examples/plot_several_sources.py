"""
Several sources
===============

Two labelled corpora train one classifier for a third. ``sample_domain`` numbers the corpora, so
that `CorpusScaler` scales each by its own statistics.
"""

# %%
# Three corpora
# -------------
#
# The first source, the second source and the target differ in speakers, channel and expression.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from skdidan import (
    CorpusScaler,
    Functionals,
    make_adaptation_pipeline,
    make_speech_corpora,
    uar,
)

N = 100
first = make_speech_corpora(N, N, shift=1.0, variability=1.0, random_state=0)
other = make_speech_corpora(N, N, shift=2.0, variability=1.0, random_state=1)
functionals = Functionals()
A, target = functionals.fit_transform(first.X_src), functionals.transform(first.X_tgt)
B = functionals.transform(other.X_tgt)
y_a, y_b, y_tgt = first.y_src, other.y_tgt, first.y_tgt

# %%
# Four ways to use them
# ---------------------
#
# The stacked call takes all rows at once. Labels of target rows are dropped before anything reads
# them.


def score(X, y, corpus):
    """Fit to sources, numbered from 0, and the target; return the UAR on the target."""
    model = make_adaptation_pipeline(
        CorpusScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    )
    stacked = np.concatenate([X, target])
    labels = np.concatenate([y, np.full(N, "unlabelled")])
    model.fit(stacked, labels, sample_domain=np.concatenate([corpus, np.full(N, -1)]))
    return 100 * uar(y_tgt, model.predict(target))


both, y_both = np.concatenate([A, B]), np.concatenate([y_a, y_b])
scores = {
    "first source": score(A, y_a, np.zeros(N)),
    "second source": score(B, y_b, np.zeros(N)),
    "both, scaled together": score(both, y_both, np.zeros(2 * N)),
    "both, each scaled\nby itself": score(both, y_both, np.repeat([0, 1], N)),
}

# %%
# The scores
# ----------
#
# A second source adds speakers and expressions, which helps more than the way of scaling.

figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
colours = ["#9ecae1", "#9ecae1", "#6b6b6b", "#d55e00"]
bars = ax.barh(list(scores), list(scores.values()), color=colours, edgecolor="k", linewidth=0.6)
ax.bar_label(bars, fmt="%.0f", padding=3)
ax.axvline(20, color="k", linestyle=":", linewidth=1)
ax.text(20.5, -0.72, "chance", fontsize=9)
ax.invert_yaxis()
ax.set(xlabel="UAR on the target (%)", xlim=(0, 100), title="One target, two sources")
plt.show()
