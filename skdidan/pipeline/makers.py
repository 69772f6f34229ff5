"""Pipelines and unions of estimators without names."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import make_pipeline, make_union

from skdidan.pipeline.pipelines import AdaptationPipeline
from skdidan.pipeline.unions import AdaptationUnion

__all__ = ["make_adaptation_pipeline", "make_adaptation_union"]


def make_adaptation_pipeline(
    *steps: Any, memory: Any = None, verbose: bool | int = False
) -> AdaptationPipeline:
    """Chain transformers and a final estimator for a source and a target.

    Parameters
    ----------
    *steps : estimator
        The steps. Each is named by its class in lower case, and numbered where two are of the same
        class, as by `sklearn.pipeline.make_pipeline`.
    memory : str, path or joblib.Memory, default=None
        Cache folder for the audio transformers; see `AdaptationPipeline`.
    verbose : bool or int, default=False
        Whether to print the time that each step took.

    Returns
    -------
    pipeline : AdaptationPipeline
        The pipeline, not yet fitted.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> from skdidan import CorpusScaler, make_adaptation_pipeline
    >>> make_adaptation_pipeline(CorpusScaler(), SVC())
    AdaptationPipeline(steps=[('corpusscaler', CorpusScaler()), ('svc', SVC())])
    """
    return AdaptationPipeline(make_pipeline(*steps).steps, memory=memory, verbose=verbose)


def make_adaptation_union(*transformers: Any) -> AdaptationUnion:
    """Put the features of several transformers side by side, each fitted to both domains.

    Parameters
    ----------
    *transformers : transformer
        The transformers, among them pipelines that end in one. Each is named by its class in lower
        case, and numbered where two are of the same class, as by `sklearn.pipeline.make_union`.

    Returns
    -------
    union : AdaptationUnion
        The union, not yet fitted.

    Examples
    --------
    >>> from skdidan import TCA, CorpusScaler, make_adaptation_union
    >>> make_adaptation_union(CorpusScaler(), TCA())
    AdaptationUnion(transformers=[('corpusscaler', CorpusScaler()), ('tca', TCA())])
    """
    return AdaptationUnion(make_union(*transformers).transformer_list)
