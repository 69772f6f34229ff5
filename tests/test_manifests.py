"""Manifests, emotion folders and audformat tables: rows, labels and what can be wrong."""

import pickle
import re
import warnings
from datetime import time, timedelta
from pathlib import Path
from unicodedata import normalize

import audformat
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile

from skdidan import AudioLoader, Segment, cross_corpus_task
from skdidan.corpora.emotion_folders import load_audio_folder
from skdidan.corpora.faults import CorpusWarning
from skdidan.corpora.manifests import from_audformat, load_manifest

AUDIO = {"audio/b.wav": "1", "audio/a.flac": "2"}
FIELDS = {"files", "emotion", "speaker", "sex", "name", "DESCR"}


@pytest.fixture
def manifest(grow):
    """Return a function that writes a CSV file beside two audio files."""
    root = grow("audio/b.wav", "audio/a.flac")

    def write(*lines, file="calls.csv", encoding="utf-8"):
        (root / file).write_text("\n".join(lines), encoding=encoding)
        return root / file

    return write


def frame(**columns):
    rows = {"file": ["audio/b.wav", "audio/a.flac"], "emotion": ["fear", "Joy"], "speaker": [1, 2]}
    return pd.DataFrame({**rows, **columns})


def names(corpus, root):
    return [Path(file).relative_to(root).as_posix() for file in corpus.files]


