"""
Trade-off against truth and against a score without labels
==========================================================

The trade-off weighs the penalty. Too little adapts nothing, too much destroys the emotions. The
truth is not known in practice; `TargetScorer` scores the same networks without target labels.
"""

# %%
# Fit one network for each trade-off
# ----------------------------------
#
# A quarter of the source's speakers is held out for the score.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skdidan import (
    CorpusScaler,
    DANClassifier,
    Functionals,
    TargetScorer,
    make_adaptation_pipeline,
    make_speech_corpora,
    uar,
)

corpora = make_speech_corpora(150, 150, shift=1.5, variability=1.0, random_state=0)
features = make_adaptation_pipeline(Functionals(), CorpusScaler())
X_src = features.fit_transform(corpora.X_src, corpora.y_src, corpora.X_tgt)
X_tgt = features.transform(corpora.X_tgt)
splitter = GroupShuffleSplit(1, test_size=0.25, random_state=0)
train, held_out = next(splitter.split(X_src, corpora.y_src, corpora.speaker_src))
scorer = TargetScorer("adaptation", X_tgt)
trade_offs = np.array([0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0])
truth, scores = [], []
for trade_off in trade_offs:
    model = DANClassifier(trade_off=trade_off, max_epochs=40, random_state=0)
    model.fit(X_src[train], corpora.y_src[train], X_tgt)
    truth.append(100 * uar(corpora.y_tgt, model.predict(X_tgt)))
    scores.append(scorer(model, X_src[held_out], corpora.y_src[held_out]))

# %%
# The chosen trade-off
# --------------------
#
# The star is the trade-off with the best score. A good score peaks where the truth does, or nearly
# so.

chosen = int(np.argmax(scores))
figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 5.5), sharex=True, layout="constrained")
for ax, values, label, colour in [
    (top, truth, "UAR on the target (%)", "#d55e00"),
    (bottom, scores, 'score "adaptation"', "#0072b2"),
]:
    ax.semilogx(trade_offs, values, "o-", color=colour)
    ax.plot(trade_offs[chosen], values[chosen], "*", color="k", markersize=16)
    ax.axvline(trade_offs[chosen], color="0.6", linestyle=":")
    ax.set_ylabel(label)
    ax.grid(alpha=0.3)
top.set_title(f"The chosen trade-off loses {max(truth) - truth[chosen]:.1f} points")
bottom.set_xlabel("trade-off")
plt.show()
