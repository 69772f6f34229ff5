"""Several source corpora: batches, penalties that tell them apart, and DJDA."""

import re

import numpy as np
import pytest
import torch
from references import features, one_hot, shifted_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from skdidan import (
    LMMD,
    MDSA,
    MMD,
    AdaptationClassifier,
    BalancedMMD,
    CorpusScaler,
    DANClassifier,
    DJDAClassifier,
    Functionals,
    PairedBatches,
    PenaltyTerm,
    SourceOnlyClassifier,
    TargetScorer,
    WindowedClassifier,
    a_distance,
    compare,
    leave_one_corpus_out,
    load,
    make_adaptation_pipeline,
    save,
)
from skdidan.tables import CLASSIFIERS, TRANSFORMERS

QUICK = {"max_epochs": 3, "batch_size": 16, "random_state": 0, "n_networks": 1}


def three_corpora(sizes=(40, 25, 30)):
    """Two sources and a target, stacked, with labels and corpus numbers."""
    parts = [shifted_blobs(size, 1)[:2] for size in sizes]
    X = np.concatenate([rows + i for i, (rows, _) in enumerate(parts)])
    return X, np.concatenate([labels for _, labels in parts]), np.repeat([4, 9, -1], sizes)


EVERY = {**CLASSIFIERS, **TRANSFORMERS}


@pytest.mark.filterwarnings("ignore")  # of few rows
@pytest.mark.parametrize("name", sorted(EVERY))
def test_a_method_does_with_several_sources_what_it_says(name):
    """Its docstring says so before the parameters; corpus numbers change something, or no bit."""
    summary = " ".join(EVERY[name].__doc__.partition("Parameters\n    ---")[0].split())
    (says,) = re.findall(r"Several sources are (pooled|told apart)\b", summary)
    X, y, numbers = three_corpora()
    results = []
    for sources in (numbers, np.minimum(numbers, 4)):
        estimator = EVERY[name]()
        known = {"random_state": 0, "max_epochs": 3, "n_networks": 1, "batch_size": 16}
        estimator.set_params(**{k: v for k, v in known.items() if k in estimator.get_params()})
        if hasattr(estimator, "fit_transform"):
            results.append(estimator.fit_transform(X, y, sample_domain=sources))
        else:
            estimator.fit(X, y, sample_domain=sources)
            results.append(estimator.decision_function(X[numbers < 0]))
    assert np.array_equal(*results) == (says == "pooled")


def even_batches(sizes, n_target, batch_size, seed=0):
    corpora = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    rows, target = torch.arange(len(corpora)), torch.arange(n_target)
    rng = np.random.default_rng(seed)
    return PairedBatches(rows, target, rows, batch_size, rng, corpora=corpora, is_even=True)


