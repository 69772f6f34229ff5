"""The tests on the page of guarantees exist, and nothing of the process is changed."""

import ast
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import skdidan
from skdidan.reporting import quiet

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
pipeline = skdidan.make_adaptation_pipeline(*steps, skdidan.AnchoredEM(network))
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


def test_a_filter_of_ours_leaves_those_of_other_threads():
    """Blocks that overlap, as in threads, take out their own filters alone."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        first, second = quiet(__name__), quiet("elsewhere")
        first.__enter__()
        second.__enter__()
        warnings.filterwarnings("always", "of another thread")
        expected = [item for item in warnings.filters if "test_guarantees" not in str(item[3])]
        warnings.warn("never heard", UserWarning, stacklevel=1)
        first.__exit__(None, None, None)
        assert warnings.filters == expected
        warnings.warn("heard", UserWarning, stacklevel=1)
        second.__exit__(None, None, None)
        assert warnings.filters == [item for item in expected if "elsewhere" not in str(item[3])]
    assert [str(warning.message) for warning in heard] == ["heard"]


GLOBAL = {"catch_warnings", "filterwarnings", "simplefilter", "resetwarnings", "seterr"}
GLOBAL |= {"manual_seed", "set_num_threads", "set_default_dtype", "set_rng_state", "setlocale"}
# torch has one default type and one number of threads; see the module for their locks. The command
# line has its process to itself.
NEEDED = {
    "torch_state.py": {"manual_seed", "set_default_dtype", "set_num_threads"},
    "session.py": {"catch_warnings", "simplefilter"},
}
DRAWS = {"rand", "randn", "randint", "randperm", "bernoulli", "multinomial", "normal"}
OWN = {
    "RandomState",
    "Generator",
    "SeedSequence",
    "default_rng",
}  # of numpy.random, and no function that draws


def test_no_code_switches_or_draws_from_what_threads_share():
    for path in sorted(Path(skdidan.__file__).parent.rglob("*.py")):
        nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)]
        assert {n.attr for n in nodes} & GLOBAL <= NEEDED.get(path.name, set()), path
        assert {n.attr for n in nodes if ast.unparse(n.value) == "np.random"} <= OWN, path
        assert not {n.attr for n in nodes if ast.unparse(n.value) == "torch"} & DRAWS, path


def test_nothing_of_the_process_is_changed():
    """Generators, threads, settings of libraries, filters, environment, handlers of signals."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


THREADS = """
import numpy as np, torch
from threadpoolctl import threadpool_limits
import skdidan
rng = np.random.default_rng(0)
y = np.arange(120) % 3
X, X_tgt = rng.normal(size=(120, 300)), rng.normal(size=(90, 300)) + 0.5
spectra = rng.normal(size=(48, 40, 60)).astype(np.float32)
cnn = skdidan.SourceOnlyClassifier(max_epochs=1, random_state=0).fit(spectra, y[:48])

def results():
    networks = skdidan.DIDANClassifier, skdidan.CDANClassifier
    fits = [cls(max_epochs=2, n_networks=1, random_state=0).fit(X, y, X_tgt) for cls in networks]
    fits.append(skdidan.JDAR().fit(X, y, X_tgt))
    rows = [fit.decision_function(X_tgt) for fit in fits]
    return [*rows, skdidan.TCA().fit(X, y, X_tgt).transform(X_tgt), cnn.predict_proba(spectra)]

torch.set_num_threads(1)
with threadpool_limits(1):
    expected = results()
torch.set_num_threads(3)
with threadpool_limits(3):
    for found, result in zip(results(), expected, strict=True):
        np.testing.assert_allclose(found, result, rtol=0, atol=1e-5 * np.abs(result).max())
"""


def test_the_number_of_threads_changes_little():
    """In a process of its own: one with threads of OpenMP cannot fork, as other tests do."""
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("place", re.findall(r"``(test_\w+\.py(?:::\w+)*)``", PAGE.read_text()))
def test_the_tests_of_the_page_exist(place):
    file, *names = place.split("::")
    text = (TESTS / file).read_text(encoding="utf-8")
    for name in names:
        assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), place
