"""Recordings that cannot be used get no emotion; short and faint ones are reported."""

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from sklearn.utils import Bunch

from skdidan import (
    AudioLoader,
    AudioWarning,
    CorpusScaler,
    DoubtfulAudioWarning,
    Functionals,
    WindowedClassifier,
    compare,
    make_adaptation_pipeline,
    make_speech_corpora,
    uar,
)


@pytest.fixture(scope="module")
def corpora():
    return make_speech_corpora(12, 10, emotions=("anger", "sadness"), duration=1.0, random_state=0)


@pytest.fixture
def files(corpora, tmp_path):
    """Write the target, with a silent file and one that is no audio among its files."""
    paths = [tmp_path / f"{n}.wav" for n in range(len(corpora.X_tgt))]
    for path, waveform in zip(paths, corpora.X_tgt, strict=True):
        soundfile.write(path, waveform, corpora.sample_rate)
    soundfile.write(paths[2], np.zeros(16_000), 16_000)
    paths[5].write_text("no audio")
    return paths


def fitted(corpora, last=None, y=None):
    last = LogisticRegression() if last is None else last
    pipeline = make_adaptation_pipeline(Functionals(), CorpusScaler(), last)
    return pipeline.fit(corpora.X_src, corpora.y_src if y is None else y, corpora.X_tgt)


def lenient(pipeline):
    return pipeline.set_params(functionals__on_error="warn")


def test_unusable_recordings_get_no_emotion(corpora, files):
    pipeline = fitted(corpora)
    with pytest.raises(ValueError, match=r"2\.wav' is silent"):
        pipeline.predict(files)
    lenient(pipeline)
    with pytest.warns(AudioWarning) as caught:
        labels = pipeline.predict(files)
    with pytest.warns(AudioWarning):
        probabilities = pipeline.predict_proba(files)
    assert caught[0].message.rows == list(caught[0].message.reasons) == [2, 5]
    assert "2.wav' is silent" in caught[0].message.reasons[2]
    assert "5.wav' cannot be decoded" in caught[0].message.reasons[5]
    assert [n for n, label in enumerate(labels) if label is None] == [2, 5]
    assert np.flatnonzero(np.isnan(probabilities).any(axis=1)).tolist() == [2, 5]
    assert np.isnan(probabilities[[2, 5]]).all()
    sound = [n for n in range(len(files)) if n not in (2, 5)]
    readable = [files[n] for n in sound]
    assert labels[sound].tolist() == pipeline.predict(readable).tolist()
    alone = pipeline.predict_proba(readable)
    np.testing.assert_allclose(probabilities[sound], alone, rtol=1e-6)


@pytest.mark.parametrize(
    ("classes", "missing"), [((0, 1), None), ((0.0, 1.0), np.nan), (("a", "b"), None)]
)
def test_the_missing_label_fits_the_classes(corpora, files, classes, missing):
    y = np.array(classes)[(corpora.y_src == "anger").astype(int)]
    pipeline = lenient(fitted(corpora, SVC(), y))
    with pytest.warns(AudioWarning):
        labels = pipeline.predict(files)
    assert labels.dtype.kind == ("f" if missing is not None else "O")
    assert labels[2] is None if missing is None else np.isnan(labels[2])
    assert set(np.delete(labels, [2, 5]).tolist()) <= set(classes)
    with pytest.warns(AudioWarning):
        assert np.isnan(pipeline.decision_function(files)[[2, 5]]).all()


def test_a_score_leaves_them_out(corpora, files):
    pipeline = lenient(fitted(corpora))
    weight = np.arange(1.0, len(files) + 1)
    with pytest.warns(AudioWarning):
        score = pipeline.score(files, corpora.y_tgt, weight)
    sound = np.setdiff1d(np.arange(len(files)), [2, 5])
    readable = [files[n] for n in sound]
    assert score == pipeline.score(readable, corpora.y_tgt[sound], weight[sound])
    with (
        pytest.raises(ValueError, match="no recording that can be used"),
        pytest.warns(AudioWarning),
    ):
        pipeline.score([files[2]], corpora.y_tgt[[2]])


def test_the_innermost_pipeline_marks_them(corpora, files):
    inner = make_adaptation_pipeline(Functionals(), CorpusScaler(), LogisticRegression())
    pipeline = make_adaptation_pipeline("passthrough", inner)
    pipeline.fit(corpora.X_src, corpora.y_src, corpora.X_tgt)
    pipeline.set_params(adaptationpipeline__functionals__on_error="warn")
    with pytest.warns(AudioWarning):
        assert [label is None for label in pipeline.predict(files)].count(True) == 2