@pytest.mark.parametrize(
    ("sizes", "n_target", "batch_size"),
    [((100, 30), 50, 16), ((40, 41, 42), 200, 32), ((90, 3), 10, 64), ((5, 5, 5, 5), 2, 2)],
)
def test_batches_are_even_over_the_sources(sizes, n_target, batch_size):
    batches = even_batches(sizes, n_target, batch_size)
    assert len(batches) == -(-max(sum(sizes), n_target) // batch_size)
    totals = np.zeros(len(sizes))
    for _ in range(4):
        for batch in batches:
            assert len(batch.source.unique()) == len(batch.source)
            counts = np.bincount(batch.corpora, minlength=len(sizes))
            share = len(batch.source) / len(sizes)
            for count, size in zip(counts, sizes, strict=True):
                assert count >= 1 and (count == size or count >= int(share))
            totals += counts
    if min(sizes) >= batch_size:
        assert np.ptp(totals) <= 4


def test_even_batches_of_one_source_are_the_plain_ones():
    plain = PairedBatches(
        torch.arange(50), torch.arange(20), torch.arange(50), 8, np.random.default_rng(0)
    )
    for one, other in zip(plain, even_batches((50,), 20, 8), strict=True):
        assert torch.equal(one.source, other.source) and torch.equal(one.target, other.target)


def test_the_state_of_even_batches_goes_on():
    batches, other = even_batches((50, 30), 20, 8), even_batches((50, 30), 20, 8, seed=1)
    list(batches)
    other.set_state(*batches.state())
    for one, same in zip(batches, other, strict=True):
        assert torch.equal(one.source, same.source) and torch.equal(one.target, same.target)


def test_a_penalty_of_ones_own_gets_the_corpus_numbers():
    X, y, numbers = three_corpora()
    seen = []

    class Recorder(torch.nn.Module):
        uses = ("source_domains",)

        def forward(self, source, target, source_domains):
            seen.append(source_domains)
            return source.sum() * 0

    class Recording(AdaptationClassifier):
        even_sources = True

        def _penalty_terms(self, classes):
            return {"recorder": PenaltyTerm(Recorder())}

    Recording(**QUICK).fit(X, y, sample_domain=numbers)
    assert {tuple(np.bincount(domains)) for domains in seen} <= {(8, 8), (7, 7), (6, 7), (7, 6)}


def left_out_error(source, target):
    """Return the error of ridge regressions onto the domain, each without one row."""
    rows, n = np.concatenate([source, target]), len(source)
    signs = np.repeat([1.0, -1.0], [n, len(target)])
    weights = np.repeat([0.5 / n, 0.5 / len(target)], [n, len(target)])
    mean = np.average(rows, axis=0, weights=weights)
    rows = (rows - mean) / np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weights))
    design = np.column_stack([np.ones(len(rows)), rows])
    ridge = 0.1 * np.diag([0.0, *np.ones(rows.shape[1])])
    wrong = np.zeros(len(rows))
    for i in range(len(rows)):
        kept = np.arange(len(rows)) != i
        A, w = design[kept], weights[kept]
        beta = np.linalg.solve(A.T @ (w[:, None] * A) + ridge, A.T @ (w * signs[kept]))
        wrong[i] = design[i] @ beta * signs[i] <= 0
    return wrong @ weights


class TestADistance:
    """How well a linear classifier tells two domains apart."""

    @pytest.mark.parametrize("shift", [0.0, 0.7, 2.0])
    def test_it_is_that_of_a_classifier_refitted_without_each_row(self, shift):
        source, target = features(14, d=3), features(23, d=3, seed=1, shift=shift)
        expected = 2 * (1 - 2 * left_out_error(source.numpy(), target.numpy()))
        assert a_distance(source, target) == pytest.approx(expected)

    def test_it_is_near_that_of_a_logistic_regression(self):
        source, target = features(300), features(200, seed=1, shift=0.5)
        rows = torch.cat([source, target])
        domain = np.repeat([0, 1], [300, 200])
        right = (
            LogisticRegression(class_weight="balanced").fit(rows, domain).predict(rows) == domain
        )
        error = 1 - (right[:300].mean() + right[300:].mean()) / 2
        assert a_distance(source, target) == pytest.approx(2 * (1 - 2 * error), abs=0.1)

    def test_equal_domains_are_no_farther_apart_than_by_chance(self):
        assert a_distance(features(50), features(50)) <= 0
        assert a_distance(torch.ones(5, 2), torch.ones(3, 2)) == -2  # each is taken for the other
        with pytest.raises(TypeError, match="source and target must be tensors"):
            a_distance([[1.0]], [[2.0]])


