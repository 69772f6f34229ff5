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
scores = {"as sent": uar(y_tgt, received.predict(X_tgt))}
scaler, network = received
scaled = scaler.adapt(X_tgt).transform(X_tgt)
scores["scaler\nadapted"] = uar(y_tgt, network.predict(scaled))
network.adapt(scaled)
scores["network\nadapted"] = uar(y_tgt, network.predict(scaled))

# %%
# The loss falls, whatever the score does
# ---------------------------------------
#
# The true emotions, which no fit has seen, score the three stages. On these synthetic voices the
# statistics of the target bring the gain; the network, for all its falling loss, adds nothing. On
# three corpora of acted speech it does: ``benchmarks/source_free.py``. A loss without labels cannot
# tell the two cases apart, so label some recordings to score.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.bar(
    list(scores), [100 * score for score in scores.values()], color=["0.6", "#0072b2", "#d55e00"]
)
left.set(ylabel="UAR in the call centre (%)", ylim=(0, 100), title="Three stages of adaptation")
history = network.adaptation_history_
for term, marker in zip(("entropy", "diversity", "pseudo_label"), "osD", strict=True):
    right.plot([epoch[term] for epoch in history], marker=marker, label=term.replace("_", "-"))
right.set(xlabel="epoch of the adaptation", ylabel="loss", title="What the adaptation minimises")
right.legend()
for ax in (left, right):
    ax.grid(alpha=0.3)
plt.show()
