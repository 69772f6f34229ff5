"""Corpora on disk: labels, duplicates, files that do not fit, and folders of something else."""

import os
import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from references import real_corpus

from skdidan import (
    CorpusWarning,
    find_audio,
    inspect_audio,
    load_audio_folder,
    load_corpus,
    read_audio,
)
from skdidan.corpora.faults import SUFFIXES as ALL_SUFFIXES
from skdidan.corpora.folders import SAME_STEM
from skdidan.corpora.known import CORPORA, EMOTIONS
from skdidan.corpora.layouts import corpus_key

FORMATS = {
    ".aif": {"format": "AIFF"},
    ".aifc": {"format": "AIFF"},
    ".au": {"format": "AU"},
    ".avr": {"format": "AVR", "subtype": "PCM_16"},
    ".bwf": {"format": "WAVEX"},
    ".caff": {"format": "CAF"},
    ".fla": {"format": "FLAC"},
    ".ircam": {"format": "IRCAM"},
    ".mp1": {"format": "MP3"},
    ".mp2": {"format": "MP3"},
    ".mpa": {"format": "MP3"},
    ".mpga": {"format": "MP3"},
    ".nis": {"format": "NIST"},
    ".nist": {"format": "NIST"},
    ".oga": {"format": "OGG"},
    ".ogx": {"format": "OGG"},
    ".rf64": {"format": "RF64"},
    ".snd": {"format": "AU"},
    ".sph": {"format": "NIST"},
    ".svx": {"format": "SVX"},
    ".8svx": {"format": "SVX"},
    ".wave": {"format": "WAV"},
}
SUFFIXES = (  # as documented
    *(".wav", ".flac", ".aiff", ".ogg", ".opus", ".mp3"),
    *(".caf", ".paf", ".pvf", ".sds", ".voc", ".w64"),
    *FORMATS,
)
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


def names(corpus, root):
    return [Path(file).relative_to(root).as_posix() for file in corpus.files]


def load_emodb(root, **options):
    return load_corpus("emodb", root, **options)


