"""
Source clips that reconstruct a target clip
===========================================

DIDAN reconstructs the features of each target clip as a sparse combination of source clips, and its
emotion from theirs. The codes of the combination explain a prediction: they show the labelled
recordings that resemble the unlabelled one.
"""

# %%
# Train
# -----
#
# The corpora are synthetic. For real ones take the paths and labels of a task of
# `cross_corpus_task`.

import matplotlib.pyplot as plt
import numpy as np

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    Functionals,
    make_adaptation_pipeline,
    make_speech_corpora,
    plot_reconstruction,
    uar,
)

task = make_speech_corpora(100, 100, random_state=0)
features = make_adaptation_pipeline(Functionals(), CorpusScaler())
X_src = features.fit_transform(task.X_src, task.y_src, task.X_tgt)
X_tgt = features.transform(task.X_tgt)
classifier = DIDANClassifier(random_state=0).fit(X_src, task.y_src, X_tgt)
y_pred = classifier.predict(X_tgt)
print(f"UAR {100 * uar(task.y_tgt, y_pred):.1f} %")

# %%
# Compute the codes
# -----------------
#
# Compute those of all clips, since each domain is centred on its mean, and show some.

codes = classifier.reconstruction_codes(X_src, X_tgt)
n_used = codes.nnz / codes.shape[0]
print(f"{n_used:.1f} of {codes.shape[1]} source clips reconstruct a target clip")

# %%
# Two clips of each emotion
# -------------------------
#
# Each row is a target clip, each bar a source clip in the colour of its emotion. A row of one
# colour is strong evidence; a row of many colours is a doubtful prediction. The target labels only
# name the rows.

rng = np.random.default_rng(0)
shown = np.concatenate(
    [rng.permutation(np.flatnonzero(task.y_tgt == label))[:2] for label in task.classes]
)
rows = [f"{task.y_tgt[i]}, predicted {y_pred[i]}" for i in shown]
figure, ax = plt.subplots(figsize=(9, 0.4 * len(shown) + 1), layout="constrained")
plot_reconstruction(codes[shown], task.y_src, rows=rows, labels=task.classes, ax=ax)
ax.set_title("Source clips that reconstruct a target clip")
plt.show()
