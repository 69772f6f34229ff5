"""Compare transfer methods that train on one corpus and recognise emotions in another.

By default the corpora are synthetic, with ``shift=1.5`` and ``variability=1.0``: each recording has
its own channel and noise, and a few features are not enough to tell the emotions apart, as on real
corpora. With real corpora::

    python examples/compare_transfer_baselines.py --corpora DIR --tasks emodb:casia casia:emodb

``DIR`` holds one folder per corpus; the environment variable SKDIDAN_CORPORA can name it instead.
``--tasks all`` takes every pair of its folders that are known corpora, and ``--methods all`` all
methods. The script prints the unweighted average recall (UAR) on the target as mean ± standard
deviation over the seeds, then ranks, times of fits as ratios to "source only", and tests against
DIDAN. It writes all runs, and for one task a figure, into ``--output``. The seconds of the first
method include the extraction of the features, which are then kept.
"""

import argparse
import importlib.util
import itertools
import os
import tempfile
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from skdidan import (
    AKTLR,
    CDSA,
    GFK,
    JDA,
    JDAR,
    JIASL,
    LAME,
    MDSA,
    TCA,
    TJM,
    AdaptationClassifier,
    AnchoredEM,
    CDANClassifier,
    Comparison,
    CorpusScaler,
    CorrelationAlignment,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    DIDANClassifier,
    DJDAClassifier,
    DSANClassifier,
    ECANClassifier,
    Embeddings,
    EmoDNAClassifier,
    Functionals,
    HDAClassifier,
    JANClassifier,
    LIDANClassifier,
    LogMelSpectrogram,
    MCCClassifier,
    OptimalTransport,
    SHOTClassifier,
    SourceOnlyClassifier,
    SpectrogramTranslator,
    SubspaceAlignment,
    WeightedClassifier,
    compare,
    cross_corpus_task,
    load_corpus,
    make_adaptation_pipeline,
    make_speech_corpora,
    plot_confusion,
)
from skdidan.corpora import CORPORA

# Number of training epochs for each kind of features.
EPOCHS = {"functionals": 60, "egemaps": 60, "embeddings": 60, "logmel": 20}
# Methods that are compared by default.
MAIN = (
    *("logistic regression", "SVM", "TCA + SVM"),
    *("source only", "DAN", "DeepCORAL", "MCC", "DIDAN", "LIDAN"),
)


def make_extractor(features, model=None, layer=2):
    """Return the audio transformer for the networks."""
    if features == "egemaps":
        return Functionals("eGeMAPSv02")  # needs the extra opensmile
    if features == "embeddings":
        return Embeddings(model, layer=layer, pooling="mean_std")
    return Functionals() if features == "functionals" else LogMelSpectrogram()


def make_methods(extractor, epochs, memory, n_networks=3):
    """Make the methods and the oracle as pipelines from audio to labels, by name.

    If the networks get spectrograms, the shallow methods get functionals; else both get the same.
    "translator" is "source only" after the source was translated towards the target.
    Each neural method is the average of several networks.
    """

    def network(classifier):
        return make_adaptation_pipeline(extractor, CorpusScaler(), classifier, memory=memory)

    def shallow(*steps):
        has_images = isinstance(extractor, LogMelSpectrogram)
        rows = Functionals() if has_images else extractor
        return make_adaptation_pipeline(rows, CorpusScaler(), *steps, memory=memory)

    regression = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    svm = SVC(kernel="linear", C=0.01, class_weight="balanced")
    params = {"max_epochs": epochs, "n_networks": n_networks}
    methods = {
        "logistic regression": shallow(regression),
        "regression + LAME": shallow(LAME(regression)),
        "regression + EM": shallow(AnchoredEM(regression)),
        "SVM": shallow(svm),
        # After CorpusScaler the means are equal, and a linear kernel would see no difference.
        "TCA + SVM": shallow(TCA(n_components=40, kernel="rbf"), svm),
        "JDA + SVM": shallow(JDA(n_components=40, kernel="rbf", estimator=svm), svm),
        "TJM + SVM": shallow(TJM(n_components=40, kernel="rbf"), svm),
        "CDSA + SVM": shallow(CDSA(), svm),
        "CORAL + SVM": shallow(CorrelationAlignment(), svm),
        "SA + SVM": shallow(SubspaceAlignment(n_components=40), svm),
        "GFK + SVM": shallow(GFK(n_components=40), svm),
        "OT + SVM": shallow(OptimalTransport("sinkhorn_lpl1"), svm),
        "KMM + SVM": shallow(WeightedClassifier(svm)),
        "JDAR": shallow(JDAR()),
        "AKTLR": shallow(AKTLR()),
        "JIASL": shallow(JIASL()),
        "MDSA": shallow(MDSA()),
        "source only": network(SourceOnlyClassifier(**params)),
        "DAN": network(DANClassifier(**params)),
        "DSAN": network(DSANClassifier(**params)),
        "DJDA": network(DJDAClassifier(**params)),
        "JAN": network(JANClassifier(**params)),
        "DeepCORAL": network(DeepCORALClassifier(**params)),
        "DANN": network(DANNClassifier(**params)),
        "CDAN": network(CDANClassifier(**params)),
        "MCC": network(MCCClassifier(**params)),
        "HDA": network(HDAClassifier(**params)),
        "SHOT": network(SHOTClassifier(**params)),
        "ECAN": network(ECANClassifier(**params)),
        "Emo-DNA": network(EmoDNAClassifier(**params)),
        "DIDAN": network(DIDANClassifier(**params)),
        "LIDAN": network(LIDANClassifier(**params)),
        "DIDAN + EM": network(AnchoredEM(DIDANClassifier(**params))),
    }
    if isinstance(extractor, LogMelSpectrogram):
        methods["translator"] = make_adaptation_pipeline(
            extractor,
            SpectrogramTranslator(),
            CorpusScaler(),
            SourceOnlyClassifier(**params),
            memory=memory,
        )
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


