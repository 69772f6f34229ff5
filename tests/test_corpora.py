"""Corpora on disk: layouts, labels, duplicates, misfits, and tasks between two of them."""

import os
import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from skdidan.corpora import CORPORA, EMOTIONS, CorpusWarning, cross_corpus_task, load_corpus

CANONICAL = {
    "anger",
    "boredom",
    "calm",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
}
EMODB_WORDS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
}


@pytest.fixture
def grow(tmp_path):
    """Return a function that touches files below a fresh folder and returns the folder."""

    def touch(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return touch


def names(corpus, root):
    return [Path(file).relative_to(root).as_posix() for file in corpus.files]


def corpus_of(**counts):
    emotion = [label for label, n in counts.items() for _ in range(n)]
    files = [f"{label}{i}" for i, label in enumerate(emotion)]
    speaker = [f"s{i % 2}" for i in range(len(emotion))]
    return Bunch(files=files, emotion=np.array(emotion), speaker=np.array(speaker), name="made")


@pytest.mark.parametrize(("letter", "emotion"), EMODB_WORDS.items())
def test_emodb_letters(grow, letter, emotion):
    corpus = load_corpus("emodb", grow(f"wav/03a01{letter}a.wav"))
    assert corpus.emotion.tolist() == [emotion]


def test_emodb_speakers_and_their_sex(grow):
    speakers = ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"]
    corpus = load_corpus("emodb", grow(*(f"{s}b10Nc.wav" for s in speakers)))
    assert corpus.speaker.tolist() == speakers
    male = {s for s, sex in zip(corpus.speaker, corpus.sex, strict=True) if sex == "male"}
    assert male == {"03", "10", "11", "12", "15"} and set(corpus.sex) == {"male", "female"}


def test_casia_reads_speaker_and_emotion_off_the_folders(grow):
    folders = ["ZhaoZuoxiang/angry", "liuchanhg/happy", "wangzhe/sad", "zhaoquanyin/surprise"]
    root = grow(*(f"{folder}/201.wav" for folder in folders))
    corpus = load_corpus("casia", root)
    assert corpus.emotion.tolist() == ["anger", "happiness", "sadness", "surprise"]
    assert corpus.speaker.tolist() == ["ZhaoZuoxiang", "liuchanhg", "wangzhe", "zhaoquanyin"]
    assert corpus.sex.tolist() == ["male", "female", "male", "female"]


def test_unlisted_speaker_is_placed_with_unknown_sex(grow):
    assert load_corpus("casia", grow("somebody/angry/201.wav")).sex.tolist() == ["unknown"]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".WAV", ".Flac"])
@pytest.mark.parametrize("folder", ["", "wav/", "a/b/c/"])
def test_any_nesting_and_format(grow, suffix, folder):
    root = grow(f"{folder}03a01Fa{suffix}", "README.txt", "lablaut/03a01Fa.lablaut")
    corpus = load_corpus("emodb", root)
    assert names(corpus, root) == [f"{folder}03a01Fa{suffix}"]


@pytest.mark.parametrize("folder", ["", "wav/", "a/b/c/"])
def test_casia_at_any_depth(grow, folder):
    root = grow(f"{folder}wangzhe/fear/250.FLAC")
    assert load_corpus("casia", root).emotion.tolist() == ["fear"]


def test_files_are_sorted_strings_below_the_root_as_given(grow, monkeypatch):
    stems = ["16b10Wb", "03a01Fa", "09a02Na"]
    root = grow(*(f"emodb/{stem}.wav" for stem in stems))
    monkeypatch.chdir(root)
    corpus = load_corpus("emodb", "emodb")
    assert corpus.files == [str(Path("emodb") / f"{stem}.wav") for stem in sorted(stems)]
    assert corpus.emotion.tolist() == ["happiness", "neutral", "anger"]
    assert corpus.name == "emodb" and "Berlin" in corpus.DESCR


def test_an_utterance_that_is_there_twice_counts_once(grow):
    root = grow(
        "03a01Fa.wav",
        "03a01Fa.mp3",
        "flac/03a01Fa.flac",
        "emodb/03a01Fa.wav",
        "08a01Fa.ogg",
    )
    assert names(load_corpus("emodb", root), root) == ["03a01Fa.wav", "08a01Fa.ogg"]


