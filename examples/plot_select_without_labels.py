"""Choose a classifier by scores that need no target labels.

Candidates of several methods and trade-offs are trained on three quarters of the source's speakers.
Several criteria of ``TargetScorer`` then score them on the other speakers and on the unlabelled
target. The corpora are synthetic, so the truth is known: each panel plots the score of every
candidate against its UAR on the target. A good score rises with the UAR, and has no bad candidate
far to the right. The chosen candidate is circled. The regret is the UAR of the best candidate minus
that of the chosen one. On one split it is mostly luck, see docs/research/selection.rst.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skdidan import (
    CorpusScaler,
    DANClassifier,
    DeepCORALClassifier,
    DIDANClassifier,
    Functionals,
    MCCClassifier,
    TargetScorer,
    make_adaptation_pipeline,
    make_speech_corpora,
    uar,
)

METHODS = {
    "DAN": DANClassifier,
    "DeepCORAL": DeepCORALClassifier,
    "MCC": MCCClassifier,
    "DIDAN": DIDANClassifier,
}
TRADE_OFFS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
CRITERIA = ("source", "dev", "information", "reverse", "adaptation", "mmd")


def score_candidates(corpora, epochs):
    """Train all candidates; return their methods, UAR on the target and scores."""
    features = make_adaptation_pipeline(Functionals(), CorpusScaler())
    X_src = features.fit_transform(corpora.X_src, corpora.y_src, corpora.X_tgt)
    X_tgt = features.transform(corpora.X_tgt)
    splitter = GroupShuffleSplit(1, test_size=0.25, random_state=0)
    train, held_out = next(splitter.split(X_src, corpora.y_src, corpora.speaker_src))
    scorer = TargetScorer(CRITERIA, X_tgt)
    methods, truth, scores = [], [], []
    for method, classifier in METHODS.items():
        for trade_off in TRADE_OFFS:
            model = classifier(trade_off=trade_off, max_epochs=epochs, random_state=0)
            model.fit(X_src[train], corpora.y_src[train], X_tgt)
            methods.append(method)
            truth.append(100 * uar(corpora.y_tgt, model.predict(X_tgt)))
            values = scorer(model, X_src[held_out], corpora.y_src[held_out])
            scores.append(list(values.values()))
    return np.array(methods), np.array(truth), np.array(scores).T


def draw(methods, truth, scores, regrets):
    """Draw one panel per criterion, with the chosen candidate circled."""
    figure, axes = plt.subplots(2, 3, figsize=(10, 6), sharey=True, layout="constrained")
    for ax, criterion, values, regret in zip(axes.flat, CRITERIA, scores, regrets, strict=True):
        for method in METHODS:
            shown = methods == method
            ax.scatter(values[shown], truth[shown], s=25, alpha=0.7, label=method)
        chosen = values == values.max()
        circle = {"s": 140, "facecolors": "none", "edgecolors": "k", "label": "chosen"}
        ax.scatter(values[chosen], truth[chosen], **circle)
        ax.set(title=f"{criterion}: regret {regret:.1f} points", xlabel="score")
        ax.locator_params(axis="x", nbins=5)
    for ax in axes[:, 0]:
        ax.set_ylabel("UAR on the target (%)")
    axes[0, 0].legend()
    return figure


def main():
    """Train and score the candidates, print the regrets and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("--clips", type=int, default=200, help="clips of each corpus (200)")
    parser.add_argument("--epochs", type=int, default=40, help="epochs of each candidate (40)")
    parser.add_argument("--output", type=Path, help="write the figure here instead of showing it")
    args = parser.parse_args()

    corpora = make_speech_corpora(args.clips, args.clips, random_state=0)
    methods, truth, scores = score_candidates(corpora, args.epochs)
    regrets = [truth.max() - truth[values == values.max()].mean() for values in scores]
    for criterion, regret in zip(CRITERIA, regrets, strict=True):
        print(f"{criterion:12} regret {regret:4.1f} points")
    print(f"any candidate, on average {truth.max() - truth.mean():.1f} points")
    figure = draw(methods, truth, scores, regrets)
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(args.output, dpi=120)
        print(f"Written: {args.output}")
    else:
        plt.show()


if __name__ == "__main__":
    main()
