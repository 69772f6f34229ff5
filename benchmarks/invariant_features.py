"""Name the features of eGeMAPS that tell the emotions in two corpora alike.

Six directed tasks between EmoDB, CASIA and nEMO. `CorpusInvariantSelector` ranks the features of
each task, over resampled speakers of the source, after `CorpusScaler`. The table is sorted by the
mean over the tasks of a feature's share of all importances, in percent. The stability is the share
of the resamples in which the feature is among the first ``--n``, averaged over the tasks; the last
column counts the tasks in which it is among the first ``--n`` by importance. Target labels are not
read. A table for each regression::

    OMP_NUM_THREADS=1 python benchmarks/invariant_features.py --corpora DIR
"""

import argparse

import numpy as np
from target_structure import load_corpora, load_tasks

from skdidan import AKTLR, JDAR, CorpusInvariantSelector, CorpusScaler, Functionals

FEATURES = "eGeMAPSv02"


def rank(regression, task, X_src, X_tgt, args):
    """Return the share of the importances, the stability and the support of each feature."""
    scaler = CorpusScaler()
    X_src, X_tgt = scaler.fit_transform(X_src, X_tgt=X_tgt), scaler.transform(X_tgt)
    selector = CorpusInvariantSelector(
        args.n, estimator=regression, n_resamples=args.resamples, random_state=0
    )
    selector.fit(X_src, task.y_src, X_tgt, groups=task.speaker_src)
    shares = 100 * selector.importances_ / selector.importances_.sum()
    return shares, selector.stability_, selector.support_


def format_table(names, ranked, n):
    """Return the first `n` features as lines of text."""
    shares, stability, support = (np.array(values) for values in zip(*ranked, strict=True))
    best = np.argsort(-shares.mean(axis=0), kind="stable")[:n]
    lines = [f"{'feature':44} share  stability  in the first {n} of"]
    for k in best:
        lines.append(
            f"{names[k]:44} {shares[:, k].mean():5.2f}  {stability[:, k].mean():9.2f}  "
            f"{support[:, k].sum()} of {len(ranked)} tasks"
        )
    return "\n".join(lines)


def main():
    """Rank the features of all tasks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", required=True, help="folder with emodb, casia and nemo")
    parser.add_argument("--n", type=int, default=10, help="number of features")
    parser.add_argument("--resamples", type=int, default=20)
    args = parser.parse_args()
    tasks = list(load_tasks(FEATURES, load_corpora(args), args))
    names = Functionals(FEATURES).get_feature_names_out()
    for regression in (JDAR(alpha=0.1), AKTLR(group_sparsity=0.03, sparsity=0.1)):
        ranked = [rank(regression, task, X_src, X_tgt, args) for _, task, X_src, X_tgt in tasks]
        print(f"\n{regression}\n{format_table(names, ranked, args.n)}", flush=True)


if __name__ == "__main__":
    main()
