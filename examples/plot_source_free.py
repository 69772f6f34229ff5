"""
Adapt without the source
========================

A hospital trains a classifier on recordings that may not leave it. A call centre receives the file
and adapts the classifier to its own recordings, of which it has no labels and the hospital no copy.
"""

# %%
# In the hospital
# ---------------
#
# The classifier is fitted to the source alone. The file holds its weights, and no recording.

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skdidan import (
    CorpusScaler,
    Functionals,
    SHOTClassifier,
    load,
    make_adaptation_pipeline,
    make_speech_corpora,
    save,
    uar,
)

corpora = make_speech_corpora(150, 150, shift=1.5, variability=1.0, random_state=0)
functionals = Functionals()
X_src = functionals.fit_transform(corpora.X_src)
model = make_adaptation_pipeline(CorpusScaler(), SHOTClassifier(random_state=0))
model.fit(X_src, corpora.y_src)
folder = TemporaryDirectory()
path = Path(folder.name, "hospital.skdidan")
save(model, path)

# %%
# In the call centre
# ------------------
#
# ``received.adapt(X_tgt)`` would take both steps at once: the scaler standardises the recordings by
# their own statistics, and the layers below the output layer are trained until the predictions are
# certain, and spread over all emotions.

X_tgt, y_tgt = functionals.transform(corpora.X_tgt), corpora.y_tgt
received = load(path)
folder.cleanup()
print(f"as sent: {100 * uar(y_tgt, received.predict(X_tgt)):.0f} %")
scaler, network = received
scaled = scaler.adapt(X_tgt).transform(X_tgt)
features, scores = {}, {}
for name in ("scaled", "adapted"):
    if name == "adapted":
        network.adapt(scaled)
    features[name] = network.embed(scaled)
    scores[name] = 100 * uar(y_tgt, network.predict(scaled))

# %%
# The features of the call centre
# -------------------------------
#
# Colours are the true emotions, which no fit has seen. Adaptation draws recordings of one
# prediction together, the right ones and the wrong ones.

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
emotions = np.unique(y_tgt)
for ax, name in zip(axes, features, strict=True):
    points = PCA(2).fit_transform(features[name])
    for emotion, marker in zip(emotions, "osD^v", strict=True):
        rows = y_tgt == emotion
        ax.scatter(*points[rows].T, s=18, marker=marker, alpha=0.7, label=emotion)
    ax.set(title=f"{name}: UAR {scores[name]:.0f} %", xticks=[], yticks=[])
axes[1].legend(fontsize="small")
plt.show()
