"""Tasks: classes, rows, published counts, and several sources at once."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from references import real_corpus
from sklearn.utils import Bunch

from skdidan import CorpusScaler, Segment, SourceOnlyClassifier, make_adaptation_pipeline
from skdidan.corpora.known import CORPORA
from skdidan.corpora.tasks import cross_corpus_task, leave_one_corpus_out

_FOLDERS = itertools.count()  # so that no two corpora share a file


def corpus_of(**counts):
    emotion = [label for label, n in counts.items() for _ in range(n)]
    folder = next(_FOLDERS)
    files = [f"{folder}/{label}{i}" for i, label in enumerate(emotion)]
    speaker = [f"s{i % 2}" for i in range(len(emotion))]
    return Bunch(files=files, emotion=np.array(emotion), speaker=np.array(speaker), name="made")


def test_task_keeps_the_shared_classes():
    source = corpus_of(neutral=3, anger=2, boredom=4)
    target = corpus_of(surprise=1, anger=5, neutral=1)
    task = cross_corpus_task(source, target)
    assert task.classes.tolist() == ["anger", "neutral"]
    assert Counter(task.y_src) == {"neutral": 3, "anger": 2}
    assert Counter(task.y_tgt) == {"anger": 5, "neutral": 1}
    for suffix, corpus in (("src", source), ("tgt", target)):
        rows = [corpus.files.index(file) for file in task[f"X_{suffix}"]]
        assert rows == sorted(rows)
        np.testing.assert_array_equal(task[f"y_{suffix}"], corpus.emotion[rows])
        np.testing.assert_array_equal(task[f"speaker_{suffix}"], corpus.speaker[rows])
    assert (task.source, task.target) == ("made", "made")


def test_task_with_given_classes():
    source, target = corpus_of(a=1, b=1, c=1, d=1), corpus_of(a=1, b=1, c=1)
    task = cross_corpus_task(source, target, classes=["c", "a", "c"])
    assert task.classes.tolist() == ["a", "c"]
    assert task.y_src.tolist() == task.y_tgt.tolist() == ["a", "c"]


def test_task_accepts_plain_mappings_and_does_not_change_them():
    source = {"files": ["x", "y"], "emotion": ["a", "b"], "speaker": [1, 2]}
    task = cross_corpus_task(source, {**source, "files": ["z", "w"]})
    assert task.X_src == ["x", "y"] and task.speaker_tgt.tolist() == ["1", "2"]
    assert task.source == "source" and task.target == "target"
    assert source == {"files": ["x", "y"], "emotion": ["a", "b"], "speaker": [1, 2]}


def test_task_with_missing_classes():
    both = {"a": 1, "b": 1}
    for source, target, classes, message in (
        (both, {"a": 1}, ["a", "b"], r"missing in the target: \['b'\]; it has \['a'\]"),
        ({"a": 1}, both, ["a", "b"], r"missing in the source: \['b'\]; it has \['a'\]"),
        (both, both, ["a"], r"at least two classes; classes names \['a'\], the source has"),
        (both, {"a": 1, "c": 1}, None, r"source and target share \['a'\], the source has \['a'"),
    ):
        with pytest.raises(ValueError, match=message):
            cross_corpus_task(corpus_of(**source), corpus_of(**target), classes)


def test_invalid_corpora():
    corpus = corpus_of(a=1, b=1)
    with pytest.raises(TypeError, match=r"target must be a Bunch.*got a list without files"):
        cross_corpus_task(corpus, ["a.wav"])
    with pytest.raises(TypeError, match=r"source must be .*got a Bunch without speaker"):
        cross_corpus_task(Bunch(files=["a"], emotion=["b"]), corpus)
    with pytest.raises(ValueError, match=r"source must have equally many files.*got \[1, 2, 2\]"):
        cross_corpus_task(Bunch(**{**corpus, "files": ["a"]}), corpus)


def test_real_task():
    task = cross_corpus_task(real_corpus("emodb"), real_corpus("casia"))
    classes = ["anger", "fear", "happiness", "neutral", "sadness"]
    assert task.classes.tolist() == classes
    counts = Counter(task.y_src)
    assert [counts[name] for name in classes] == [127, 69, 71, 79, 62]
    assert Counter(task.y_tgt) == dict.fromkeys(classes, 200)


@pytest.mark.parametrize("key", ["emotion", "speaker"])
def test_missing_emotions_and_speakers(key):
    for missing in (None, float("nan"), pd.NA):
        corpus = Bunch(files=["a", "b", "c"], emotion=["fear", "joy", "anger"], speaker=[1, 1, 2])
        corpus[key][1] = missing
        with pytest.raises(ValueError, match=rf"{key} of the source holds 1 missing .*row 1"):
            cross_corpus_task(corpus, corpus)


def test_classes_may_be_numbers():
    corpus = Bunch(files=["a", "b", "c"], emotion=[0, 1, 2], speaker=[1, 1, 2])
    other = Bunch(**{**corpus, "files": ["d", "e", "f"]})
    task = cross_corpus_task(corpus, other, classes=[0, 2])
    assert task.classes.tolist() == ["0", "2"]
    assert task.X_src == ["a", "c"]


def complete(name, version=0):
    """Return a corpus with the published counts of a version, but no files."""
    counts = CORPORA[name].counts[version]
    return Bunch(**{**corpus_of(**counts), "name": name})


@pytest.mark.parametrize(
    ("source", "target", "version", "n_source", "n_target"),
    [
        ("emodb", "casia", 0, 408, 1000),
        ("emodb", "enterface", 0, 375, 1052),
        ("emodb", "enterface", 1, 375, 1047),
        ("casia", "enterface", 0, 1000, 1052),
        ("casia", "enterface", 1, 1000, 1047),
    ],
)
def test_published_tasks_have_their_published_size(source, target, version, n_source, n_target):
    corpora = complete(source), complete(target, version)
    for task, sizes in (
        (cross_corpus_task(*corpora), (n_source, n_target)),
        (cross_corpus_task(*corpora[::-1]), (n_target, n_source)),
    ):
        assert (len(task.X_src), len(task.X_tgt)) == sizes and len(task.classes) == 5


@pytest.mark.parametrize("name", ["ravdess", "enterface"])
def test_a_complete_corpus_must_have_the_published_counts_of_emotions(name):
    """One relabelled utterance in a complete copy is an error, for each version of the corpus."""
    other = corpus_of(**dict.fromkeys(CORPORA[name].counts[0], 1))
    for version, counts in enumerate(CORPORA[name].counts):
        corpus = complete(name, version)
        cross_corpus_task(corpus, other)
        corpus.emotion[list(corpus.emotion).index("anger")] = "fear"
        n = counts["anger"]
        message = rf"target has all {len(corpus.files)} utterances, .*: anger {n - 1} != {n}, fear"
        with pytest.raises(ValueError, match=message):
            cross_corpus_task(other, corpus)
        with pytest.raises(ValueError, match=rf"The corpus '{name}' has all .*Compare the copy"):
            list(leave_one_corpus_out([other, corpus]))


def test_counts_are_not_checked_for_parts_and_renamed_or_merged_emotions():
    corpus = complete("ravdess")
    other = corpus_of(anger=1, neutral=1, positive=1)
    part = Bunch(**{**corpus, **{key: corpus[key][5:] for key in ("files", "emotion", "speaker")}})
    merged = Bunch(
        **{**corpus, "emotion": np.where(corpus.emotion == "calm", "neutral", corpus.emotion)}
    )
    renamed = corpus.emotion.astype("U9")
    renamed[renamed == "happiness"] = "positive"
    for taken in (part, merged, Bunch(**{**corpus, "emotion": renamed})):
        assert {"anger", "neutral"} <= set(cross_corpus_task(taken, other).classes)


def three():
    named = {}
    for n, name in enumerate(("a", "b", "c"), start=1):
        corpus = corpus_of(anger=n, fear=2 * n, **({"calm": 1} if n == 2 else {}))
        files = [f"{name}-{Path(file).name}" for file in corpus.files]
        named[name] = Bunch(**{**corpus, "files": files})
    return named


def test_each_corpus_is_the_target_once():
    tasks = list(leave_one_corpus_out(three()))
    assert [task.target for task in tasks] == ["a", "b", "c"]
    assert [task.source for task in tasks] == [["b", "c"], ["a", "c"], ["a", "b"]]
    for number, task in enumerate(tasks):
        assert task.classes.tolist() == ["anger", "fear"]
        numbers = np.array(["abc".index(file[0]) for file in task.X])
        np.testing.assert_array_equal(task.sample_domain, np.where(numbers == number, -1, numbers))
        is_source = task.sample_domain >= 0
        assert task.X_src == [
            file for file, source in zip(task.X, is_source, strict=True) if source
        ]
        assert task.X == task.X_src + task.X_tgt
        emotions = np.array([file.split("-")[1].rstrip("0123456789") for file in task.X])
        np.testing.assert_array_equal(task.y_src, emotions[is_source])
        np.testing.assert_array_equal(task.y_tgt, emotions[~is_source])
        np.testing.assert_array_equal(task.y[is_source], task.y_src)
        assert set(task.y[~is_source]) == {"unlabelled"}
        np.testing.assert_array_equal(
            task.speaker, np.concatenate([task.speaker_src, task.speaker_tgt])
        )
        assert {name.split("/")[0] for name in task.speaker_tgt} == {task.target}


def test_speakers_of_two_sources_with_one_name_stay_distinct():
    task = next(leave_one_corpus_out(three()))
    assert set(task.speaker_src) == {"b/s0", "b/s1", "c/s0", "c/s1"}


def test_corpora_in_a_list_are_named_by_themselves():
    corpora = [Bunch(**{**corpus, "name": name}) for name, corpus in three().items()]
    for task, same in zip(
        leave_one_corpus_out(three()), leave_one_corpus_out(corpora), strict=True
    ):
        assert task.target == same.target and task.X == same.X


def test_leave_one_corpus_out_with_given_classes():
    tasks = leave_one_corpus_out(three(), classes=["fear", "anger"])
    assert all(task.classes.tolist() == ["anger", "fear"] for task in tasks)


def test_several_sources_in_either_call_shape():
    """Corpora that only differ by an offset are separable once each is scaled by itself."""
    rng = np.random.default_rng(0)
    named = {}
    for n, name in enumerate(("a", "b", "c")):
        y = np.array(["anger", "fear"] * 10)
        X = rng.normal(scale=0.1, size=(20, 2)) + (y == "fear")[:, None] + 10 * n
        named[name] = Bunch(files=list(X), emotion=y, speaker=["s"] * 20)
    task = list(leave_one_corpus_out(named))[1]
    X, numbers = np.stack(task.X), task.sample_domain
    Z = CorpusScaler().fit_transform(X, task.y, sample_domain=numbers)
    for number in (-1, 0, 2):
        np.testing.assert_allclose(Z[numbers == number].mean(axis=0), 0, atol=1e-12)
    classifier = SourceOnlyClassifier(lr=0.01, max_epochs=30, random_state=0)
    classifier.fit(Z, task.y, sample_domain=numbers)
    assert classifier.classes_.tolist() == ["anger", "fear"]
    np.testing.assert_array_equal(classifier.predict(Z[numbers < 0]), task.y_tgt)
    method = make_adaptation_pipeline(CorpusScaler(), classifier)
    method.fit(np.stack(task.X_src), task.y_src, np.stack(task.X_tgt))
    assert method.predict(np.stack(task.X_tgt)).shape == task.y_tgt.shape


def test_invalid_lists_of_corpora():
    a, b = corpus_of(x=1, y=1), corpus_of(x=1, z=1)
    with pytest.raises(ValueError, match=r"different names; got several of \['made'\]"):
        leave_one_corpus_out([a, a])
    with pytest.raises(ValueError, match=r"at least two, a source and a target; got \['made'\]"):
        leave_one_corpus_out([a])
    with pytest.raises(TypeError, match=r"must be a list of Bunches.*; got a str"):
        leave_one_corpus_out("emodb")
    with pytest.raises(TypeError, match=r"must be a list of Bunches.*; got a Bunch"):
        leave_one_corpus_out(a)
    with pytest.raises(TypeError, match=r"corpus '1' must be a Bunch.*; got a str without"):
        leave_one_corpus_out([a, "emodb"])
    message = r"share \['x'\], the corpus 'a' has \['x', 'y'\], the corpus 'b' has \['x', 'z'\]\."
    with pytest.raises(ValueError, match=message):
        leave_one_corpus_out({"a": a, "b": b})
    with pytest.raises(ValueError, match=r"missing in the corpus 'b': \['y'\]; it has"):
        leave_one_corpus_out({"a": a, "b": b}, classes=["x", "y"])
    with pytest.raises(TypeError, match=r"classes must be a sequence of class names; got 'anger'"):
        leave_one_corpus_out({"a": a, "b": b}, classes="anger")


def test_recordings_in_source_and_target_are_refused(tmp_path, monkeypatch):
    """Whatever path or link leads to it, and for segments only where they overlap."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").touch()
    (tmp_path / "link.wav").symlink_to("a.wav")
    rows = {"emotion": ["fear", "anger", "calm"], "speaker": [1, 1, 2]}
    source = Bunch(files=["a.wav", "b.wav", "c.wav"], **rows)
    message = (
        r"source and target share 1 recording\(s\), e\.g\. a\.wav: training would see labels of "
        r"the target\. Keep each recording in one corpus\."
    )
    for same in ("a.wav", "./a.wav", Path("a.wav"), tmp_path / "a.wav", "link.wav"):
        target = Bunch(files=["d.wav", same, "e.wav"], **rows)
        with pytest.raises(ValueError, match=message):
            cross_corpus_task(source, target)
        three = {"x": source, "y": corpus_of(fear=1, anger=1, calm=1), "z": target}
        with pytest.raises(
            ValueError, match=r"^The corpora 'x' and 'z' share 1 rec.*a\.wav: training"
        ):
            leave_one_corpus_out(three)
    assert len(cross_corpus_task(source, target, classes=["fear", "calm"]).X_tgt) == 2
    segments = [Segment("a.wav", start, start + 1) for start in range(4)]
    early, late = Bunch(files=segments[:3], **rows), Bunch(files=[*segments[2:], "b.wav"], **rows)
    with pytest.raises(ValueError, match=r"share 1 rec.*'a\.wav' from 2 s to 3 s: training"):
        cross_corpus_task(early, late)
    assert cross_corpus_task(early, Bunch(files=["b.wav", segments[3], "c.wav"], **rows))


