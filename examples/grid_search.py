"""Tune DIDAN from audio to labels with GridSearchCV, without target labels.

The search covers the trade-off, the sparsity and the loss. It needs three things:

- ``TargetScorer("adaptation")`` scores the predictions of a candidate on the unlabelled target.
  They should use all classes and follow the classes of held-out *speakers* of the source.
- ``Target`` keeps the search from slicing the target, which has as many rows as the source here.
- ``memory`` keeps the features, so that each recording is read once.

A candidate trains one network (``n_networks=1``) in place of the default of three, to save time.

With real corpora::

    python examples/grid_search.py --source emodb --target casia --corpora DIR

Only the last lines use the target labels. They show the UAR of the chosen setting, and that of the
setting with the best UAR on the source, the usual score. One pair of corpora is no evidence for
either score; docs/research/selection.rst has more. The first fit also extracts the features.
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
    """Load source and target, real or synthetic."""
    if args.source == args.target == "synthetic":
        return make_speech_corpora(args.clips, args.clips, random_state=0)
    if args.corpora is None:
        raise SystemExit("Where are the corpora? Pass --corpora DIR or set SKDIDAN_CORPORA.")
    names = args.source, args.target
    return cross_corpus_task(*(load_corpus(name, Path(args.corpora, name)) for name in names))


def search(task, epochs, jobs, memory):
    """Score every setting on every fold; fit the best one to the whole source."""
    pipeline = make_adaptation_pipeline(
        Functionals(),
        CorpusScaler(),
        DIDANClassifier(n_networks=1, max_epochs=epochs, random_state=0),
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
    """Search, then print the scores and the UAR on the target."""
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
