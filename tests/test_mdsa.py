"""Multi-source discriminative subspace alignment: closed forms, weights of sources, domains."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skdidan import MDSA, CorpusScaler, compare, leave_one_corpus_out, make_adaptation_pipeline

LABELS = np.array(["anger", "joy", "neutral"])


def corpora(n=45, seed=0):
    """Three corpora of blobs, the last one without labels."""
    rng = np.random.default_rng(seed)
    y = LABELS[np.arange(3 * n) % 3]
    centres = rng.normal(scale=3, size=(3, 6))[np.arange(3 * n) % 3]
    X = centres + rng.normal(size=(3 * n, 6))
    return X, y, np.repeat([3, 7, -1], n), rng


X, Y, DOMAIN, _ = corpora()


def scatter(rows, y):
    total = np.zeros((6, 6))
    for label in LABELS:
        part = rows[y == label]
        mean, shift = part.mean(axis=0), part.mean(axis=0) - rows.mean(axis=0)
        total += sum(np.outer(row - mean, row - mean) for row in part) / len(rows)
        total -= 1e-5 * len(part) / len(rows) * np.outer(shift, shift)
    return total


def reference(g, beta, gamma, n_iterations, k=4):
    """Follow the closed forms with whole codes; the weights come from a general solver."""
    rows = X - X.mean(axis=0)
    rows = rows / np.sqrt((rows**2).sum(axis=1).mean())
    axes = np.linalg.svd(rows)[2]
    axes *= np.sign(axes[np.arange(6), np.abs(axes).argmax(axis=1)])[:, np.newaxis]
    sources = [(rows @ axes.T)[DOMAIN == number] for number in (3, 7)]
    target, identity = (rows @ axes.T)[DOMAIN == -1], np.eye(6)
    scatters = [scatter(S, Y[DOMAIN == number]) for S, number in zip(sources, (3, 7), strict=True)]
    share, Pc = g / len(target), identity[:, :k]
    P, alpha = [Pc, Pc], np.array([0.5, 0.5])
    Z = [target @ Pc @ np.linalg.pinv(S @ Pc) for S in sources]

    def costs():
        errors = [np.sum((target @ Pc - Z[v] @ sources[v] @ P[v]) ** 2) for v in (0, 1)]
        return np.array([np.trace(P[v].T @ scatters[v] @ P[v]) + share * errors[v] for v in (0, 1)])

    for _ in range(n_iterations):
        unit = costs().mean()
        for v, S in enumerate(sources):
            M = Z[v] @ S
            left = alpha[v] * (scatters[v] + share * M.T @ M) + beta * identity
            P[v] = np.linalg.solve(left, alpha[v] * share * M.T @ target @ Pc + beta * Pc)
            Z[v] = target @ Pc @ np.linalg.pinv(S @ P[v])
        right = sum(alpha[v] * share * target.T @ Z[v] @ sources[v] @ P[v] for v in (0, 1))
        left = share * target.T @ target + 2 * beta * identity
        Pc = np.linalg.solve(left, right + beta * (P[0] + P[1]))
        c = costs()
        found = minimize(
            lambda a, c=c, unit=unit: a @ c + gamma * unit * a @ a,
            alpha, bounds=[(0, 1)] * 2, tol=1e-14,
            constraints={"type": "eq", "fun": lambda a: a.sum() - 1},
        )  # fmt: skip
        alpha = found.x
    mapped = [S @ P[v] for v, S in enumerate(sources)]
    spread = np.concatenate([*mapped, target @ Pc]).std(axis=0)
    return target @ Pc / spread, alpha


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (8.0, 0.1, 0.02)])
def test_the_iterations_follow_the_closed_forms(weights):
    names = "reconstruction", "coupling", "evenness"
    mdsa = MDSA(4, max_iter=3, **dict(zip(names, weights, strict=True)))
    mdsa.fit(X, Y, sample_domain=DOMAIN)
    target, alpha = reference(*weights, 3)
    np.testing.assert_allclose(mdsa.source_weights_, alpha, atol=1e-5)
    mapped = (X[DOMAIN < 0] - mdsa.mean_) @ mdsa.components_.T
    np.testing.assert_allclose(mapped, target, atol=1e-5)
    assert mdsa.sources_.tolist() == [3, 7]
    objectives = np.array(mdsa.objective_)
    assert (objectives[:, 1] <= objectives[:, 0] * (1 + 1e-12)).all()


@pytest.mark.parametrize("fault", ["labels", "noise"])
@pytest.mark.parametrize("worse", [3, 7])
def test_the_worse_source_weighs_less(worse, fault):
    """The authors' code has it the other way round."""
    rows, y, rng = X.copy(), Y.copy(), np.random.default_rng(1)
    bad = worse == DOMAIN
    if fault == "labels":
        y[bad] = rng.permutation(y[bad])
    else:
        rows[bad] += rng.normal(scale=6, size=(45, 6))
    for evenness in (1.0, 10.0):
        mdsa = MDSA(evenness=evenness).fit(rows, y, sample_domain=DOMAIN)
        weights = dict(zip(mdsa.sources_.tolist(), mdsa.source_weights_, strict=True))
        assert weights[worse] < 1 / 2 < weights[10 - worse]
    assert abs(weights[worse] - 1 / 2) < 0.05
    alone = MDSA(evenness=1e-3).fit(rows, y, sample_domain=DOMAIN)
    assert sorted(alone.source_weights_) == [0, 1]