def test_casia_utterances_of_one_number_stay_apart(grow):
    root = grow(
        "wangzhe/angry/201.wav",
        "wangzhe/sad/201.wav",
        "liuchanhg/angry/201.wav",
        "copy/liuchanhg/angry/201.wav",
    )
    assert len(load_corpus("casia", root).files) == 3


def test_hidden_files_do_not_count(grow):
    root = grow("03a01Fa.wav", "__MACOSX/._03a01Fa.wav", ".hidden.wav")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_corpus("emodb", root).files) == 1


def test_misfits_are_reported_once_with_count_and_examples(grow):
    root = grow("03a01Fa.wav", "03a01Xa.wav", "noise.wav", "wangzhe/angry/201.wav", "zzz.flac")
    message = r"4 of 5 audio files .* left out, e\.g\. 03a01Xa\.wav, noise\.wav, wangzhe/angry/201"
    with pytest.warns(CorpusWarning, match=message) as caught:
        corpus = load_corpus("emodb", root)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert names(corpus, root) == ["03a01Fa.wav"]


def test_mapping_adds_spellings_and_renames_labels(grow):
    root = grow("wangzhe/zorn/201.wav", "wangzhe/sad/201.wav", "wangzhe/fear/201.wav")
    mapping = {"Zorn": "anger", "sadness": "low", "FEAR": "scared"}
    corpus = load_corpus("casia", root, mapping=mapping)
    assert corpus.emotion.tolist() == ["scared", "low", "anger"]
    with pytest.warns(CorpusWarning, match=r"zorn/201\.wav"):
        load_corpus("casia", root)


def test_mapping_may_swap_two_labels(grow):
    root = grow("03a01Wa.wav", "03a01Aa.wav")
    corpus = load_corpus("emodb", root, mapping={"anger": "fear", "fear": "anger"})
    assert corpus.emotion.tolist() == ["anger", "fear"]


def test_every_corpus_and_every_spelling_end_in_canonical_labels():
    assert set(EMOTIONS.values()) == CANONICAL
    assert all(EMOTIONS[label] == label for label in CANONICAL)
    for corpus in CORPORA.values():
        assert set(corpus.words.values()) <= set(EMOTIONS)
        assert set(corpus.sex.values()) <= {"female", "male"}
        groups = set(re.compile(corpus.pattern).groupindex)
        assert groups == {"speaker", "emotion"}
        assert all(key == key.lower() for key in (*corpus.words, *corpus.sex))


def test_unknown_corpus(tmp_path):
    with pytest.raises(ValueError, match=r"name must be among \['casia', 'emodb'\]; got 'emo-db'"):
        load_corpus("emo-db", tmp_path)


def test_missing_root(tmp_path):
    with pytest.raises(NotADirectoryError, match=r"03a01Fa; got .*nowhere', which is not there"):
        load_corpus("emodb", tmp_path / "nowhere")


def test_root_that_is_a_file(grow):
    with pytest.raises(NotADirectoryError, match=r"03a01Fa\.wav', which is a file"):
        load_corpus("emodb", grow("03a01Fa.wav") / "03a01Fa.wav")


def test_empty_root(tmp_path):
    with pytest.raises(ValueError, match=r"no file of EmoDB.*; found an empty folder"):
        load_corpus("emodb", tmp_path)


def test_root_without_audio(grow):
    with pytest.raises(ValueError, match=r"found no audio file but README, docs"):
        load_corpus("casia", grow("README", "docs/a.txt"))


def test_root_of_another_corpus(grow):
    root = grow("wav/03a01Fa.wav", "wav/08a01Fa.wav")
    message = r"no file of CASIA.*expected <speaker>/.*found 2 audio files, e\.g\. wav/03a01Fa\.wav"
    with pytest.raises(ValueError, match=message):
        load_corpus("casia", root)


def test_task_keeps_the_classes_that_both_share():
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


def test_task_of_a_stated_subset():
    source, target = corpus_of(a=1, b=1, c=1, d=1), corpus_of(a=1, b=1, c=1)
    task = cross_corpus_task(source, target, classes=["c", "a", "c"])
    assert task.classes.tolist() == ["a", "c"]
    assert task.y_src.tolist() == task.y_tgt.tolist() == ["a", "c"]