@pytest.mark.parametrize("last", [LogisticRegression(), SVC()])
def test_windows_that_cannot_be_used_do_not_count(corpora, files, last):
    front = Functionals(on_error="warn"), CorpusScaler()
    classifier = WindowedClassifier(make_adaptation_pipeline(*front, last), window=0.5, hop=0.5)
    classifier.fit(corpora.X_src, corpora.y_src, corpora.X_tgt)
    first, pause = corpora.X_tgt[0][:8000], np.zeros(8000)
    method = "predict_proba" if hasattr(last, "predict_proba") else "decision_function"
    call = getattr(classifier, method)
    with pytest.warns(AudioWarning, match="3 of 4 windows"):
        values = call([np.concatenate([first, pause]), np.concatenate([pause, pause])])
    np.testing.assert_array_equal(values[0], call([first])[0])
    assert np.isnan(values[1]).all()
    with pytest.warns(AudioWarning):
        labels = classifier.predict(files)
    assert [n for n, label in enumerate(labels) if label is None] == [2, 5]


def test_votes_of_windows_that_cannot_be_used_do_not_count(corpora):
    svc = SVC(decision_function_shape="ovo")  # scores of pairs: the windows vote
    pipeline = make_adaptation_pipeline(Functionals(on_error="warn"), CorpusScaler(), svc)
    classifier = WindowedClassifier(pipeline, window=0.5, hop=0.5)
    y = np.resize(["anger", "fear", "sadness"], len(corpora.X_src))
    classifier.fit(corpora.X_src, y, corpora.X_tgt)
    first, pause = corpora.X_tgt[0][:8000], np.zeros(8000)
    with pytest.warns(AudioWarning):
        labels = classifier.predict([np.concatenate([pause, first, pause]), pause])
    assert labels.tolist() == [classifier.predict([first])[0], None]


def test_in_a_comparison_they_count_as_wrong(corpora, files):
    method = make_adaptation_pipeline(
        Functionals(on_error="warn"), CorpusScaler(), LogisticRegression()
    )
    task = Bunch(X_src=corpora.X_src, y_src=corpora.y_src, X_tgt=files, y_tgt=corpora.y_tgt)
    with pytest.warns(AudioWarning):
        (record,) = compare({"logistic": method}, {"task": task}, seeds=[0])
    assert record["y_pred"][2] is None
    wrong = np.where(corpora.y_tgt == "anger", "sadness", "anger")
    filled = [label or wrong[n] for n, label in enumerate(record["y_pred"])]
    assert record["uar"] == uar(corpora.y_tgt, filled)


@pytest.mark.parametrize(
    ("seconds", "amplitude", "doubt"),
    [
        (0.05, 0.1, r"1\.wav' lasts 0\.05 s, less than 0\.1 s"),
        (0.5, 1e-5, r"1\.wav' has a level of -100 dB, below -80 dB"),
    ],
)
def test_short_and_faint_files_are_used_with_a_warning(seconds, amplitude, doubt, tmp_path):
    """A square wave has the level of its amplitude: 20 log10(1e-5) = -100 dB."""
    speech = np.random.default_rng(0).normal(scale=0.1, size=16_000)
    square = amplitude * np.resize([1.0, -1.0], round(seconds * 16_000))
    for n, waveform in enumerate((speech, square)):
        soundfile.write(tmp_path / f"{n}.wav", waveform, 16_000, subtype="FLOAT")
    with pytest.warns(DoubtfulAudioWarning, match=doubt) as caught:
        rows = Functionals().transform([tmp_path / "0.wav", tmp_path / "1.wav"])
    assert list(caught[0].message.reasons) == [1] and len(caught) == 1
    assert np.isfinite(rows).all()


@pytest.mark.parametrize(("seconds", "amplitude"), [(0.1, 0.1), (0.5, 1.01e-4)])
def test_at_the_borders_nothing_is_said(seconds, amplitude, recwarn, tmp_path):
    path = tmp_path / "square.wav"
    square = amplitude * np.resize([1.0, -1.0], round(seconds * 48_000))
    soundfile.write(path, square, 48_000, subtype="FLOAT")
    AudioLoader().fit_transform([path])
    assert not len(recwarn)
