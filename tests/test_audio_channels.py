"""One channel of a file in place of the average of all, and files of many channels."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import soundfile

from skdidan import (
    AudioLoader,
    LogMelSpectrogram,
    Segment,
    cross_corpus_task,
    find_audio,
    load_manifest,
    read_audio,
)
from skdidan.audio.files import find_sound
from skdidan.corpora import CorpusWarning

RATE = 16_000


def noise(seed, seconds=1.0):
    return 0.1 * np.random.default_rng(seed).normal(size=round(seconds * RATE))


@pytest.fixture
def call(tmp_path):
    """Write a call: agent left, customer right."""
    path = tmp_path / "call.wav"
    soundfile.write(path, np.column_stack([noise(0), noise(1)]), RATE, subtype="DOUBLE")
    return path


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("channel", [0, 1, np.int64(1)])
def test_a_channel_is_read_alone(tmp_path, extension, channel):
    path = tmp_path / f"call.{extension}"
    soundfile.write(path, np.column_stack([noise(0), noise(1)]), RATE)
    with soundfile.SoundFile(path) as file:
        columns = file.read(file.frames, dtype="float32")
    waveform = read_audio(path, channel=channel)
    np.testing.assert_allclose(waveform, columns[:, channel], rtol=0, atol=1e-6)
    np.testing.assert_allclose(read_audio(path), columns.mean(axis=1), rtol=0, atol=1e-6)
    segment = Segment(path, 0.25, 0.5, channel)
    np.testing.assert_array_equal(read_audio(segment), waveform[4000:8000])
    np.testing.assert_array_equal(
        read_audio(Segment(path, 0.25, 0.5), channel=channel), waveform[4000:8000]
    )
    np.testing.assert_array_equal(AudioLoader().fit_transform([segment])[0], waveform[4000:8000])


def test_a_channel_is_part_of_the_value(call):
    left, right, both = (Segment(call, 1, 2, channel) for channel in (0, 1, "mix"))
    assert len({left, right, both, Segment(call, 1, 2), Segment(str(call), 1, 2, 1)}) == 3
    assert pickle.loads(pickle.dumps(right)) == right != left
    assert repr(right) == f"Segment(file={str(call)!r}, start=1.0, end=2.0, channel=1)"
    assert repr(both) == f"Segment(file={str(call)!r}, start=1.0, end=2.0)"
    assert str(left) == f"{str(call)!r} from 1 s to 2 s, channel 0"


@pytest.mark.parametrize("channel", ["left", "split", -1, 1.0, True, None, "0"])
def test_channels_that_are_none(call, channel):
    message = r"channel must be 'mix', .* or the number of a channel, from 0; got .*'split'"
    with pytest.raises(ValueError, match=message):
        Segment(call, channel=channel)
    with pytest.raises(ValueError, match=message):
        read_audio(call, channel=channel)
    if channel != "split":
        with pytest.raises(ValueError, match=message):
            find_audio(call.parent, channel=channel)


def test_a_channel_that_the_file_lacks(call):
    for read in (read_audio, lambda row: find_sound(row, [(0, 10)])):
        with pytest.raises(ValueError, match=r"channel 2, is missing: the file has 2 channel\(s\)"):
            read(Segment(call, channel=2))


def test_channels_have_rows_of_their_own_in_the_cache(call, tmp_path):
    rows = [call, *(Segment(call, channel=channel) for channel in (0, 1)), Segment(call)]
    expected = LogMelSpectrogram(duration=0.5).transform(rows)
    for _ in range(2):
        cached = LogMelSpectrogram(duration=0.5, memory=tmp_path / "kept").fit_transform(rows)
        np.testing.assert_array_equal(cached, expected)
    assert not np.array_equal(expected[1], expected[2])


def test_sound_is_looked_for_in_the_channel(tmp_path):
    path = tmp_path / "call.wav"
    half = np.repeat([0, 1], RATE // 2)
    soundfile.write(path, np.column_stack([half * noise(0), (1 - half) * noise(1)]), RATE)
    bounds = [(0, 8000), (8000, 16_000)]
    assert find_sound(Segment(path, channel=0), bounds).tolist() == [False, True]
    assert find_sound(Segment(path, channel=1), bounds).tolist() == [True, False]
    assert find_sound(path, bounds).tolist() == [True, True]


def test_each_channel_is_listed(call):
    soundfile.write(call.parent / "mono.flac", noise(2), RATE)
    mono = str(call.parent / "mono.flac")
    assert find_audio(call.parent) == [str(call), mono]
    expected = [Segment(call, channel=0), Segment(call, channel=1), Segment(mono, channel=0)]
    assert find_audio(call.parent, channel="split") == expected
    assert find_audio(call.parent, channel=0) == [expected[0], expected[2]]
    with pytest.warns(CorpusWarning, match=r"1 of 2 audio files .*mono\.flac' .*channel 1, is mis"):
        assert find_audio(call.parent, channel=1, check=True) == [expected[1]]


def test_channels_and_files_that_cannot_be_used_are_left_out(call):
    muted = call.parent / "muted.wav"
    soundfile.write(muted, np.column_stack([noise(0), 0 * noise(1)]), RATE)
    (call.parent / "text.wav").write_text("not audio at all " * 100)
    message = r"1 of 5 audio files .*text\.wav' cannot be decoded"
    with pytest.warns(CorpusWarning, match=message):
        assert len(find_audio(call.parent, channel="split")) == 4
    with pytest.warns(CorpusWarning, match=r"2 of 5 .* channel 1 is silent"):
        rows = find_audio(call.parent, channel="split", check=True)
    assert rows == [Segment(call, channel=0), Segment(call, channel=1), Segment(muted, channel=0)]


def corpus(*files):
    emotion = ["anger", "sadness"] * (len(files) // 2)
    return {"files": list(files), "emotion": emotion, "speaker": ["s1"] * len(files)}


def test_channels_of_one_file_are_different_recordings(call):
    left, right = ([Segment(call, n, n + 1, c) for n in range(2)] for c in (0, 1))
    assert len(cross_corpus_task(corpus(*left), corpus(*right)).X_tgt) == 2
    for others in ([Segment(call), Segment(call, 2)], left):
        with pytest.raises(ValueError, match=r"share \d recording\(s\), e\.g\. .* channel 0"):
            cross_corpus_task(corpus(*left), corpus(*others))


def test_channels_in_a_manifest(call):
    rows = [Segment(call, channel=0), Segment(call, channel=1)]
    table = pd.DataFrame({"file": rows, "emotion": ["anger", "sadness"], "speaker": ["a", "c"]})
    assert load_manifest(table).files == rows
    table["file"] = rows[:1] * 2
    with pytest.raises(ValueError, match=r"more than once.* channel 0"):
        load_manifest(table)


def peak_memory(function, *args, **options):
    tracemalloc.start()
    try:
        function(*args, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_check_holds_no_whole_recording(tmp_path):
    with soundfile.SoundFile(tmp_path / "long.flac", "w", RATE, 1) as file:
        for _ in range(20):
            file.write(noise(0, 60))
    assert peak_memory(find_audio, tmp_path, check=True) < 25e6 < 4 * 20 * 60 * RATE


@pytest.mark.parametrize("channel", ["mix", 999])
def test_not_all_of_a_thousand_channels_are_held(tmp_path, channel):
    path = tmp_path / "array.wav"
    soundfile.write(path, np.repeat(noise(0, 2)[:, np.newaxis], 1000, axis=1), RATE)
    assert peak_memory(read_audio, path, channel=channel) < 25e6 < 4 * 1000 * 2 * RATE
    part = Segment(path, 1.5, channel=channel)
    assert peak_memory(read_audio, part) < 25e6
    np.testing.assert_allclose(read_audio(part), noise(0, 2)[24_000:], atol=1e-4)
