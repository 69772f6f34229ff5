"""Tune DIDAN from audio to labels with GridSearchCV, without a target label.

The search walks over the trade-off, the sparsity and the loss. Three things make it right.
``TargetScorer("adaptation")`` scores a candidate by what it says of the unlabelled target: whether
it uses all classes, and follows those of held-out *speakers* of the source. ``Target`` keeps the
search from slicing the target, which here has as many rows as the source. ``memory`` keeps the
features, so that each recording is read once. With real corpora::

    python examples/grid_search.py --source emodb --target casia --corpora DIR

The last lines look at the labels of the target, which nothing before has seen: what the chosen
setting is worth, and what the UAR on the source, the usual score, would have chosen. One pair is no
evidence for either; docs/research/selection.rst has some. The first fit also extracts the features.
"""

import argparse
import os
import tempfile
from pathlib import Path

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    Functionals,
    Target,
    TargetScorer,
    cross_corpus_task,
    load_corpus,
    make_adaptation_pipeline,
    make_speech_corpora,
    uar,
)

GRID = {
    "didanclassifier__trade_off": [0.1, 1.0, 10.0],
    "didanclassifier__sparsity": [0.03, 0.1, 0.3],
    "didanclassifier__loss": ["squared_error", "log_loss"],
}


def load_task(args):
    """Source and target, real or synthetic."""
    if args.source == args.target == "synthetic":
        return make_speech_corpora(args.clips, args.clips, random_state=0)
    if args.corpora is None:
        raise SystemExit("Where are the corpora? Pass --corpora DIR or set SKDIDAN_CORPORA.")
    names = args.source, args.target
    return cross_corpus_task(*(load_corpus(name, Path(args.corpora, name)) for name in names))


def search(task, epochs, jobs, memory):
    """Score every setting on every fold; the best one is fitted to the whole source."""
    pipeline = make_adaptation_pipeline(
        Functionals(),
        CorpusScaler(),
        DIDANClassifier(max_epochs=epochs, random_state=0),
        memory=memory,
    )
    found = GridSearchCV(
        pipeline,
        GRID,
        scoring=TargetScorer(["adaptation", "source"], task.X_tgt),
        refit="adaptation",
        cv=GroupKFold(3),
        n_jobs=jobs,
        verbose=1,
    )
    return found.fit(task.X_src, task.y_src, groups=task.speaker_src, X_tgt=Target(task.X_tgt))


def main():
    """Search, then look at the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", default="synthetic", help="emodb, casia or synthetic")
    parser.add_argument("--target", default="synthetic", help="emodb, casia or synthetic")
    parser.add_argument("--corpora", default=os.environ.get("SKDIDAN_CORPORA"), metavar="DIR")
    parser.add_argument("--clips", type=int, default=200, help="of each synthetic corpus (200)")
    parser.add_argument("--epochs", type=int, default=30, help="of each fit (30)")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    args = parser.parse_args()

    task = load_task(args)
    with tempfile.TemporaryDirectory() as memory:
        found = search(task, args.epochs, args.jobs, memory)
        results = found.cv_results_
        print("adaptation  source UAR  setting")
        for number in results["rank_test_adaptation"].argsort():
            setting = {
                name.split("__")[1]: value for name, value in results["params"][number].items()
            }
            score, source = (results[f"mean_test_{of}"][number] for of in ("adaptation", "source"))
            print(f"{score:10.3f} {100 * source:10.1f} %  {setting}")
        usual = clone(found.estimator).set_params(
            **results["params"][results["mean_test_source"].argmax()]
        )
        usual.fit(task.X_src, task.y_src, task.X_tgt)
        print("UAR on the target of the setting that is best by")
        for by, chosen in (("adaptation", found), ("source UAR", usual)):
            print(f"{by:10} {100 * uar(task.y_tgt, chosen.predict(task.X_tgt)):5.1f} %")


if __name__ == "__main__":
    main()
