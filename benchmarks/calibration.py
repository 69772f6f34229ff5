"""Measure how far the probabilities of DIDAN can be trusted on the target.

Six directed tasks between EmoDB, CASIA and nEMO. Speakers of the source are held out for an
estimate without target labels; of the others, the classifier holds out some for its temperature.
Printed are, with and without ``calibration="temperature"``: the UAR; the accuracy and the mean
confidence on the target; the expected calibration error (15 bins of equal width, Guo et al., 2017),
which needs target labels; and confidence minus accuracy, beside its estimate without target labels,
for which the accuracy is that of average thresholded confidence (Garg et al., 2022,
arXiv:2201.04234).
"Kept half" is the UAR on the half of the target with the highest confidence::

    OMP_NUM_THREADS=1 python benchmarks/calibration.py --corpora DIR
"""

import argparse

import numpy as np
from sklearn.model_selection import GroupShuffleSplit
from target_structure import load_corpora, load_tasks, mean_error

from skdidan import CorpusScaler, DIDANClassifier, uar

COLUMNS = "UAR", "accuracy", "confidence", "ECE", "gap", "estimated gap", "kept half"


def calibration_error(confidence, is_right, n_bins=15):
    """Return the mean distance of confidence and accuracy over bins, weighted by rows."""
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    errors = np.bincount(bins, is_right - confidence, minlength=n_bins)
    return np.abs(errors).sum() / len(confidence)


def score(model, X_out, y_out, X_tgt, y_tgt):
    """Return the values of `COLUMNS` in percent."""
    probabilities, predicted = model.predict_proba(X_tgt), model.predict(X_tgt)
    confidence, is_right = probabilities.max(axis=1), predicted == y_tgt
    held_out = model.predict_proba(X_out).max(axis=1)
    threshold = np.quantile(held_out, np.mean(model.predict(X_out) != y_out))
    estimate = np.mean(confidence > threshold)
    kept = confidence >= np.median(confidence)
    return 100 * np.array(
        [
            uar(y_tgt, predicted, labels=np.unique(y_tgt)),
            is_right.mean(),
            confidence.mean(),
            calibration_error(confidence, is_right),
            confidence.mean() - is_right.mean(),
            confidence.mean() - estimate,
            uar(y_tgt[kept], predicted[kept], labels=np.unique(y_tgt)),
        ]
    )


def main():
    """Print means and standard errors over the tasks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpora", required=True, help="folder with emodb, casia and nemo")
    parser.add_argument("--features", default="functionals")
    parser.add_argument("--rows", help="folder with features computed before")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    results = {"none": [], "temperature": []}
    for _, task, X_src, X_tgt in load_tasks(args.features, load_corpora(args), args):
        scaler = CorpusScaler()
        X_src, X_tgt = scaler.fit_transform(X_src, task.y_src, X_tgt), scaler.transform(X_tgt)
        values = {name: [] for name in results}
        for seed in range(args.seeds):
            split = GroupShuffleSplit(1, test_size=0.3, random_state=seed)
            [(kept, out)] = split.split(X_src, task.y_src, task.speaker_src)
            model = DIDANClassifier(
                calibration="temperature", validation_fraction=0.3, random_state=seed
            )
            model.fit(X_src[kept], task.y_src[kept], X_tgt, groups=task.speaker_src[kept])
            rows_of = X_src[out], task.y_src[out], X_tgt, task.y_tgt
            values["temperature"].append(score(model, *rows_of))
            del model.temperature_
            values["none"].append(score(model, *rows_of))
        for name, by_task in results.items():
            by_task.append(np.mean(values[name], axis=0))
    for calibration, by_task in results.items():
        cells = zip(COLUMNS, map(mean_error, np.transpose(by_task)), strict=True)
        shown = (f"{name} {mean:.1f} ± {error:.1f}" for name, (mean, error) in cells)
        print(f"{calibration:12}", *shown, sep="  ")


if __name__ == "__main__":
    main()