def quietly(load, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load(*args, **options)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_emotions_of_four_languages_are_known(form, grow):
    """With accents in one character or in two, as on macOS."""
    names = "Wut", "dégoût", "Überraschung", "Felicità", "miedo", "traurig"
    root = grow(*(normalize(form, f"{name}/1.wav") for name in names))
    found = set(load_audio_folder(root).emotion)
    assert found == {"anger", "disgust", "surprise", "happiness", "fear", "sadness"}


def test_quoted_cells_may_hold_line_breaks_and_delimiters(manifest):
    rows = [f'{file},fear,"not\nsure, ""s0""",{speaker}' for file, speaker in AUDIO.items()]
    path = manifest('file,emotion,"first\nthought",speaker', *rows)
    assert load_manifest(path).speaker.tolist() == list(AUDIO.values())


def test_manifest_is_read_in_its_order_and_beside_its_files(manifest, monkeypatch):
    path = manifest("file,emotion,speaker", "audio/b.wav,fear,01", "audio/a.flac,Joy,02")
    corpus = quietly(load_manifest, path)
    assert names(corpus, path.parent) == ["audio/b.wav", "audio/a.flac"]
    assert corpus.emotion.tolist() == ["fear", "happiness"]
    assert corpus.speaker.tolist() == ["01", "02"]
    assert corpus.sex.tolist() == ["unknown", "unknown"]
    assert set(corpus) == FIELDS and corpus.name == "calls" and "calls.csv" in corpus.DESCR
    monkeypatch.chdir(path.parent)
    assert load_manifest("calls.csv").files == [str(Path("audio/b.wav")), str(Path("audio/a.flac"))]


def test_manifest_with_other_names_of_columns(manifest):
    path = manifest(
        "gender; path ;what;who",
        'f;"audio/b.wav";"fear";"Jörg; the elder"',
        "Male;audio/a.flac;joy;x",
    )
    columns = {"file": "path", "emotion": "what", "speaker": "who", "sex": "gender"}
    corpus = load_manifest(path, **columns, delimiter=";", name="mine")
    assert corpus.speaker.tolist() == ["Jörg; the elder", "x"]
    assert corpus.sex.tolist() == ["female", "male"] and corpus.name == "mine"


def test_manifest_in_another_folder_than_its_files(manifest, tmp_path, monkeypatch):
    path = manifest("file,emotion", "b.wav,fear", file="audio/lists.csv").rename(tmp_path / "l.csv")
    with pytest.raises(
        FileNotFoundError, match=r"1 of 1 files of the manifest '.*do not exist, e\.g"
    ):
        load_manifest(path, speaker=None)
    corpus = load_manifest(path, tmp_path / "audio", speaker=None)
    assert names(corpus, tmp_path) == ["audio/b.wav"] and corpus.speaker.tolist() == ["unknown"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_manifest(path, "~/audio", speaker=None).files == corpus.files


def test_numbers_stay_as_they_are_written(manifest):
    path = manifest("file,emotion,7", "audio/b.wav,fear,01", "audio/a.flac,joy,1.50")
    assert load_manifest(path, speaker="7").speaker.tolist() == ["01", "1.50"]


def test_absolute_paths_are_kept(manifest, tmp_path):
    path = manifest("file,emotion,speaker", f"{tmp_path / 'audio/b.wav'},fear,1")
    assert load_manifest(path, "elsewhere").files == [str(tmp_path / "audio/b.wav")]


def test_data_frame_with_paths_or_segments(manifest, tmp_path, monkeypatch):
    manifest("")
    corpus = quietly(load_manifest, frame(), tmp_path)
    assert names(corpus, tmp_path) == ["audio/b.wav", "audio/a.flac"]
    assert corpus.emotion.tolist() == ["fear", "happiness"]
    assert corpus.speaker.tolist() == ["1", "2"] and corpus.name == "manifest"
    monkeypatch.chdir(tmp_path)
    assert load_manifest(frame()).files == [str(Path("audio/b.wav")), str(Path("audio/a.flac"))]
    paths = [tmp_path / "audio/b.wav", Path("audio/a.flac")]
    assert load_manifest(frame(file=paths), tmp_path).files == corpus.files
    segments = [Segment("audio/b.wav", 0, 1), Segment("audio/b.wav", 1)]
    loaded = load_manifest(frame(file=segments), tmp_path).files
    assert loaded == [Segment(corpus.files[0], 0, 1), Segment(corpus.files[0], 1)]


def test_categories_and_custom_labels(manifest, tmp_path):
    manifest("")
    table = frame(emotion=pd.Categorical(["Angst", "joy"]))
    corpus = quietly(load_manifest, table, tmp_path, mapping={"angst": "fear", "happiness": "up"})
    assert corpus.emotion.tolist() == ["fear", "up"]


def test_unknown_emotions_are_counted_and_left_out(manifest, tmp_path):
    path = manifest("file,emotion,speaker", "audio/b.wav,grumpy,1", "audio/a.flac,joy,2")
    message = (
        r"^1 of 2 rows of the manifest '.*calls\.csv' are left out.*unknown: 'grumpy' \(1\)\. Pass"
    )
    with pytest.warns(CorpusWarning, match=message) as caught:
        corpus = load_manifest(path)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert names(corpus, tmp_path) == ["audio/a.flac"] and corpus.speaker.tolist() == ["2"]
    assert quietly(load_manifest, path, mapping={"grumpy": "grumpy"}).emotion[0] == "grumpy"


def test_no_known_emotion(manifest, tmp_path):
    manifest("")
    message = r"the data frame has no known emotion but '0' \(1\), '1' \(1\): pass mapping="
    with pytest.raises(ValueError, match=message):
        load_manifest(frame(emotion=[0, 1]), tmp_path)
    corpus = load_manifest(frame(emotion=[0, 1]), tmp_path, mapping={"0": "calm", "1": "fear"})
    assert corpus.emotion.tolist() == ["calm", "fear"]


def test_missing_columns():
    for columns, message in (
        ({"file": "path"}, r"no column 'path'; it has \['file', .*name of the column as file="),
        ({"emotion": "mood"}, r"has no column 'mood'; it has .* as emotion=\.\.\.$"),
        ({"speaker": "who"}, r"has no column 'who'; .*Pass speaker=None to leave it out\.$"),
        ({"sex": "gender"}, r"the data frame has no column 'gender'; .*Pass sex=None to leave"),
    ):
        with pytest.raises(ValueError, match=message):
            load_manifest(frame(), **columns)


def test_names_of_columns_that_are_not_strings():
    for column in ("file", "emotion"):
        for name in (None, 3, ["a"]):
            message = rf"{column} must be the name of a column, as a str; got "
            with pytest.raises(TypeError, match=message):
                load_manifest(frame(), **{column: name})
    for column in ("speaker", "sex"):
        message = rf"{column} must be the name of a column, as a str or None; got 3"
        with pytest.raises(TypeError, match=message):
            load_manifest(frame(), **{column: 3})


@pytest.mark.parametrize("column", ["file", "emotion", "speaker"])
def test_missing_and_blank_cells_of_a_data_frame(column):
    for missing in (None, float("nan"), pd.NA, "", "  "):
        message = rf"column '{column}' of the data frame holds 1 .*row 1"
        with pytest.raises(ValueError, match=message):
            load_manifest(frame(**{column: ["x", missing]}))


def test_missing_and_blank_cells_of_a_file(manifest):
    for line in ("audio/a.flac,,2", "audio/a.flac", "audio/a.flac, ,2"):
        path = manifest("file,emotion,speaker", "audio/b.wav,fear,1", line)
        message = r"column 'emotion' of the manifest '.*holds 1 .*row 1"
        with pytest.raises(ValueError, match=message):
            load_manifest(path)


def test_a_recording_that_is_listed_twice(manifest, tmp_path):
    """Links and other spellings of a path are the same recording, different segments are not."""
    manifest("")
    message = (
        r"the data frame lists 1 recording\(s\) more than once, e\.g\. .*b\.wav\. Keep one row"
    )
    with pytest.raises(ValueError, match=message):
        load_manifest(frame(file=["audio/b.wav"] * 2), tmp_path)
    (tmp_path / "audio/link.wav").symlink_to("b.wav")
    for other in ("./audio/b.wav", "audio/../audio/b.wav", "audio/link.wav"):
        with pytest.raises(
            ValueError, match=r"lists 1 recording\(s\) more than once, e\.g\. .*b\.wav"
        ):
            load_manifest(frame(file=["audio/b.wav", other]), tmp_path)
    (tmp_path / "audio/hard.wav").hardlink_to(tmp_path / "audio/b.wav")
    with pytest.raises(ValueError, match=r"lists 1 recording\(s\) more than once, .*hard\.wav"):
        load_manifest(frame(file=["audio/b.wav", "audio/hard.wav"]), tmp_path)
    overlap = [Segment("audio/b.wav", 0, 2), Segment("audio/hard.wav", 1, 3)]
    with pytest.warns(
        CorpusWarning, match=r"^1 file\(s\) .*same recording.*hard\.wav \(.*b\.wav\)"
    ):
        assert len(load_manifest(frame(file=overlap), tmp_path).files) == 2
    segments = [Segment("audio/b.wav", 0, 1), Segment("audio/link.wav", 0, 1)]
    with pytest.raises(
        ValueError, match=r"e\.g\. .*b\.wav' from 0 s to 1 s = .*link\.wav' from 0 s"
    ):
        load_manifest(frame(file=segments), tmp_path)


def test_manifests_without_rows(manifest):
    with pytest.raises(ValueError, match=r"the manifest '.*' has no rows"):
        load_manifest(manifest("file,emotion,speaker"))
    with pytest.raises(ValueError, match=r"the manifest '.*' has no column 'file'; it has \[\]"):
        load_manifest(manifest(""))
    with pytest.raises(ValueError, match=r"the data frame has no rows"):
        load_manifest(frame().iloc[:0])


def test_paths_that_are_too_long(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be a CSV file; 'a+\.csv' does not exist"):
        load_manifest("a" * 5000 + ".csv")
    with pytest.raises(FileNotFoundError, match=r"1 of 2 files of the data frame do not exist"):
        load_manifest(frame(file=[__file__, "a" * 5000]), tmp_path)


def test_invalid_manifests(tmp_path):
    message = r"must be a CSV file; '.*none\.csv' does not exist"
    with pytest.raises(FileNotFoundError, match=message):
        load_manifest(tmp_path / "none.csv")
    message = r"must be a CSV file; '.*' is a folder. Use load_audio_folder"
    with pytest.raises(IsADirectoryError, match=message):
        load_manifest(tmp_path)
    with pytest.raises(TypeError, match=r"must be the path of a CSV file, .*; got a list"):
        load_manifest(["a.wav"])


def test_folder_of_each_emotion(grow):
    root = grow(
        "corpus/Angry/s1_1.wav",
        "corpus/angry/s2_1.MP3",
        "corpus/sad/night/s1_2.flac",
        "corpus/sad/night/s1_2.ogg",
        "corpus/sad/.hidden.wav",
        "corpus/sad/notes.txt",
    )
    corpus = quietly(load_audio_folder, root / "corpus", speaker=r"(s\d)_\d")
    assert names(corpus, root / "corpus") == [
        "Angry/s1_1.wav",
        "angry/s2_1.MP3",
        "sad/night/s1_2.flac",
    ]
    assert corpus.emotion.tolist() == ["anger", "anger", "sadness"]
    assert corpus.speaker.tolist() == ["s1", "s2", "s1"]
    assert set(corpus) == FIELDS and corpus.name == "corpus"
    for pattern in (r"s\d", "(s1)|s2"):
        speakers = load_audio_folder(root / "corpus", speaker=pattern).speaker
        assert speakers.tolist() == ["s1", "s2", "s1"]
    assert set(load_audio_folder(root / "corpus", name="x").speaker) == {"unknown"}


def test_folders_of_unknown_emotions(grow):
    root = grow("Rage/1.wav", "sad/1.wav", "noise/1.wav", "noise/2.wav", "stray.wav")
    message = r"4 of 5 rows of the folder .*: 'noise' \(2\), '\(no folder\)' \(1\), 'Rage' \(1\)\."
    with pytest.warns(CorpusWarning, match=message):
        assert load_audio_folder(root).emotion.tolist() == ["sadness"]
    mapping = {"Rage": "anger", "noise": "noise", "(no folder)": "noise"}
    assert quietly(load_audio_folder, root, mapping=mapping).emotion.tolist()[0] == "anger"


def test_a_folder_of_recordings_alone(grow):
    root = grow("1.wav", "2.wav")
    message = r"root must hold a folder for each emotion; '.*' holds only recordings, e\.g\. 1\.wav"
    with pytest.raises(ValueError, match=message):
        load_audio_folder(root)


def test_a_folder_without_audio(tmp_path):
    message = r"root holds no audio: expected <emotion>/<file> as \.wav"
    with pytest.raises(ValueError, match=message):
        load_audio_folder(tmp_path)


def test_patterns_of_speakers_that_find_emotions_alone(grow):
    root = grow("sad/anna-1.wav", "angry/bert-1.wav")
    with pytest.raises(ValueError, match=r"only folders of emotions, such as 'angry' in 'angry/be"):
        load_audio_folder(root, speaker="[a-z]+")
    for pattern in ("/([a-z]+)", "(carl)?anna|(carl)?bert"):
        assert load_audio_folder(root, speaker=pattern).speaker.tolist() == ["bert", "anna"]


def test_invalid_patterns_of_speakers(grow):
    root = grow("sad/1.wav", "sad/s2.wav")
    message = r"matches no part of 1 of 2 files, e\.g\. sad/1\.wav; .* 's\\\\d'"
    with pytest.raises(ValueError, match=message):
        load_audio_folder(root, speaker=r"s\d")
    message = r"speaker must be a regular expression; got '\(': missing"
    with pytest.raises(ValueError, match=message):
        load_audio_folder(root, speaker="(")
    with pytest.raises(TypeError, match=r"speaker must be a regular expression, as a str; got 3"):
        load_audio_folder(root, speaker=3)


@pytest.fixture
def database(tmp_path):
    """Return a database of audformat with a filewise and a segmented table, and its audio."""
    (tmp_path / "audio").mkdir()
    for n, name in enumerate(("a", "b"), start=1):
        soundfile.write(tmp_path / f"audio/{name}.wav", np.arange(n, 16_000 + n) / 16_002, 16_000)
    db = audformat.Database("db")
    db.schemes["emotion"] = audformat.Scheme(labels=["anger", "happy", "neutral"])
    db.schemes["speaker"] = audformat.Scheme(
        labels={1: {"gender": "female"}, 2: {"gender": "male"}}
    )
    index = audformat.filewise_index(["audio/a.wav", "audio/b.wav"])
    db["files"] = audformat.Table(index)
    segments = audformat.segmented_index(
        ["audio/a.wav", "audio/a.wav", "audio/b.wav"],
        ["0s", "250ms", "0.5s"],
        ["250ms", "1s", pd.NaT],
    )
    db["segments"] = audformat.Table(segments)
    for table, emotions, speakers in (
        ("files", ["anger", "happy"], [1, 2]),
        ("segments", ["anger", "happy", "neutral"], [1, 1, 2]),
    ):
        for column, values in (("emotion", emotions), ("speaker", speakers)):
            db[table][column] = audformat.Column(scheme_id=column)
            db[table][column].set(values)
    return db


def test_filewise_table_of_audformat(database, tmp_path):
    for table in (database["files"], database["files"].get()):
        corpus = quietly(from_audformat, table, tmp_path)
        assert names(corpus, tmp_path) == ["audio/a.wav", "audio/b.wav"]
        assert corpus.emotion.tolist() == ["anger", "happiness"]
        assert corpus.speaker.tolist() == ["1", "2"]
        assert set(corpus) == FIELDS and corpus.name == "audformat"


def test_segmented_table_of_audformat_is_cut_on_reading(database, tmp_path):
    """The samples of two adjacent segments are those of the whole file."""
    table = database["segments"].get(map={"speaker": ["speaker", "gender"]})
    corpus = quietly(from_audformat, table, tmp_path, sex="gender", name="db")
    a, b = (str(tmp_path / f"audio/{name}.wav") for name in "ab")
    assert corpus.files == [Segment(a, 0, 0.25), Segment(a, 0.25, 1), Segment(b, 0.5)]
    assert corpus.emotion.tolist() == ["anger", "happiness", "neutral"]
    assert corpus.sex.tolist() == ["female", "female", "male"] and corpus.name == "db"
    waveforms = AudioLoader().fit_transform(corpus.files)
    assert [len(waveform) for waveform in waveforms] == [4000, 12_000, 8000]
    (whole,) = AudioLoader().fit_transform([a])
    np.testing.assert_array_equal(np.concatenate(waveforms[:2]), whole)


def test_series_of_emotions_and_a_task_of_segments(database, tmp_path):
    series = database["segments"]["emotion"].get()
    corpus = from_audformat(series, tmp_path, speaker=None)
    assert corpus.speaker.tolist() == ["unknown"] * 3
    whole = from_audformat(database["files"], tmp_path)
    with pytest.raises(
        ValueError, match=r"share 2 recording\(s\), e\.g\. .*' from 0 s to 0\.25 s, "
    ):
        cross_corpus_task(corpus, whole)
    task = cross_corpus_task(corpus, {**whole, "files": ["c.wav", "d.wav"]})
    assert task.classes.tolist() == ["anger", "happiness"]
    assert task.X_src == corpus.files[:2] and task.y_src.tolist() == ["anger", "happiness"]
    with pytest.raises(
        ValueError, match=r"the table has no column 'speaker'; it has \['emotion'\]"
    ):
        from_audformat(series, tmp_path)


def test_unknown_and_missing_emotions_of_a_table(database, tmp_path):
    table = database["segments"].get()
    table["emotion"] = ["anger", "bemused", "bemused"]
    with pytest.warns(CorpusWarning, match=r"2 of 3 rows of the table .*: 'bemused' \(2\)\."):
        assert len(from_audformat(table, tmp_path).files) == 1
    table["emotion"] = ["anger", None, "fear"]
    with pytest.raises(ValueError, match=r"column 'emotion' of the table holds 1 missing"):
        from_audformat(table, tmp_path)


def test_invalid_tables_of_audformat(database, tmp_path):
    table = database["segments"].get()
    with pytest.raises(
        FileNotFoundError, match=r"2 of 2 files of the table do not exist, e\.g\. x"
    ):
        from_audformat(table, "x")
    with pytest.raises(
        ValueError, match=r"lists 1 .* than once, e\.g\. '.*a\.wav' from 0 s to 0\.25"
    ):
        from_audformat(pd.concat([table, table.iloc[:1]]), tmp_path)
    with pytest.raises(TypeError, match=r"got a DataFrame with the levels \[None\]"):
        from_audformat(table.reset_index(), tmp_path)
    with pytest.raises(
        TypeError, match=r"levels file, start and end; got a list with the levels \[\]"
    ):
        from_audformat(["a.wav"], tmp_path)
    misc = audformat.MiscTable(pd.Index(["x"], name="idx"))
    with pytest.raises(TypeError, match=r"levels \['idx'\]"):
        from_audformat(misc, tmp_path)
    for blank in (None, " "):
        with pytest.raises(ValueError, match=r"level 'file' of the table holds 1 missing"):
            index = pd.Index(["a.wav", blank], name="file")
            from_audformat(pd.Series(["fear", "anger"], index), tmp_path, speaker=None)


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    header = "file,emotion,speaker\n"
    for text, message in (
        (
            f"{header}a.wav,happy, very,s1\n",
            r"expected 3 cells, got \['a\.wav', 'happy', 'very', 's1'\]\. Quote cells .* ','\.$",
        ),
        (f'{header}a.wav,joy,"s1\nc.wav,sad,s2\n', "is not a valid CSV file: unexpected end"),
        (f'{header}a.wav,joy,"s1"x\n', "is not a valid CSV file: ',' expected after"),
        ("file,emotion,emotion\na.wav,joy,sad\n", r"several columns \['emotion'\]; keep one"),
        ("file|emotion\na.wav|joy\n", r"single column, 'file\|emotion': ',' is not .*Pass delim"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            load_manifest(path)


def test_files_in_another_encoding(manifest):
    lines = ("file,emotion,speaker", "audio/b.wav,fear,Jürgen €")
    path = manifest(*lines, encoding="cp1252")
    message = (
        r"does not have the encoding 'utf-8-sig': .*\. Pass encoding=\.\.\., for example "
        r"'cp1252' for files from Excel\.$"
    )
    with pytest.raises(ValueError, match=message):
        load_manifest(path)
    assert load_manifest(path, encoding="cp1252").speaker.tolist() == ["Jürgen €"]
    for encoding in ("utf-16", "utf-8-sig"):
        path = manifest(*lines, encoding=encoding)
        assert load_manifest(path, encoding=encoding).speaker.tolist() == ["Jürgen €"]
    path = manifest(*lines)
    for encoding in ("excel", "base64", "undefined", "a\0", None, 3):
        with pytest.raises(ValueError, match=r"does not have the encoding .*Pass encoding=\.\.\."):
            load_manifest(path, encoding=encoding)


def test_blank_rows_and_columns_without_a_name_are_left_out(manifest):
    lines = (
        " , ,,",
        ",file,emotion,speaker",
        '0, "audio/b.wav",fear,NA',
        "",
        "1,audio/a.flac,joy,2",
    )
    path = manifest(*lines, ", ,,")
    corpus = load_manifest(path)
    assert names(corpus, path.parent) == ["audio/b.wav", "audio/a.flac"]
    assert corpus.speaker.tolist() == ["NA", "2"]
    with pytest.raises(ValueError, match=r"no column ''; it has \['file', 'emotion', 'speaker'\]"):
        load_manifest(path, emotion="")


def test_delimiters_of_one_character(manifest):
    path = manifest("file,emotion,speaker", "audio/b.wav,fear,1")
    for delimiter in (";;", "", 3, "\0", "\n", "\r", '"'):
        with pytest.raises(ValueError, match=r"delimiter must be a single char.*none of .*; got "):
            load_manifest(path, delimiter=delimiter)


def test_data_frames_with_a_column_twice_are_refused():
    frame = pd.DataFrame({"file": ["a.wav"], "emotion": ["joy"], "speaker": ["s1"]})
    with pytest.raises(ValueError, match=r"the data frame has several columns \['emotion'\]"):
        load_manifest(pd.concat([frame, frame[["emotion"]]], axis=1))


def test_a_bad_segment_is_named_by_its_row():
    index = pd.MultiIndex.from_arrays(
        [["a.wav", "b.wav"], pd.to_timedelta([0, 1], "s"), pd.to_timedelta([1, 1], "s")],
        names=["file", "start", "end"],
    )
    with pytest.raises(ValueError, match="beyond start") as caught:
        from_audformat(pd.DataFrame({"emotion": ["joy", "sad"], "speaker": ["a", "b"]}, index))
    assert "This is row 1 of the table, 'b.wav'" in caught.value.__notes__[0]


def test_cells_of_a_data_frame_are_stripped(manifest, tmp_path):
    manifest("")
    columns = {"file": ["audio/b.wav ", " audio/a.flac"], "speaker": [" x", "x "]}
    table = frame(**columns, emotion=[" fear", "joy "], sex=[" F", "m "])
    corpus = load_manifest(table, tmp_path, sex="sex")
    assert names(corpus, tmp_path) == ["audio/b.wav", "audio/a.flac"]
    assert corpus.emotion.tolist() == ["fear", "happiness"]
    assert corpus.speaker.tolist() == ["x", "x"] and corpus.sex.tolist() == ["female", "male"]
    corpus = load_manifest(table.assign(sex=["", None]), tmp_path, sex="sex")
    assert corpus.sex.tolist() == ["unknown", "unknown"]


def test_error_for_blank_speakers_tells_the_cure(manifest):
    path = manifest("file,emotion,speaker", "audio/b.wav,fear,1", "audio/a.flac,joy,")
    message = r"column 'speaker' of .* holds 1 .*row 1\. Pass speaker=None to leave it out\.$"
    with pytest.raises(ValueError, match=message):
        load_manifest(path)
    assert load_manifest(path, speaker=None).speaker.tolist() == ["unknown", "unknown"]


def test_roots_that_are_not_paths():
    emotions = pd.Series(["fear"], pd.Index(["a.wav"], name="file"))
    message = "root must be a folder, as a path, or None; got "
    for root in (3, b"x", ["x"]):
        with pytest.raises(TypeError, match=message):
            load_manifest(frame(), root=root)
        with pytest.raises(TypeError, match=message):
            from_audformat(emotions, root, speaker=None)


def test_emotion_folders_inside_speaker_folders(grow):
    root = grow("s1/angry/1.wav", "s1/sad/1.wav", "s2/angry/day/1.wav", "s2/noise/1.wav")
    message = (
        r"has no known emotion but 's1' \(2\), 's2' \(2\): .* 3 files have the name of an emotion "
        r"in a deeper folder, e\.g\. s1/angry/1\.wav, .*: list files, emotions and speakers in a "
    )
    with pytest.raises(ValueError, match=message):
        load_audio_folder(root)
    assert load_audio_folder(root, mapping={"s1": "calm", "s2": "fear"}).emotion[0] == "calm"
    with pytest.raises(ValueError, match=r"'x' \(1\): pass mapping=\{spelling: label\}\.$"):
        load_audio_folder(grow("deep/x/y/1.wav") / "deep")


def test_a_known_corpus_is_no_folder_per_emotion(tmp_path):
    for stem in ("03a01Fa", "08a02Wb"):
        path = tmp_path / "wav" / f"{stem}.wav"
        path.parent.mkdir(exist_ok=True)
        path.write_text(stem)
    cure = r"The names of its files are those of emodb: use load_corpus\('emodb', \.\.\.\)\."
    with pytest.raises(ValueError, match=rf"no known emotion but 'wav' \(2\): .* {cure}"):
        load_audio_folder(tmp_path)


PARTS = [Segment("audio/b.wav", 1, 2.5), Segment("audio/a.flac", 64)]
TIMES = {
    "seconds": (["1", "64.0"], ["2.5", ""]),
    "decimal commas": (["1,0", "64,000"], ["2,5", " "]),
    "exponents": (["1e0", "6.4e+1"], ["25e-1", "nan"]),
    "timedeltas": (["0 days 00:00:01", "0 days 00:01:04"], ["0 days 00:00:02.500000", "NaT"]),
    "minutes": (["0:01", "01:04"], ["00:02.5", None]),
    "hours": (["0:00:01", "00:01:04"], ["00:00:02,5", None]),
    "units": (["1s", "1 min 4 s"], ["2500 ms", None]),
    "NA of R": (["1", "64"], ["2.5", "NA"]),
    "ISO 8601": (["P0DT0H0M1S", "P0DT0H1M4S"], ["P0DT0H0M2.5S", None]),
}


@pytest.mark.parametrize(("starts", "ends"), TIMES.values(), ids=TIMES)
def test_columns_of_times_make_segments(manifest, tmp_path, starts, ends):
    lines = [
        f'{part.file};joy;x;"{start}";"{end or ""}"'
        for part, start, end in zip(PARTS, starts, ends, strict=True)
    ]
    expected = [Segment(str(tmp_path / part.file), part.start, part.end) for part in PARTS]
    path = manifest("file;emotion;speaker;start;end", *lines)
    assert load_manifest(path, delimiter=";").files == expected
    table = frame(start=starts, end=ends)
    assert load_manifest(table, tmp_path).files == expected
    table = table.rename(columns={"start": "from", "end": "to"})
    assert load_manifest(table, tmp_path, start="from", end="to").files == expected
    assert load_manifest(table, tmp_path).files == [part.file for part in expected]


@pytest.mark.parametrize(
    "text",
    ["1 500", "+ 1", "1 5", "1-2", "0:1.5.5", "0:1,500,250", "1.2.3s", "1 2 s", "5 1s", "1 1:0"],
)
def test_times_that_pandas_would_misread(manifest, tmp_path, text):
    """Pandas takes these for nanoseconds, or leaves out a part of them."""
    manifest("")
    with pytest.raises(ValueError, match=f"must be times, .*; got {re.escape(repr(text))}"):
        load_manifest(frame(start=[text, "0"]), tmp_path)


@pytest.mark.parametrize(
    ("starts", "ends"),
    [
        ([1.0, 64], [2.5, float("nan")]),
        (pd.to_timedelta([1, 64], "s"), pd.to_timedelta([2.5, None], "s")),
        ([timedelta(seconds=1), timedelta(minutes=1, seconds=4)], [2.5, None]),
        ([time(0, 0, 1), time(0, 1, 4)], [time(0, 0, 2, 500_000), None]),
    ],
)
def test_times_of_a_data_frame(manifest, tmp_path, starts, ends):
    manifest("")
    expected = [Segment(str(tmp_path / part.file), part.start, part.end) for part in PARTS]
    assert load_manifest(frame(start=starts, end=ends), tmp_path).files == expected


def test_one_column_of_times_is_enough_and_none_ignores_both(manifest, tmp_path):
    manifest("")
    a, b = str(tmp_path / "audio/a.flac"), str(tmp_path / "audio/b.wav")
    table = frame(end=["2,5", "3"])
    assert load_manifest(table, tmp_path).files == [Segment(b, 0, 2.5), Segment(a, 0, 3)]
    table = frame(start=["Monday", "Tuesday"])
    assert load_manifest(table, tmp_path, start=None).files == [b, a]
    message = r"times, in seconds \(1\.5\) or .*; got 'Monday'\. Pass start=None and end=None"
    with pytest.raises(ValueError, match=message) as caught:
        load_manifest(table, tmp_path)
    assert "This is row 0 of the data frame, 'audio/b.wav'" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match=r"no column 'begin'; .* as start=.*Pass start=None to"):
        load_manifest(table, tmp_path, start="begin")
    with pytest.raises(ValueError, match=r"end must be a finite time beyond start, 2 s"):
        load_manifest(frame(start=["2", "0"], end=["1", "1"]), tmp_path)


def test_several_parts_of_a_file_in_a_manifest(manifest, tmp_path):
    header = "file,emotion,speaker"
    rows = ("audio/b.wav,fear,x", "audio/b.wav,joy,x")
    path = manifest(f"{header},start,end", f"{rows[0]},0,1", f"{rows[1]},1,2")
    parts = [Segment(str(tmp_path / "audio/b.wav"), start, start + 1) for start in (0, 1)]
    assert load_manifest(path).files == parts
    path = manifest(f"{header},start,end", f"{rows[0]},0,1", f"{rows[1]},0,1.0")
    with pytest.raises(
        ValueError, match=r"lists 1 recording\(s\) more than once, .*from 0 s to 1 s"
    ):
        load_manifest(path)
    with pytest.raises(
        ValueError, match=r"more than once.*parts .* need columns with start and end"
    ):
        load_manifest(manifest(header, *rows))


LINES = ("file,emotion,speaker", "audio/b.wav,fear,x", "audio/a.flac,joy,y")


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        (("sep=,", *LINES), {}),
        (("SEP=;", *(line.replace(",", ";") for line in LINES)), {}),
        (('"sep=;"', *(line.replace(",", ";") for line in LINES)), {"delimiter": ";"}),
        ((r"sep=\t", *(line.replace(",", "\t") for line in LINES)), {}),
        (("sep=;;;", "", *(line.replace(",", ";") for line in LINES)), {}),
        ((LINES[0], *(f"{line}," for line in LINES[1:])), {}),
        (tuple(f"{line},,," for line in LINES), {}),
        ((*LINES, ",,", ", , ,,,"), {}),
        (tuple(line.replace(",", "\t") for line in LINES), {"file": "calls.tsv"}),
        (tuple(line.replace(",", "\t") for line in LINES), {"file": "calls.TAB"}),
        (tuple(line.replace(",", "\t") for line in LINES), {}),
        (tuple(line.replace(",", ";") for line in LINES), {}),
        ((f'{LINES[0]},"notes (a;b;c;d)"', *LINES[1:]), {}),
        (LINES, {"encoding": "utf-16"}),
        (LINES, {"encoding": "utf-32"}),
        (("sep=\t", *(line.replace(",", "\t") for line in LINES)), {"encoding": "utf-16"}),
        (LINES, {"encoding": "utf-8-sig"}),
    ],
)
def test_what_spreadsheets_and_scripts_leave_in_csv(manifest, tmp_path, lines, options):
    delimiter = options.pop("delimiter", None)
    path = manifest(*lines, **options)
    corpus = quietly(load_manifest, path, delimiter=delimiter, encoding="cp1252")
    assert names(corpus, tmp_path) == ["audio/b.wav", "audio/a.flac"]
    assert corpus.emotion.tolist() == ["fear", "happiness"]
    assert corpus.speaker.tolist() == ["x", "y"]


def test_utf_16_without_a_mark_is_named(manifest):
    path = manifest(*LINES, encoding="utf-16-le")
    with pytest.raises(ValueError, match=r"null characters, as 'utf-16-le' does\. Pass encoding"):
        load_manifest(path)
    assert len(load_manifest(path, encoding="utf-16-le").files) == 2


def test_frames_of_other_libraries(manifest, tmp_path):
    """A table of pyarrow, and a frame that knows its columns by name only, as that of polars."""

    class Frame:
        columns = ("file", "emotion", "speaker")

        def collect(self):
            return self

        def __getitem__(self, name):
            return iter(frame()[name])

    manifest("")
    expected = load_manifest(frame(), tmp_path)
    for table in (Frame(), pa.Table.from_pandas(frame())):
        corpus = load_manifest(table, tmp_path)
        assert corpus.files == expected.files
        assert corpus.emotion.tolist() == expected.emotion.tolist()


def test_a_warning_gives_the_reason_for_each_file(manifest, tmp_path):
    manifest("")
    for name, text in {"a.flac": "", "b.wav": "version https://git-lfs.github.com/spec/v1"}.items():
        (tmp_path / "audio" / name).write_text(text)
    (tmp_path / "audio/c.mp4").write_text("video")
    files = ["audio/a.flac", "audio/b.wav", "audio/c.mp4"]
    rows = {"file": files, "emotion": ["joy", "joy", "grumpy"], "speaker": "x"}
    with pytest.warns(CorpusWarning) as caught:
        assert len(load_manifest(pd.DataFrame(rows), tmp_path).files) == 2
    (warning,) = caught
    assert warning.message.reasons == {
        str(tmp_path / "audio/a.flac"): "empty",
        str(tmp_path / "audio/b.wav"): "a Git LFS pointer, not audio",
        str(tmp_path / "audio/c.mp4"): "unknown emotion 'grumpy'",
    }
    assert "1 file(s) of the data frame cannot be read (videos)" in str(warning.message)
    assert pickle.loads(pickle.dumps(warning.message)).reasons == warning.message.reasons