def test_a_hard_link_is_the_same_recording(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").hardlink_to(tmp_path / "a.wav")
    rows = {"emotion": ["fear", "anger"], "speaker": [1, 1]}
    source, target = (Bunch(files=[tmp_path / f"{x}.wav", x], **rows) for x in "ab")
    with pytest.raises(
        ValueError, match=r"source and target share 1 recording\(s\), e\.g\. .*a\.wav"
    ):
        cross_corpus_task(source, target)


def test_overlapping_segments_of_a_recording():
    rows = {"emotion": ["fear", "anger"], "speaker": [1, 1]}
    for mine, yours, share in (
        ("./a.wav", "a.wav", True),
        ("a.wav", Segment("a.wav", 1, 2), True),
        (Segment("a.wav", 1, 2), "a.wav", True),
        (Segment("a.wav", 5), "a.wav", True),
        (Segment("a.wav", 0, 2), Segment("a.wav", 1, 3), True),
        (Segment("a.wav", 1, 2), Segment("a.wav", 0, 9), True),
        (Segment("a.wav", 1), Segment("a.wav", 3), True),
        (Segment("a.wav", 0, 1), Segment("a.wav", 1, 2), False),
        (Segment("a.wav", 2), Segment("a.wav", 0, 2), False),
        (Segment("a.wav", 0, 2), "b.wav", False),
    ):
        source, target = Bunch(files=["x", mine], **rows), Bunch(files=[yours, "y"], **rows)
        if share:
            with pytest.raises(ValueError, match=r"source and target share 1 rec.*a\.wav.*: train"):
                cross_corpus_task(source, target)
        else:
            assert cross_corpus_task(source, target).X_src == ["x", mine]


def test_a_long_segment_among_short_ones_is_found():
    """The overlapping segment starts first, and one that has ended starts between the two."""
    parts = [Segment("a", 0, 90), Segment("a", 10, 20), Segment("b", 0, 1)]
    rows = {"emotion": ["fear", "anger", "fear"], "speaker": [1, 1, 1]}
    source = Bunch(files=parts, **rows)
    target = Bunch(files=[Segment("a", 80, 81), Segment("b", 1, 2), Segment("b", 3)], **rows)
    with pytest.raises(ValueError, match=r"share 1 recording\(s\), e\.g\. 'a' from 0 s to 90 s: "):
        cross_corpus_task(source, target)


@pytest.mark.parametrize("key", ["files", "emotion", "speaker"])
def test_parts_of_a_corpus_that_are_not_lists(key):
    corpus = corpus_of(a=1, b=1)
    for value in (None, "abc", 3, iter("ab")):
        wrong, message = Bunch(**{**corpus, key: value}), "must be a list or an array .*; got"
        with pytest.raises(TypeError, match=rf"{key} of the target {message}"):
            cross_corpus_task(corpus, wrong)
        with pytest.raises(TypeError, match=rf"{key} of the corpus '1' {message}"):
            leave_one_corpus_out({"0": corpus, "1": wrong})


def test_error_for_a_data_frame_tells_the_cure():
    table = pd.DataFrame({"file": ["a"], "emotion": ["fear"], "speaker": [1]})
    with pytest.raises(
        TypeError, match=r"source must be .*got a DataFrame.*Use load_manifest to convert"
    ):
        cross_corpus_task(table, corpus_of(fear=1, anger=1))
    with pytest.raises(
        TypeError, match=r"corpus '0' must be .*got a DataFrame.*Use load_manifest to"
    ):
        leave_one_corpus_out([table, table])


def test_classes_that_are_not_a_list_of_names():
    for classes in (3, 0.5, "anger", [["a"], ["b"]]):
        with pytest.raises(TypeError, match=r"classes must be a sequence of class names; got "):
            cross_corpus_task(corpus_of(a=1, b=1), corpus_of(a=1, b=1), classes)


def test_classes_may_come_from_a_generator():
    source, target = corpus_of(a=1, b=1, c=1), corpus_of(a=1, b=1, c=1)
    task = cross_corpus_task(source, target, classes=(name for name in "ca"))
    assert task.classes.tolist() == ["a", "c"]


def test_no_class_may_be_called_unlabelled():
    corpora = [Bunch(**{**corpus_of(a=1, unlabelled=1), "name": name}) for name in "xy"]
    with pytest.raises(ValueError, match=r"'unlabelled' stands for target rows: .*mapping"):
        leave_one_corpus_out(corpora)
    assert len(cross_corpus_task(*corpora).classes) == 2
