"""WindowedClassifier: which windows, with which labels, and the averages of their predictions."""

import pickle

import numpy as np
import pytest
import soundfile
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skdidan import (
    JDAR,
    AdaptationPipeline,
    AudioLoader,
    AudioWarning,
    CorpusScaler,
    DIDANClassifier,
    Functionals,
    LogMelSpectrogram,
    NoTargetWarning,
    Segment,
    SourceOnlyClassifier,
    Target,
    TargetScorer,
    WeightedClassifier,
    WindowedClassifier,
    make_adaptation_pipeline,
    read_audio,
)
from skdidan.selection.trials import Trial

RATE = 1000
LENGTHS = (3500, 800, 2000, 2001, 5000, 1200)
# The samples tell recording and position, below full scale.
X_SRC = [(np.arange(n) + 1) / 1e4 + number for number, n in enumerate(LENGTHS)]
Y_SRC = np.array(["anger", "fear", "anger", "fear", "anger", "fear"])
X_TGT = [0.1 + np.arange(n) / 1e4 for n in (2600, 900)]
SEEN = {}


class Recorder(ClassifierMixin, BaseEstimator):
    """Notes what it is fitted to, and answers by the first sample of a window."""

    def __init__(self, answers="predict_proba"):
        self.answers = answers

    def fit(self, X, y, X_tgt=None, *, groups=None):
        """Note."""
        SEEN.update(X=X, y=y, X_tgt=X_tgt, groups=groups)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """Say the second class of windows that begin in the second half of a recording."""
        return self.classes_[(self._starts(X) > 1.5).astype(int)]

    def __getattr__(self, name):
        if name == self.__dict__.get("answers") and name != "predict":
            return {"predict_proba": self._probabilities, "decision_function": self._starts}[name]
        raise AttributeError(name)

    def _probabilities(self, X):
        second = self._starts(X) / 10
        return np.stack([1 - second, second], axis=1)

    def _starts(self, X):
        return np.array([row[0] % 1 * 10 for row in X])


def windowed(answers="predict_proba", **params):
    params = {"window": 2.0, "hop": 1.0, "sample_rate": RATE} | params
    return WindowedClassifier(Recorder(answers), **params)


def windows_by_hand(recording, size, step):
    """Step on until a window reaches the end; that one ends there."""
    windows, start = [], 0
    while start + size < len(recording):
        windows.append(recording[start : start + size])
        start += step
    return [*windows, recording[-size:]]


@pytest.mark.parametrize(("window", "hop"), [(2.0, 1.0), (1.0, 1.0), (0.5, 0.3), (9.0, 0.001)])
def test_windows_are_those_cut_by_hand(window, hop):
    windowed(window=window, hop=hop).fit(X_SRC, Y_SRC, X_TGT, groups=list("aabbcc"))
    size, step = round(window * RATE), round(hop * RATE)
    expected = [windows_by_hand(recording, size, step) for recording in X_SRC]
    counts = [len(part) for part in expected]
    for row, other in zip(SEEN["X"], (w for part in expected for w in part), strict=True):
        np.testing.assert_array_equal(row, other)
    np.testing.assert_array_equal(SEEN["y"], np.repeat(Y_SRC, counts))
    np.testing.assert_array_equal(SEEN["groups"], np.repeat(list("aabbcc"), counts))
    of_target = [w for recording in X_TGT for w in windows_by_hand(recording, size, step)]
    for row, other in zip(SEEN["X_tgt"], of_target, strict=True):
        np.testing.assert_array_equal(row, other)


def test_windows_of_two_seconds_in_steps_of_one():
    windowed().fit(X_SRC, Y_SRC, X_TGT)
    assert [len(row) for row in SEEN["X"]] == (
        [2000, 2000, 2000, 800, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 1200]
    )
    assert SEEN["groups"].tolist() == [0, 0, 0, 1, 2, 3, 3, 4, 4, 4, 4, 5]