def test_task_takes_plain_mappings_and_leaves_them_as_they_are():
    source = {"files": ["x", "y"], "emotion": ["a", "b"], "speaker": [1, 2]}
    task = cross_corpus_task(source, dict(source))
    assert task.X_src == ["x", "y"] and task.speaker_tgt.tolist() == ["1", "2"]
    assert task.source == "source" and task.target == "target"
    assert source == {"files": ["x", "y"], "emotion": ["a", "b"], "speaker": [1, 2]}


@pytest.mark.parametrize(
    ("source", "target", "classes", "message"),
    [
        ({"a": 1, "b": 1}, {"a": 1}, ["a", "b"], r"missing in the target: \['b'\]; it has \['a'\]"),
        ({"a": 1}, {"a": 1, "b": 1}, ["a", "b"], r"missing in the source: \['b'\]; it has \['a'\]"),
        ({"a": 1, "b": 1}, {"a": 1, "b": 1}, ["a"], r"at least two classes; classes names \['a'\]"),
        ({"a": 1, "b": 1}, {"a": 1, "c": 1}, None, r"source and target share \['a'\]\. The source"),
    ],
)
def test_task_without_its_classes(source, target, classes, message):
    with pytest.raises(ValueError, match=message):
        cross_corpus_task(corpus_of(**source), corpus_of(**target), classes)


def test_task_of_something_else():
    corpus = corpus_of(a=1, b=1)
    with pytest.raises(TypeError, match=r"target must be a Bunch.*got a list without files"):
        cross_corpus_task(corpus, ["a.wav"])
    with pytest.raises(TypeError, match=r"source must be .*got a Bunch without speaker"):
        cross_corpus_task(Bunch(files=["a"], emotion=["b"]), corpus)
    with pytest.raises(ValueError, match=r"source must have as many files.*got \[1, 2, 2\]"):
        cross_corpus_task(Bunch(**{**corpus, "files": ["a"]}), corpus)
    with pytest.raises(TypeError, match=r"classes must be a sequence.*got the string 'anger'"):
        cross_corpus_task(corpus, corpus, classes="anger")


def real(name):
    folder = os.environ.get("SKDIDAN_CORPORA")
    if not folder:
        pytest.skip("SKDIDAN_CORPORA is not set: a folder with one sub-folder per corpus")
    root = Path(folder) / name
    if not root.is_dir():
        pytest.skip(f"SKDIDAN_CORPORA has no folder {name}")
    return load_corpus(name, root)


def test_real_emodb():
    corpus = real("emodb")
    assert Counter(corpus.emotion) == {
        "anger": 127,
        "boredom": 81,
        "disgust": 46,
        "fear": 69,
        "happiness": 71,
        "sadness": 62,
        "neutral": 79,
    }
    assert len(set(corpus.speaker)) == 10 and all(Path(file).is_file() for file in corpus.files)


def test_real_casia():
    corpus = real("casia")
    emotions = ["anger", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert Counter(corpus.emotion) == dict.fromkeys(emotions, 200)
    assert Counter(corpus.sex) == {"female": 600, "male": 600}
    assert set(Counter(corpus.speaker).values()) == {300}


def test_real_task():
    task = cross_corpus_task(real("emodb"), real("casia"))
    classes = ["anger", "fear", "happiness", "neutral", "sadness"]
    assert task.classes.tolist() == classes
    counts = Counter(task.y_src)
    assert [counts[name] for name in classes] == [127, 69, 71, 79, 62]
    assert Counter(task.y_tgt) == dict.fromkeys(classes, 200)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_a_missing_emotion_is_no_class(missing):
    corpus = Bunch(files=["a", "b", "c"], emotion=["fear", missing, "anger"], speaker=[1, 1, 2])
    with pytest.raises(
        ValueError, match=r"emotion of the source holds 1 missing label\(s\).*row 1"
    ):
        cross_corpus_task(corpus, corpus)


def test_classes_that_are_numbers_are_named_by_them():
    corpus = Bunch(files=["a", "b", "c"], emotion=[0, 1, 2], speaker=[1, 1, 2])
    task = cross_corpus_task(corpus, corpus, classes=[0, 2])
    assert task.classes.tolist() == ["0", "2"]
    assert task.X_src == ["a", "c"]
