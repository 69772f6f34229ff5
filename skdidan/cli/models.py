"""Pipelines from the names on the command line."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from typing import Any

import click
import numpy as np

from skdidan import audio, neural, pipeline, shallow
from skdidan.cli.session import Session

__all__ = [
    *("check_features", "find_last", "fit_to", "has_columns", "make_classifier"),
    *("make_features", "make_model", "set_all", "set_epochs", "start_warm", "warn_of_few"),
]

_SPECTROGRAMS = {"logmel": "LogMelSpectrogram", "mfcc": "MFCC", "spectrogram": "Spectrogram"}
_PREFIX = "embeddings:"
_FEW = 100  # target recordings; with fewer, clusters gain nothing: docs/research/target.rst


def make_features(name: str, **options: Any) -> Any:
    """Return the audio transformer of a name; `options` are those of all audio transformers."""
    from skdidan.audio.functionals import OPENSMILE_SETS

    if name in _SPECTROGRAMS:
        return getattr(audio, _SPECTROGRAMS[name])(**options)
    if name.startswith(_PREFIX):
        model, at, layer = name.removeprefix(_PREFIX).partition("@")
        if not model or (at and not layer.lstrip("-").isdecimal() and layer != "mean"):
            text = f"{name!r} is no {_PREFIX}MODEL@LAYER with a layer such as 2."
            raise click.BadParameter(text, param_hint="--features")
        _need("transformers", name)
        number = layer if layer == "mean" else int(layer or -1)
        return audio.Embeddings(model, number, pooling="mean_std", **options)
    if name not in ("functionals", *OPENSMILE_SETS):
        known = ["functionals", *_SPECTROGRAMS, f"{_PREFIX}MODEL@LAYER", *OPENSMILE_SETS]
        raise click.BadParameter(
            f"{name!r} is none of {', '.join(known)}.", param_hint="--features"
        )
    if name == "functionals":
        return audio.Functionals(**options)
    _need("opensmile", name)
    return audio.Functionals(name, **options)


def _need(package: str, features: str) -> None:
    """Raise a usage error if a package, which is also the name of an extra, is not installed."""
    if importlib.util.find_spec(package) is None:
        text = f"{features!r} needs the package {package}: pip install skdidan[{package}]"
        raise click.BadParameter(text, param_hint="--features")


def has_columns(transformer: Any) -> bool:
    """Tell whether an audio transformer makes rows of named features, and no spectrograms."""
    return hasattr(transformer, "get_feature_names_out")


def check_features(features: str, transformer: Any, method: str, classifier: Any) -> None:
    """Raise a usage error if the features are spectrograms and the method takes none."""
    from sklearn.utils import get_tags

    inner = getattr(classifier, "estimator", None)
    tags = get_tags(classifier if inner is None else inner)
    if not has_columns(transformer) and not tags.input_tags.three_d_array:
        text = f"{features!r} gives spectrograms, which --method {method} does not take."
        raise click.BadParameter(text, param_hint="--features")


def make_classifier(method: str, seed: int, *, is_refined: bool) -> Any:
    """Return the classifier of a method, refined by the clusters of the target or not."""
    from sklearn.linear_model import LogisticRegression

    from skdidan.tables import CLASSIFIERS

    if method in CLASSIFIERS:
        classifier: Any = CLASSIFIERS[method]()
    else:
        classifier = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
        if method == "coral":
            alignment = shallow.CorrelationAlignment()
            classifier = pipeline.make_adaptation_pipeline(alignment, classifier)
    set_all(classifier, "random_state", seed)
    refines = is_refined and hasattr(classifier, "predict_proba")
    return pipeline.AnchoredEM(classifier) if refines else classifier


def set_epochs(classifiers: Mapping[str, Any], epochs: int | None) -> None:
    """Set the epochs of all networks, if given; raise a usage error if no method has one."""
    if epochs is None:
        return
    found = [set_all(classifier, "max_epochs", epochs) for classifier in classifiers.values()]
    if not any(found):
        text = f"there is no network in --method {', '.join(classifiers)}: leave --epochs out."
        raise click.BadParameter(text, param_hint="--epochs")


def make_model(
    features: list[Any],
    classifier: Any,
    *,
    has_speakers: bool,
    seed: int = 0,
    window: float | None = None,
) -> Any:
    """Chain features, if any, the scalers and a classifier, perhaps of windows."""
    scalers: list[Any] = [shallow.CorpusScaler()]
    if has_speakers:
        scalers.append(shallow.SpeakerScaler(random_state=seed))
    model = pipeline.make_adaptation_pipeline(*features, *scalers, classifier)
    if window is None:
        return model
    set_all(model, "duration", window)  # of spectrograms
    return pipeline.WindowedClassifier(model, window=window, hop=window / 2)


def fit_to(model: Any, corpora: list[Any], target: list[Any]) -> Any:
    """Fit a model to one or several labelled corpora and the target."""
    if len(corpora) == 1:
        return model.fit(corpora[0].files, corpora[0].emotion, target or None)
    files = [file for corpus in corpora for file in corpus.files] + target
    labels = [*np.concatenate([corpus.emotion for corpus in corpora]), *[""] * len(target)]
    sizes = [*(len(corpus.files) for corpus in corpora), len(target)]
    numbers = np.repeat([*range(len(corpora)), -1], sizes)
    return model.fit(files, labels, sample_domain=numbers)


def warn_of_few(session: Session, models: Iterable[Any], sizes: Mapping[str, int]) -> None:
    """Warn if models refine by clusters, and targets have few recordings; `sizes` are by task."""
    from skdidan.pipeline.steps import last_step

    few = {task: n for task, n in sizes.items() if 0 < n < _FEW}
    if few and any(isinstance(last_step(model), pipeline.AnchoredEM) for model in models):
        task = min(few, key=lambda name: few[name])
        where = f" of {task}" if task else ""
        others = f" (as in {len(few) - 1} other task(s))" if len(few) > 1 else ""
        session.warn(
            f"{few[task]} recordings{where} are few to find clusters in{others}: give {_FEW} or "
            "more, or leave out the refinement (--no-refine of 'train' and 'compare')."
        )


def find_last(model: Any) -> Any:
    """Return the classifier at the end of a fitted model, below windows and refiners."""
    from skdidan.pipeline.steps import last_step

    last = last_step(model)
    while hasattr(last, "estimator_"):
        last = last_step(last.estimator_)
    return last


def set_all(model: Any, name: str, value: Any, owner: type | None = None) -> list[str]:
    """Set a parameter of all estimators inside a model, or of those of a class; return paths."""
    from skdidan.pipeline.steps import find_parameters

    parts = {"": model, **model.get_params()}
    paths = [
        path
        for path in find_parameters(model, name)
        if owner is None or isinstance(parts[path.rpartition("__")[0]], owner)
    ]
    if paths:
        model.set_params(**dict.fromkeys(paths, value))
    return paths


def start_warm(model: Any, epochs: int | None) -> bool:
    """Let the networks of a fitted model begin at their weights; tell whether there are any."""
    paths = set_all(model, "warm_start", True, neural.AdaptationClassifier)
    if paths and epochs is not None:
        set_all(model, "max_epochs", epochs, neural.AdaptationClassifier)
    return bool(paths)