class TestBalancedMMD:
    """Each source against the target, under a balance."""

    source, target = features(13), features(9, seed=1, shift=0.5)
    labels, predictions = one_hot(torch.arange(13) % 3), features(9, d=3, seed=2).softmax(dim=1)
    domains = torch.tensor([5, 2, 2, 5, 5, 2, 5, 2, 2, 2, 5, 5, 5])

    @pytest.mark.parametrize("between", [False, True])
    @pytest.mark.parametrize("balance", [0, 0.3, 1])
    def test_it_is_the_mean_over_pairs_of_domains(self, balance, between):
        parts = [self.domains == number for number in (2, 5)]
        rows = [self.source[part] for part in parts]
        classes = [self.labels[part] for part in parts]
        pairs = [(*pair, self.target, self.predictions) for pair in zip(rows, classes, strict=True)]
        if between:
            pairs.append((rows[0], classes[0], rows[1], classes[1]))
        marginal = np.mean([float(MMD()(pair[0], pair[2])) for pair in pairs])
        conditional = np.mean([float(LMMD()(*pair[::2], *pair[1::2])) for pair in pairs])
        penalty = BalancedMMD(balance=balance, between_sources=between)
        known = {
            "labels": self.labels,
            "predictions": self.predictions,
            "source_domains": self.domains,
        }
        terms = penalty.terms(self.source, self.target, **known)
        assert float(terms["marginal"]) == pytest.approx((1 - balance) * marginal)
        assert float(terms["conditional"]) == pytest.approx(balance * conditional)
        assert float(penalty(self.source, self.target, **known)) == float(sum(terms.values()))

    def test_the_balance_is_that_of_the_distances(self):
        """Two classes; the third has one row, and no distance."""
        target = features(40, seed=1, shift=1.0)
        labels, predicted = torch.arange(50) % 2, torch.arange(40) % 2
        labels[0], predicted[0] = 2, 2
        source = features(50) + labels[:, None]
        known = one_hot(labels), one_hot(predicted)
        penalty = BalancedMMD()
        assert penalty.current_balance == 0.5
        found = penalty.prepare(source, target, *known)["balance"]
        same = [(labels == c, predicted == c) for c in (0, 1)]
        marginal, *classes = (
            2 * (1 - 2 * left_out_error(source[of].numpy(), target[like].numpy()))
            for of, like in [(labels >= 0, predicted >= 0), *same]
        )
        conditional = np.mean(np.maximum(classes, 0))
        assert found == pytest.approx(conditional / (marginal + conditional))
        assert 0.05 < found < 0.95 and penalty.current_balance == found

    def test_the_balance_stays_where_nothing_is_known(self):
        penalty = BalancedMMD()
        for rows in (torch.ones(6, 2), torch.full((6, 2), torch.nan)):
            assert penalty.prepare(rows, rows, torch.eye(6), torch.eye(6)) == {"balance": 0.5}
        fixed = BalancedMMD(balance=0.2)
        known = one_hot(torch.arange(30) % 3), one_hot(torch.arange(30) % 3)
        assert fixed.prepare(features(30), features(30) + 3, *known) == {"balance": 0.2}
        penalty.prepare(features(30), features(30, seed=1) + 9, *known[:1], one_hot([0] * 30))
        assert penalty.current_balance == 0.5  # all told apart, as wholes and in the one class

    @pytest.mark.parametrize("balance", ["static", 1.5, True])
    def test_a_wrong_balance_is_refused(self, balance):
        with pytest.raises(ValueError, match="balance must be"):
            BalancedMMD(balance=balance)

    @pytest.mark.parametrize("domains", [torch.zeros(13), torch.zeros(12).long(), [0] * 13])
    def test_wrong_corpus_numbers_are_refused(self, domains):
        with pytest.raises(ValueError, match="source_domains must be a tensor of 13 whole numbers"):
            BalancedMMD()(self.source, self.target, source_domains=domains)


def test_djda_of_one_source_and_no_balance_is_dan():
    X_src, y_src, X_tgt, _ = shifted_blobs(50, 40)

    class OfWeightOne(DJDAClassifier):
        penalty_weight = 1.0

    djda = OfWeightOne(penalty_params={"balance": 0}, **QUICK).fit(X_src, y_src, X_tgt)
    dan = DANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
    assert np.array_equal(djda.decision_function(X_tgt), dan.decision_function(X_tgt))


def test_without_trade_off_the_even_batches_train_the_source():
    X, y, numbers = three_corpora()

    class Even(SourceOnlyClassifier):
        even_sources = True

    expected = Even(use_target=True, **QUICK).fit(X, y, sample_domain=numbers)
    found = DJDAClassifier(trade_off=0, **QUICK).fit(X, y, sample_domain=numbers)
    assert np.array_equal(found.decision_function(X), expected.decision_function(X))


def test_the_balance_of_each_epoch_stands_in_the_history():
    X, y, numbers = three_corpora()
    classifier = DJDAClassifier(**{**QUICK, "n_networks": 2}).fit(X, y, sample_domain=numbers)
    balances = [epoch["balance"] for epoch in classifier.history_]
    assert len(set(balances)) > 1 and all(0.05 <= balance <= 0.95 for balance in balances)
    params = {"align_on": ("fc1", "fc2"), "penalty_params": {"between_sources": True}}
    classifier = DJDAClassifier(**QUICK, **params).fit(X, y, sample_domain=numbers)
    assert {"balance_fc1", "balance_fc2", "balanced_mmd_fc1_marginal"} <= set(
        classifier.history_[0]
    )


