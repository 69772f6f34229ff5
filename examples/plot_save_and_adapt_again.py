"""
Save, load and adapt again
==========================

A model is saved after the first month. In the second month the recordings come from another
channel. The loaded model adapts in a few epochs with ``warm_start=True``.
"""

# %%
# The first month
# ---------------

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    Functionals,
    load,
    make_adaptation_pipeline,
    make_speech_corpora,
    save,
    uar,
)

january = make_speech_corpora(150, 150, shift=1.0, variability=1.0, random_state=0)
february = make_speech_corpora(150, 150, shift=1.5, variability=1.0, random_state=1)
functionals = Functionals()
X_src, X_jan = functionals.fit_transform(january.X_src), functionals.transform(january.X_tgt)
X_feb, y_src, y_feb = functionals.transform(february.X_tgt), january.y_src, february.y_tgt
model = make_adaptation_pipeline(CorpusScaler(), DIDANClassifier(n_networks=1, random_state=0))
model.fit(X_src, y_src, X_jan)

# %%
# The file holds weights, parameters and learnt values, and no pickle.

folder = TemporaryDirectory()
path = Path(folder.name, "january.skdidan")
save(model, path)
print(f"{path.stat().st_size / 1e6:.1f} MB")

# %%
# The second month
# ----------------
#
# Three ways: the model of January as it is, the same adapted for ten more epochs, and a new fit.

results = {"January's model": (0.0, 100 * uar(y_feb, load(path).predict(X_feb)))}
again = load(path).set_params(didanclassifier__warm_start=True, didanclassifier__max_epochs=10)
new = make_adaptation_pipeline(CorpusScaler(), DIDANClassifier(n_networks=1, random_state=0))
for name, candidate in (("adapted again, 10 epochs", again), ("new fit, 60 epochs", new)):
    start = time.perf_counter()
    candidate.fit(X_src, y_src, X_feb)
    seconds = time.perf_counter() - start
    results[name] = seconds, 100 * uar(y_feb, candidate.predict(X_feb))
folder.cleanup()

# %%
# Score and time
# --------------

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
styles = zip(("s", "*", "o"), (90, 260, 90), ("0.4", "#d55e00", "#0072b2"), strict=True)
for (name, (seconds, score)), (marker, size, colour) in zip(results.items(), styles, strict=True):
    ax.scatter(seconds, score, marker=marker, s=size, color=colour, label=name, zorder=3)
ax.set(xlabel="time of the fit (s)", ylabel="UAR in February (%)", ylim=(0, 100))
ax.set_title("Adapting again takes a part of the time")
ax.grid(alpha=0.3)
ax.legend(loc="lower right")
plt.show()