def test_probabilities_are_averaged():
    classifier = windowed().fit(X_SRC, Y_SRC, X_TGT)
    probabilities = classifier.predict_proba(X_SRC)
    for recording, given in zip(X_SRC, probabilities, strict=True):
        starts = [row[0] % 1 for row in windows_by_hand(recording, 2000, 1000)]
        np.testing.assert_allclose(given, [1 - np.mean(starts), np.mean(starts)])
    expected = classifier.classes_[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(classifier.predict(Target(X_SRC)), expected)


def test_scores_of_two_classes_are_averaged():
    classifier = windowed("decision_function").fit(X_SRC, Y_SRC, X_TGT)
    assert not hasattr(classifier, "predict_proba")
    scores = classifier.decision_function(X_SRC)
    expected = [
        np.mean([row[0] % 1 * 10 for row in windows_by_hand(recording, 2000, 1000)])
        for recording in X_SRC
    ]
    np.testing.assert_allclose(scores, expected)
    assert classifier.predict(X_SRC).tolist() == ["fear"] * 6


def test_without_scores_the_windows_vote():
    classifier = windowed("predict", hop=0.5).fit(X_SRC, Y_SRC, X_TGT)
    # Windows of the last but one begin at 0, 0.5, ..., 3 s, four of seven of them beyond 1.5 s.
    assert classifier.predict(X_SRC[4:5] + X_SRC[:1]).tolist() == ["fear", "anger"]
    assert not hasattr(classifier, "decision_function")
    with pytest.raises(TypeError, match="the inputs of Recorder are recordings"):
        classifier.embed(X_SRC)


def tones(n_classes, n_each=2, seed=0):
    """Make recordings of a tone for each class, all of them of more than one window."""
    rng = np.random.default_rng(seed)
    y = np.repeat(list("abcd")[:n_classes], n_each)
    pitches = dict(zip("abcd", (200, 500, 1000, 2500), strict=True))
    X = [
        0.2 * np.sin(2 * np.pi * pitches[label] * np.arange(n) / 16_000)
        + rng.normal(scale=0.01, size=n)
        for label, n in zip(y, rng.integers(9000, 16_000, size=len(y)), strict=True)
    ]
    return X, y


@pytest.mark.parametrize("n_classes", [3, 4])  # with three there are as many pairs
def test_scores_of_pairs_of_classes_do_not_decide(n_classes):
    X, y = tones(n_classes)
    svc = SVC(decision_function_shape="ovo")
    pipeline = make_adaptation_pipeline(Functionals(), StandardScaler(), svc)
    classifier = WindowedClassifier(pipeline, window=0.5, hop=0.25).fit(X, y)
    assert classifier.decision_function(X).shape == (len(X), n_classes * (n_classes - 1) // 2)
    assert classifier.score(X, y) == 1
    inside = GridSearchCV(pipeline, {"svc__C": [1.0]}, cv=2)
    weighted = make_adaptation_pipeline(Functionals(), StandardScaler(), WeightedClassifier(svc))
    for estimator in (inside, weighted):
        classifier = WindowedClassifier(estimator, window=0.5, hop=0.25).fit(X, y, X)
        assert classifier.score(X, y) == 1


# Files


@pytest.fixture
def audio(tmp_path):
    """Noise of several lengths as waveforms and as files of their rate."""
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(scale=0.05, size=n).astype("f") for n in (20_000, 7000, 12_345, 9000)]
    paths = [tmp_path / f"{number}.wav" for number in range(4)]
    for path, waveform in zip(paths, waveforms, strict=True):
        soundfile.write(path, waveform, 16_000, subtype="FLOAT")
    return waveforms, paths


def test_files_are_cut_as_their_waveforms(audio):
    waveforms, paths = audio
    answers = []
    for X in (waveforms, paths, [str(path) for path in paths], np.array(list(map(str, paths)))):
        pipeline = make_adaptation_pipeline(
            LogMelSpectrogram(duration=0.5), CorpusScaler(), DIDANClassifier(**QUICK)
        )
        classifier = WindowedClassifier(pipeline, window=0.5, hop=0.2)
        answers.append(classifier.fit(X, LABELS, X).decision_function(X))
    for other in answers[1:]:
        np.testing.assert_array_equal(other, answers[0])


QUICK = {"n_networks": 1, "max_epochs": 2, "batch_size": 4, "random_state": 0}
LABELS = ["anger", "fear", "anger", "fear"]


def test_windows_of_files_are_segments_that_hold_their_samples(audio):
    waveforms, paths = audio
    windowed(window=0.5, hop=0.2).fit(paths, LABELS, [Segment(paths[0], 0.1, 0.95)])
    expected = [w for waveform in waveforms for w in windows_by_hand(waveform, 8000, 3200)]
    assert SEEN["X"][5] == str(paths[1])  # short enough as it is
    for row, other in zip(SEEN["X"], expected, strict=True):
        np.testing.assert_array_equal(read_audio(row), other)
    expected = windows_by_hand(waveforms[0][1600:15_200], 8000, 3200)
    for row, other in zip(SEEN["X_tgt"], expected, strict=True):
        assert isinstance(row, Segment)
        np.testing.assert_array_equal(read_audio(row), other)


def test_files_are_cut_at_their_own_rate(tmp_path, audio):
    soundfile.write(tmp_path / "high.wav", np.full(44_100, 0.1), 44_100)
    windowed(window=0.4, hop=0.3).fit([tmp_path / "high.wav"] * 2, ["anger", "fear"])
    ends = [(row.start, row.end) for row in SEEN["X"][:3]]
    np.testing.assert_allclose(ends, [(0, 0.4), (0.3, 0.7), (0.6, 1)], atol=1 / 44_100)


@pytest.mark.parametrize("row", ["nowhere.wav", "text.wav", "a segment beyond the end"])
def test_files_that_cannot_be_cut_are_named_by_the_transformer(tmp_path, audio, row):
    (tmp_path / "text.wav").write_text("no audio")
    bad = Segment(audio[1][0], 5.0) if "segment" in row else tmp_path / row
    message = {"nowhere.wav": "does not exist", "text.wav": "cannot be decoded"}.get(row, "beyond")
    classifier = WindowedClassifier(
        make_adaptation_pipeline(LogMelSpectrogram(), DIDANClassifier(**QUICK)), hop=0.5
    )
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        classifier.fit([*audio[1], bad], [*LABELS, "fear"], audio[1])


# In its places


@pytest.fixture
def task():
    """Two emotions as low and high tones, in recordings of different lengths by four speakers."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3000, 12_000, size=24)
    y = np.array(["anger", "sadness"])[np.arange(24) % 2]
    tones = [
        np.sin(2 * np.pi * (900 if label == "anger" else 200) * np.arange(n) / 8000)
        for n, label in zip(lengths, y, strict=True)
    ]
    X = [(0.2 * tone + rng.normal(scale=0.02, size=len(tone))) for tone in tones]
    return X[:16], y[:16], [0.5 * row for row in X[16:]], y[16:], np.arange(16) // 4


def tone_classifier(**params):
    mel = LogMelSpectrogram(sample_rate=8000, n_mels=16, hop_length=400, duration=0.4)
    network = DIDANClassifier(
        **QUICK | {"network": "mlp", "max_epochs": 15, "batch_size": 32} | params
    )
    pipeline = make_adaptation_pipeline(mel, CorpusScaler(), network)
    return WindowedClassifier(pipeline, window=0.4, hop=0.2, sample_rate=8000)


def test_around_a_pipeline(task):
    X_src, y_src, X_tgt, y_tgt, _ = task
    classifier = tone_classifier()
    assert is_classifier(classifier)
    with pytest.raises(NotFittedError, match="WindowedClassifier instance is not fitted"):
        classifier.predict(X_tgt)
    assert classifier.fit(X_src, y_src, X_tgt) is classifier
    assert isinstance(classifier.estimator_, AdaptationPipeline)
    assert not hasattr(classifier.estimator, "steps_")
    assert classifier.score(X_tgt, y_tgt) > 0.8
    assert classifier.classes_.tolist() == ["anger", "sadness"]
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copy.predict_proba(X_tgt), classifier.predict_proba(X_tgt))
    again = clone(classifier).fit(X_src, y_src, Target(X_tgt))
    np.testing.assert_array_equal(again.predict_proba(X_tgt), classifier.predict_proba(X_tgt))


def test_each_window_has_the_weight_of_its_recording(task):
    X_src, y_src, X_tgt, _, _ = task
    classifier = tone_classifier(max_epochs=2)
    is_used = np.arange(16) < 12
    classifier.fit(X_src, y_src, X_tgt, sample_weight=is_used * 2.0)
    windows, rows = classifier._cut(X_src, str, judged=False)
    expected = classifier.estimator.fit(
        windows, y_src[rows], classifier._cut(X_tgt, str, judged=False)[0],
        groups=rows, didanclassifier__sample_weight=2.0 * (rows < 12),
    )  # fmt: skip
    found = classifier.estimator_.predict_proba(windows)
    np.testing.assert_array_equal(found, expected.predict_proba(windows))
    voters = WindowedClassifier(make_adaptation_pipeline(Functionals(), JDAR()))
    with pytest.raises(TypeError, match="sample_weight goes to fit of JDAR, which takes none"):
        voters.fit(X_src, y_src, X_tgt, sample_weight=is_used)


def test_rows_of_the_source_take_its_path(task):
    X_src, y_src, X_tgt, _, _ = task
    classifier = tone_classifier(max_epochs=2).fit(X_src, y_src, X_tgt)
    windows = [windows_by_hand(row, 3200, 1600) for row in X_src]
    flat = [window for part in windows for window in part]
    ends = np.cumsum([len(part) for part in windows])[:-1]
    inner, numbers = classifier.estimator_, np.zeros(len(X_src), dtype=int)
    Z = inner[:-1].transform(flat, sample_domain=np.zeros(len(flat)))
    for method in ("predict_proba", "decision_function", "embed"):
        answers = getattr(inner[-1], method)(Z)
        expected = [part.mean(axis=0) for part in np.split(answers, ends)]
        given = getattr(classifier, method)(X_src, sample_domain=numbers)
        np.testing.assert_allclose(given, expected, atol=1e-6)
        assert not np.allclose(given, getattr(classifier, method)(X_src), atol=1e-3)
    scores = classifier.decision_function(X_src, sample_domain=numbers)
    expected = classifier.classes_[(scores > 0).astype(int)]
    np.testing.assert_array_equal(classifier.predict(X_src, sample_domain=numbers), expected)
    accuracy = np.mean(expected == y_src)
    assert classifier.score(X_src, y_src, sample_domain=numbers) == accuracy
    log_probabilities = classifier.predict_log_proba(X_src, sample_domain=numbers)
    probabilities = classifier.predict_proba(X_src, sample_domain=numbers)
    np.testing.assert_allclose(np.exp(log_probabilities), probabilities)
    with pytest.raises(ValueError, match="sample_domain and X differ in length: 2 != 16"):
        classifier.predict(X_src, sample_domain=[0, 0])


def test_embeddings_are_averaged(task):
    X_src, y_src, X_tgt, _, _ = task
    classifier = tone_classifier(max_epochs=2).fit(X_src, y_src, X_tgt)
    windows = windows_by_hand(X_tgt[0], 3200, 1600)
    inner = classifier.estimator_
    expected = inner[-1].embed(inner[:-1].transform(windows)).mean(axis=0)
    np.testing.assert_allclose(classifier.embed(X_tgt)[0], expected, atol=1e-6)


def test_embeddings_without_a_network_are_what_the_classifier_is_given(task):
    X_src, y_src, X_tgt, _, _ = task
    front = Functionals(sample_rate=8000), CorpusScaler()
    settings = {"window": 0.4, "hop": 0.2, "sample_rate": 8000}
    pipeline = make_adaptation_pipeline(*front, SVC())
    windows = [windows_by_hand(row, 3200, 1600) for row in X_tgt]
    for estimator in (pipeline, GridSearchCV(pipeline, {"svc__C": [1.0]}, cv=2)):
        classifier = WindowedClassifier(estimator, **settings).fit(X_src, y_src, X_tgt)
        inner = getattr(classifier.estimator_, "best_estimator_", classifier.estimator_)
        expected = [inner[:-1].transform(part).mean(axis=0) for part in windows]
        np.testing.assert_allclose(classifier.embed(X_tgt), expected, atol=1e-6)
        trial = Trial(classifier, X_src, y_src, X_tgt)
        np.testing.assert_allclose(trial.target.embeddings, expected, atol=1e-6)
        assert trial.source.embeddings.shape == (16, inner[-1].n_features_in_)


def test_mixed_rows_cannot_be_made_of_recordings(task):
    X_src, y_src, X_tgt, _, _ = task
    classifier = tone_classifier(max_epochs=2).fit(X_src, y_src, X_tgt)
    message = "'mixval' mixes numeric rows .* WindowedClassifier are not"
    with pytest.raises(TypeError, match=message):
        TargetScorer("mixval", X_tgt)(classifier, X_src, y_src)


def test_in_a_pipeline_of_scikit_learn_no_groups_are_made_up(task):
    X_src, y_src, _, _, _ = task
    pipeline = make_pipeline(Functionals(sample_rate=8000), SourceOnlyClassifier(max_epochs=1))
    WindowedClassifier(pipeline, window=0.4, hop=0.2, sample_rate=8000).fit(X_src, y_src)


def test_several_sources_are_scaled_each_by_itself(task):
    X_src, y_src, X_tgt, _, _ = task
    front = Functionals(sample_rate=8000), CorpusScaler()
    pipeline = make_adaptation_pipeline(*front, SVC())
    domain = np.array([0] * 8 + [1] * 8 + [-1] * len(X_tgt))
    X = [*X_src[:8], *(0.1 * row for row in X_src[8:]), *X_tgt]
    classifier = WindowedClassifier(pipeline, window=0.4, hop=0.2, sample_rate=8000)
    classifier.fit(X, [*y_src, *["?"] * len(X_tgt)], sample_domain=domain)
    windows = [windows_by_hand(row, 3200, 1600) for row in X]
    numbers = np.repeat(domain, [len(part) for part in windows])
    flat = [window for part in windows for window in part]
    F = front[0].fit_transform(flat)
    Z = classifier.estimator_[:-1].transform(flat, sample_domain=numbers)
    for number in (0, 1, -1):
        rows = numbers == number
        expected = StandardScaler().fit_transform(F[rows].astype(np.float64))
        np.testing.assert_allclose(Z[rows], expected, atol=1e-5)


def with_pause(row, start=3200, length=6400):
    """Mute a part of a waveform, which then is of two windows and more."""
    return np.concatenate([row[:start], np.zeros(length), row[start:]])


@pytest.mark.parametrize("kind", ["waveforms", "files"])
def test_windows_of_digital_silence_are_left_out(task, tmp_path, kind):
    X_src, y_src, X_tgt, _, _ = task
    muted, muted_tgt = [with_pause(row) for row in X_src], [with_pause(row) for row in X_tgt]
    windows = [
        [window for window in windows_by_hand(row, 3200, 1600) if window.any()]
        for row in (*muted, *muted_tgt)
    ]
    if kind == "files":
        for n, row in enumerate((*muted, *muted_tgt)):
            soundfile.write(tmp_path / f"{n:02}.wav", row, 8000, subtype="DOUBLE")
        files = sorted(tmp_path.iterdir())
        muted, muted_tgt = files[:16], files[16:]
    pipeline = make_adaptation_pipeline(Functionals(sample_rate=8000), CorpusScaler(), SVC())
    settings = {"window": 0.4, "hop": 0.2, "sample_rate": 8000}
    classifier = WindowedClassifier(pipeline, **settings).fit(muted, y_src, muted_tgt)
    flat = [window for part in windows for window in part]
    n_src = sum(len(part) for part in windows[:16])
    labels = np.repeat(y_src, [len(part) for part in windows[:16]])
    inner = clone(pipeline).fit(flat[:n_src], labels, flat[n_src:])
    expected = [inner.decision_function(part).mean() for part in windows[16:]]
    given = classifier.decision_function(muted_tgt)
    np.testing.assert_allclose(given, expected, atol=1e-4)


def test_a_search_inside_leaves_silence_out_as_well(task):
    X_src, y_src, X_tgt, _, _ = task
    pipeline = make_adaptation_pipeline(Functionals(sample_rate=8000), CorpusScaler(), SVC())
    settings = {"window": 0.4, "hop": 0.4, "sample_rate": 8000}
    search = GridSearchCV(pipeline, {"svc__C": [1.0]}, cv=2)
    muted = [with_pause(X_tgt[0]), *X_tgt[1:]]
    searched = WindowedClassifier(search, **settings).fit(X_src, y_src, muted)
    plain = WindowedClassifier(pipeline, **settings).fit(X_src, y_src, muted)
    np.testing.assert_array_equal(searched.predict(muted), plain.predict(muted))


def test_where_silence_is_replaced_all_windows_count(task):
    X_src, y_src, X_tgt, _, _ = task
    lenient = Functionals(sample_rate=8000, on_error="warn")
    classifier = WindowedClassifier(
        make_adaptation_pipeline(lenient, SVC()), window=0.4, hop=0.4, sample_rate=8000
    ).fit(X_src, y_src)
    muted = np.concatenate([X_tgt[0][:3200], np.zeros(6400), X_tgt[0][:3200]])
    with pytest.warns(AudioWarning, match="2 of [0-9]+ windows cannot be used") as caught:
        classifier.predict([X_tgt[0], muted])
    assert caught[0].message.reasons.keys() == {1}
    assert caught[0].message.reasons[1].startswith("The waveform in row 1 is silent")
    strict = Functionals(sample_rate=8000)
    mixed = make_adaptation_pipeline(FeatureUnion([("a", strict), ("b", lenient)]), SVC())
    classifier.set_params(estimator=mixed).fit(X_src, y_src)
    with pytest.raises(ValueError, match="waveform in row 1 is silent"):  # the number of a window
        classifier.predict([muted])


def test_a_muted_pause_is_read_once(task, tmp_path, monkeypatch):
    """Once for all its windows, by a pass over the recording; the others are read once more."""
    X_src, y_src, _, _, _ = task
    row = with_pause(X_src[0][:6400], start=3200, length=8000)  # windows of sound, pause, sound
    path = tmp_path / "muted.wav"
    soundfile.write(path, row, 8000, subtype="FLOAT")
    pipeline = make_adaptation_pipeline(Functionals(sample_rate=8000), SVC())
    classifier = WindowedClassifier(pipeline, window=0.4, hop=0.4, sample_rate=8000)
    classifier.fit(X_src, y_src)
    read, n_read = soundfile.SoundFile.read, np.zeros(len(row), dtype=int)

    def count(file, frames=-1, **options):
        start = file.tell()
        block = read(file, frames, **options)
        n_read[start : start + len(block)] += 1
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", count)
    classifier.predict([path])
    # Windows begin at 0, 3200, 6400, 9600 and 11,200; the second and third are silent.
    np.testing.assert_array_equal(n_read[3200:9600], 1)
    np.testing.assert_array_equal(n_read[:3200], 2)
    np.testing.assert_array_equal(n_read[11_200:12_800], 3)  # the last two windows overlap


def test_a_recording_of_silence_alone_is_named(task, tmp_path):
    X_src, y_src, X_tgt, _, _ = task
    classifier = tone_classifier(max_epochs=1).fit(X_src, y_src, X_tgt)
    with pytest.raises(ValueError, match="waveform in row 1 of X is silent: all of its 9000 samp"):
        classifier.predict([X_src[0], np.zeros(9000)])
    steps = np.repeat([0.0, 0.25, 0.0], 3200)  # constant in each window
    steady = WindowedClassifier(classifier.estimator, window=0.4, hop=0.4, sample_rate=8000)
    with pytest.raises(ValueError, match="waveform in row 0 of X_tgt is silent in each of its win"):
        steady.fit(X_src, y_src, [steps])
    for name, row in (("silent", np.zeros(9000)), ("steps", steps)):
        soundfile.write(tmp_path / f"{name}.wav", row, 8000)
        with pytest.raises(ValueError, match=rf"{name}\.wav'.* is silent"):
            steady.fit([tmp_path / f"{name}.wav"] * len(y_src), y_src, X_tgt)


def test_at_the_end_of_a_pipeline(task, tmp_path):
    X_src, y_src, X_tgt, _, speakers = task
    paths = [[tmp_path / f"{domain}{n}.wav" for n in range(16)] for domain in "st"]
    paths[1] = paths[1][: len(X_tgt)]
    for files, X in zip(paths, (X_src, X_tgt), strict=True):
        for path, row in zip(files, X, strict=True):
            soundfile.write(path, row, 8000, subtype="FLOAT")
    inner = tone_classifier(max_epochs=2)
    pipeline = make_adaptation_pipeline(AudioLoader(sample_rate=8000), clone(inner))
    pipeline.fit(paths[0], y_src, paths[1], groups=speakers)
    X_src, X_tgt = ([row.astype(np.float32) for row in X] for X in (X_src, X_tgt))
    expected = inner.fit(X_src, y_src, X_tgt, groups=speakers).decision_function(X_tgt)
    np.testing.assert_array_equal(pipeline.decision_function(paths[1]), expected)


def test_both_call_shapes_agree(task):
    X_src, y_src, X_tgt, _, speakers = task
    order = np.random.default_rng(0).permutation(24)
    X = [[*X_src, *X_tgt][n] for n in order]
    y = np.concatenate([y_src, np.repeat("?", 8)])[order]
    domain = np.repeat([1, -1], [16, 8])[order]
    groups = np.concatenate([speakers, np.repeat(-1, 8)])[order]
    params = {"sample_domain": domain, "groups": groups}
    source = order[order < 16]
    other = [X_src[n] for n in source], y_src[source], [X_tgt[n - 16] for n in order if n >= 16]
    np.testing.assert_array_equal(
        tone_classifier(max_epochs=2).fit(X, y, **params).decision_function(X_tgt),
        tone_classifier(max_epochs=2).fit(*other, groups=speakers[source]).decision_function(X_tgt),
    )


def test_in_a_search_over_folds_of_speakers(task):
    X_src, y_src, X_tgt, y_tgt, speakers = task
    grid = {"hop": [0.2, 0.4], "estimator__didanclassifier__max_epochs": [2, 15]}
    scoring = TargetScorer("source", X_tgt)
    classifier = tone_classifier(network="cnn")
    search = GridSearchCV(classifier, grid, cv=GroupKFold(2), scoring=scoring)
    search.fit(X_src, y_src, groups=speakers, X_tgt=Target(X_tgt))
    # Rows of the source are held out on the source's path: scaled as the target they are all alike.
    assert search.best_score_ > 0.9
    assert search.best_params_["estimator__didanclassifier__max_epochs"] == 15
    assert search.best_estimator_.score(X_tgt, y_tgt) > 0.8
    scorer = TargetScorer("adaptation", X_tgt)
    scores = cross_val_score(
        tone_classifier(), X_src, y_src, groups=speakers, cv=GroupKFold(2), scoring=scorer,
        params={"X_tgt": Target(X_tgt)},
    )  # fmt: skip
    assert np.isfinite(scores).all()


def test_no_recording_stands_on_both_sides_of_a_fold(task):
    X_src, y_src, X_tgt, _, speakers = task
    seen = []

    class Noting(Recorder):
        def fit(self, X, y, X_tgt=None, *, groups=None):
            """Note whose windows these are."""
            seen.append({id(row.base) for row in X})
            return super().fit(X, y)

        def predict_proba(self, X):
            """Compare."""
            self.strangers = {id(row.base) for row in X}
            assert not self.strangers & seen[-1]
            return self._probabilities(X)

    classifier = WindowedClassifier(Noting(), window=0.2, hop=0.1, sample_rate=8000)
    search = GridSearchCV(classifier, {}, cv=GroupKFold(4), refit=False, error_score="raise")
    search.fit(X_src, y_src, groups=speakers, X_tgt=Target(X_tgt))
    assert [len(bases) for bases in seen] == [12] * 4


def test_around_a_search(task):
    X_src, y_src, X_tgt, y_tgt, speakers = task
    inner = tone_classifier().estimator
    search = GridSearchCV(inner, {"didanclassifier__max_epochs": [15]}, cv=GroupKFold(2))
    classifier = WindowedClassifier(search, window=0.4, hop=0.2, sample_rate=8000)
    classifier.fit(X_src, y_src, X_tgt, groups=speakers)
    assert classifier.score(X_tgt, y_tgt) > 0.8


def test_whole_recordings_are_held_out_for_the_best_epoch(task):
    X_src, y_src, X_tgt, _, _ = task
    network = {"monitor": "source", "validation_fraction": 0.25, "max_epochs": 2}
    classifier = tone_classifier(**network).fit(X_src, y_src, X_tgt)
    grouped = tone_classifier(**network).fit(X_src, y_src, X_tgt, groups=np.arange(16))
    assert (
        classifier.estimator_[-1].history_[0]["monitor"]
        == (grouped.estimator_[-1].history_[0]["monitor"])
    )
    np.testing.assert_array_equal(
        classifier.decision_function(X_tgt), grouped.decision_function(X_tgt)
    )


def test_windows_of_different_lengths(task):
    X_src, y_src, X_tgt, y_tgt, _ = task
    classifier = tone_classifier(network="cnn")
    classifier.set_params(estimator__logmelspectrogram__duration=None)
    assert classifier.fit(X_src, y_src, X_tgt).score(X_tgt, y_tgt) > 0.8


def test_without_a_target(task):
    X_src, y_src, _, _, _ = task
    with pytest.warns(NoTargetWarning, match="fitted without a target"):
        tone_classifier(max_epochs=1).fit(X_src, y_src)


# Errors


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"window": 0}, "window must be a finite number above 0; got 0"),
        ({"hop": -1.0}, r"hop must be a finite number above 0; got -1\.0"),
        ({"sample_rate": 2, "hop": 0.1}, r"one sample; got hop=0\.1 s and sample_rate=2 Hz"),
        ({"hop": 2.5}, r"hop must not exceed window, .* got 2\.5 > 2\.0 s"),
        ({"sample_rate": 0.5}, r"sample_rate must be a whole number of at least 1; got 0\.5"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(ValueError, match=message):
        windowed(**params).fit(X_SRC, Y_SRC, X_TGT)


def test_rows_must_be_recordings():
    with pytest.raises(TypeError, match="X must be an array of paths, shape"):
        windowed().fit(np.zeros((6, 3, 4)), Y_SRC)
    with pytest.raises(ValueError, match="y and X differ in length: 6 != 5"):
        windowed().fit(X_SRC[1:], Y_SRC)
    with pytest.raises(ValueError, match="groups must have one entry per row: 2 != 6"):
        windowed().fit(X_SRC, Y_SRC, groups=[1, 2])


def test_a_target_that_would_be_lost_is_noticed(task):
    X_src, y_src, X_tgt, _, _ = task
    pipeline = make_pipeline(Functionals(sample_rate=8000), DIDANClassifier(**QUICK))
    with pytest.raises(TypeError, match="does not hand the target on"):
        WindowedClassifier(pipeline, sample_rate=8000).fit(X_src, y_src, X_tgt)


def test_spectrograms_shorter_than_a_window_would_lose_a_part_of_it():
    pipeline = make_adaptation_pipeline(LogMelSpectrogram(duration=1.5), CorpusScaler(), SVC())
    message = r"window must not .* got window=2\.0 and logmelspectrogram__duration=1\.5 s"
    with pytest.raises(ValueError, match=message):
        WindowedClassifier(pipeline).fit(X_SRC, Y_SRC, X_TGT)


def test_waveforms_must_be_of_the_rate_of_the_transformer(audio):
    waveforms, paths = audio
    pipeline = make_adaptation_pipeline(Functionals(sample_rate=8000), SVC())
    classifier = WindowedClassifier(pipeline, window=0.5, hop=0.2)
    message = "sample_rate must equal .* got sample_rate=16000 and functionals__sample_rate=8000"
    with pytest.raises(ValueError, match=message):
        classifier.fit(waveforms, LABELS)
    classifier.fit(paths, LABELS)  # files know their own


@pytest.mark.parametrize("estimator", [CorpusScaler(), make_adaptation_pipeline(Functionals())])
def test_estimator_must_be_a_classifier(estimator):
    with pytest.raises(TypeError, match="estimator must be a classifier, or a pipeline or search"):
        WindowedClassifier(estimator).fit(X_SRC, Y_SRC, X_TGT)


def test_errors_name_recordings_and_not_windows(task):
    X_src, y_src, X_tgt, _, _ = task
    classifier = tone_classifier(max_epochs=1)
    bad = [row.copy() for row in X_src]
    bad[3][-10:] = np.nan
    message = "The waveform in row {} of {} holds NaN or infinite samples: 10 of"
    with pytest.raises(ValueError, match=message.format(3, "X")):
        classifier.fit(bad, y_src, X_tgt[:1])
    with pytest.raises(ValueError, match=message.format(3, "X_tgt")):
        classifier.fit(X_src, y_src, bad)
    order = np.random.default_rng(0).permutation(24)  # of stacked domains
    stacked, domain = [[*bad, *X_tgt][n] for n in order], np.where(order < 16, 0, -1)
    y = [y_src[n] if n < 16 else "?" for n in order]
    with pytest.raises(ValueError, match=message.format(order.tolist().index(3), "X")):
        classifier.fit(stacked, y, sample_domain=domain)
    classifier.fit(X_src, y_src, X_tgt)
    with pytest.raises(ValueError, match=message.format(3, "X")):
        classifier.predict(bad)


def test_a_missing_label_is_told_by_its_recording():
    with pytest.raises(ValueError, match=r"y of the source holds 1 missing label.*row 4"):
        windowed().fit(X_SRC, [*Y_SRC[:4], float("nan"), "fear"], X_TGT)


def test_parameters_of_the_classifier_set_after_the_fit_hold(task):
    X_src, y_src, X_tgt, *_ = task
    classifier = tone_classifier().fit(X_src, y_src, X_tgt)
    name, _ = classifier.estimator.steps[0]
    silent = [np.zeros(4000), X_tgt[0]]
    with pytest.raises(ValueError, match="is silent"):
        classifier.predict(silent)
    classifier.set_params(**{f"estimator__{name}__on_error": "warn"})
    with pytest.warns(AudioWarning, match="are replaced by silence"):
        assert classifier.predict(silent).shape == (2,)


def test_parameters_set_after_the_fit_are_checked_and_hold():
    classifier = windowed().fit(X_SRC, Y_SRC, X_TGT)
    wide = classifier.set_params(window=5.0, hop=5.0).predict_proba(X_SRC)
    np.testing.assert_allclose(wide[:, 1], [row[0] % 1 for row in X_SRC])
    with pytest.raises(ValueError, match="window must be a finite number above 0"):
        classifier.set_params(window=-1).predict(X_SRC)
