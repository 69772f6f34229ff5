"""Searches, comparisons and features on workers of Dask, some of which are killed."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV
from sklearn.utils import Bunch

from skdidan import (
    JDAR,
    AdaptationPipeline,
    CorpusScaler,
    DIDANClassifier,
    Functionals,
    Target,
    compare,
)

distributed = pytest.importorskip("distributed", reason="make test-all installs it")
pytestmark = [
    pytest.mark.slow,
    # Of Dask itself.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


class KilledOnce(TransformerMixin, BaseEstimator):
    """Changes nothing, but kills its process the first time that it is fitted."""

    def __init__(self, flag=None):
        self.flag = flag

    def fit(self, X, y=None):
        if self.flag is not None and not Path(self.flag).exists():
            Path(self.flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self

    def transform(self, X):
        return X


@pytest.fixture(scope="module")
def cluster():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as made, distributed.Client(made) as client:
        yield client


@pytest.fixture
def task(domains):
    X_src, y_src, X_tgt, y_tgt = domains
    return Bunch(X_src=X_src, y_src=y_src, X_tgt=X_tgt, y_tgt=y_tgt)


def methods(flag=None):
    classifiers = {
        "JDAR": JDAR(),
        "DIDAN": DIDANClassifier(max_epochs=2, n_networks=1, random_state=0),
    }
    return {
        name: AdaptationPipeline(
            [("killed", KilledOnce(flag)), ("scale", CorpusScaler()), ("classify", classifier)]
        )
        for name, classifier in classifiers.items()
    }


def predictions(comparison):
    return [record["y_pred"].tolist() for record in comparison]


def test_comparisons_searches_and_features_are_those_of_one_process(cluster, task):
    waveforms = np.random.default_rng(0).normal(scale=0.1, size=(6, 8000))
    search = GridSearchCV(
        methods()["DIDAN"], {"classify__trade_off": [0.1, 1.0]}, cv=2, refit=False
    )
    results = []
    for backend in ("sequential", "dask"):
        with parallel_config(backend=backend):
            search.fit(task.X_src, task.y_src, X_tgt=Target(task.X_tgt))
            compared = compare(methods(), {"toy": task}, seeds=[0, 1], n_jobs=2)
            rows = Functionals(n_jobs=2).fit_transform(waveforms)
        results.append((search.cv_results_["mean_test_score"], predictions(compared), rows))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_killed_worker_loses_no_finished_run(cluster, task, tmp_path):
    """The comparison may end with it, since Dask loses what it has sent there."""
    expected = predictions(compare(methods(), {"toy": task}, seeds=range(3)))
    flag, results = tmp_path / "killed", tmp_path / "results"
    settings = {"seeds": range(3), "n_jobs": 2, "results": results}
    with parallel_config(backend="dask"):
        with suppress(distributed.client.FutureCancelledError):
            compare(methods(flag), {"toy": task}, **settings)
        kept = {path: path.stat().st_mtime_ns for path in results.iterdir()}
        assert (
            flag.exists()
            and predictions(compare(methods(flag), {"toy": task}, **settings)) == expected
        )
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
