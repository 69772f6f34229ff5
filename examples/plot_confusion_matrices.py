"""
Confusion matrices side by side
===============================

Which emotions gain by the adaptation? Two matrices answer this better than two numbers.
"""

# %%
# Two classifiers
# ---------------

import matplotlib.pyplot as plt

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    Functionals,
    SourceOnlyClassifier,
    make_adaptation_pipeline,
    make_speech_corpora,
    plot_confusion,
    uar,
)

corpora = make_speech_corpora(150, 150, shift=1.5, random_state=0)
features = make_adaptation_pipeline(Functionals(), CorpusScaler())
X_src = features.fit_transform(corpora.X_src, corpora.y_src, corpora.X_tgt)
X_tgt = features.transform(corpora.X_tgt)
classifiers = {
    "Source only": SourceOnlyClassifier(n_networks=3, random_state=0),
    "DIDAN": DIDANClassifier(random_state=0),
}

# %%
# The matrices
# ------------
#
# Each row is a true emotion of the target and sums to 100 %. The diagonal holds the recalls; their
# mean is the UAR.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True, layout="constrained")
for ax, (name, classifier) in zip(axes, classifiers.items(), strict=True):
    predicted = classifier.fit(X_src, corpora.y_src, X_tgt).predict(X_tgt)
    plot_confusion(corpora.y_tgt, predicted, labels=corpora.classes, ax=ax)
    ax.set_title(f"{name}: UAR {100 * uar(corpora.y_tgt, predicted):.0f} %")
axes[1].set_ylabel("")
plt.show()
