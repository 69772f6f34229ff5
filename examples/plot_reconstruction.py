"""Plot which source clips reconstruct a target clip.

DIDAN reconstructs the features of each target clip as a sparse combination of source clips, and its
emotion from theirs. The codes of the combination explain a prediction: they show the labelled
recordings that resemble the unlabelled one.

By default the corpora are synthetic. With real corpora::

    python examples/plot_reconstruction.py --source emodb --target casia --corpora DIR
"""

import argparse
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    Functionals,
    cross_corpus_task,
    load_corpus,
    make_adaptation_pipeline,
    make_speech_corpora,
    plot_reconstruction,
    uar,
)


def load_task(source, target, corpora):
    """Load one cross-corpus task."""
    if source == target == "synthetic":
        return make_speech_corpora(100, 100, random_state=0)
    if "synthetic" in (source, target):
        raise SystemExit("--source and --target must both name corpora, or neither.")
    if corpora is None:
        raise SystemExit("Where are the corpora? Pass --corpora DIR or set SKDIDAN_CORPORA.")
    return cross_corpus_task(*(load_corpus(name, Path(corpora, name)) for name in (source, target)))


def main():
    """Train, compute the codes, and plot those of two clips of each emotion."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("--source", default="synthetic", help="emodb, casia or synthetic")
    parser.add_argument("--target", default="synthetic", help="emodb, casia or synthetic")
    parser.add_argument("--corpora", default=os.environ.get("SKDIDAN_CORPORA"), metavar="DIR")
    parser.add_argument("--output", type=Path, help="write the figure here instead of showing it")
    args = parser.parse_args()

    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
    task = load_task(args.source, args.target, args.corpora)
    features = make_adaptation_pipeline(Functionals(), CorpusScaler())
    X_src = features.fit_transform(task.X_src, task.y_src, task.X_tgt)
    X_tgt = features.transform(task.X_tgt)
    classifier = DIDANClassifier(random_state=0).fit(X_src, task.y_src, X_tgt)
    y_pred = classifier.predict(X_tgt)
    print(f"UAR {100 * uar(task.y_tgt, y_pred):.1f} %")

    # Compute the codes of all clips, since each domain is centred on its mean; then show two per
    # emotion. The target labels only name the rows of the figure.
    codes = classifier.reconstruction_codes(X_src, X_tgt)
    n_used = codes.nnz / codes.shape[0]
    print(f"{n_used:.1f} of {codes.shape[1]} source clips reconstruct a target clip")
    rng = np.random.default_rng(0)
    shown = np.concatenate(
        [rng.permutation(np.flatnonzero(task.y_tgt == label))[:2] for label in task.classes]
    )
    rows = [f"{task.y_tgt[i]}, predicted {y_pred[i]}" for i in shown]

    figure, ax = plt.subplots(figsize=(8, 0.4 * len(shown) + 1), layout="constrained")
    plot_reconstruction(codes[shown], task.y_src, rows=rows, labels=task.classes, ax=ax)
    ax.set_title("Source clips that reconstruct a target clip")
    if args.output:
        figure.savefig(args.output, dpi=120)
        print(f"Written: {args.output}")
    else:
        plt.show()


if __name__ == "__main__":
    main()