def test_djda_goes_on_after_a_stop(tmp_path):
    """Its orders and balances are those of a training that nothing has stopped."""
    X, y, numbers = three_corpora()

    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise RuntimeError("stop")

    class Stopped(DJDAClassifier):
        def _make_net(self, *args):
            return super()._make_net(*args[:-1], [*args[-1], ("stop", Stop())])

    params = {**QUICK, "max_epochs": 5}
    expected = DJDAClassifier(**params).fit(X, y, sample_domain=numbers)
    file = tmp_path / "training"
    with pytest.raises(RuntimeError, match="stop"):
        Stopped(checkpoint=file, **params).fit(X, y, sample_domain=numbers)
    with pytest.raises(ValueError, match="holds a training with another source"):
        DJDAClassifier(checkpoint=file, **params).fit(X, y, sample_domain=np.minimum(numbers, 4))
    found = DJDAClassifier(checkpoint=file, **params).fit(X, y, sample_domain=numbers)
    assert np.array_equal(found.decision_function(X), expected.decision_function(X))
    assert [e["balance"] for e in found.history_] == [e["balance"] for e in expected.history_]


def watch(seen):
    """Return a DJDA that keeps the corpus numbers of its source rows."""

    class Watching(DJDAClassifier):
        def _fit(self, domains):
            seen.append(np.unique(domains.corpora[: domains.n_source]).tolist())
            super()._fit(domains)

    return Watching(**QUICK)


def test_windows_keep_the_corpora_of_their_recordings():
    rng, seen = np.random.default_rng(0), []
    steps = Functionals(sample_rate=8000), CorpusScaler(), watch(seen)
    classifier = WindowedClassifier(
        make_adaptation_pipeline(*steps), window=0.25, hop=0.25, sample_rate=8000
    )
    classifier.fit(list(rng.normal(size=(9, 4000))), list("ab?" * 3), sample_domain=[2, 5, -1] * 3)
    assert seen == [[2, 5]]


def test_djda_is_saved_searched_and_compared(tmp_path):
    X, y, numbers = three_corpora()
    pipeline = make_adaptation_pipeline(CorpusScaler(), DJDAClassifier(**QUICK))
    fitted = pipeline.fit(X, y, sample_domain=numbers)
    save(fitted, tmp_path / "model")
    expected = fitted.predict_proba(X[numbers < 0])
    assert np.array_equal(load(tmp_path / "model").predict_proba(X[numbers < 0]), expected)
    grid = {"djdaclassifier__penalty_params": [{"balance": 0.0}, {"balance": 1.0}]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    search.fit(X, np.where(numbers < 0, "unlabelled", y), sample_domain=numbers)
    assert len(search.predict(X[numbers < 0])) == 30
    corpora = [
        {
            "name": name,
            "files": [f"{name}{i}" for i in range(of.sum())],
            "emotion": y[of].tolist(),
            "speaker": ["x"] * of.sum(),
        }
        for name, of in (("a", numbers == 4), ("b", numbers == 9), ("c", numbers < 0))
    ]
    rows = dict(zip([file for corpus in corpora for file in corpus["files"]], X, strict=True))
    seen = []
    tasks = list(leave_one_corpus_out(corpora, classes=sorted(set(y))))
    for task in tasks:
        task.X_src, task.X_tgt = (
            np.array([rows[file] for file in files]) for files in (task.X_src, task.X_tgt)
        )
    compare({"djda": make_adaptation_pipeline(CorpusScaler(), watch(seen))}, tasks, seeds=[0])
    assert sorted(seen) == [[0, 1], [0, 2], [1, 2]]


@pytest.mark.parametrize(
    "method", [MDSA(), make_adaptation_pipeline(CorpusScaler(), LogisticRegression())]
)
def test_a_search_over_several_sources_needs_a_criterion_of_the_target(method):
    X, y, numbers = three_corpora()
    order = np.random.default_rng(0).permutation(len(X))
    X, y, numbers = X[order], np.where(numbers < 0, "unlabelled", y)[order], numbers[order]

    def search(criterion):
        scorer = TargetScorer(criterion, X[numbers < 0])
        found = GridSearchCV(method, {}, cv=2, scoring=scorer, error_score="raise")
        return found.fit(X, y, sample_domain=numbers).best_score_

    assert np.isfinite(search("information"))
    with pytest.raises(ValueError, match=r"fit saw the corpora \[4, 9\]. Search by a criterion"):
        search("source")
