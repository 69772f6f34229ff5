"""Layouts: file names, traps and published counts of each corpus, on trees of empty files."""

import warnings
from collections import Counter
from pathlib import Path

import pytest

from skdidan import CorpusWarning, load_corpus
from skdidan.corpora.layouts import CORPORA

# File, emotion, speaker and sex, written by hand from the descriptions of the corpora.
PLACED = {
    "casia": [
        ("ZhaoZuoxiang/angry/201", "anger", "ZhaoZuoxiang", "male"),
        ("liuchanhg/happy/201", "happiness", "liuchanhg", "female"),
        ("liuchanhg/happy/202", "happiness", "liuchanhg", "female"),
        ("wangzhe/sad/201", "sadness", "wangzhe", "male"),
        ("zhaoquanyin/surprise/201", "surprise", "zhaoquanyin", "female"),
        ("zhaoquanyin/fear/201", "fear", "zhaoquanyin", "female"),
        ("somebody/neutral/201", "neutral", "somebody", "unknown"),
    ],
    "cremad": [
        ("1001_IEO_ANG_HI", "anger", "1001", "male"),
        ("1002_DFA_DIS_XX", "disgust", "1002", "female"),
        ("1091_WSI_FEA_LO", "fear", "1091", "female"),
        ("1003_TAI_HAP_MD", "happiness", "1003", "female"),
        ("1005_MTI_NEU_XX", "neutral", "1005", "male"),
        ("1040_ITH_SAD_X", "sadness", "1040", "male"),
    ],
    "emodb": [
        ("03a01Fa", "happiness", "03", "male"),
        ("08a01Lb", "boredom", "08", "female"),
        ("09a01Ea", "disgust", "09", "female"),
        ("10a01Aa", "fear", "10", "male"),
        ("11a01Nc", "neutral", "11", "male"),
        ("12a01Ta", "sadness", "12", "male"),
        ("13b10Wb", "anger", "13", "female"),
        ("14b10Wb", "anger", "14", "female"),
        ("15b10Wb", "anger", "15", "male"),
        ("16b10Wb", "anger", "16", "female"),
    ],
    "emovo": [
        ("gio-f2-b2", "happiness", "f2", "female"),
        ("neu-f1-b1", "neutral", "f1", "female"),
        ("dis-f3-l4", "disgust", "f3", "female"),
        ("pau-m1-n5", "fear", "m1", "male"),
        ("rab-m2-d1", "anger", "m2", "male"),
        ("sor-m3-d2", "surprise", "m3", "male"),
        ("tri-m3-b3", "sadness", "m3", "male"),
    ],
    "enterface": [
        ("subject 1/anger/sentence 1/s1_an_1", "anger", "1", "unknown"),
        ("subject 2/disgust/sentence 2/s2_di_2", "disgust", "2", "unknown"),
        ("subject 44/fear/sentence 3/s44_fe_3", "fear", "44", "unknown"),
        ("subject 7/happiness/sentence 4/s7_ha_4", "happiness", "7", "unknown"),
        ("subject 8/sadness/sentence 5/s8_sa_5", "sadness", "8", "unknown"),
        ("subject 9/surprise/sentence 1/s9_su_1", "surprise", "9", "unknown"),
    ],
    "iemocap": [("Session1/sentences/wav/d/Ses01F_impro04_M012", "anger", "Ses01M", "male")],
    "nemo": [
        ("samples/WR0_surprised_64", "surprise", "WR0", "male"),
        ("samples/EB0_anger_54", "anger", "EB0", "female"),
        ("samples/MK0_fear_1", "fear", "MK0", "female"),
        ("samples/TP0_happiness_2", "happiness", "TP0", "male"),
        ("samples/KD0_neutral_90", "neutral", "KD0", "female"),
        ("samples/SM0_sadness_3", "sadness", "SM0", "male"),
    ],
    "ravdess": [
        ("Actor_12/03-01-01-01-02-01-12", "neutral", "12", "female"),
        ("Actor_11/03-01-02-02-01-02-11", "calm", "11", "male"),
        ("Actor_11/03-01-03-02-01-02-11", "happiness", "11", "male"),
        ("Actor_11/03-01-04-02-01-02-11", "sadness", "11", "male"),
        ("Actor_11/03-01-05-02-01-02-11", "anger", "11", "male"),
        ("Actor_11/03-01-06-02-01-02-11", "fear", "11", "male"),
        ("Actor_11/03-01-07-02-01-02-11", "disgust", "11", "male"),
        ("Actor_24/03-01-08-02-01-02-24", "surprise", "24", "female"),
    ],
    "savee": [
        ("DC_a01", "anger", "DC", "male"),
        ("JE_d02", "disgust", "JE", "male"),
        ("JK_f15", "fear", "JK", "male"),
        ("KL_h01", "happiness", "KL", "male"),
        ("KL_n30", "neutral", "KL", "male"),
        ("KL_sa01", "sadness", "KL", "male"),
        ("KL_su01", "surprise", "KL", "male"),
    ],
    "shemo": [
        ("female/F21N23", "neutral", "F21", "female"),
        ("female/F01A01", "anger", "F01", "female"),
        ("male/M56H01", "happiness", "M56", "male"),
        ("male/M02S10", "sadness", "M02", "male"),
        ("male/M02W101", "surprise", "M02", "male"),
        ("male/M02F02", "fear", "M02", "male"),
    ],
    "tess": [
        ("OAF_back_angry", "anger", "OAF", "female"),
        ("OAF_back_disgust", "disgust", "OAF", "female"),
        ("OAF_back_fear", "fear", "OAF", "female"),
        ("OAF_back_happy", "happiness", "OAF", "female"),
        ("YAF_youth_neutral", "neutral", "YAF", "female"),
        ("YAF_youth_ps", "surprise", "YAF", "female"),
        ("YAF_youth_sad", "sadness", "YAF", "female"),
    ],
    "urdu": [
        ("Angry/SM1_F10_A010", "anger", "SM1", "male"),
        ("Happy/SF3_F4_H24", "happiness", "SF3", "female"),
        ("Neutral/SM20_F1_N001", "neutral", "SM20", "male"),
        ("Sad/SM20_F1_S001", "sadness", "SM20", "male"),
    ],
}
# Utterances and emotions, from the papers and pages of the corpora.
UTTERANCES = {
    "casia": (1200, 6),
    "cremad": (7442, 6),
    "emodb": (535, 7),
    "emovo": (588, 7),
    "enterface": (1263, 6),
    "iemocap": (5531, 4),
    "nemo": (4481, 6),
    "ravdess": (1440, 8),
    "savee": (480, 7),
    "shemo": (3000, 6),
    "tess": (2800, 7),
    "urdu": (400, 4),
}
EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro04_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[8.4000 - 9.1000]\tSes01F_impro04_M012\tang\t[2.5000, 2.5000, 2.5000]
[10.0100 - 11.3925]\tSes01F_impro04_F001\thap\t[2.5000, 2.5000, 2.5000]
[10.0100 - 11.3925]\tSes01F_impro04_F002\texc\t[2.5000, 2.5000, 2.5000]
[14.8872 - 18.0175]\tSes01F_impro04_M013\tsad\t[2.5000, 2.5000, 2.5000]
[19.2900 - 20.7875]\tSes01F_impro04_F003\tfru\t[2.5000, 3.5000, 3.5000]
[21.3257 - 24.7400]\tSes01F_impro04_F004\tfru\t[2.5000, 3.5000, 3.5000]
[24.9000 - 25.7400]\tSes01F_impro04_F005\txxx\t[2.5000, 3.5000, 3.5000]
"""
TURNS = [*(f"F{n:03}" for n in range(6)), "M012", "M013"]


def annotate(root, text=EVALUATION, file="Session1/dialog/EmoEvaluation/Ses01F_impro04.txt"):
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def names(corpus, root):
    return [Path(file).relative_to(root).as_posix() for file in corpus.files]


def load(name, root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_corpus(name, root)


@pytest.mark.parametrize("name", CORPORA)
def test_emotion_speaker_and_sex_of_each_file(grow, name):
    root = grow(*(f"{stem}.wav" for stem, *_ in PLACED[name]), "README.md", ".hidden.wav")
    if name == "iemocap":
        annotate(root)
    corpus = load(name, root)
    rows = zip(names(corpus, root), corpus.emotion, corpus.speaker, corpus.sex, strict=True)
    assert sorted(rows) == sorted((f"{stem}.wav", *rest) for stem, *rest in PLACED[name])
    assert set(corpus) == {"files", "emotion", "speaker", "sex", "name", "DESCR"}


@pytest.mark.parametrize("name", CORPORA)
def test_copies_at_any_depth_in_any_format_and_case_count_once(grow, name):
    """A copy that a pattern misses would be reported, and `load` makes that an error."""
    stems = [stem for stem, *_ in PLACED[name]]
    for stem in stems:
        root = grow(*(f"{folder}{stem}.wav" for folder in ("", "again/", "x/y/")), content=stem)
    grow(*(f"mp3/{stem}.mp3" for stem in stems))
    grow(*(f"small/{stem.lower()}.flac" for stem in stems))
    if name == "iemocap":
        annotate(root)
    assert sorted(names(load(name, root), root)) == sorted(f"{stem}.wav" for stem in stems)


def test_no_corpus_takes_the_files_of_another(grow, tmp_path):
    for name in CORPORA:
        others = [other for other in CORPORA if other != name]
        files = [f"{other}/{stem}.wav" for other in others for stem, *_ in PLACED[other]]
        grow(*(f"without {name}/{file}" for file in files))
        with pytest.raises(ValueError, match=rf"no file of .*found {len(files)} audio files"):
            load_corpus(name, tmp_path / f"without {name}")


def test_counts_have_the_published_totals():
    for name, (n_utterances, n_emotions) in UTTERANCES.items():
        totals = {sum(version.values()): version for version in CORPORA[name].counts}
        assert len(totals[n_utterances]) == n_emotions, name
    assert UTTERANCES.keys() == CORPORA.keys()


def test_enterface_takes_the_speaker_from_the_folder(grow):
    root = grow(
        "subject 11/anger/sentence 1/s12_an_1.wav",
        "subject 12/anger/sentence 1/s12_an_1.wav",
        "subject 3/fear/sentence 2/s_3_fe_2.wav",
        "subject_4/fear/s4_fe_2.wav",
    )
    corpus = load("enterface", root)
    assert corpus.speaker.tolist() == ["11", "12", "3", "4"]
    assert corpus.emotion.tolist() == ["anger", "anger", "fear", "fear"]


def test_enterface_without_folders(grow):
    root = grow(
        "s1_an_1.wav", "s12_an_1.wav", "s_3_fe_2.flac", "s16_su_3avi.wav", "s2_sa_1.avi.wav"
    )
    corpus = load("enterface", root)
    rows = zip(corpus.speaker, corpus.emotion, strict=True)
    assert sorted(rows) == [
        ("1", "anger"),
        ("12", "anger"),
        ("16", "surprise"),
        ("2", "sadness"),
        ("3", "fear"),
    ]


def test_enterface_file_with_the_suffix_in_its_name(grow):
    folder = "subject 16/surprise/sentence 3/"
    stems = ("s16_su_3avi", "s16_su_3", "s16_su_3.avi")
    root = grow(*(f"{folder}{stem}.wav" for stem in stems), content="Sixteen")
    corpus = load("enterface", root)
    assert corpus.speaker.tolist() == ["16"] and corpus.emotion.tolist() == ["surprise"]


def test_enterface_recordings_of_subject_6(grow):
    root = grow(
        *(f"subject 6/{emotion}/s6_{emotion[:2]}.wav" for emotion in ("anger", "happiness")),
        "subject 6/sadness/whole session.wav",
        "subject 1/anger/sentence 1/s1_an_1.wav",
    )
    corpus = load("enterface", root)
    assert Counter(corpus.speaker) == {"6": 3, "1": 1}
    assert sorted(corpus.emotion[corpus.speaker == "6"]) == ["anger", "happiness", "sadness"]
    assert "subject 6" in corpus.DESCR


def test_enterface_error_for_videos_tells_how_to_convert_them(grow):
    root = grow(*(f"subject 1/anger/sentence {n}/s1_an_{n}.avi" for n in range(1, 6)))
    message = (
        r"5 file\(s\) below '.*' are left out \(videos\), e\.g\. subject 1/anger/sentence 1/"
        r"s1_an_1\.avi, .*: save their sound by `ffmpeg -i FILE FILE\.wav`\.$"
    )
    with pytest.raises(ValueError, match=message):
        load_corpus("enterface", root)


def test_enterface_in_folders_and_without_them_counts_once(grow):
    """Files outside of the folders are attributed by their namesakes, even misnamed subject 11."""
    stems = [
        ("subject 1/anger/sentence 1/", "s1_an_1"),
        ("subject 3/fear/sentence 2/", "s_3_fe_2"),
        ("subject 6/sadness/", "s6_sa"),
        ("subject 11/anger/sentence 1/", "s12_an_1"),  # as subject 12 would be without folders
    ]
    for folder, stem in stems:
        root = grow(f"{folder}{stem}.wav", f"flat/{stem}.wav", content=stem)
        grow(f"flat/{stem}.mp3", f"z/{stem}.flac")
    assert sorted(load("enterface", root).speaker) == ["1", "11", "3", "6"]


def test_enterface_videos_in_folders_name_the_speakers_of_audio_outside(grow):
    root = grow("subject 11/anger/sentence 1/s12_an_1.avi", "audio/s12_an_1.wav")
    assert load("enterface", root).speaker.tolist() == ["11"]


def test_enterface_video_without_a_suffix(grow):
    folder = "subject 16/surprise/sentence"
    root = grow(f"{folder} 1/s16_su_1.wav", f"{folder} 3/s16_su_3avi", "Javi", "notes")
    message = r"^1 file\(s\) .*no suffix\), e\.g\. .*/s16_su_3avi: add that of their format\.$"
    with pytest.warns(CorpusWarning, match=message) as caught:
        assert len(load_corpus("enterface", root).files) == 1
    assert len(caught) == 1
    grow(f"{folder} 3/s16_su_3avi.wav")
    assert len(load("enterface", root).files) == 2


def test_enterface_videos_without_audio_are_reported(grow):
    folder = "subject 1/anger/sentence"
    root = grow(
        f"{folder} 1/s1_an_1.avi",
        f"{folder} 1/s1_an_1.wav",
        f"{folder} 2/s1_an_2.AVI",
        "holiday.avi",
    )
    message = r"^2 file\(s\) .* \(videos\), e\.g\. holiday\.avi, .*/s1_an_2\.AVI: save their sound"
    with pytest.warns(CorpusWarning, match=message) as caught:
        corpus = load_corpus("enterface", root)
    assert len(caught) == 1 and names(corpus, root) == [f"{folder} 1/s1_an_1.wav"]


def test_ravdess_songs_and_videos_are_left_out(grow):
    root = grow("03-01-06-01-02-01-12.wav", "03-02-06-01-02-01-12.wav", "01-01-06-01-02-01-12.wav")
    with pytest.warns(CorpusWarning, match=r"2 of 3 audio files"):
        assert names(load_corpus("ravdess", root), root) == ["03-01-06-01-02-01-12.wav"]


def test_ravdess_copies_within_the_copy(grow):
    actors = [f"Actor_{n:02}/03-01-05-01-01-01-{n:02}.wav" for n in range(1, 25)]
    nested = [f"audio_speech_actors_01-24/{file}" for file in actors]
    for names_of_one in zip(actors, nested, strict=True):
        root = grow(*names_of_one, content=names_of_one[0])
    corpus = load("ravdess", root)
    assert names(corpus, root) == actors and len(set(corpus.speaker)) == 24
    assert Counter(corpus.sex) == {"female": 12, "male": 12}


def test_savee_has_the_same_utterances_in_either_layout(grow):
    root = grow("AudioData/DC/sa01.wav", "ALL/DC_sa01.wav", content="sad")
    grow("AudioData/DC/su01.wav", "DC/a01.wav")
    corpus = load("savee", root)
    assert sorted(corpus.emotion) == ["anger", "sadness", "surprise"]


def test_tess_corrects_a_misspelt_speaker(grow):
    root = grow("OAF_neutral/OA_bite_neutral.wav", "copy/OAF_bite_neutral.wav", content="bite")
    corpus = load("tess", root)
    assert corpus.speaker.tolist() == ["OAF"] and corpus.sex.tolist() == ["female"]


def test_cremad_has_the_published_number_of_women():
    assert Counter(CORPORA["cremad"].sex.values()) == {"female": 43, "male": 48}


@pytest.mark.parametrize(("name", "stem"), [("emovo", "xyz-f2-b2"), ("tess", "OAF_back_xyz")])
def test_unknown_codes_are_reported_and_can_be_mapped(grow, name, stem):
    known = PLACED[name][0][0]
    root = grow(f"{known}.wav", f"{stem}.wav")
    with pytest.warns(CorpusWarning, match=r"Unknown emotions: 'xyz' \(1\)\."):
        assert len(load_corpus(name, root).files) == 1
    assert "awe" in load_corpus(name, root, mapping={"XYZ": "awe"}).emotion
    (root / f"{known}.wav").unlink()
    with pytest.raises(ValueError, match=r"found 1 audio .*unknown emotions: 'xyz' \(1\)\."):
        load_corpus(name, root)


@pytest.fixture
def iemocap(grow):
    folder = "Session1/sentences/wav/Ses01F_impro04"
    root = grow(*(f"{folder}/Ses01F_impro04_{turn}.wav" for turn in TURNS))
    annotate(root)
    return root


def test_iemocap_takes_four_classes_and_counts_the_others(iemocap):
    message = r"3 of 8 audio files .*left out.*Unknown emotions: 'fru' \(2\), 'xxx' \(1\)\."
    with pytest.warns(CorpusWarning, match=message) as caught:
        corpus = load_corpus("iemocap", iemocap)
    assert len(caught) == 1
    turns = [Path(file).stem[-4:] for file in corpus.files]
    assert dict(zip(turns, corpus.emotion.tolist(), strict=True)) == {
        "F000": "neutral",
        "F001": "happiness",
        "F002": "happiness",
        "M012": "anger",
        "M013": "sadness",
    }
    assert corpus.speaker.tolist() == ["Ses01F"] * 3 + ["Ses01M"] * 2
    assert corpus.sex.tolist() == ["female"] * 3 + ["male"] * 2


def test_iemocap_mapping_adds_classes_and_keeps_excitement_separate(iemocap):
    mapping = {"fru": "frustration", "xxx": "none", "exc": "excitement"}
    corpus = load_corpus("iemocap", iemocap, mapping=mapping)
    assert Counter(corpus.emotion)["frustration"] == 2
    assert Counter(corpus.emotion)["happiness"] == Counter(corpus.emotion)["excitement"] == 1


def test_iemocap_reads_no_other_text_files(iemocap):
    folder = "Session1/dialog/EmoEvaluation"
    wrong = EVALUATION.replace("\tang\t", "\tsad\t")
    for file in (f"{folder}/Categorical/x.txt", f"{folder}/._x.txt", "Session1/dialog/lab/x.txt"):
        annotate(iemocap, wrong, file)
    with pytest.warns(CorpusWarning, match="'fru'"):
        corpus = load_corpus("iemocap", iemocap)
    assert corpus.emotion.tolist().count("anger") == 1


def test_iemocap_file_without_a_label_is_reported(iemocap):
    (iemocap / "Ses05M_script01_1b_F003.wav").write_text("F003")
    with pytest.warns(CorpusWarning, match=r"'fru' \(2\), 'no label' \(1\), 'xxx' \(1\)\."):
        load_corpus("iemocap", iemocap)


def test_iemocap_without_its_labels(grow):
    root = grow("Ses01F_impro04_M012.wav")
    message = r"no labels of IEMOCAP.*expected Session<n>/dialog/EmoEval.*found 1 audio file,"
    with pytest.raises(ValueError, match=message):
        load_corpus("iemocap", root)
