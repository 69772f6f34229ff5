"""
Features that tell emotions apart, not corpora
==============================================

A feature is of use across corpora if it differs between the emotions in the same way in both. This
example selects such features with `CorpusInvariantSelector`, and compares how often they are
selected with two shares of their variance.
"""

# %%
# Select over resampled speakers
# ------------------------------
#
# The selector fits `JDAR`, a sparse regression that aligns the corpora, to resampled speakers of
# the source and rows of the target. The stability of a feature is the share of these fits in which
# it is among the ten that are used most. No target label is read.

import matplotlib.pyplot as plt
import numpy as np

from skdidan import CorpusInvariantSelector, CorpusScaler, Functionals, make_speech_corpora

corpora = make_speech_corpora(150, 150, variability=1.0, random_state=0)
functionals, scaler = Functionals(), CorpusScaler()
X_src, X_tgt = functionals.fit_transform(corpora.X_src), functionals.transform(corpora.X_tgt)
names = functionals.get_feature_names_out()
Z_src, Z_tgt = scaler.fit_transform(X_src, X_tgt=X_tgt), scaler.transform(X_tgt)
selector = CorpusInvariantSelector(10, random_state=0)
selector.fit(Z_src, corpora.y_src, Z_tgt, groups=corpora.speaker_src)
for name in selector.get_feature_names_out(names):
    print(name)

# %%
# Two shares of the variance
# --------------------------
#
# The share of a feature's variance that a label explains is between 0 and 1. The emotions are taken
# from the source, whose labels are known; the corpora are source and target, before `CorpusScaler`
# makes their means equal.


def explained(X, labels):
    """Return the share of the variance of each column that lies between the labels."""
    means = np.array([X[labels == label].mean(axis=0) for label in labels])
    return means.var(axis=0) / X.var(axis=0)


by_emotion = explained(X_src, corpora.y_src)
by_corpus = explained(np.concatenate([X_src, X_tgt]), np.repeat([0, 1], [len(X_src), len(X_tgt)]))

# %%
# A shift of the mean does no harm
# --------------------------------
#
# Most features that are often selected are on the right: they know the emotions. That the corpora
# differ in a feature, further up, hardly matters, since `CorpusScaler` removes the difference of
# the means. Some features on the right are rarely selected, as others say the same.

figure, ax = plt.subplots(figsize=(7.5, 5), layout="constrained")
points = ax.scatter(by_emotion, by_corpus, c=selector.stability_, s=36, cmap="cividis_r", vmin=0)
best = np.argsort(-selector.importances_)[:5]
for k, marker in zip(best, "Ds^vP", strict=True):
    style = {"s": 110, "marker": marker, "facecolors": "none", "edgecolors": "#d55e00"}
    ax.scatter(by_emotion[k], by_corpus[k], linewidths=1.8, label=names[k], **style)
figure.colorbar(points, label="stability: share of the fits that select it")
ax.set(xlabel="share of the variance between emotions", ylim=(-0.03, 1))
ax.set(ylabel="share of the variance between corpora", title="Which features transfer")
ax.grid(alpha=0.3)
ax.legend(loc="upper right")

# %%
# The ten of eGeMAPS on real corpora
# ----------------------------------
#
# The mean over the six tasks between EmoDB, CASIA and nEMO, as ``benchmarks/invariant_features.py``
# prints it: the share of each feature in all importances, and its stability. Slopes of the spectrum
# and the range of the pitch transfer; loudness is not among the ten.

TEN = [  # feature of eGeMAPS, share in percent, stability
    ("slopeV0-500_amean", 6.31, 0.61),
    ("F0semitoneFrom27.5Hz_pctlrange0-2", 5.70, 0.74),
    ("slopeUV0-500_amean", 4.97, 0.62),
    ("HNRdBACF_amean", 4.47, 0.62),
    ("hammarbergIndexV_amean", 4.40, 0.56),
    ("F1frequency_amean", 3.35, 0.41),
    ("logRelF0-H1-H2_amean", 3.09, 0.35),
    ("slopeUV500-1500_amean", 2.74, 0.35),
    ("logRelF0-H1-A3_amean", 2.70, 0.27),
    ("F0semitoneFrom27.5Hz_stddevNorm", 2.56, 0.33),
]
figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
for place, (_, share, stability) in enumerate(TEN[::-1]):
    ax.barh(place, share, color="#0072b2", alpha=0.25 + 0.75 * stability)
    ax.text(share + 0.05, place, f"{stability:.0%} stable", va="center")
ax.set_yticks(range(len(TEN)), [feature for feature, _, _ in TEN[::-1]])
ax.set(xlabel="share of all importances (%)", xlim=(0, 7.8), title="Corpus-invariant in eGeMAPS")
plt.show()
