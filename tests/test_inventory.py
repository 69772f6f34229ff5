"""Inventories of folders, guesses of their layout, and corpora that print as one line."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from skdidan import (
    CorpusWarning,
    Segment,
    cross_corpus_task,
    find_audio,
    guess_layout,
    inspect_audio,
    leave_one_corpus_out,
    load_audio_folder,
    load_corpus,
    make_speech_corpora,
)

RATE = 8000


def square(seconds, amplitude):
    """Return a square wave, whose level is 20 log10 of its amplitude."""
    return amplitude * np.resize([1.0, -1.0], round(seconds * RATE))


@pytest.fixture
def folder(tmp_path):
    """Write five files, of which two are usable without doubt."""
    soundfile.write(tmp_path / "a.wav", square(0.5, 0.1), RATE, subtype="FLOAT")
    stereo = np.column_stack([square(0.25, 0.5)] * 2)
    soundfile.write(tmp_path / "b.flac", stereo, RATE)
    soundfile.write(tmp_path / "c.wav", square(0.05, 0.1), RATE)
    (tmp_path / "d.wav").write_text("no audio")
    (tmp_path / "e.mp4").write_text("a video")
    return tmp_path


def test_an_inventory_measures_each_file(folder):
    table = inspect_audio(folder, n_jobs=2).set_index("file")
    table.index = [Path(file).name for file in table.index]
    assert table.index.tolist() == ["a.wav", "b.flac", "c.wav", "d.wav", "e.mp4"]
    assert table["format"].tolist()[:3] == ["WAV/FLOAT", "FLAC/PCM_16", "WAV/PCM_16"]
    np.testing.assert_array_equal(table["sample_rate"], [RATE, RATE, RATE, math.nan, math.nan])
    np.testing.assert_array_equal(table["channels"], [1, 2, 1, math.nan, math.nan])
    np.testing.assert_allclose(table["duration"], [0.5, 0.25, 0.05, math.nan, math.nan])
    decibels = [-20, 20 * math.log10(0.5), -20, math.nan, math.nan]
    np.testing.assert_allclose(table["level"], decibels, atol=1e-3)
    assert table["doubt"].isna().tolist() == [True, True, False, True, True]
    assert table["doubt"]["c.wav"] == "lasts 0.05 s, less than 0.1 s"
    assert "cannot be decoded" in table["error"]["d.wav"]
    assert table["error"]["e.mp4"].startswith("videos: save their sound")
    assert table["error"].isna().tolist() == [True, True, True, False, False]


def test_an_inventory_of_files_keeps_their_order(folder):
    segment = Segment(folder / "a.wav", 0.1, 0.3)
    table = inspect_audio([segment, folder / "a.wav", folder / "absent.wav"])
    assert table["file"][0] == segment
    np.testing.assert_allclose(table["duration"], [0.2, 0.5, math.nan])
    assert "absent.wav" in table["error"][2]


def test_an_inventory_without_audio_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no audio"):
        inspect_audio(tmp_path)
    with pytest.raises(ValueError, match="root holds 0 files"):
        inspect_audio([])
    with pytest.raises(NotADirectoryError, match="does not exist"):
        inspect_audio(tmp_path / "absent")


def test_find_audio_holds_the_reason_of_every_file(folder):
    with pytest.warns(CorpusWarning, match=r"listed, but hardly speech: .*c\.wav lasts") as caught:
        files = find_audio(folder, check=True)
    assert [Path(file).name for file in files] == ["a.wav", "b.flac", "c.wav"]
    reasons = {Path(path).name: reason for path, reason in caught[0].message.reasons.items()}
    assert reasons.keys() == {"c.wav", "d.wav", "e.mp4"}


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["wav/03a01Fa.wav", "wav/08a02Wb.wav", "noise.wav"], [("emodb", 2)]),
        (["wangzhe/angry/201.wav", "wangzhe/sad/202.wav"], [("casia", 2)]),
        (["samples/WR0_surprised_64.flac"], [("nemo", 1)]),
        (["OAF_back_angry.wav", "YAF_back_sad.wav"], [("tess", 2)]),
        (["Angry/1.wav", "sad/2.wav", "unknown/3.wav"], [("folders", 2)]),
        (["monday/1.wav", "tuesday/2.wav"], []),
    ],
)
def test_layouts_are_guessed_from_names(names, layout, grow):
    assert guess_layout(grow(*names)) == layout


def test_layouts_of_a_mixture_are_ranked(grow):
    root = grow("03a01Fa.wav", "03a02Wa.wav", "03a02Na.wav", "DC_sa01.wav", "DC_sa02.wav")
    assert guess_layout(root) == [("emodb", 3), ("savee", 2)]


def test_corpora_and_tasks_print_as_one_line(grow):
    root = grow("emodb/03a01Fa.wav", "emodb/08a02Wb.wav", "emodb/08a02Fb.wav")
    grow("calls/angry/1.wav", "calls/happy/2.wav")
    emodb = load_corpus("emodb", root / "emodb")
    calls = load_audio_folder(root / "calls")
    one = "<corpus emodb: 3 recordings, 2 speaker(s), happiness (2), anger (1)>"
    assert repr(emodb) == str(emodb) == repr(pickle.loads(pickle.dumps(emodb))) == one
    assert repr(calls) == "<corpus calls: 2 recordings, unknown speakers, anger (1), happiness (1)>"
    named = load_audio_folder(root / "calls", speaker="[0-9]")
    assert repr(named) == "<corpus calls: 2 recordings, 2 speaker(s), anger (1), happiness (1)>"
    task = "<task emodb to calls: 3 source and 2 target recordings, anger, happiness>"
    assert repr(cross_corpus_task(emodb, calls)) == task
    assert repr(next(leave_one_corpus_out([calls, emodb]))).startswith("<task emodb to calls: 3")
    made = make_speech_corpora(4, 3, emotions=("anger", "fear"), random_state=0)
    assert repr(made) == "<task source to target: 4 source and 3 target recordings, anger, fear>"
    del emodb["files"]
    assert repr(emodb) == repr(dict(emodb))