def quietly(load, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load(*args)


def test_any_nesting_and_format(grow):
    folders, suffixes = ("", "wav/", "a/b/c/"), (*SUFFIXES, ".WAV", ".Flac")
    files = [
        f"{folder}{n:02}a{k:02}Fa{suffix}"
        for n, folder in enumerate(folders)
        for k, suffix in enumerate(suffixes)
    ]
    root = grow(*files, "README.txt", "lablaut/03a01Fa.lablaut")
    assert sorted(names(quietly(load_corpus, "emodb", root), root)) == sorted(files)


def test_files_are_sorted_strings_below_the_root_as_given(grow, monkeypatch):
    stems = ["16b10Wb", "03a01Fa", "09a02Na"]
    root = grow(*(f"emodb/{stem}.wav" for stem in stems))
    monkeypatch.chdir(root)
    corpus = load_corpus("emodb", "emodb")
    assert corpus.files == [str(Path("emodb") / f"{stem}.wav") for stem in sorted(stems)]
    assert corpus.emotion.tolist() == ["happiness", "neutral", "anger"]
    assert corpus.name == "emodb" and "Berlin" in corpus.DESCR


def test_an_utterance_that_is_there_twice_counts_once(grow):
    root = grow("03a01Fa.wav", "emodb/03a01Fa.wav", content="the same")
    grow("03a01Fa.mp3", "flac/03a01Fa.flac", "08a01Fa.ogg")
    assert names(load_corpus("emodb", root), root) == ["03a01Fa.wav", "08a01Fa.ogg"]


def test_casia_utterances_of_one_number_stay_apart(grow):
    root = grow("wangzhe/angry/201.wav", "wangzhe/sad/201.wav")
    grow("liuchanhg/angry/201.wav", "copy/liuchanhg/angry/201.wav", content="the same")
    assert len(load_corpus("casia", root).files) == 3


def test_hidden_files_and_folders_are_ignored(grow):
    root = grow("wav/03a01Fa.wav", "__MACOSX/._03a01Fa.wav", ".hidden.wav", ".Trash/08a01Wa.wav")
    grow("wav/.ipynb_checkpoints/03a02Fa.wav")
    assert names(quietly(load_corpus, "emodb", root), root) == ["wav/03a01Fa.wav"]


def test_files_that_do_not_fit_are_reported_once_with_count_and_examples(grow):
    root = grow("03a01Fa.wav", "03a01Xa.wav", "noise.flac", "wangzhe/angry/201.wav", "x08a02Wa.wav")
    message = (
        r"4 of 5 audio files .* left out \(they do not fit the corpus\), e\.g\. 03a01Xa\.wav, "
        r"noise\.flac, wangzhe/angry/201\.wav: EmoDB, .* has <speaker><text>.*; add spellings of "
        r"emotions by mapping=\{spelling: label\}\. Unknown emotions: 'x' \(1\)\.$"
    )
    with pytest.warns(CorpusWarning, match=message) as caught:
        corpus = load_corpus("emodb", root)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert names(corpus, root) == ["03a01Fa.wav"]


def test_the_most_frequent_unknown_emotions_are_reported(grow):
    root = grow(*(f"wangzhe/odd{n:02}/{n}.wav" for n in range(12)), "wangzhe/odd07/8.wav")
    grow("wangzhe/sad/201.wav")
    message = r"Unknown emotions: 'odd07' \(2\), 'odd00' \(1\), .*'odd09' \(1\), 2 more\.$"
    with pytest.warns(CorpusWarning, match=message):
        load_corpus("casia", root)


def test_mapping_adds_spellings_and_renames_labels(grow):
    root = grow("wangzhe/rage/201.wav", "wangzhe/sad/201.wav", "wangzhe/fear/201.wav")
    mapping = {"Rage": "anger", "sadness": "low", "FEAR": "scared"}
    corpus = load_corpus("casia", root, mapping=mapping)
    assert corpus.emotion.tolist() == ["scared", "anger", "low"]
    with pytest.warns(CorpusWarning, match=r"rage/201\.wav"):
        load_corpus("casia", root)


def test_mapping_may_swap_two_labels(grow):
    root = grow("03a01Wa.wav", "03a01Aa.wav")
    corpus = load_corpus("emodb", root, mapping={"anger": "fear", "fear": "anger"})
    assert corpus.emotion.tolist() == ["anger", "fear"]


def test_a_code_of_the_corpus_can_be_mapped_by_itself(grow):
    corpus = load_corpus("emodb", grow("03a01Wa.wav", "03a01Xa.wav"), mapping={"x": "awe"})
    assert corpus.emotion.tolist() == ["anger", "awe"]


def test_every_spelling_ends_in_a_canonical_label():
    assert set(EMOTIONS.values()) == CANONICAL
    assert all(EMOTIONS[label] == label for label in CANONICAL)


def test_every_corpus_is_a_consistent_entry():
    for key, corpus in CORPORA.items():
        assert corpus_key(key) == key
        assert set(corpus.words.values()) <= set(EMOTIONS)
        assert set(corpus.sex.values()) <= {"female", "male"}
        assert all(word == word.lower() for word in (*corpus.words, *corpus.sex, *corpus.slips))
        groups = {frozenset(re.compile(pattern).groupindex) for pattern in corpus.patterns}
        (named,) = groups
        assert "emotion" in named or corpus.annotation
        assert "speaker" in named or corpus.speaker != "{speaker}"
        assert len({sum(copy.values()) for copy in corpus.counts}) == len(corpus.counts) > 0
        assert all(set(copy) <= CANONICAL for copy in corpus.counts)


def test_names_in_any_case_and_punctuation(grow):
    for name, key in (
        ("Emo-DB", "emodb"),
        ("CREMA-D", "cremad"),
        ("eNTERFACE'05", "enterface"),
        ("ENTERFACE", "enterface"),
    ):
        assert corpus_key(name) == key and key in CORPORA
    root = grow("03a01Fa.wav")
    assert load_corpus("EmoDB", root).files == load_emodb(root).files
    assert load_corpus("EmoDB", root).name == "emodb"


def break_links(root, *names):
    """Make links without targets, as git-annex does before files are fetched."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to("../.git/annex/objects/" + Path(name).name)


def close_folder(monkeypatch, folder):
    """Deny access to a folder, even to an administrator, whom permissions do not stop."""
    scandir = os.scandir

    def refuse(path="."):
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


def test_broken_links_are_reported_with_count_and_examples(grow):
    letters = "WLEAFNT"
    root = grow(*(f"wav/{n:02}a01{letter}a.wav" for n in range(10) for letter in letters))
    break_links(root, *(f"wav/{n:02}b01{letter}a.wav" for n in range(5) for letter in letters))
    message = (
        r"^35 file\(s\) below '.*' are left out \(broken links\), e\.g\. wav/00b01Aa\.wav, "
        r"wav/00b01Ea\.wav, wav/00b01Fa\.wav: fetch the files or repair the links\.$"
    )
    with pytest.warns(CorpusWarning, match=message) as caught:
        corpus = load_corpus("emodb", root)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert len(corpus.files) == 70


def test_one_warning_reports_everything_that_is_left_out(grow):
    root = grow("03a01Fa.wav", "noise.wav")
    break_links(root, "03a01Wa.wav", "wav")  # a link to a folder has no suffix
    message = (
        r"^1 of 2 audio files .*noise\.wav.* 2 file\(s\) .* \(broken links\), .*03a01Wa\.wav, wav:"
    )
    with pytest.warns(CorpusWarning, match=message) as caught:
        load_corpus("emodb", root)
    assert len(caught) == 1


@pytest.mark.parametrize("load", [load_emodb, load_audio_folder])
def test_folders_that_cannot_be_opened_are_reported(grow, monkeypatch, load):
    root = grow("happy/03a01Fa.wav", "sad/03a01Ta.wav")
    close_folder(monkeypatch, root / "sad")
    message = r"^1 folder\(s\) .* left out \(cannot be opened\), e\.g\. sad: check the permissions"
    with pytest.warns(CorpusWarning, match=message) as caught:
        assert load(root).emotion.tolist() == ["happiness"]
    assert len(caught) == 1 and caught[0].filename == __file__


@pytest.mark.parametrize("load", [load_emodb, load_audio_folder, find_audio])
def test_errors_without_audio_tell_what_cannot_be_read(tmp_path, grow, monkeypatch, load):
    break_links(tmp_path, "sad/03a01Ta.wav", "sad/03a01Tb.wav")
    with pytest.raises(ValueError, match=r"root holds .*2 file\(s\) .* \(broken links\)"):
        load(tmp_path)
    for name in ("03a01Ta", "03a01Tb"):
        (tmp_path / f"sad/{name}.wav").unlink()
    grow("sad/03a01Ta.m4a")
    with pytest.raises(ValueError, match=r"root holds .*1 file\(s\) .* \(formats that cannot be"):
        load(tmp_path)
    close_folder(monkeypatch, tmp_path)
    with pytest.raises(ValueError, match=r"root holds .*1 folder\(s\) .* \(cannot be opened\)"):
        load(tmp_path)


def test_unsupported_formats_are_reported(grow):
    root = grow("03a01Fa.wav", "08a01Wa.m4a", "08a01Ta.WMA", "09a01Ta.m4a")
    grow("03a01Fa.m4a", "m4a/03a01Fa.m4a")  # exist as .wav, too
    message = (
        r"^3 file\(s\) below '.*' are left out \(formats that cannot be read\), "
        r"e\.g\. 08a01Ta\.WMA, 08a01Wa\.m4a, 09a01Ta\.m4a: save them as \.wav or \.flac\.$"
    )
    with pytest.warns(CorpusWarning, match=message) as caught:
        assert names(load_corpus("emodb", root), root) == ["03a01Fa.wav"]
    assert len(caught) == 1


def test_every_supported_format_is_read(tmp_path):
    options = {".opus": {"format": "OGG", "subtype": "OPUS"}, **FORMATS}
    for n, suffix in enumerate(SUFFIXES):
        path = tmp_path / f"{suffix[1:]}{suffix}"
        tone = (0.2 + 0.01 * n) * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
        soundfile.write(path, tone, 16_000, **options.get(suffix, {}))
    files = quietly(find_audio, tmp_path)
    assert len(files) == len(SUFFIXES) and set(SUFFIXES) == set(ALL_SUFFIXES)
    for file in files:
        waveform = read_audio(file)
        spectrum = np.abs(np.fft.rfft(waveform))
        assert round(np.argmax(spectrum) * 16_000 / len(waveform)) == 440, file


def test_find_audio_lists_sorted_paths_below_the_root_as_given(grow, monkeypatch):
    root = grow("calls/b/2.wav", "calls/a.FLAC", "calls/.x.wav", "calls/notes.txt")
    monkeypatch.chdir(root)
    assert quietly(find_audio, "calls") == [str(Path("calls/a.FLAC")), str(Path("calls/b/2.wav"))]


def test_find_audio_reports_what_cannot_be_read(grow):
    root = grow("1.wav", "1.m4a", "2.m4a")  # 1.m4a exists as .wav, too
    break_links(root, "3.wav")
    with pytest.warns(
        CorpusWarning, match=r"1 file\(s\) .*3\.wav: .* 1 file\(s\) .*2\.m4a"
    ) as caught:
        assert find_audio(root) == [str(root / "1.wav")]
    assert len(caught) == 1 and caught[0].filename == __file__


def test_find_audio_lists_a_recording_in_several_formats_once(grow):
    root = grow("2/a.mp3", "2/a.wav", "2/a.FLAC", "b.flac", "b.WAV", "c.wav")
    message = (
        r"^3 file\(s\) below '.*' are left out \(the same name as another file, but for the "
        r"suffix\), e\.g\. 2/a\.FLAC, 2/a\.mp3, b\.flac: rename files that differ\.$"
    )
    with pytest.warns(CorpusWarning, match=message) as caught:
        files = find_audio(root)
    assert [Path(file).name for file in files] == ["a.wav", "b.WAV", "c.wav"]
    assert len(caught) == 1 and caught[0].filename == __file__


def test_find_audio_leaves_out_unusable_files_on_request(grow):
    root = grow("b/empty.wav", "noise.wav", "old.m4a")
    soundfile.write(root / "b/good.flac", np.linspace(-0.1, 0.1, 8000), 8000)
    soundfile.write(root / "silent.wav", np.zeros(16000), 16000)
    (root / "b/empty.wav").write_bytes(b"")
    with pytest.warns(
        CorpusWarning, match=r"^1 file\(s\) .*old\.m4a.*empty\), e\.g\. b/empty\.wav"
    ):
        assert len(find_audio(root)) == 4
    message = (
        r"old\.m4a.* 3 of 4 audio files below '.*' cannot be used and are left out: The audio file "
        r"'.*empty\.wav' .* The audio file '.*noise\.wav' .* The audio file '.*silent\.wav' is "
        r"silent: all of its 16000 samples are zero\.$"
    )
    with pytest.warns(CorpusWarning, match=message) as caught:
        assert find_audio(root, check=True) == [str(root / "b/good.flac")]
    assert len(caught) == 1 and caught[0].filename == __file__
    (root / "b/good.flac").unlink()
    with pytest.raises(ValueError, match=r"^'.*' holds no usable audio: .* 3 of 3 .*sil"):
        find_audio(root, check=True)


def test_a_file_is_hidden_only_by_a_usable_one_of_its_name(grow):
    """Several formats of a recording are one row, of the first that is usable."""
    root = grow("a.wav", "a.mp4", "b.wav", "b.mp3", "b.amr", "c.wav", "c.mov", "d.mov", "d.mp3")
    sound = np.linspace(-0.1, 0.1, 8000)
    soundfile.write(root / "b.flac", sound, 8000)
    soundfile.write(root / "c.wav", sound, 8000)
    with pytest.warns(CorpusWarning, match=r"2 file\(s\) .* \(videos\).* 3 of 5 ") as caught:
        files = find_audio(root, check=True)
    assert [Path(file).name for file in files] == ["b.flac", "c.wav"]
    reasons = {Path(file).name: reason for file, reason in caught[0].message.reasons.items()}
    assert sorted(reasons) == ["a.mp4", "a.wav", "b.mp3", "b.wav", "d.mov", "d.mp3"]
    assert reasons["b.mp3"] == SAME_STEM.reason
    table = inspect_audio(root)
    unusable = [Path(file).name for file in table["file"][table["error"].notna()]]
    assert unusable == sorted(reasons.keys() - {"b.mp3"})
    assert table["file"][table["error"].isna()].tolist() == files


def test_find_audio_names_only_the_first_three_unusable_files(grow):
    root = grow(*(f"{n}.wav" for n in range(9)))
    soundfile.write(root / "9.wav", np.linspace(-0.1, 0.1, 8000), 8000)
    with pytest.warns(CorpusWarning, match=r"^9 of 10 audio files .*2\.wav'") as caught:
        find_audio(root, check=True)
    assert "3.wav" not in str(caught[0].message)


def test_find_audio_without_audio(grow, tmp_path):
    with pytest.raises(
        ValueError, match=r"root holds no audio: expected files as \.wav .* an empty folder"
    ):
        find_audio(tmp_path)
    with pytest.raises(ValueError, match=r"root holds no audio: .* found no audio file but a\.txt"):
        find_audio(grow("a.txt"))


@pytest.mark.parametrize("load", [load_emodb, load_audio_folder, find_audio])
def test_roots_that_are_not_folders(grow, load):
    for root in (None, 3, b"x", ["x"]):
        message = rf"root must be .*, as a path; got {re.escape(repr(root))}"
        with pytest.raises(TypeError, match=message):
            load(root)
    with pytest.raises(ValueError, match=r"root must be .*; got ''\. The current folder is '\.'"):
        load("")
    for root in ("nowhere", "a" * 5000):  # a name that the file system does not allow
        with pytest.raises(NotADirectoryError, match=rf"root .*'{root}', which does not exist"):
            load(root)
    with pytest.raises(NotADirectoryError, match=r"root must be .*x\.wav', which is a file"):
        load(grow("x.wav") / "x.wav")


def test_unknown_corpus(tmp_path):
    message = r"name must be among \['casia', 'cremad', 'emodb', .*'urdu'\]; got "
    for name in ("berlin", "", None, ["emodb"]):
        with pytest.raises(ValueError, match=message + re.escape(repr(name))):
            load_corpus(name, tmp_path)


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


def test_real_emodb():
    corpus = real_corpus("emodb")
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
    corpus = real_corpus("casia")
    emotions = ["anger", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert Counter(corpus.emotion) == dict.fromkeys(emotions, 200)
    assert Counter(corpus.sex) == {"female": 600, "male": 600}
    assert set(Counter(corpus.speaker).values()) == {300}


def test_linked_folders_are_walked_once(grow, tmp_path_factory):
    root, elsewhere = grow("wav/03a01Fa.wav"), tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "08a01Wa.wav").write_text("angry")
    (root / "link").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(root)
    assert names(load_corpus("emodb", root), root) == ["link/08a01Wa.wav", "wav/03a01Fa.wav"]


def test_speakers_are_the_same_in_any_case(grow):
    root = grow("OAF_back_angry.wav", "oaf_bar_angry.wav", "YAF_back_sad.wav")
    speakers = load_corpus("tess", root).speaker
    assert len(speakers) == 3 and len(set(speakers)) == 2


def test_leading_zeros_of_a_subject_are_ignored(grow):
    root = grow("subject 1/anger/sentence 2/s1_an_2.wav", "subject 06/anger/long.wav")
    grow(*(f"subject {n}/anger/sentence 1/s1_an_1.wav" for n in ("01", "1")), content="one")
    corpus = load_corpus("enterface", root)
    assert sorted(corpus.speaker) == ["1", "1", "6"]


def test_spellings_in_a_mapping_may_be_numbers_and_contain_blanks(grow):
    root = grow("x/1/1.wav", "x/angry/2.wav", "x/cheerful/3.wav")
    mapping = {1: "fear", " Cheerful ": "happiness"}
    emotion = load_corpus("casia", root, mapping=mapping).emotion
    assert sorted(emotion) == ["anger", "fear", "happiness"]


def test_a_spelling_in_a_mapping_stands_for_all_of_its_emotion(grow):
    root = grow("emodb/03a01Fa.wav", "casia/x/happy/1.wav", "casia/x/joy/2.wav")
    for key in ("happy", "happiness", "joy", " Joy "):
        for name in ("emodb", "casia"):
            mapping = {key: "positive", "calm": "low"}
            assert set(load_corpus(name, root / name, mapping=mapping).emotion) == {"positive"}


def test_the_most_specific_key_of_a_mapping_is_used(grow):
    """A spelling goes before the label of its emotion, and that before its other spellings."""
    root = grow("x/happy/1.wav", "x/joy/2.wav", "x/happiness/3.wav")
    for mapping, expected in (
        ({"joy": "glad"}, ["glad", "glad", "glad"]),
        ({"joy": "glad", "happiness": "positive"}, ["positive", "positive", "glad"]),
        ({"joy": "glad", "happy": "glad"}, ["glad", "glad", "glad"]),
    ):
        assert load_corpus("casia", root, mapping=mapping).emotion.tolist() == expected
    message = (
        r"mapping gives spellings of 'happiness' two labels, 'glad' and 'positive'\. Add the key "
        r"'happiness' for its other spellings\."
    )
    with pytest.raises(ValueError, match=message):
        load_corpus("casia", root, mapping={"joy": "glad", "Happy": "positive"})


@pytest.mark.parametrize("load", [load_emodb, load_audio_folder])
def test_invalid_mappings(grow, load):
    root = grow("happy/03a01Fa.wav")
    for mapping in ("joy", ["a"], 3):
        with pytest.raises(TypeError, match=r"mapping must be a dict of spellings to labels; got "):
            load(root, mapping=mapping)
    for label in (None, 1, "", "  ", ["a"]):
        message = r"mapping must have non-empty strings as labels; got .*'happy': "
        with pytest.raises(ValueError, match=message):
            load(root, mapping={"sad": "low", "happy": label})
    for spelling in (None, "", "  "):
        message = r"mapping must have non-empty spellings; got \{.*: 'low'\}\."
        with pytest.raises(ValueError, match=message):
            load(root, mapping={"happy": "high", spelling: "low"})
    with pytest.raises(ValueError, match=r"mapping gives 'joy' two labels, 'a' and 'b'"):
        load(root, mapping={"Joy": "a", "joy": "b"})
    assert load(root, mapping={}).emotion.tolist() == ["happiness"]


def test_labels_in_a_mapping_are_stripped(grow):
    root = grow("happy/1.wav", "joyful/2.wav")
    corpus = load_audio_folder(root, mapping={"happy": " positive", "joyful": "positive "})
    assert corpus.emotion.tolist() == ["positive", "positive"]
    same = {"happy": "positive", "joy": " positive", "joyful": "x"}
    assert load_audio_folder(root, mapping=same).emotion.tolist() == ["positive", "x"]


def test_surprise_is_known_by_the_folder_names_of_tess(grow):
    root = grow("Pleasant_surprise/1.wav", "pleasant surprise/2.wav")
    assert load_audio_folder(root).emotion.tolist() == ["surprise"] * 2


@pytest.mark.parametrize(
    ("suffix", "reason"),
    [
        *((suffix, "videos") for suffix in (".mp4", ".WebM", ".mov", ".3gp", ".avi", ".ts")),
        *((suffix, "formats that cannot be read") for suffix in (".amr", ".AAC", ".spx", ".qcp")),
        *((suffix, "samples without a header") for suffix in (".raw", ".PCM", ".vox", ".ulaw")),
    ],
)
def test_known_formats_that_cannot_be_read_are_reported(grow, suffix, reason):
    """Not so if the recording is there in a format that can be read."""
    root = grow("joy/03a01Fa.wav", f"joy/03a01Fa{suffix}", f"joy/03a01Wa{suffix}", "joy/03a.txt")
    match = rf"^1 file\(s\) .* are left out \({reason}\)"
    for load in (load_emodb, load_audio_folder, find_audio):
        with pytest.warns(CorpusWarning, match=match) as caught:
            load(root)
        (warning,) = caught
        assert warning.message.reasons == {str(root / f"joy/03a01Wa{suffix}"): reason}


@pytest.mark.parametrize("load", [load_emodb, load_audio_folder, find_audio])
def test_a_warning_holds_all_files_that_it_counts(grow, load):
    """Files that take the place of recordings stay, since they can be fetched."""
    root = grow("joy/03a01Fa.wav")
    for n in range(5):
        grow(
            f"joy/{n:02}a01Wa.wav", content="version https://git-lfs.github.com/spec/v1\n" + str(n)
        )
        grow(f"joy/{n:02}a01Wb.mp4")
        break_links(root, f"joy/{n:02}a01Na.wav")
        (root / f"joy/{n:02}a01Ta.wav").touch()
        os.mkfifo(root / f"joy/{n:02}a01Aa.wav")
    with pytest.warns(CorpusWarning) as caught:
        assert len(names_of(load(root))) == 11
    (warning,) = caught
    endings = {
        "Wa.wav": "a Git LFS pointer, not audio",
        "Wb.mp4": "videos",
        "Na.wav": "broken links",
        "Aa.wav": "pipes or devices",
        "Ta.wav": "empty",
    }
    assert warning.message.reasons == {
        str(root / f"joy/{n:02}a01{ending}"): reason
        for n in range(5)
        for ending, reason in endings.items()
    }
    for part in (
        "5 file(s) .* cannot be read (a Git LFS pointer, not audio), e.g. .*: run `git lfs pull`.",
        "5 file(s) .* are left out (broken links), e.g. joy/00a01Na.wav, joy/01a01Na.wav, joy/02",
        "5 file(s) .* cannot be read (empty)",
    ):
        assert re.search(
            part.translate(str.maketrans({"(": r"\(", ")": r"\)"})), str(warning.message)
        )


def names_of(loaded):
    return loaded if isinstance(loaded, list) else loaded.files


@pytest.mark.parametrize("load", [load_emodb, load_audio_folder, find_audio])
@pytest.mark.parametrize("twin", ["copy", "link", "hard link"])
def test_a_recording_under_two_names_is_reported(grow, load, twin):
    root = grow("joy/03a01Fa.wav", "joy/03a02Fb.wav")  # of one size
    first, second = root / "joy/03a01Fa.wav", root / "joy/03a05Wa.wav"
    make = {
        "copy": lambda: second.write_bytes(first.read_bytes()),
        "link": lambda: second.symlink_to(first.name),
        "hard link": lambda: second.hardlink_to(first),
    }
    make[twin]()
    message = (
        r"^1 file\(s\) .* listed \(the same recording as .* joy/03a05Wa\.wav \(joy/03a01Fa\.wav"
    )
    with pytest.warns(CorpusWarning, match=message) as caught:
        assert len(names_of(load(root))) == 3
    (warning,) = caught
    reason = "the same recording as another file: joy/03a01Fa.wav"
    assert warning.message.reasons == {str(second): reason}


def test_files_of_one_size_are_compared_to_the_last_byte(grow):
    root = grow("a.wav", content="x" * 20_000 + "a")
    grow("b.wav", content="x" * 20_000 + "b")
    assert len(quietly(find_audio, root)) == 2


def test_one_name_with_two_contents_is_reported(grow):
    root = grow("03a01Fa.wav", "a/03a01Fa.wav", "b/03a01Fa.wav", content="same")
    grow("c/03a01Fa.wav", content="evil")
    message = (
        r"^1 file\(s\) .* left out \(another file of the same name .* c/03a01Fa\.wav \(03a01Fa"
    )
    with pytest.warns(CorpusWarning, match=message) as caught:
        assert names(load_corpus("emodb", root), root) == ["03a01Fa.wav"]
    assert list(caught[0].message.reasons) == [str(root / "c/03a01Fa.wav")]


def test_files_that_may_not_be_read_are_reported(grow, monkeypatch):
    """An administrator may read everything, hence the stand-in."""
    root = grow("joy/03a01Fa.wav", "joy/03a01Wa.wav", "x/03a01Fa.wav")
    monkeypatch.setattr(os, "access", lambda path, mode: "Fa" not in str(path))
    with pytest.warns(
        CorpusWarning, match=r"1 file\(s\) .* cannot be read \(no permission\), e\.g\. j"
    ):
        assert len(load_emodb(root).files) == 2


def test_files_of_a_corpus_without_a_suffix_are_reported(grow):
    root = grow("03a01Fa.wav", "03a01Fa", "03a01Wa", "README")
    with pytest.warns(
        CorpusWarning, match=r"^1 file\(s\) .* no suffix\), e\.g\. 03a01Wa: add that"
    ):
        load_emodb(root)


def test_unknown_emotions_and_misfits_have_their_reasons(grow):
    root = grow("happy/1.wav", "noise/2.wav", "noise/3.wav")
    with pytest.warns(CorpusWarning) as caught:
        load_audio_folder(root)
    reasons = {str(root / f"noise/{n}.wav"): "unknown emotion 'noise'" for n in (2, 3)}
    assert caught[0].message.reasons == reasons
    root = grow("emodb/03a01Fa.wav", "emodb/03a01Xa.wav") / "emodb"
    with pytest.warns(CorpusWarning) as caught:
        load_emodb(root)
    assert caught[0].message.reasons == {str(root / "03a01Xa.wav"): "they do not fit the corpus"}


def test_checked_files_have_their_reasons(grow):
    root = grow("a.wav")
    soundfile.write(root / "b.wav", np.linspace(-0.1, 0.1, 8000), 8000)
    with pytest.warns(CorpusWarning) as caught:
        find_audio(root, check=True)
    ((path, reason),) = caught[0].message.reasons.items()
    assert path == str(root / "a.wav") and "cannot be decoded" in reason
