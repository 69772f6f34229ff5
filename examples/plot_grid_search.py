"""
A grid search without target labels
===================================

`~sklearn.model_selection.GridSearchCV` tunes a pipeline as usual. `Target` keeps the search from
slicing the target, and `TargetScorer` scores on the unlabelled target.
"""

# %%
# Search
# ------
#
# The search tries trade-offs and numbers of epochs. The folds hold out speakers of the source.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold

from skdidan import (
    CorpusScaler,
    DANClassifier,
    Functionals,
    Target,
    TargetScorer,
    make_adaptation_pipeline,
    make_speech_corpora,
    uar,
)

corpora = make_speech_corpora(100, 100, shift=1.5, variability=1.0, random_state=0)
functionals = Functionals()
X_src, X_tgt = functionals.fit_transform(corpora.X_src), functionals.transform(corpora.X_tgt)
trade_offs, epochs = [0.1, 0.3, 1.0, 3.0, 10.0], [5, 10, 20]
search = GridSearchCV(
    make_adaptation_pipeline(CorpusScaler(), DANClassifier(random_state=0)),
    {"danclassifier__max_epochs": epochs, "danclassifier__trade_off": trade_offs},
    scoring=TargetScorer("adaptation", X_tgt),
    cv=GroupKFold(2),
).fit(X_src, corpora.y_src, groups=corpora.speaker_src, X_tgt=Target(X_tgt))
print(search.best_params_)

# %%
# Scores and truth
# ----------------
#
# The truth is known here because the corpora are synthetic. No search may use it. The frame is the
# setting that the search chose. It does not always come as close: :doc:`/research/selection` has
# the losses on real corpora.

candidates = search.cv_results_["params"]
truth = []
for params in candidates:
    candidate = clone(search.estimator).set_params(**params)
    predicted = candidate.fit(X_src, corpora.y_src, X_tgt).predict(X_tgt)
    truth.append(100 * uar(corpora.y_tgt, predicted))
shape = len(epochs), len(trade_offs)  # in the order of the candidates
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")
for ax, values, title, style in [
    (axes[0], search.cv_results_["mean_test_score"], 'Score "adaptation"', "{:.2f}"),
    (axes[1], np.array(truth), "UAR on the target (%)", "{:.0f}"),
]:
    table = values.reshape(shape)
    image = ax.imshow(table, cmap="cividis", aspect="auto")
    middle = (table.min() + table.max()) / 2
    for (row, column), value in np.ndenumerate(table):
        colour = "w" if value < middle else "k"
        ax.text(column, row, style.format(value), ha="center", va="center", color=colour)
    row, column = divmod(search.best_index_, len(trade_offs))
    frame = plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#d55e00", lw=4)
    ax.add_patch(frame)
    ax.set(title=title, xlabel="trade_off")
    ax.set_xticks(range(len(trade_offs)), trade_offs)
    ax.set_yticks(range(len(epochs)), epochs)
axes[0].set_ylabel("epochs")
plt.show()
