"""
Features that tell the emotions, not the corpora
================================================

A feature is of use across corpora if it differs between the emotions and not between the corpora.
This example measures both for each of the package's functionals.
"""

# %%
# Two shares of the variance
# --------------------------
#
# The share of a feature's variance that a label explains is between 0 and 1. The emotions are taken
# from the source, whose labels are known; the corpora are source and target.

import matplotlib.pyplot as plt
import numpy as np

from skdidan import Functionals, make_speech_corpora

corpora = make_speech_corpora(150, 150, variability=1.0, random_state=0)
functionals = Functionals()
X_src, X_tgt = functionals.fit_transform(corpora.X_src), functionals.transform(corpora.X_tgt)
names = functionals.get_feature_names_out()


def explained(X, labels):
    """Return the share of the variance of each column that lies between the labels."""
    means = np.array([X[labels == label].mean(axis=0) for label in labels])
    return means.var(axis=0) / X.var(axis=0)


by_emotion = explained(X_src, corpora.y_src)
by_corpus = explained(np.concatenate([X_src, X_tgt]), np.repeat([0, 1], [len(X_src), len(X_tgt)]))

# %%
# Most of the difference is a shift
# ---------------------------------
#
# Features at the lower right transfer as they are. Those at the upper right know the emotions, but
# the corpora differ more: `CorpusScaler` removes that difference, since it is one of the means.

best = np.argsort(by_corpus - by_emotion)[:5]
figure, ax = plt.subplots(figsize=(7.5, 5), layout="constrained")
ax.scatter(by_emotion, by_corpus, s=24, color="0.6", label="other features")
for k, marker in zip(best, "Ds^vP", strict=True):
    style = {"s": 80, "marker": marker, "color": "#d55e00", "edgecolors": "k"}
    ax.scatter(by_emotion[k], by_corpus[k], label=names[k], **style)
ax.set(xlabel="share of the variance between emotions", ylim=(-0.03, 1))
ax.set(ylabel="share of the variance between corpora", title="Which features transfer")
ax.grid(alpha=0.3)
ax.legend(loc="upper right")
plt.show()
