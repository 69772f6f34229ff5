"""
Compare methods over tasks
==========================

`compare` runs every method on every task with several seeds. Its result makes the tables, intervals
and tests of a paper.
"""

# %%
# Three tasks
# -----------
#
# Each is a pair of synthetic corpora with shifts of its own. Features are computed once.

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from skdidan import (
    CorpusScaler,
    CorrelationAlignment,
    DIDANClassifier,
    Functionals,
    SourceOnlyClassifier,
    compare,
    make_adaptation_pipeline,
    make_speech_corpora,
    plot_ranks,
)

functionals = Functionals()


def make_task(seed):
    """Return functionals of a pair of corpora."""
    made = make_speech_corpora(100, 100, shift=1.5, variability=1.0, random_state=seed)
    rows = {name: functionals.fit_transform(made[name]) for name in ("X_src", "X_tgt")}
    return Bunch(**{**made, **rows})


tasks = {f"pair {seed}": make_task(seed) for seed in range(3)}
one = {"n_networks": 1}
steps = {
    "logistic regression": [LogisticRegression(C=0.01, class_weight="balanced")],
    "CORAL": [CorrelationAlignment(), LogisticRegression(C=0.01, class_weight="balanced")],
    "source only": [SourceOnlyClassifier(**one)],
    "DIDAN": [DIDANClassifier(**one)],
}
methods = {name: make_adaptation_pipeline(CorpusScaler(), *last) for name, last in steps.items()}
comparison = compare(methods, tasks, seeds=range(3))
print(comparison)

# %%
# Tables and tests
# ----------------
#
# ``to_latex()`` makes the same table for a paper. Three tasks and three seeds leave wide errors:
# the test says whether a difference to DIDAN could be chance.

print(comparison.to_markdown())
print(comparison.tests("DIDAN").round(3).to_string())

# %%
# Scores and ranks
# ----------------
#
# Bars are means over the seeds, with intervals over the speakers of the target. In the second
# figure, methods that a line joins do not differ by more than the critical difference.

comparison.plot(spread="interval")
figure, ax = plt.subplots(figsize=(9, 2.4), layout="constrained")
plot_ranks(comparison, over="runs", ax=ax)
plt.show()
