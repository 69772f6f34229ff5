"""Benchmarks: tables from runs, stored runs, and the hash of the code that they ran."""

import importlib
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import wilcoxon
from sklearn.metrics import recall_score
from sklearn.utils import Bunch

import skdidan
from skdidan import JDAR, CorpusScaler, DANClassifier, DIDANClassifier, LIDANClassifier

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Return a function that imports a script of the folder by name, as the scripts do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def corpora(corpora_on_disk):
    """EmoDB and CASIA, a few clips of each."""
    return corpora_on_disk


TASKS = "B→C", "C→B"


def call(cross_corpus, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["cross_corpus", *map(str, arguments)])
    cross_corpus.main()


def test_runs_are_stored_and_tabulated(benchmark, corpora, tmp_path, monkeypatch, capsys):
    """The table and the tests from the stored scores, and a second call that runs nothing."""
    cross_corpus = benchmark("cross_corpus")
    monkeypatch.setattr(cross_corpus, "EPOCHS", {"functionals": 1, "logmel": 1})
    path = tmp_path / "new/results.csv"
    arguments = ["--corpora", corpora, "--features", "functionals", "--seeds", 2]
    arguments += ["--methods", "DAN*", "LIDAN", "--results", path, "--tasks", *TASKS]
    arguments += ["--cache", tmp_path / "cache"]
    call(cross_corpus, monkeypatch, *arguments)
    first = capsys.readouterr()
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows[0] == cross_corpus.FIELDS
    assert len(rows) - 1 == len(first.err.splitlines()) == 4 * 2 * 2  # methods, tasks, seeds
    scores = {tuple(row[3:7]): 100 * float(row[7]) for row in rows[1:]}

    def of(method):
        """Scores by task and seed."""
        return np.array([[scores["functionals", t, method, s] for s in "01"] for t in TASKS])

    line = next(line for line in first.out.splitlines() if line.startswith("LIDAN "))
    cells = [f"{x.mean():.1f} ± {x.std(ddof=1):.1f}" for x in of("LIDAN")]
    assert all(cell in line for cell in cells) and f"{of('LIDAN').mean():.2f} ±" in line
    best = max(("DAN 0.3", "DAN 1.0", "DAN 3.0"), key=lambda name: of(name).mean())
    difference = (of("LIDAN") - of(best)).ravel()
    test = next(line for line in first.out.splitlines() if line.startswith(f"LIDAN - {best}:"))
    assert f"{difference.mean():+.2f}" in test and "4 pairs" in test
    p_value = wilcoxon(difference).pvalue if difference.any() else 1.0
    assert f"p = {p_value:.2g}," in test

    call(cross_corpus, monkeypatch, *arguments)  # nothing is left to do
    again = capsys.readouterr()
    assert again.err == "" and again.out == first.out
    monkeypatch.setitem(cross_corpus.METHODS, "LIDAN", (LIDANClassifier, {"sparsity": 0.2}))
    call(cross_corpus, monkeypatch, *arguments)  # only the changed method is run again
    repeated = [line.split()[2] for line in capsys.readouterr().err.splitlines()]
    assert repeated == ["LIDAN"] * 4


def test_spectrograms_are_run_in_half_precision(benchmark, corpora, tmp_path, monkeypatch):
    cross_corpus = benchmark("cross_corpus")
    monkeypatch.setattr(cross_corpus, "EPOCHS", {"functionals": 1, "logmel": 1})
    path, precisions, fit = tmp_path / "results.csv", [], LIDANClassifier.fit

    def watched(self, *data):
        precisions.append(self.precision)
        return fit(self, *data)

    monkeypatch.setattr(LIDANClassifier, "fit", watched)
    arguments = ["--corpora", corpora, "--features", "logmel", "--seeds", 1, "--bf16"]
    arguments += ["--tasks", *TASKS, "--methods", "LIDAN"]
    arguments += ["--results", path, "--cache", tmp_path / "cache"]
    call(cross_corpus, monkeypatch, *arguments)
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    assert [row[2:7] for row in rows] == [["bf16", "logmel", task, "LIDAN", "0"] for task in TASKS]
    assert precisions == ["bf16"] * len(TASKS)


