"""Pipelines of estimators without names."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import make_pipeline

from skdidan.pipeline.pipelines import AdaptationPipeline

__all__ = ["make_adaptation_pipeline"]


def make_adaptation_pipeline(
    *steps: Any, memory: Any = None, verbose: bool = False
) -> AdaptationPipeline:
    """Chain transformers and a final estimator for a source and a target.

    Parameters
    ----------
    *steps : estimator
        The steps. Each is named by its class in lower case, and numbered where two are of the same
        class, as by `sklearn.pipeline.make_pipeline`.
    memory : str, path or joblib.Memory, default=None
        Cache folder for the audio transformers; see `AdaptationPipeline`.
    verbose : bool, default=False
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
