"""
Scores without labels against the truth
=======================================

Several criteria of `TargetScorer` score the same candidates. The corpora are synthetic, so the
truth is known. A good score rises with it, and has no bad candidate far to the right.
"""

# %%
# Train candidates
# ----------------
#
# Four methods with four trade-offs each are trained on three quarters of the source's speakers, and
# scored on the other speakers and on the unlabelled target.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skdidan import (
    CorpusScaler,
    DANClassifier,
    DeepCORALClassifier,
    DIDANClassifier,
    Functionals,
    MCCClassifier,
    TargetScorer,
    make_adaptation_pipeline,
    make_speech_corpora,
    uar,
)

METHODS = {
    "DAN": (DANClassifier, "o", "#0072b2"),
    "DeepCORAL": (DeepCORALClassifier, "s", "#e69f00"),
    "MCC": (MCCClassifier, "^", "#009e73"),
    "DIDAN": (DIDANClassifier, "D", "#d55e00"),
}
TRADE_OFFS = 0.1, 1.0, 3.0, 10.0
CRITERIA = "source", "dev", "information", "reverse", "adaptation", "mmd"

corpora = make_speech_corpora(100, 100, random_state=0)
features = make_adaptation_pipeline(Functionals(), CorpusScaler())
X_src = features.fit_transform(corpora.X_src, corpora.y_src, corpora.X_tgt)
X_tgt = features.transform(corpora.X_tgt)
splitter = GroupShuffleSplit(1, test_size=0.25, random_state=0)
train, held_out = next(splitter.split(X_src, corpora.y_src, corpora.speaker_src))
scorer = TargetScorer(CRITERIA, X_tgt)
methods, truth, scores = [], [], []
for method, (classifier, _, _) in METHODS.items():
    for trade_off in TRADE_OFFS:
        model = classifier(trade_off=trade_off, n_networks=1, max_epochs=20, random_state=0)
        model.fit(X_src[train], corpora.y_src[train], X_tgt)
        methods.append(method)
        truth.append(100 * uar(corpora.y_tgt, model.predict(X_tgt)))
        scores.append(list(scorer(model, X_src[held_out], corpora.y_src[held_out]).values()))
methods, truth, scores = np.array(methods), np.array(truth), np.array(scores).T

# %%
# One panel a criterion
# ---------------------
#
# The chosen candidate is circled. The regret is the UAR of the best candidate minus that of the
# chosen one. On one split it is mostly luck: :doc:`/research/selection` averages over splits and
# corpora.

figure, axes = plt.subplots(2, 3, figsize=(10, 6), sharey=True, layout="constrained")
for ax, criterion, values in zip(axes.flat, CRITERIA, scores, strict=True):
    for method, (_, marker, colour) in METHODS.items():
        shown = methods == method
        ax.scatter(values[shown], truth[shown], s=28, marker=marker, color=colour, label=method)
    chosen = values == values.max()
    circle = {"s": 160, "facecolors": "none", "edgecolors": "k", "label": "chosen"}
    ax.scatter(values[chosen], truth[chosen], **circle)
    regret = truth.max() - truth[chosen].mean()
    ax.set(title=f"{criterion}: regret {regret:.1f} points", xlabel="score")
    ax.locator_params(axis="x", nbins=5)
    ax.grid(alpha=0.3)
for ax in axes[:, 0]:
    ax.set_ylabel("UAR on the target (%)")
axes[0, 0].legend()
plt.show()
