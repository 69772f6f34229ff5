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
    plot_history,
)

corpora = make_speech_corpora(120, 120, shift=1.5, variability=1.0, random_state=0)
model = make_adaptation_pipeline(
    Functionals(), CorpusScaler(), DIDANClassifier(n_networks=1, random_state=0)
).fit(corpora.X_src, corpora.y_src, corpora.X_tgt)
history = pd.DataFrame(model[-1].history_)
print(history.columns.tolist())

# %%
# The terms, and what steers them
# -------------------------------
#
# Right: the trade-off rises, so that the emotions are learned first and the alignment afterwards,
# and the learning rate falls over the last 30 % of the epochs. A classification loss that stays
# high while the penalties fall to nothing means that the features collapse: lower the trade-off.

terms = ["classification_loss", "ida_features", "ida_labels", "mean_distance"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
plot_history(model[-1], terms=terms, ax=left)
left.set_title("Terms of the loss")
for name, colour, style in (("trade_off", "#0072b2", "-"), ("lr", "#d55e00", "--")):
    share = history[name] / history[name].max()
    right.plot(history["epoch"], share, style, color=colour, linewidth=2, label=name)
right.set(title="Schedules", xlabel="epoch", ylabel="share of the maximum", ylim=(0, 1.05))
right.legend(loc="lower center")
right.grid(alpha=0.3)
plt.show()
