"""Compare transfer methods that train on one corpus and recognise emotions in another.

By default the corpora are synthetic, with ``shift=1.5`` and ``variability=1.0``: each recording has
its own channel and noise, and a few features are not enough to tell the emotions apart, as on real
corpora. With real corpora::

    python examples/compare_transfer_baselines.py --source emodb --target casia --corpora DIR

``DIR`` holds one folder per corpus; the environment variable SKDIDAN_CORPORA can name it instead.
``--methods all`` compares all methods. The script prints the unweighted (UAR) and weighted average
recall (WAR) on the target, as mean ± standard deviation over the seeds. It writes them with a
figure into the folder of ``--output``. The seconds of the first method include the extraction of
the features, which are then kept.
"""

import argparse
import importlib.util
import os
import tempfile
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from skdidan import (
    GFK,
    JDA,
    JDAR,
    JIASL,
    TCA,
    TJM,
    CDANClassifier,
    CorpusScaler,
    CorrelationAlignment,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    DIDANClassifier,
    DSANClassifier,
    Functionals,
    HDAClassifier,
    JANClassifier,
    LIDANClassifier,
    LogMelSpectrogram,
    MCCClassifier,
    OptimalTransport,
    SourceOnlyClassifier,
    SubspaceAlignment,
    WeightedClassifier,
    compare,
    cross_corpus_task,
    load_corpus,
    make_adaptation_pipeline,
    make_speech_corpora,
    plot_confusion,
)

# Features for the networks, and the number of training epochs.
FEATURES = {
    "functionals": (Functionals(), 60),
    "egemaps": (Functionals("eGeMAPSv02"), 60),  # needs the extra opensmile
    "logmel": (LogMelSpectrogram(), 20),
}
# Methods that are compared by default.
MAIN = (
    *("logistic regression", "SVM", "TCA + SVM"),
    *("source only", "DAN", "DeepCORAL", "MCC", "DIDAN", "LIDAN"),
)


def make_methods(features, epochs, memory):
    """Make the methods and the oracle as pipelines from audio to labels, by name.

    If the networks get spectrograms, the shallow methods get functionals; else both get the same.
    Each neural method is the average of three networks.
    """
    extractor, default_epochs = FEATURES[features]

    def network(classifier):
        return make_adaptation_pipeline(extractor, CorpusScaler(), classifier, memory=memory)

    def shallow(*steps):
        functionals = Functionals() if features == "logmel" else extractor
        return make_adaptation_pipeline(functionals, CorpusScaler(), *steps, memory=memory)

    svm = SVC(kernel="linear", C=0.01, class_weight="balanced")
    params = {"max_epochs": epochs or default_epochs, "n_networks": 3}
    methods = {
        "logistic regression": shallow(
            LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
        ),
        "SVM": shallow(svm),
        # After CorpusScaler the means are equal, and a linear kernel would see no difference.
        "TCA + SVM": shallow(TCA(n_components=40, kernel="rbf"), svm),
        "JDA + SVM": shallow(JDA(n_components=40, kernel="rbf", estimator=svm), svm),
        "TJM + SVM": shallow(TJM(n_components=40, kernel="rbf"), svm),
        "CORAL + SVM": shallow(CorrelationAlignment(), svm),
        "SA + SVM": shallow(SubspaceAlignment(n_components=40), svm),
        "GFK + SVM": shallow(GFK(n_components=40), svm),
        "OT + SVM": shallow(OptimalTransport("sinkhorn_lpl1"), svm),
        "KMM + SVM": shallow(WeightedClassifier(svm)),
        "JDAR": shallow(JDAR()),
        "JIASL": shallow(JIASL()),
        "source only": network(SourceOnlyClassifier(**params)),
        "DAN": network(DANClassifier(**params)),
        "DSAN": network(DSANClassifier(**params)),
        "JAN": network(JANClassifier(**params)),
        "DeepCORAL": network(DeepCORALClassifier(**params)),
        "DANN": network(DANNClassifier(**params)),
        "CDAN": network(CDANClassifier(**params)),
        "MCC": network(MCCClassifier(**params)),
        "HDA": network(HDAClassifier(**params)),
        "DIDAN": network(DIDANClassifier(**params)),
        "LIDAN": network(LIDANClassifier(**params)),
    }
    # The network of "source only", but trained on labelled speakers of the target.
    oracles = {"network on target": network(SourceOnlyClassifier(**params))}
    return methods, oracles


