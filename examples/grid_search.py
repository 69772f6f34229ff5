"""Tune a pipeline from audio to labels with GridSearchCV, without a target label.

The search walks over a parameter of the classifier and one of a transformer. Two things make it
right. ``Target`` keeps the search from slicing the target, which here has as many rows as the
source. And candidates are scored on held-out *speakers* of the source; this says how well a
candidate recognises emotions at all, not how well it fits the target, so the last lines also show
what that choice is worth on the target, whose labels nothing but the final score has seen.

It fits 13 networks, which takes some minutes.
"""

import argparse
import tempfile

from sklearn.model_selection import GridSearchCV, GroupKFold

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    LogMelSpectrogram,
    Target,
    make_adaptation_pipeline,
    make_speech_corpora,
    uar,
)


def main():
    """Search, then look at the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=120, help="clips of each corpus")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each fit")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    args = parser.parse_args()

    corpora = make_speech_corpora(args.clips, args.clips, random_state=0)
    grid = {
        "didanclassifier__trade_off": [0.1, 1.0],
        "logmelspectrogram__n_mels": [40, 64],
    }
    with tempfile.TemporaryDirectory() as memory:
        pipeline = make_adaptation_pipeline(
            LogMelSpectrogram(),
            CorpusScaler(),
            DIDANClassifier(max_epochs=args.epochs, random_state=0),
            memory=memory,  # features are extracted once for each setting of the transformers
        )
        search = GridSearchCV(
            pipeline,
            grid,
            scoring="balanced_accuracy",
            cv=GroupKFold(3),
            n_jobs=args.jobs,
            verbose=2,
        )
        search.fit(
            corpora.X_src,
            corpora.y_src,
            groups=corpora.speaker_src,
            X_tgt=Target(corpora.X_tgt),
        )
        predicted = search.predict(corpora.X_tgt)

    results = search.cv_results_
    for params, mean in zip(results["params"], results["mean_test_score"], strict=True):
        setting = ", ".join(f"{name} = {value}" for name, value in params.items())
        print(f"source UAR {100 * mean:5.1f} %   {setting}")
    print(f"chosen: {search.best_params_}")
    print(f"target UAR {100 * uar(corpora.y_tgt, predicted):.1f} %")


if __name__ == "__main__":
    main()