def load_tasks(pairs, corpora):
    """Load cross-corpus tasks from names such as "emodb:casia"; return them by title."""
    if pairs == ["synthetic"]:
        made = make_speech_corpora(shift=1.5, variability=1.0, random_state=0)
        return {"synthetic": made}
    if corpora is None:
        raise SystemExit("Where are the corpora? Pass --corpora DIR or set SKDIDAN_CORPORA.")
    if pairs == ["all"]:
        known = sorted(name for name in CORPORA if Path(corpora, name).is_dir())
        pairs = [":".join(pair) for pair in itertools.permutations(known, 2)]
    if not pairs or not all(pair.count(":") == 1 for pair in pairs):
        raise SystemExit(f"--tasks must be pairs of corpora, such as emodb:casia; got {pairs}.")
    loaded = {
        name: load_corpus(name, Path(corpora, name))
        for name in dict.fromkeys(":".join(pairs).split(":"))
    }
    return {
        f"{source} → {target}": cross_corpus_task(loaded[source], loaded[target])
        for source, target in (pair.split(":") for pair in pairs)
    }


def compare_all(methods, oracles, tasks, n_seeds, **options):
    """Compare the methods; those without a network give the same for every seed, and run once."""

    def has_seed(method):
        parts = method.get_params().values()
        return any(isinstance(part, AdaptationClassifier) for part in parts)

    neural = {name: method for name, method in methods.items() if has_seed(method)}
    shallow = {name: method for name, method in methods.items() if not has_seed(method)}
    records = []
    if shallow:
        for record in compare(shallow, tasks, seeds=[0], verbose=1, **options):
            records += [{**record, "seed": seed} for seed in range(n_seeds)]
    options |= {"seeds": range(n_seeds), "verbose": 1}
    comparison = compare(neural, tasks, oracles=oracles, **options)
    return Comparison([*records, *comparison], tasks, settings=comparison.settings)


def tabulate(comparison):
    """Return average, rank, time of fits over that of "source only", and tests against DIDAN."""
    runs = comparison.to_frame().query("not oracle")
    summary, seconds = comparison.summary(), runs.groupby("method")["fit_seconds"].mean()
    table = summary["average"].mul(100).round(1)
    table["rank"] = summary[("rank", "mean")]
    if "source only" in seconds:
        table["time ratio"] = seconds / seconds["source only"]
    if {"DIDAN"} < set(seconds.index):
        tests = comparison.tests("DIDAN").set_index("method")
        table["minus DIDAN"] = 100 * tests["difference"]
        table["p (Holm)"] = tests["p_holm"]
    return table.sort_values("rank")


def draw(comparison, task, path):
    """Plot all methods on one task, and the confusion matrix of DIDAN (or the last method)."""
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
    parser.add_argument(
        "--tasks", nargs="+", default=["synthetic"],
        help="pairs such as emodb:casia, all, or synthetic (synthetic)",
    )  # fmt: skip
    parser.add_argument("--corpora", default=os.environ.get("SKDIDAN_CORPORA"), metavar="DIR")
    names = ", ".join(make_methods(LogMelSpectrogram(), None, None)[0])
    parser.add_argument(
        "--methods", nargs="+", default=MAIN, help=f"out of {names}; or all (by default a few)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (3)")
    parser.add_argument(
        "--features",
        choices=sorted(EPOCHS),
        default="functionals",
        help="features for the networks (functionals)",
    )
    parser.add_argument(
        "--model", metavar="FOLDER", help="speech model of --features embeddings, or its name"
    )
    parser.add_argument("--layer", type=int, default=2, help="layer of the speech model (2)")
    parser.add_argument(
        "--epochs", type=int, help="of the networks; by default 20 on logmel, else 60"
    )
    parser.add_argument("--networks", type=int, default=3, help="that a method averages (3)")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, default=Path("results"), metavar="DIR")
    args = parser.parse_args()
    if args.features == "embeddings" and args.model is None:
        parser.error("--features embeddings needs --model, the folder or name of a speech model.")

    tasks = load_tasks(args.tasks, args.corpora)
    for name, task in tasks.items():
        n_classes = len(task.classes)
        chance = f"chance {100 / n_classes:.0f} %"
        print(f"{name}: {len(task.y_tgt)} target clips of {n_classes} emotions, {chance}")
    extractor = make_extractor(args.features, args.model, args.layer)
    with tempfile.TemporaryDirectory() as memory:
        epochs = args.epochs or EPOCHS[args.features]
        methods, oracles = make_methods(extractor, epochs, memory, args.networks)
        comparison = compare_all(
            choose(methods, args.methods), oracles, tasks, args.seeds, n_jobs=args.jobs
        )
    print(comparison)
    if len(comparison.methods) > 2:
        print(f"\n{tabulate(comparison).round(3).to_string(na_rep='')}")
    args.output.mkdir(parents=True, exist_ok=True)
    stem = f"{'-'.join(args.tasks).replace(':', '-')}-{args.features}"
    comparison.to_csv(args.output / f"{stem}.csv")
    print(f"Written: {args.output / stem}.csv", end="")
    if len(tasks) == 1:
        draw(comparison, *tasks.values(), args.output / f"{stem}.png")
        print(" and .png", end="")
    print()


if __name__ == "__main__":
    main()
