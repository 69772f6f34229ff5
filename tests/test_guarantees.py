"""The tests on the page of guarantees exist, and nothing of the process is changed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reference" / "guarantees.rst"
SCRIPT = """
import locale, logging, os, random, signal, sys, tempfile, warnings
import matplotlib; matplotlib.use("svg")
import numpy as np, sklearn, torch
from threadpoolctl import threadpool_info

def state():
    return {
        "random": random.getstate(),
        "numpy": repr(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "pools": sorted((p["filepath"], p["num_threads"]) for p in threadpool_info()),
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "grad": torch.is_grad_enabled(),
        "errors": np.geterr(),
        "print": np.get_printoptions(),
        "sklearn": sklearn.get_config(),
        "filters": list(warnings.filters),
        "backend": matplotlib.get_backend(),
        "rc": {k: str(v) for k, v in matplotlib.rcParams.items()},
        "locale": locale.setlocale(locale.LC_ALL),
        **{f"environment {name}": value for name, value in os.environ.items()},
        "folder": os.getcwd(),
        "logging": logging.getLogger().level,
        "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
        "recursion": sys.getrecursionlimit(),
    }

from sklearn.model_selection import GridSearchCV
import skdidan, skdidan.audio
# Libraries change filters and the environment when they are imported, torch with its optimisers.
import joblib, librosa, pandas, scipy.stats, skorch, soundfile, sympy
torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
torch.zeros(2, 2) @ torch.zeros(2, 2), np.zeros((2, 2)) @ np.zeros((2, 2))
before = state()
corpora = skdidan.make_speech_corpora(12, 12, duration=0.5, random_state=0)
network = skdidan.DIDANClassifier(max_epochs=1, random_state=0)
steps = skdidan.Functionals(), skdidan.CorpusScaler(), skdidan.SpeakerScaler()
pipeline = skdidan.make_adaptation_pipeline(*steps, skdidan.RefinedClassifier(network))
pipeline.fit(corpora.X_src, corpora.y_src, corpora.X_tgt).predict_proba(corpora.X_tgt)
X, X_tgt = pipeline[0].transform(corpora.X_src), pipeline[0].transform(corpora.X_tgt)
scorer = skdidan.TargetScorer("adaptation", X_tgt)
search = GridSearchCV(skdidan.JDAR(trade_off=1.0), {"alpha": [1.0, 3.0]}, scoring=scorer, cv=2)
search.fit(X, corpora.y_src, X_tgt=skdidan.Target(X_tgt))
task = dict(X_src=X, y_src=corpora.y_src, X_tgt=X_tgt, y_tgt=corpora.y_tgt)
records = skdidan.compare({"DAN": skdidan.DANClassifier(max_epochs=1)}, {"t": task}, seeds=[0])
skdidan.plot_scores(records)
skdidan.LogMelSpectrogram(duration=0.5).fit_transform(corpora.X_src)
with tempfile.TemporaryDirectory() as folder:
    skdidan.save(pipeline, folder + "/model")
    skdidan.load(folder + "/model").predict(corpora.X_tgt)
after = state()
pairs = {name: (before.get(name), after.get(name)) for name in before | after}
changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
assert not changed, str(changed)[:2000]
"""


def test_nothing_of_the_process_is_changed():
    """Generators, threads, settings of libraries, filters, environment, handlers of signals."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("place", re.findall(r"``(test_\w+\.py(?:::\w+)*)``", PAGE.read_text()))
def test_the_tests_of_the_page_exist(place):
    file, *names = place.split("::")
    text = (TESTS / file).read_text(encoding="utf-8")
    for name in names:
        assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), place