def test_the_weights_reach_the_classifier():
    y = Y.copy()
    y[DOMAIN == 7] = np.random.default_rng(0).permutation(y[DOMAIN == 7])
    mdsa = MDSA().fit(X, y, sample_domain=DOMAIN)
    Z = np.concatenate([
        (X[number == DOMAIN] - mdsa.mean_) @ components.T
        for number, components in zip(mdsa.sources_, mdsa.source_components_, strict=True)
    ])  # fmt: skip
    plain = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    weights = np.repeat(2 * mdsa.source_weights_, 45)
    target = (X[DOMAIN < 0] - mdsa.mean_) @ mdsa.components_.T
    expected = plain.fit(Z, y[DOMAIN > 0], weights).predict_proba(target)
    np.testing.assert_allclose(mdsa.predict_proba(X[DOMAIN < 0]), expected, atol=1e-9)
    assert mdsa.score(X[DOMAIN < 0], Y[DOMAIN < 0]) > 0.95
    both = mdsa.predict_proba(X, sample_domain=DOMAIN)
    np.testing.assert_allclose(both[DOMAIN < 0], expected, atol=1e-9)
    np.testing.assert_allclose(both[DOMAIN > 0], plain.predict_proba(Z), atol=1e-9)


def test_a_single_source_has_the_weight_one_whatever_its_number():
    X_src, X_tgt = X[DOMAIN == 3], X[DOMAIN < 0]
    mdsa = MDSA().fit(X_src, Y[:45], X_tgt)
    assert mdsa.source_weights_.tolist() == [1] and mdsa.sources_.tolist() == [0]
    assert mdsa.score(X_tgt, Y[:45]) > 0.95
    as_source = mdsa.predict_proba(X_src, sample_domain=np.full(45, 8))
    np.testing.assert_array_equal(as_source, mdsa.predict_proba(X_src, sample_domain=[0] * 45))
    assert not np.array_equal(as_source, mdsa.predict_proba(X_src))


def test_in_pipelines_searches_and_comparisons_over_corpora():
    pipeline = make_adaptation_pipeline(CorpusScaler(), MDSA())
    pipeline.fit(X, Y, sample_domain=DOMAIN)
    assert pipeline[-1].sources_.tolist() == [3, 7]
    assert pipeline.score(X[DOMAIN < 0], Y[DOMAIN < 0]) > 0.9
    assert pipeline.predict(X, sample_domain=DOMAIN).shape == (135,)
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(pipeline, {"mdsa__coupling": [0.1, 1.0]}, cv=folds, error_score="raise")
    search.fit(X, Y, sample_domain=DOMAIN)
    assert search.best_estimator_[-1].sources_.tolist() == [3, 7]
    speakers, emotions = ["a"] * 45, Y[:45].tolist()
    bunches = [
        {"name": name, "files": list(rows), "emotion": emotions, "speaker": speakers}
        for name, rows in zip(["first", "second", "third"], np.split(X, 3), strict=True)
    ]
    tasks = leave_one_corpus_out(bunches)
    records = compare({"MDSA": make_adaptation_pipeline("passthrough", MDSA())}, tasks, seeds=[0])
    assert len(records) == 3 and not any(record["error"] for record in records)
    assert min(record["uar"] for record in records) > 0.9


def test_errors():
    mdsa = MDSA().fit(X, Y, sample_domain=DOMAIN)
    with pytest.raises(ValueError, match=r"sample_domain holds \[5\], but the sources .* \[3, 7\]"):
        mdsa.predict(X[:2], sample_domain=[5, 3])
    y = Y.copy()
    y[:45:3] = "fear"
    y[1:45] = np.random.default_rng(0).permutation(y[1:45])
    with pytest.raises(ValueError, match=r"All sources with \['fear'\] have weight 0: raise even"):
        MDSA(evenness=1e-3).fit(X, y, sample_domain=DOMAIN)
    with pytest.raises(TypeError, match="must take sample_weight; that of KNeighborsClassifier"):
        MDSA(estimator=KNeighborsClassifier()).fit(X, Y, sample_domain=DOMAIN)
    machine = MDSA(estimator=SVC(kernel="linear")).fit(X, Y, sample_domain=DOMAIN)
    assert hasattr(machine, "decision_function") and not hasattr(machine, "predict_proba")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 7}, "n_components must be below n_samples=135"),
        ({"reconstruction": -1}, "reconstruction must be"),
        ({"coupling": 0}, "coupling must be"),
        ({"evenness": 0}, "evenness must be"),
        ({"max_iter": 0}, "max_iter must be"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(ValueError, match=message):
        MDSA(**params).fit(X, Y, sample_domain=DOMAIN)


@pytest.mark.parametrize("sizes", [(30, 30), (1, 59), (3, 57)])
def test_many_iterations_end_although_the_maps_shrink(sizes):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 5)), np.arange(90) % 2
    numbers = np.repeat([0, 1, -1], [*sizes, 30])
    mdsa = MDSA(max_iter=300).fit(X, y, sample_domain=numbers)
    assert np.isfinite(mdsa.predict_proba(X[numbers < 0])).all()
