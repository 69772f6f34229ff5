"""
Learning curves of every term
=============================

The loss of DIDAN is a sum: classification, reconstruction of the features, distance of the means,
and reconstruction of the labels. ``history_`` holds each under its own name, so you can see which
term moves.
"""

# %%
# Fit a network
# -------------

import matplotlib.pyplot as plt
import pandas as pd

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    Functionals,
    make_adaptation_pipeline,
    make_speech_corpora,
)

corpora = make_speech_corpora(120, 120, shift=1.5, variability=1.0, random_state=0)
model = make_adaptation_pipeline(
    Functionals(), CorpusScaler(), DIDANClassifier(n_networks=1, random_state=0)
).fit(corpora.X_src, corpora.y_src, corpora.X_tgt)
history = pd.DataFrame(model[-1].history_)
print(history.columns.tolist())

# %%
# One panel a term
# ----------------
#
# The lower row holds what steers the terms: the trade-off rises, so that the emotions are learned
# first and the alignment afterwards, and the learning rate falls over the last 30 % of the epochs.
# A classification loss that stays high while the penalties fall to nothing means that the features
# collapse: lower the trade-off.

TERMS = {
    "classification_loss": "classification",
    "ida_features": "reconstruction of features",
    "mean_distance": "distance of means",
    "ida_labels": "reconstruction of labels",
    "trade_off": "trade-off in force",
    "lr": "learning rate",
}
figure, axes = plt.subplots(2, 3, figsize=(10, 5), sharex=True, layout="constrained")
for ax, (name, title) in zip(axes.flat, TERMS.items(), strict=True):
    ax.plot(history["epoch"], history[name], color="#0072b2", linewidth=2)
    ax.set(title=title, ylim=(0, None))
    ax.grid(alpha=0.3)
for ax in axes[-1]:
    ax.set_xlabel("epoch")
plt.show()
