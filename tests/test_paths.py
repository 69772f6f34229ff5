"""Paths that are spelt differently from those on disk: found, or explained."""

import os
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pandas as pd
import pytest

from skdidan import (
    Functionals,
    Segment,
    find_audio,
    from_audformat,
    inspect_audio,
    load_audio_folder,
    load_manifest,
    read_audio,
)
from skdidan.paths import explain_absence, find_path

BERND, ZURICH = "wav/Bernd.wav", normalize("NFC", "wav/Zürich.wav")


@pytest.fixture
def root(grow):
    return str(grow(BERND, ZURICH))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (BERND, BERND),
        ("./wav/Bernd.wav", "./wav/Bernd.wav"),
        ("wav\\Bernd.wav", BERND),
        (".\\wav\\Bernd.wav", BERND),
        ("WAV/bernd.Wav", BERND),
        ("Wav\\BERND.WAV", BERND),
        (normalize("NFD", ZURICH), ZURICH),
        (normalize("NFD", ZURICH).upper(), ZURICH),
        ("Wav", "wav"),
        ("wav/Bert.wav", None),
        ("wav/Bernd.wav/x", None),
        ("nowhere/Bernd.wav", None),
        ("x\0", None),
        ("a/" * 3000, None),
    ],
)
def test_other_spellings_of_a_path(root, path, expected):
    assert find_path(path, root) == (expected and os.path.join(root, expected))


def test_an_exact_name_is_preferred_and_two_similar_ones_are_refused(grow):
    root = str(grow("x/A.wav", "x/a.wav"))
    assert find_path("x/a.wav", root) == os.path.join(root, "x/a.wav")
    assert find_path("X/a.WAV", root) is None
    assert "Similar files beside it: 'A.wav', 'a.wav'." in explain_absence("x/a.WAV", root)


@pytest.mark.parametrize(
    "path",
    [
        "wav\\Bernd.wav",
        "'wav/Bernd.wav'",
        "wav/Bernd.wav\t",
        "wav%2FBernd.wav",
        "file:wav/Bernd.wav",
        "$SKDIDAN_TEST/Bernd.wav",
        "D:\\corpus\\wav\\Bernd.wav",
        "/home/anna/corpus/wav/Bernd.wav",
        "file:///D:/corpus/wav/Bernd.wav",
        "emodb/wav/Bernd.wav",
    ],
)
def test_the_file_that_is_meant_by_an_absent_one_is_named(root, monkeypatch, path):
    monkeypatch.setenv("SKDIDAN_TEST", "wav")
    assert explain_absence(path, root) == f" Did you mean {os.path.join(root, BERND)!r}?"


@pytest.mark.parametrize(
    ("path", "explanation"),
    [
        ("wav/Bernd.flac", " Similar files beside it: 'Bernd.wav'."),
        ("https://example.org/other.wav", " The path is a URL, and nothing is downloaded."),
        ("D:\\corpus\\other.wav", " The path is one of Windows."),
        ("wav/other.wav", ""),
        ("", ""),
    ],
)
def test_absence_without_a_file_that_is_meant(root, path, explanation):
    assert explain_absence(path, root) == explanation


@pytest.mark.parametrize("path", ["WAV\\Bernd.wav", "wav\\BERND.WAV"])
def test_tables_take_other_spellings_and_explain_the_rest(root, path):
    table = pd.DataFrame({"file": [path, ZURICH], "emotion": ["joy", "fear"], "speaker": "x"})
    loaders = (load_manifest, lambda table, root: from_audformat(table.set_index("file"), root))
    for load in loaders:
        expected = [os.path.join(root, name) for name in (BERND, ZURICH)]
        assert load(table, root).files == expected
        odd = table.assign(file=["D:\\" + path, ZURICH])
        message = r"1 of 2 files of .* do not exist, .*\. Relative .*Did you mean '.*Bernd\.wav'"
        with pytest.raises(FileNotFoundError, match=message):
            load(odd, root)


def test_two_spellings_of_one_file_are_one_recording(root):
    table = pd.DataFrame({"file": [BERND, BERND.upper()], "emotion": "joy", "speaker": "x"})
    with pytest.raises(ValueError, match="lists 1 recording"):
        load_manifest(table, root)


def test_roots_and_manifests_in_other_spellings(grow, monkeypatch):
    root = grow("Corpus/joy/1.wav")
    (root / "Corpus/list.csv").write_text("file,emotion\njoy/1.wav,joy\n")
    monkeypatch.chdir(root)
    assert find_audio("corpus\\JOY") == [str(Path("Corpus/joy/1.wav"))]
    assert load_audio_folder("CORPUS").files == [str(Path("Corpus/joy/1.wav"))]
    assert len(load_manifest("corpus\\List.csv", speaker=None).files) == 1
    with pytest.raises(FileNotFoundError, match=r"does not exist\. Did you mean '.*list\.csv'"):
        load_manifest("data/Corpus/list.csv")
    with pytest.raises(NotADirectoryError, match=r"does not exist .* Did you mean 'Corpus'\?"):
        find_audio("data/Corpus")


def test_a_tilde_that_names_no_user_is_a_name(grow, monkeypatch):
    monkeypatch.chdir(grow("~export/joy/1.wav", "~export/fear/2.wav"))
    Path("~list.csv").write_text("file,emotion\n~export/joy/1.wav,joy\n")
    assert len(find_audio("~export")) == len(load_audio_folder(Path("~export")).files) == 2
    assert load_manifest("~list.csv", speaker=None).files == [str(Path("~export/joy/1.wav"))]
    with pytest.raises(NotADirectoryError, match="'~nobody12', which does not exist"):
        find_audio("~nobody12")


def test_readers_explain_absent_files(root, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(FileNotFoundError, match=r"does not exist\. Did you mean 'wav/Bernd\.wav'"):
        read_audio("WAV\\bernd.wav")
    monkeypatch.setenv("HOME", root)
    with pytest.raises(FileNotFoundError, match=r"does not exist\. Did you mean '.*Bernd\.wav'"):
        read_audio("~/wav/Bernd.wav")


def test_a_folder_among_the_files_of_a_table_is_named(root):
    table = pd.DataFrame({"file": ["wav", BERND], "emotion": ["anger", "fear"]})
    with pytest.raises(FileNotFoundError, match=r"1 of 2 files .* 'wav' is a folder\.$"):
        load_manifest(table, root=root, speaker=None)


def test_text_of_numpy_is_named_plainly():
    name = np.str_("anger")
    readers = (
        read_audio,
        lambda name: Functionals().transform(np.array([name])),
        lambda name: read_audio(Segment(name)),
    )
    for read in readers:
        with pytest.raises(FileNotFoundError, match=r"^The audio file 'anger' (from .* )?does not"):
            read(name)
    assert "The audio file 'anger'" in inspect_audio([name])["error"][0]
