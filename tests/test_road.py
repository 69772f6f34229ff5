"""The whole road: audio files in, adapted emotion labels out."""

import importlib.util
import re
import runpy
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from joblib import parallel_config
from matplotlib.image import imread
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from sklearn.utils import Bunch

import skdidan
from skdidan import (
    MFCC,
    TCA,
    AudioLoader,
    CorpusScaler,
    DANClassifier,
    DIDANClassifier,
    Functionals,
    LogMelSpectrogram,
    SourceOnlyClassifier,
    Target,
    compare,
    make_adaptation_pipeline,
    make_speech_corpora,
)

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Source and target of equal size, as files; with the same waveforms beside them."""
    made = make_speech_corpora(30, 30, emotions=["anger", "sadness"], duration=0.8, random_state=0)
    folder = tmp_path_factory.mktemp("audio")
    for side in ("src", "tgt"):
        made[f"paths_{side}"] = [str(folder / f"{side}{i:02}.wav") for i in range(30)]
        for path, waveform in zip(made[f"paths_{side}"], made[f"X_{side}"], strict=True):
            soundfile.write(path, waveform, made.sample_rate, subtype="FLOAT")
    return made


def road(memory=None, **params):
    params = {"n_networks": 1, "max_epochs": 4, "batch_size": 8, "random_state": 0, **params}
    return make_adaptation_pipeline(
        LogMelSpectrogram(n_mels=24, duration=0.8),
        CorpusScaler(),
        DIDANClassifier(network_params={"channels": (4, 8), "hidden": (16,)}, **params),
        memory=memory,
    )


def test_files_in_labels_out(corpora):
    pipeline = road(max_epochs=15).fit(corpora.paths_src, corpora.y_src, corpora.paths_tgt)
    assert pipeline.classes_.tolist() == ["anger", "sadness"]
    assert pipeline.score(corpora.paths_tgt, corpora.y_tgt) > 0.7
    probabilities = pipeline.predict_proba(corpora.paths_tgt)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_files_and_waveforms_give_the_same(corpora):
    files = road().fit(corpora.paths_src, corpora.y_src, corpora.paths_tgt)
    waves = road().fit(corpora.X_src, corpora.y_src, corpora.X_tgt)
    expected = files.decision_function(corpora.paths_tgt)
    np.testing.assert_array_equal(waves.decision_function(corpora.X_tgt), expected)
    loader = AudioLoader(corpora.sample_rate)
    loaded = loader.fit_transform(corpora.paths_tgt)
    np.testing.assert_array_equal(files.decision_function(loaded), expected)


def test_stacked_files_give_the_same_whatever_labels_the_target_has(corpora):
    expected = road().fit(corpora.paths_src, corpora.y_src, corpora.paths_tgt)
    expected = expected.decision_function(corpora.paths_tgt)
    files = corpora.paths_src + corpora.paths_tgt
    domain = np.repeat([1, -1], 30)
    for filler in ("anger", "?"):
        y = np.concatenate([corpora.y_src, np.repeat(filler, 30)])
        pipeline = road().fit(files, y, sample_domain=domain)
        np.testing.assert_array_equal(pipeline.decision_function(corpora.paths_tgt), expected)


def test_order_of_the_target_is_kept(corpora):
    pipeline = road().fit(corpora.paths_src, corpora.y_src, corpora.paths_tgt)
    order = np.random.default_rng(0).permutation(30)
    shuffled = [corpora.paths_tgt[row] for row in order]
    np.testing.assert_allclose(
        pipeline.decision_function(shuffled),
        pipeline.decision_function(corpora.paths_tgt)[order],
        atol=1e-5,
    )


def test_memory_changes_no_result(corpora, tmp_path):
    expected = road().fit(corpora.paths_src, corpora.y_src, corpora.paths_tgt)
    for _ in range(2):
        kept = road(tmp_path).fit(corpora.paths_src, corpora.y_src, corpora.paths_tgt)
        np.testing.assert_array_equal(
            kept.decision_function(corpora.paths_tgt),
            expected.decision_function(corpora.paths_tgt),
        )


def test_search_over_classifier_and_transformer(corpora, tmp_path):
    """Two fits at a time fill one cache."""
    grid = {"didanclassifier__trade_off": [0.0, 1.0], "logmelspectrogram__n_mels": [16, 24]}
    search = GridSearchCV(road(tmp_path, max_epochs=2), grid, cv=2, n_jobs=2)
    with parallel_config("threading"):
        search.fit(corpora.paths_src, corpora.y_src, X_tgt=Target(corpora.paths_tgt))
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    predicted = search.predict(corpora.paths_tgt)
    best = clone(search.best_estimator_)
    best.fit(corpora.paths_src, corpora.y_src, corpora.paths_tgt)
    assert (best.predict(corpora.paths_tgt) == predicted).all()


def test_each_fold_is_adapted_to_the_whole_target(corpora):
    seen = []

    class Spy(DIDANClassifier):
        def fit(self, X, y, X_tgt=None, *, sample_domain=None):
            seen.append(len(X_tgt))
            return super().fit(X, y, X_tgt, sample_domain=sample_domain)

    pipeline = make_adaptation_pipeline(
        MFCC(duration=0.8), CorpusScaler(), Spy("mlp", max_epochs=1, random_state=0)
    )
    params = {"X_tgt": Target(corpora.X_tgt)}
    cross_val_score(pipeline, corpora.X_src, corpora.y_src, cv=3, params=params)
    assert seen == [30, 30, 30]


def test_plain_pipeline_with_metadata_routing(corpora):
    steps = road().steps
    expected = road().fit(corpora.paths_src, corpora.y_src, corpora.paths_tgt)
    with config_context(enable_metadata_routing=True):
        plain = make_pipeline(*[step for _, step in steps], transform_input=["X_tgt"])
        plain.fit(corpora.paths_src, corpora.y_src, X_tgt=corpora.paths_tgt)
        scores = plain.decision_function(corpora.paths_tgt)
        search = GridSearchCV(plain, {"didanclassifier__trade_off": [0.0, 1.0]}, cv=2)
        search.fit(corpora.paths_src, corpora.y_src, X_tgt=Target(corpora.paths_tgt))
        predicted = search.predict(corpora.paths_tgt)
    np.testing.assert_array_equal(scores, expected.decision_function(corpora.paths_tgt))
    assert set(predicted) <= {"anger", "sadness"}


def test_shallow_road(corpora):
    pipeline = make_adaptation_pipeline(
        Functionals(), CorpusScaler(), TCA(5, kernel="rbf"), SVC(class_weight="balanced")
    )
    pipeline.fit(corpora.paths_src, corpora.y_src, corpora.paths_tgt)
    assert pipeline.score(corpora.paths_tgt, corpora.y_tgt) > 0.7


def test_features_side_by_side_are_a_step(corpora):
    features = make_union(Functionals(), FunctionTransformer(root_mean_square))
    pipeline = make_adaptation_pipeline(features, CorpusScaler(), SVC())
    pipeline.fit(corpora.X_src, corpora.y_src, corpora.X_tgt)
    assert pipeline.score(corpora.X_tgt, corpora.y_tgt) > 0.7


def root_mean_square(X):
    return np.array([[np.sqrt(np.mean(row**2))] for row in X])


def test_a_silent_clip_does_not_spread(corpora):
    quiet = [np.zeros_like(corpora.X_tgt[0]), *corpora.X_tgt[1:]]
    pipeline = make_adaptation_pipeline(
        LogMelSpectrogram(n_mels=24, duration=0.8, on_error="warn"),
        CorpusScaler(),
        DIDANClassifier(n_networks=1, max_epochs=2, random_state=0),
    )
    with pytest.warns(UserWarning, match="row 0"):
        pipeline.fit(corpora.X_src, corpora.y_src, quiet)
    with pytest.warns(UserWarning, match="row 0"):
        values = pipeline.decision_function(quiet)
    assert np.isnan(values[0]) and np.isfinite(values[1:]).all()


# Clips of half a second, in place of two.
SHORT = {"make_speech_corpora": partial(make_speech_corpora, duration=0.5)}


def load_example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_example(name, arguments, monkeypatch, **replaced):
    """Run an example as a script, with other functions in place of those of these names."""
    module = load_example(name)
    for function, other in replaced.items():
        monkeypatch.setattr(module, function, other)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    module.main()


def n_colours(figure):
    """Count the colours of a picture that are not grey; an empty pair of axes has none."""
    pixels = imread(figure)[..., :3].reshape(-1, 3)
    return len(np.unique(pixels[np.ptp(pixels, axis=1) > 0.1], axis=0))


@pytest.mark.parametrize(
    "features", [pytest.param("logmel", marks=pytest.mark.slow), "functionals"]
)
def test_compare_example(tmp_path, monkeypatch, capsys, features):
    arguments = ["--seeds", "1", "--epochs", "1", "--features", features]
    run_example(
        "compare_transfer_baselines",
        [*arguments, "--output", str(tmp_path)],
        monkeypatch,
        make_speech_corpora=partial(make_speech_corpora, 60, 60, duration=0.5),
    )
    table = capsys.readouterr().out
    for method in ("SVM", "TCA + SVM", "source only", "DAN", "DeepCORAL", "LIDAN", "(reference)"):
        assert method in table
    lines = (tmp_path / f"synthetic-{features}.csv").read_text().splitlines()
    assert lines[0] == (
        "task,method,oracle,seed,uar,war,seconds,feature_seconds,fit_seconds,error,traceback"
    )
    assert len(lines) == 11
    assert n_colours(tmp_path / f"synthetic-{features}.png") > 5


@pytest.mark.slow
def test_compare_example_with_all_methods(tmp_path, monkeypatch, capsys):
    arguments = ["--seeds", "1", "--epochs", "1", "--features", "functionals", "--methods", "all"]
    run_example(
        "compare_transfer_baselines",
        [*arguments, "--output", str(tmp_path)],
        monkeypatch,
        make_speech_corpora=partial(make_speech_corpora, 60, 60, duration=0.5),
    )
    table = capsys.readouterr().out
    for method in ("JDA", "TJM", "CORAL", "SA", "GFK", "OT", "KMM"):
        assert f"{method} + SVM" in table
    assert "JIASL" in table


def test_compare_example_leaves_out_what_is_not_installed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ot", None)
    choose, methods = load_example("compare_transfer_baselines").choose, {"SVM": 1, "OT + SVM": 2}
    assert choose(methods, ["all"]) == {"SVM": 1}
    assert "OT + SVM is left out: it needs pip install skdidan[ot]" in capsys.readouterr().out
    assert choose(methods, ["OT + SVM"]) == {"OT + SVM": 2}


def test_compare_example_names_the_methods(tmp_path, monkeypatch):
    with pytest.raises(
        SystemExit, match=r"--methods \['JADR'\] are none of \['logistic regression', "
    ):
        run_example(
            "compare_transfer_baselines",
            ["--methods", "JADR", "SVM"],
            monkeypatch,
            make_speech_corpora=partial(make_speech_corpora, 4, 4),
        )


def test_compare_example_asks_where_the_corpora_are(monkeypatch):
    monkeypatch.delenv("SKDIDAN_CORPORA", raising=False)
    with pytest.raises(SystemExit, match="Pass --corpora DIR or set SKDIDAN_CORPORA"):
        run_example("compare_transfer_baselines", ["--tasks", "emodb:casia"], monkeypatch)


def test_search_example(monkeypatch, capsys):
    run_example("grid_search", ["--clips", "20", "--epochs", "1"], monkeypatch, **SHORT)
    printed = capsys.readouterr().out
    assert printed.count("'trade_off'") == 3 * 3 * 2
    scores = [float(line.split()[0]) for line in printed.splitlines() if "trade_off" in line]
    assert scores == sorted(scores, reverse=True)
    *_, adaptation, source = printed.splitlines()
    assert adaptation.startswith("adaptation") and source.startswith("source UAR")


def test_two_folders_become_a_table(corpora_on_disk, tmp_path, monkeypatch, capsys):
    folders = [str(corpora_on_disk / name) for name in ("emodb", "casia")]
    script = (ROOT / "examples" / "two_folders.py").read_text()
    assert len(script.splitlines()) < 30
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["two_folders", *folders])
    for name in ("SourceOnlyClassifier", "DANClassifier", "DIDANClassifier"):
        monkeypatch.setattr(skdidan, name, partial(getattr(skdidan, name), max_epochs=1))
    runpy.run_path(str(ROOT / "examples" / "two_folders.py"))
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[1:]] == [
        "SourceOnlyClassifier",
        "DANClassifier",
        "DIDANClassifier",
    ]


@pytest.mark.parametrize("arguments", [[], ["emodb"], ["emodb", "casia", "savee"]])
def test_two_folders_are_asked_for(monkeypatch, arguments):
    monkeypatch.setattr(sys, "argv", ["two_folders", *arguments])
    with pytest.raises(SystemExit, match=r"^usage: two_folders\.py EMODB CASIA$"):
        runpy.run_path(str(ROOT / "examples" / "two_folders.py"))


def test_readme_example_runs(capsys):
    exec(README.split("```python")[1].split("```")[0], {})
    score = float(capsys.readouterr().out.split()[-1])
    said = re.search(r"It prints a UAR \(unweighted average recall\) of (0\.\d\d);", README)
    assert score == pytest.approx(float(said[1]), abs=0.05)  # other machines round otherwise


@pytest.mark.slow
def test_adaptation_gains_on_synthetic_corpora():
    made = make_speech_corpora(random_state=0)
    features = Functionals()
    task = Bunch(
        X_src=features.transform(made.X_src),
        y_src=made.y_src,
        X_tgt=features.transform(made.X_tgt),
        y_tgt=made.y_tgt,
    )
    kinds = SourceOnlyClassifier, DIDANClassifier, DANClassifier
    methods = {c.__name__: make_adaptation_pipeline(CorpusScaler(), c(n_networks=3)) for c in kinds}
    summary = compare(methods, {"synthetic": task}, seeds=[0, 1, 2]).summary()
    source_only, didan, dan = summary["synthetic", "mean"]
    assert didan > source_only + 0.05
    assert dan > source_only + 0.05


@pytest.mark.slow
def test_vgg11_learns_spectrograms(corpora):
    pipeline = road(max_epochs=5).set_params(
        didanclassifier__network="vgg11", didanclassifier__network_params=None
    )
    pipeline.fit(corpora.X_src, corpora.y_src, corpora.X_tgt)
    assert pipeline.score(corpora.X_tgt, corpora.y_tgt) > 0.6