def choose(methods, names):
    """Select the methods by name, or all that can run here."""
    if unknown := [name for name in names if name not in ("all", *methods)]:
        raise SystemExit(f"--methods {unknown} are none of {list(methods)}.")
    if "all" not in names:
        return {name: methods[name] for name in names}
    if importlib.util.find_spec("ot") is None:
        print("OT + SVM is left out: it needs pip install skdidan[ot].")
        return {name: method for name, method in methods.items() if name != "OT + SVM"}
    return methods


def load_task(source, target, corpora):
    """Load one cross-corpus task; return its name and the task."""
    if source == target == "synthetic":
        return "synthetic", make_speech_corpora(shift=1.5, variability=1.0, random_state=0)
    if corpora is None:
        raise SystemExit("Where are the corpora? Pass --corpora DIR or set SKDIDAN_CORPORA.")
    loaded = [load_corpus(name, Path(corpora, name)) for name in (source, target)]
    return f"{source} → {target}", cross_corpus_task(*loaded)


def draw(comparison, task, path):
    """Plot all methods, and the confusion matrix of DIDAN (or the last method) for one seed."""
    n_methods = len(comparison.methods)
    figure = Figure(figsize=(11, max(4.5, 0.4 * n_methods)), layout="constrained")
    FigureCanvasAgg(figure)
    bars, matrix = figure.subplots(1, 2, width_ratios=(3, 2))
    comparison.plot(ax=bars)
    methods = [record for record in comparison if not (record["oracle"] or record["error"])]
    shown = next((r for r in methods if r["method"] == "DIDAN"), methods[-1])
    plot_confusion(task.y_tgt, shown["y_pred"], labels=task.classes, ax=matrix)
    matrix.set_title(f"{shown['method']}, seed {shown['seed']}")
    figure.savefig(path, dpi=120)


def main():
    """Parse the command line, compare the methods, print and save the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", default="synthetic", help="emodb, casia or synthetic")
    parser.add_argument("--target", default="synthetic", help="emodb, casia or synthetic")
    parser.add_argument("--corpora", default=os.environ.get("SKDIDAN_CORPORA"), metavar="DIR")
    names = ", ".join(make_methods("logmel", None, None)[0])
    parser.add_argument(
        "--methods", nargs="+", default=MAIN, help=f"out of {names}; or all (by default a few)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (3)")
    parser.add_argument(
        "--features",
        choices=sorted(FEATURES),
        default="functionals",
        help="features for the networks (functionals)",
    )
    parser.add_argument(
        "--epochs", type=int, help="of the networks; by default 20 on logmel, else 60"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, default=Path("results"), metavar="DIR")
    args = parser.parse_args()

    name, task = load_task(args.source, args.target, args.corpora)
    print(
        f"{name}: {len(task.y_tgt)} target clips of {len(task.classes)} emotions, chance "
        f"{100 / len(task.classes):.0f} %"
    )
    with tempfile.TemporaryDirectory() as memory:
        methods, oracles = make_methods(args.features, args.epochs, memory)
        comparison = compare(
            choose(methods, args.methods), {name: task}, oracles=oracles, seeds=range(args.seeds),
            n_jobs=args.jobs, verbose=1,
        )  # fmt: skip
    print(comparison)
    args.output.mkdir(parents=True, exist_ok=True)
    stem = f"{args.source}-{args.target}-{args.features}"
    comparison.to_csv(args.output / f"{stem}.csv")
    draw(comparison, task, args.output / f"{stem}.png")
    print(f"Written: {args.output / stem}.csv and .png")


if __name__ == "__main__":
    main()
