"""Manifests, emotion folders and audformat tables: rows, labels and what can be wrong."""

import warnings
from pathlib import Path

import audformat
import numpy as np
import pandas as pd
import pytest
import soundfile

from skdidan import AudioLoader, Segment, cross_corpus_task
from skdidan.corpora.emotion_folders import load_audio_folder
from skdidan.corpora.folders import CorpusWarning
from skdidan.corpora.manifests import from_audformat, load_manifest

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
    assert load_audio_folder(root / "corpus", speaker=r"s\d").speaker.tolist() == ["s1", "s2", "s1"]
    assert set(load_audio_folder(root / "corpus", name="x").speaker) == {"unknown"}


def test_folders_of_unknown_emotions(grow):
    root = grow("Wut/1.wav", "sad/1.wav", "noise/1.wav", "noise/2.wav", "stray.wav")
    message = r"4 of 5 rows of the folder .*: 'noise' \(2\), '\(no folder\)' \(1\), 'Wut' \(1\)\."
    with pytest.warns(CorpusWarning, match=message):
        assert load_audio_folder(root).emotion.tolist() == ["sadness"]
    mapping = {"Wut": "anger", "noise": "noise", "(no folder)": "noise"}
    assert quietly(load_audio_folder, root, mapping=mapping).emotion.tolist()[0] == "anger"


def test_a_folder_without_audio(tmp_path):
    message = r"root holds no audio: expected <emotion>/<file> as \.wav"
    with pytest.raises(ValueError, match=message):
        load_audio_folder(tmp_path)


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
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"audio/{name}.wav", np.arange(1, 16_001) / 16_001, 16_000)
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
        (f"{header}a.wav,happy, very,s1\n", r"3 fields in line 2, saw 4\. Quote cells .* ','\.$"),
        (f'{header}a.wav,joy,"s1\nc.wav,sad,s2\n', "is not a valid CSV file: unexpected end"),
        (f'{header}a.wav,joy,"s1"x\n', "is not a valid CSV file: ',' expected after"),
        ("file,emotion,emotion\na.wav,joy,sad\n", r"several columns \['emotion'\]; keep one"),
        ("file;emotion\na.wav;joy\n", r"single column, 'file;emotion': ',' is not .*Pass delim"),
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
    for encoding in ("excel", "base64", "undefined", "a\0", None, 3):
        with pytest.raises(
            ValueError, match=r"encoding must be a text encoding of Python, .*; got "
        ):
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
    for delimiter in (";;", "", None, "\0", "\n", "\r", '"'):
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