def test_a_pattern_that_matches_no_method_is_refused(benchmark, corpora, monkeypatch):
    with pytest.raises(SystemExit, match="--methods 'DaN' matches none of"):
        call(benchmark("cross_corpus"), monkeypatch, "--corpora", corpora, "--methods", "DaN")


def test_the_study_compares_with_all_its_rows(benchmark, corpora, tmp_path, monkeypatch, capsys):
    cross_corpus, study = benchmark("cross_corpus"), benchmark("ida_study")
    monkeypatch.setattr(cross_corpus, "EPOCHS", {"functionals": 1, "logmel": 1})
    rows = {name: study.ROWS[name] for name in ("MMD", "means alone", "DIDAN")}
    arguments = ["ida_study", "--corpora", corpora, "--features", "functionals", "--seeds", "2"]
    arguments += ["--results", tmp_path / "study.csv", "--cache", tmp_path / "cache"]
    arguments += ["--tasks", *TASKS]
    monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
    cross_corpus.main(rows, ("DIDAN",), list(study.ROWS), study.__doc__, "ida_study")
    tests = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if "pairs" in line]
    assert tests == ["DIDAN - MMD", "DIDAN - means alone"]


def test_every_row_of_the_study_has_a_fingerprint_of_its_own(benchmark):
    cross_corpus, study = benchmark("cross_corpus"), benchmark("ida_study")
    codes = cross_corpus.Results(Path("none.csv"), study.ROWS, "float32").codes
    assert len(set(codes.values())) == len(study.ROWS) * len(cross_corpus.EPOCHS)


def test_target_labels_do_not_reach_the_training(benchmark, domains):
    cross_corpus = benchmark("cross_corpus")
    X_src, y_src, X_tgt, y_tgt = domains
    scores = []
    for truth in (y_tgt, np.roll(y_tgt, 1)):
        task = X_src, y_src, X_tgt, Bunch(y_tgt=truth, classes=np.unique(y_src))
        key = "functionals", "B→C", "LIDAN", 0
        method = LIDANClassifier, {"max_epochs": 2}
        assert cross_corpus.run(method, key, task, "float32")[0] == key
        scores.append(cross_corpus.run(method, key, task, "float32")[1])
    model = LIDANClassifier(max_epochs=2, n_networks=1, random_state=0).fit(X_src, y_src, X_tgt)
    expected = [
        recall_score(y, model.predict(X_tgt), average="macro") for y in (y_tgt, np.roll(y_tgt, 1))
    ]
    assert scores == pytest.approx(expected)


def test_missing_corpora_are_reported(benchmark, monkeypatch, capsys):
    monkeypatch.delenv("SKDIDAN_CORPORA", raising=False)
    with pytest.raises(SystemExit):
        call(benchmark("cross_corpus"), monkeypatch)
    assert "Pass --corpora DIR or set SKDIDAN_CORPORA" in capsys.readouterr().err


def test_features_are_those_of_librosa_and_are_timed(benchmark, corpora, monkeypatch, capsys):
    features = benchmark("features")
    arguments = ["features", "--corpora", str(corpora), "--repeats", "2", "--jobs", "2"]
    monkeypatch.setattr(sys, "argv", arguments)
    features.main()
    head, columns, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("16 files, 16 s, 2 jobs; difference ")
    assert float(head.split()[-2]) <= 1e-4
    assert "plain loop / it" in columns and "real-time factor" in columns
    assert [row[:18].strip() for row in rows] == [
        "plain loop",
        "LogMelSpectrogram",
        "of the loudest",
        "Functionals",
    ]
    for row in rows:
        ratio, _, factor, per_thousand = map(float, row[18:].split())
        assert ratio > 0 and per_thousand == pytest.approx(1000 * factor, rel=0.1)
    assert float(rows[0][18:].split()[0]) == 1

    monkeypatch.setattr(features, "plain_loop", lambda files: np.zeros((len(files), 64, 201)))
    with pytest.raises(SystemExit, match=r"LogMelSpectrogram differs from librosa by \d"):
        features.main()


def test_every_row_of_the_study_trains(benchmark):
    emotions = np.array(["anger", "fear", "happiness", "neutral", "sadness"])
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 10)), emotions[np.arange(80) % 5]
    losses = {}
    for name, (classifier, params) in benchmark("ida_study").ROWS.items():
        model = classifier(max_epochs=2, random_state=0, **params).fit(X, y, X + 1)
        losses[name] = model.history_[-1]["train_loss"]
    # An MLP has only fully connected layers, below which a local gradient stops.
    alike = {("DIDAN", "DIDAN, all gradients"), ("IDA, local, means", "IDA, all gradients, means")}
    names = list(losses)
    pairs = {(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if losses[a] == losses[b]}
    assert pairs == {tuple(sorted(pair, key=names.index)) for pair in alike}


class TestFingerprint:
    """The hash changes only with code that a class reaches."""

    CODE = '''
"""Module."""
FACTOR = 2

def helper(x):
    """Double."""
    return FACTOR * x

def stranger(x):
    return x

class Base:
    def scale(self, x):
        return helper(x)

class Method(Base):
    pass
'''

    @pytest.fixture
    def hashed(self, benchmark, tmp_path, monkeypatch):
        """Return a function that hashes ``Method`` of a module with this code."""
        module = benchmark("fingerprint")
        monkeypatch.syspath_prepend(str(tmp_path))

        def of(code, *details):
            (tmp_path / "scratch.py").write_text(code, encoding="utf-8")
            monkeypatch.delitem(sys.modules, "scratch", raising=False)
            importlib.invalidate_caches()
            module.parse.cache_clear()
            module.read.cache_clear()
            method = importlib.import_module("scratch").Method
            return module.fingerprint(method, *details)

        return of

    @pytest.mark.parametrize(
        ("old", "new", "same"),
        [
            ('"""Double."""', '"""Twice."""', True),
            ("return x\n", "return x + 1\n", True),
            ("FACTOR = 2", "FACTOR = 3 # three", False),
            ("FACTOR * x", "x * FACTOR", False),
            ("return helper(x)", "return helper(x) + 1", False),
        ],
    )
    def test_changes_with_code_that_is_reached(self, hashed, old, new, same):
        assert old in self.CODE
        assert (hashed(self.CODE) == hashed(self.CODE.replace(old, new))) is same

    def test_changes_with_the_details(self, hashed):
        assert hashed(self.CODE, {"a": 1}) == hashed(self.CODE, {"a": 1})
        assert hashed(self.CODE, {"a": 1}) != hashed(self.CODE, {"a": 2})

    def test_methods_of_the_package_differ(self, benchmark):
        fingerprint = benchmark("fingerprint").fingerprint
        classifiers = DANClassifier, DIDANClassifier, LIDANClassifier
        assert len({fingerprint(classifier) for classifier in classifiers}) == 3


class TestPeers:
    """The comparison with other libraries: its measures by hand, and a run without the peers."""

    def test_objective_of_tca_by_hand(self, benchmark):
        objective = benchmark("peer_agreement").tca_objective
        # K = I and w = (1, 0): w'KHKw = 1/2, w'KLKw = 1 and w'w = 1, to be scaled by 2 / (1/2).
        kernel, contrast, w = np.eye(2), np.array([1.0, -1.0]), np.array([[1.0], [0.0]])
        assert objective(kernel, contrast, w, 0.5) == pytest.approx(6.0)
        assert objective(kernel, contrast, 3 * w, 0.5) == pytest.approx(6.0)

    def test_objective_of_kmm_by_hand(self, benchmark):
        objective = benchmark("peer_agreement").kmm_objective
        same = {"X_src": np.zeros((2, 1)), "X_tgt": np.zeros((3, 1))}  # all kernels are one
        assert objective(np.array([1.0, 1.0]), same, 1.0) == pytest.approx(-1.0)
        assert objective(np.array([2.0, 1.0]), same, 1.0) == pytest.approx((4.5 - 6) / 2)

    def test_differences_ignore_signs_and_shifts(self, benchmark):
        peers = benchmark("peer_agreement")
        assert peers.relative_difference([3.0, 4.0], np.array([0.0, 4.0])) == pytest.approx(0.75)
        Z = np.array([[1.0, 2.0], [3.0, 5.0]])
        ours, turned, moved = [{"Z": Z}], [{"Z": Z * [1, -1]}], [{"Z": Z + 7}]
        assert peers.compare_up_to_sign(ours, turned, {}) == "difference 0"
        assert peers.compare_places(ours, moved, {"X_src": Z[:1]}) == "difference 0"
        assert peers.compare_values([{"value": 2.0}], [{"value": 3.0}], {}).endswith("0.5")

    def test_accuracies(self, benchmark):
        runs = [{"predicted": np.array(codes), "moved": 0.5} for codes in ([0, 1], [1, 1])]
        text = benchmark("peer_agreement").compare_accuracies(None, runs, {"y_tgt": [0, 1]})
        assert text == "accuracy 75.0 ± 35.4 %, encoder moved by 0.5"

    def test_angle_and_weights(self, benchmark):
        peers = benchmark("peer_agreement")
        axes = [{"Z": np.eye(3)[:, [i]]} for i in range(2)]
        assert peers.compare_components(axes[:1], axes[1:], {}, 1.0, 1.0) == "angle 90°"
        same = {"X_src": np.zeros((2, 1)), "X_tgt": np.zeros((3, 1))}
        runs = [{"weights": np.array(weights)} for weights in ([1.5, 0.5], [0.5, 1.5])]
        text = peers.compare_weights(runs[:1], runs[1:], same, 1.0)
        assert text == "objective +0.0e+00, correlation -1.0000, largest 1.5"

    @pytest.mark.slow
    def test_runs_without_the_peers(self, benchmark, monkeypatch, capsys):
        arguments = ["--tables", "TCA, mu = 10", "Penalty of DANN"]
        arguments += ["--rows", "80", "--large", "160", "--seeds", "1"]
        call(benchmark("peers"), monkeypatch, *arguments)
        lines = capsys.readouterr().out.splitlines()
        assert "skada: left out, for there is no --skada PYTHON" in lines
        dense = next(line for line in lines if line.startswith("  numpy, dense"))
        assert "objective times 1.000000" in dense and "memory" in dense
        assert "TCA on landmarks, 160 rows" in lines[-1]
        assert "value 0.7" in next(line for line in lines if "value" in line)

    def test_cases_name_methods_that_exist(self, benchmark):
        methods = benchmark("peer_methods").METHODS
        for _, cases in benchmark("peer_cases").TABLES.values():
            assert cases[0].label == "skdidan" and len({case.label for case in cases}) == len(cases)
            assert all(case.method in methods[case.library] for case in cases)


class TestSelection:
    """The benchmark of criteria: regret, tables and stored runs."""

    def test_regret_of_ties_is_that_of_their_mean(self, benchmark):
        selection = benchmark("selection")
        truth = np.array([50.0, 40.0, 30.0, 10.0])
        assert selection.regret(truth, np.array([1.0, 2.0, 2.0, 0.0])) == 50 - 35
        assert selection.regret(truth, truth) == 0

    def test_tables_by_hand(self, benchmark, capsys):
        selection = benchmark("selection")
        perfect, inverse = (selection.SCORERS.index(name) for name in ("dev", "mmd"))
        rows = {}
        for seed, uars in enumerate([[0.2, 0.5, 0.4], [0.3, 0.4, 0.6]]):
            for method, uar in zip("abc", uars, strict=True):
                scores = np.zeros(len(selection.SCORERS))
                scores[perfect], scores[inverse] = uar, -uar
                rows["code", "functionals", "B→C", str(seed), method, "10"] = uar, scores
        pools = selection.make_pools(rows)
        assert list(pools) == [("functionals", "B→C")]
        first, second = pools["functionals", "B→C"]
        assert selection.judge(first, "dev") == (1, 0)
        assert selection.judge(second, "mmd") == pytest.approx((-1, 30))
        assert selection.judge(first, "random") == pytest.approx((0, 50 - 110 / 3))
        assert selection.judge(first, "entropy") == pytest.approx((0, 50 - 110 / 3))  # all alike
        selection.print_table(pools)
        lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
        assert lines["dev"] == ["1.00", "0.0", "1.00", "0.0"]
        assert lines["mmd"] == ["-1.00", "30.0", "-1.00", "30.0"]
        # The best elsewhere is the second in the first split, and the last but one in the other.
        assert lines["(labels,"] == ["other", "splits)", "15.0", "15.0"]

    def test_stored_runs_are_read_back(self, benchmark, tmp_path):
        selection = benchmark("selection")
        path, scores = tmp_path / "runs.csv", np.arange(len(selection.SCORERS)) / 7
        key = ("code", "functionals", "B→C", 0, "DAN 1.0", 10)
        selection.write(path, key, 0.5, scores)
        selection.write(path, key, 0.25, -scores)
        with open(path, "a", encoding="utf-8") as file:
            file.write("code,functionals,B")  # where a run was interrupted
        with open(path, encoding="utf-8") as file:
            (*first, truth, kept), (*_, other, _) = selection.read(file)
        assert first == [str(part) for part in key]
        assert (truth, other) == (0.5, 0.25)
        np.testing.assert_allclose(kept, scores, atol=1e-6)

    def test_runs_of_other_scorers_are_refused(self, benchmark, tmp_path):
        selection = benchmark("selection")
        path = tmp_path / "runs.csv"
        path.write_text("code,features,uar,beauty\n", encoding="utf-8")
        with (
            open(path, encoding="utf-8") as file,
            pytest.raises(SystemExit, match="has other columns"),
        ):
            list(selection.read(file))

    def test_target_labels_do_not_change_the_scores(self, benchmark, domains):
        selection = benchmark("selection")
        X_src, y_src, X_tgt, y_tgt = domains
        speakers = np.arange(len(X_src)) % 6
        key = ("code", "functionals", "B→C", 0, "DAN 1.0", 2)
        _, truth, scores = selection.score(key, (X_src, y_src, speakers, X_tgt, y_tgt), False)
        flipped = (X_src, y_src, speakers, X_tgt, np.resize(y_tgt[:1], len(y_tgt)))
        _, other, again = selection.score(key, flipped, False)
        assert scores == again and len(scores) == len(selection.SCORERS)
        assert truth != other

    def test_no_speaker_is_both_trained_on_and_held_out(self, benchmark):
        selection = benchmark("selection")
        speakers = np.repeat(list("abcdefgh"), 5)
        train, held_out = selection.split_source(speakers, speakers, speakers, 0)
        assert len(set(speakers[held_out])) == 2
        assert not set(speakers[held_out]) & set(speakers[train])


def test_variants_of_didan_have_the_terms_that_are_told(benchmark):
    target_structure = benchmark("target_structure")
    X, y = np.random.default_rng(0).normal(size=(24, 6)), np.array(list("abc") * 8)
    quick, terms = {"n_networks": 1, "max_epochs": 1, "random_state": 0}, {}
    for name, (network, params) in target_structure.VARIANTS.items():
        terms[name] = network(**{**quick, **params}).fit(X, y, X + 1).history_[0]
    for name in ("features", "labels"):
        assert f"ida_{name}" not in terms[f"no {name}"]
    assert "mean_distance" not in terms["no means"] and "target_prior" in terms["uniform prior"]
    assert terms["own predictions"]["ida_labels"] != terms["one network"]["ida_labels"]


def test_dropped_options_are_what_they_are_named_after(benchmark, domains):
    dropped = benchmark("dropped_options")
    X, _, X_tgt, _ = domains
    y = np.array(["anger", "fear", "neutral"])[np.arange(len(X)) % 3]
    once = JDAR(max_iter=1).fit(X, y, X_tgt).coef_
    for make in (dropped.MDAR, dropped.RelaxedJDAR):
        first = make()
        first.max_iter = 1
        np.testing.assert_allclose(first.fit(X, y, X_tgt).coef_, once, atol=1e-8)
    loss = dropped.RelaxedError(torch.tensor([1.0, 3.0]))
    logits = torch.tensor([[1.5, -0.5], [0.25, 0.5]])
    # Nothing in the first row; 0.25 squared plus 0.5 squared in the second, of weight 3 out of 4.
    assert float(loss(logits, torch.tensor([0, 1]))) == pytest.approx(3 * 0.3125 / 4)

    generator = torch.Generator().manual_seed(0)
    atoms, rows = (torch.randn(n, 8, generator=generator) / 8**0.5 for n in (12, 20))
    codes = dropped.FewRowsIDA(0.1)._solve(atoms, rows, n_iter=500)
    slopes, limit = ((rows - codes @ atoms) @ atoms.T).norm(dim=0), 0.1 * 20**0.5
    is_used = codes.norm(dim=0) > 1e-6
    assert 0 < is_used.sum() < 12
    torch.testing.assert_close(
        slopes[is_used], torch.full_like(slopes[is_used], limit), rtol=1e-3, atol=0
    )
    assert (slopes[~is_used] <= limit).all()

    evidence = torch.rand(40, 1, 4, generator=generator) * torch.tensor([1.0, 2.0, 9.0, 0.0])
    balanced = dropped.balance(evidence, n_iter=200)[:, 0]
    torch.testing.assert_close(balanced.sum(dim=1), torch.ones(40))
    torch.testing.assert_close(balanced.sum(dim=0), torch.tensor([1.0, 1.0, 1.0, 0.0]) * 40 / 3)


def test_resampled_targets_have_the_shares_that_are_told(benchmark):
    target_structure = benchmark("target_structure")
    y = np.repeat(["anger", "fear", "joy"], [30, 40, 50])
    seen = []
    y_src = np.repeat(["anger", "fear", "joy"], [10, 10, 20])
    for kind, rows in target_structure.targets(y, y_src, shift=True):
        assert len(np.unique(rows)) == len(rows)
        emotions, counts = np.unique(y[rows], return_counts=True)
        seen.append((kind, len(emotions)))
        if kind == "one common":
            assert counts.max() / counts.sum() == pytest.approx(0.7, abs=0.01)
        if kind == "as source":
            assert counts.tolist() == [25, 25, 50]
    assert seen == [
        ("whole", 3),
        ("as source", 3),
        *[("one common", 3)] * 3,
        *[("one missing", 2)] * 3,
    ]


def test_the_invariant_features_are_averages_over_tasks(benchmark):
    """Shares of 80 and 50 percent average 65, stabilities of 1 and a half 0.75."""
    names, first, last = ["a", "b"], ([20.0, 80.0], [0.5, 1.0]), ([50.0, 50.0], [1.0, 0.5])
    ranked = [(*first, [False, True]), (*last, [True, False])]
    table = benchmark("invariant_features").format_table(names, ranked, 1).splitlines()
    assert [line.split() for line in table[1:]] == [["b", "65.00", "0.75", "1", "of", "2", "tasks"]]


def test_the_calibration_error_is_that_of_the_definition(benchmark):
    """Three bins: two rows at 0.6, of which one is right, one at 0.9 and one at 1.0, both right."""
    error = benchmark("calibration").calibration_error
    confidence, is_right = np.array([0.6, 0.6, 0.9, 1.0]), np.array([True, False, True, True])
    assert error(confidence, is_right) == pytest.approx((0.2 + 0.1 + 0.0) / 4)
    assert error(confidence, is_right, 1) == pytest.approx(abs(3 - 3.1) / 4)


def test_adapting_again_begins_at_the_first_fit(benchmark, monkeypatch, domains):
    """A cold fit to the same target is the first fit once more; a warm one goes on from it."""
    script = benchmark("adapt_again")
    monkeypatch.setattr(script, "WARM_EPOCHS", [1])
    monkeypatch.setattr(script, "SpeakerScaler", lambda random_state: CorpusScaler())
    still = {"n_networks": 1, "max_epochs": 1, "batch_size": 60}
    monkeypatch.setattr(script, "DIDANClassifier", partial(DIDANClassifier, **still))
    X_src, y_src, X_tgt, y_tgt = domains
    results = script.run(X_src, y_src, X_tgt, X_tgt, y_tgt, 0)
    scores = {name: score for name, (score, _) in results.items()}
    assert list(scores) == ["stays", "anew", "warm, 1 epochs", "cold, 1 epochs"]
    assert scores["stays"] == scores["anew"] == scores["cold, 1 epochs"]
    assert all(seconds >= 0 for _, seconds in results.values())


TINY = {
    "epoch_time": {"rows": 40, "epochs": 2},
    "growth": {"few": 20, "epochs": 2},
    "prediction_time": {"rows": 40, "bands": 16, "frames": 20},
    "codes_time": {"small": 20, "large": 30},
    "wide_features": {"source": 20, "target": 24, "features": 60},
    "tca_time": {"rows": 60, "large": 120, "landmarks": 20},
    "log_mel_time": {"files": 2},
    "extraction_time": {"clips": 3, "clip_ms": 500},
    "search_time": {"clips": 20, "candidates": 2, "folds": 2},
    "import_time": {"imports": 1},
    "batched_time": {"networks": 2, "steps": 2},
    "precision_time": {"rows": 20, "bands": 16, "frames": 20, "epochs": 2},
}


class TestTimings:
    """The scripts of ``make bench`` on tiny data; no time is asserted."""

    @pytest.mark.parametrize("script", TINY)
    def test_every_script_runs(self, benchmark, script):
        rows = list(benchmark(script).measure(repeats=1, **TINY[script]))
        assert rows and len({row.case for row in rows}) == len(rows)
        assert all(min(row.ours, row.other, row.ratio) > 0 for row in rows)

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
    def test_compiled_networks_are_timed(self, benchmark):
        """Apart from the others, since it needs a C++ compiler."""
        sizes = {"rows": 40, "spectrograms": 16, "epochs": 2}
        rows = list(benchmark("compile_time").measure(repeats=1, **sizes))
        assert len(rows) == 3 and all(row.ratio > 0 for row in rows)

    def test_all_scripts_are_in_the_table(self, benchmark, monkeypatch, tmp_path, capsys):
        bench = benchmark("bench")
        assert set(bench.SCRIPTS) == set(TINY)
        row = benchmark("timing").Row("a case", "a limit", 3.0, 2.0, 1.5)
        monkeypatch.setattr(benchmark("growth"), "measure", lambda repeats: [row] * repeats)
        path = tmp_path / "RESULTS.md"
        arguments = ["bench", "--scripts", "growth", "--repeats", "1", "--write", str(path)]
        monkeypatch.setattr(sys, "argv", arguments)
        bench.main()
        assert path.read_text(encoding="utf-8") == capsys.readouterr().out
        assert path.read_text(encoding="utf-8").endswith("| a case | a limit | 3 | 2 | 1.50 |\n")

    def test_medians_of_turns_without_the_first(self, benchmark):
        times = {"ours": iter([9.0, 2.0, 4.0, 6.0]), "other": iter([9.0, 1.0, 1.0, 2.0])}
        row = benchmark("timing").compare("", "", *times, 3, clock=lambda way: next(times[way]))
        assert row[2:] == (4.0, 1.0, 3.0)

    def test_whole_numbers_of_a_script_are_its_options(self, benchmark):
        timing = benchmark("timing")
        measure = benchmark("wide_features").measure
        values = timing.parse(measure, "Text.", ["--features", "12000"])
        assert values == {"repeats": 5, "source": 400, "target": 1200, "features": 12000}


def test_the_cost_of_a_large_corpus_has_all_stages(benchmark, monkeypatch, capsys):
    """Features of eight files count as those of all rows; the stages run in this process."""
    large_corpus = benchmark("large_corpus")
    seen = {}

    def run(measured, stage, *args):
        seen[stage.__name__], peak = measured(stage, *args)
        assert seen[stage.__name__] > 0 and peak > 0
        return 2.0, 30.0

    monkeypatch.setattr(large_corpus, "in_process", run)
    call(large_corpus, monkeypatch, "--files", 8, "--target", 2400, "--source", 40)
    table = dict(line.rsplit(maxsplit=2)[:2] for line in capsys.readouterr().out.splitlines())
    assert table["log-mel spectrograms, to a file"] == "600.0"
    assert table["epoch of DIDAN"] == "2.0" and len(table) == 15 and len(seen) == 10
    n_bytes = 2400 * 64 * 201 * 4  # bands, frames, single precision
    assert float(table["log-mel spectrograms on disk:"]) == round(n_bytes / 2**20)


def test_rows_in_files_take_little_memory(benchmark, monkeypatch, tmp_path, capsys):
    script = benchmark("larger_than_memory")
    monkeypatch.setattr(script, "COLUMNS", 50)
    monkeypatch.setattr(script, "SHARDS", 2)
    script.write_shards(tmp_path, 120)
    found = {}
    for way in ("array", "memory map", "shards", "Dataset"):
        seconds, epoch, memory = script.fit(way, tmp_path)
        assert 0 < epoch < seconds and memory >= 0
        found[way] = np.asarray(script.open_rows(way, tmp_path, "target"))
    for rows in found.values():
        np.testing.assert_array_equal(rows, found["array"])


def test_costs_are_measured_along_every_axis(benchmark, monkeypatch, capsys):
    costs = benchmark("costs")
    monkeypatch.setattr(costs, "AXES", {axis: sizes[:1] for axis, sizes in costs.AXES.items()})
    monkeypatch.setattr(costs, "BASE", costs.BASE | {"rows": 64})
    monkeypatch.setattr(costs, "in_process", lambda function, *args: function(*args))
    call(costs, monkeypatch, "--axes", "features", "classes", "sources")
    lines = capsys.readouterr().out.splitlines()[1:]
    assert len(lines) == 3 * len(costs.methods())
    assert all(float(line.split()[-2]) > 0 and float(line.split()[-1]) >= 0 for line in lines)
    seconds, memory = costs.of_workers(1, n_runs=1)
    assert seconds > 0 and memory > 10


def test_odd_inputs_are_judged_by_the_rules_that_are_told(benchmark):
    """An error counts as clear only if the package raises it and it names the parameter."""
    script, make = benchmark("odd_inputs"), benchmark("odd_rows").Case
    X, y = np.random.default_rng(0).normal(size=(9, 2)), np.array(list("ababababa"))

    def judge(call, *more, name="alpha"):
        return script.judge(make("a case", call, rf"\b{name}\b", *more))[0]

    def fit(alpha):
        return {"predict": JDAR(alpha=alpha).fit(X, y, X).predict(X), "classes": ["a", "b"]}

    assert judge(partial(fit, 0.01)) == judge(partial(fit, 0.01), True, partial(fit, 0.01))
    assert judge(partial(fit, 0.01)) == "right"
    assert judge(partial(fit, -1), False) == "clear"
    assert judge(partial(fit, -1), False, name="beta") == "unclear"
    assert judge(partial(fit, 0.01), False) == "silent"
    assert judge(partial(int, "alpha"), False) == "unclear"  # in the words of Python
    for odd in ({"value": np.nan}, {"predict": ["c"] * 9, "classes": ["a", "b"], "n": 9}):
        assert judge(lambda odd=odd: odd) == "silent"
    assert judge(lambda: {"predict_proba": np.full((2, 2), 0.6), "n": 2}) == "silent"
    assert judge(lambda: {"value": 1.0}, True, lambda: {"value": 2.0}) == "silent"


def test_an_odd_input_that_ends_its_process_is_a_crash(benchmark, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    script, make = benchmark("odd_inputs"), benchmark("odd_rows").Case
    calls = [lambda: {"value": 1.0}, lambda: os._exit(1), lambda: {"value": 1.0}]
    groups = {("rows", "A"): lambda: (make("x", call, "y") for call in calls)}
    outcomes = [outcome for _, _, outcome, _ in script.run(groups)]
    assert outcomes == ["right", "crash", "right"]
    assert [name for _, name, *_ in script.run(groups, 2)] == ["A, x"] * 2


def test_every_estimator_is_given_odd_inputs(benchmark):
    """But for embeddings, which need a speech model, and the base classes."""
    groups = {
        owner for kind, owner in benchmark("odd_inputs").make_groups() if kind == "parameters"
    }
    missing = {"AdaptationClassifier", "AudioTransformer", "Embeddings", "SourceFreeClassifier"}
    public = {name for name in skdidan.__all__ if hasattr(getattr(skdidan, name), "get_params")}
    assert public - groups == missing
