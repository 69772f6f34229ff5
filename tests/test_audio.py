"""Reading audio: values against closed forms, segments, and files that cannot seek."""

import os
import pickle
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import soundfile

from skdidan import (
    MFCC,
    AudioLoader,
    Functionals,
    LogMelSpectrogram,
    Segment,
    Spectrogram,
    Target,
    read_audio,
)
from skdidan.audio.files import SilentAudioError, audio_span
from skdidan.audio.recordings import AudioWarning
from skdidan.audio.rows import waveform_rows

RATE = 16_000


def tone(frequency=440.0, seconds=0.5, rate=RATE, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def peak_frequency(waveform, rate=RATE):
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return spectrum.argmax() * rate / len(waveform)


def write(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


# read_audio


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_formats_give_the_tone_that_was_written(tmp_path, extension):
    waveform = read_audio(write(tmp_path / f"tone.{extension}", tone()))
    assert waveform.dtype == np.float32 and waveform.ndim == 1
    assert len(waveform) == pytest.approx(8000, abs=8000 * (0.2 if extension == "mp3" else 0))
    assert peak_frequency(waveform) == pytest.approx(440, abs=2)
    assert np.abs(waveform[2000:6000]).max() == pytest.approx(0.5, abs=0.03)


def test_float_samples_arrive_unchanged(tmp_path):
    samples = np.random.default_rng(0).normal(scale=0.3, size=500).astype(np.float32)
    path = write(tmp_path / "noise.wav", samples, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(str(path)), samples)


def test_channels_are_averaged(tmp_path):
    left, right = tone(300), tone(2000, amplitude=0.25)
    path = write(tmp_path / "stereo.wav", np.column_stack([left, right]), subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path), (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("file_rate", [8_000, 22_050, 44_100, 48_000])
def test_resampling_keeps_frequency_amplitude_and_duration(tmp_path, file_rate):
    path = write(tmp_path / "tone.wav", tone(1000, rate=file_rate), file_rate, subtype="FLOAT")
    waveform = read_audio(path)
    assert len(waveform) == 8000
    assert peak_frequency(waveform) == pytest.approx(1000, abs=2)
    expected = tone(1000)
    np.testing.assert_allclose(waveform[1000:-1000], expected[1000:-1000], atol=1e-3)


def test_resampling_removes_what_would_alias(tmp_path):
    path = write(tmp_path / "high.wav", tone(7000), subtype="FLOAT")
    waveform = read_audio(path, sample_rate=8_000)
    assert np.abs(waveform[500:-500]).max() < 1e-3


@pytest.mark.parametrize("sample_rate", [0, -1, 16000.0, "16k", True, None])
def test_sample_rate_must_be_a_count(tmp_path, sample_rate):
    with pytest.raises(ValueError, match="sample_rate must be a whole number of at least 1; got"):
        read_audio(tmp_path / "any.wav", sample_rate=sample_rate)


def test_silence_has_an_error_of_its_own_that_processes_can_send(tmp_path):
    with pytest.raises(
        SilentAudioError, match="is silent: all of its 50 samples are zero"
    ) as caught:
        read_audio(write(tmp_path / "silent.wav", np.zeros(50)))
    sent = pickle.loads(pickle.dumps(caught.value))
    assert (type(sent), str(sent)) == (SilentAudioError, str(caught.value))
    with pytest.raises(ValueError, match="is empty") as caught:
        read_audio(write(tmp_path / "empty.wav", np.zeros(0)))
    assert not isinstance(caught.value, SilentAudioError)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_recording_of_which_resampling_leaves_nothing(tmp_path, rate):
    with pytest.raises(
        ValueError, match=r"is too short: it holds 0 samples at sample_rate=16000 Hz"
    ):
        read_audio(write(tmp_path / "one.wav", [0.5], rate))
    assert read_audio(write(tmp_path / "two.wav", [0.5, 0.4], rate)).size == 1
    assert read_audio(write(tmp_path / "one.wav", [0.5], 32_000)).size == 1


@pytest.mark.parametrize("length", [0x7FFF_FFFF, 0xFFFF_FFFF])
def test_the_header_of_a_stream_is_no_truncation(tmp_path, length):
    path = write(tmp_path / "whole.wav", tone(440))
    data = bytearray(path.read_bytes())
    start = data.index(b"data") + 4
    data[start : start + 4] = length.to_bytes(4, "little")
    stream = tmp_path / "stream.wav"
    stream.write_bytes(data)
    np.testing.assert_array_equal(read_audio(stream), read_audio(path))


@pytest.fixture
def counting(tmp_path):
    """Write a file whose sample n is n / 16000, at 16000 Hz."""
    return write(tmp_path / "counting.wav", np.arange(RATE) / RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (0.25, 0.5, 4000, 8000),
        (0.25, None, 4000, 16000),
        (0, 0.5, 0, 8000),
        (0.0, None, 0, 16000),
        (timedelta(seconds=0.5), timedelta(seconds=0.75), 8000, 12000),
        (pd.Timedelta("250ms"), pd.NaT, 4000, 16000),
        (np.timedelta64(250, "ms"), np.timedelta64("NaT"), 4000, 16000),
        (np.float32(0.5), float("nan"), 8000, 16000),
        (0.5, pd.NA, 8000, 16000),
        (0.5, 1.05, 8000, 16000),
    ],
)
def test_segment_is_the_part_of_the_file(counting, start, end, first, last):
    waveform = read_audio(Segment(counting, start, end))
    np.testing.assert_array_equal(waveform, read_audio(counting)[first:last])


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_segment_of_every_format(tmp_path, extension):
    rate = 48_000
    samples = np.concatenate([tone(440, 1, rate), tone(1760, 1, rate)])
    path = write(tmp_path / f"two tones.{extension}", samples, rate)
    for start, frequency in ((0.2, 440), (1.2, 1760)):
        waveform = read_audio(Segment(path, start, start + 0.5))
        assert waveform.shape == (RATE // 2,)
        assert peak_frequency(waveform) == pytest.approx(frequency, abs=4)


def test_only_the_frames_of_a_segment_are_read(counting, monkeypatch):
    asked = []
    read = soundfile.SoundFile.read

    def noting(self, frames=-1, **options):
        asked.append((self.tell(), frames))
        return read(self, frames, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", noting)
    read_audio(Segment(counting, 0.25, 0.5))
    assert asked == [(4000, 4000)]


def test_segment_is_a_plain_path_and_a_value(counting):
    segment = Segment(counting, 1, timedelta(seconds=2))
    assert (os.fspath(segment), segment.start, segment.end) == (str(counting), 1.0, 2.0)
    assert segment == Segment(str(counting), 1.0, 2.0) != Segment(counting, 1.0)
    assert pickle.loads(pickle.dumps(segment)) == segment
    assert len({segment, Segment(counting, 1, 2), Segment(counting)}) == 2
    assert str(segment) == f"{str(counting)!r} from 1 s to 2 s"


@pytest.mark.parametrize("container", [list, np.array, pd.Series, Target])
def test_segments_are_rows_like_paths(counting, container):
    segments = [Segment(counting, n / 4, (n + 1) / 4) for n in range(4)]
    assert waveform_rows(container(segments)) == segments
    waveforms = AudioLoader().fit_transform(container([*segments, str(counting)]))
    np.testing.assert_array_equal(np.concatenate(waveforms[:4]), waveforms[4])


@pytest.mark.parametrize(
    "transformer",
    [LogMelSpectrogram(duration=0.25), Spectrogram(duration=0.25), MFCC(), Functionals()],
)
def test_every_transformer_takes_segments(tmp_path, transformer):
    path = write(tmp_path / "noise.wav", 0.1 * np.random.default_rng(0).normal(size=RATE))
    segments = [Segment(path, 0, 0.25), Segment(path, 0.5, 0.75)]
    waveforms = [read_audio(segment) for segment in segments]
    np.testing.assert_array_equal(
        transformer.fit_transform(segments), transformer.fit_transform(waveforms)
    )


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (1.0, None, r"from 1 s to its end lies beyond the end of the file, which lasts 1 s"),
        (3, 4, r"from 3 s to 4 s lies beyond"),
        (0.5, 1.2, r"from 0\.5 s to 1\.2 s lies beyond"),
        (1e308, None, r"from 1e\+308 s to its end lies beyond"),
        (0, 1e308, r"from 0 s to 1e\+308 s lies beyond"),
        (
            0.5,
            0.50001,
            r"from 0\.5 s to 0\.50001 s is too short: it holds 0 samples at sample_rate=16000 Hz",
        ),
        (
            0.99999,
            None,
            r"from 0\.99999 s to its end is too short: it holds 0 samples at sample_rate=16000 Hz",
        ),
    ],
)
def test_segment_outside_its_file_is_named(counting, start, end, message):
    segment = Segment(counting, start, end)
    with pytest.raises(ValueError, match=r"The audio file '.*counting\.wav' " + message):
        read_audio(segment)
    with pytest.warns(AudioWarning, match=message):
        assert not AudioLoader(on_error="warn").fit_transform([segment])[0].any()


def test_segment_of_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.wav' from 0 s to 1 s does not exist"):
        read_audio(Segment(tmp_path / "none.wav", 0, 1))


@pytest.mark.parametrize(
    ("start", "end", "error", "message"),
    [
        (-1, None, ValueError, r"start must be a finite time of at least 0 s; got -1 s"),
        (float("inf"), None, ValueError, r"start must be a finite .*got inf s"),
        (10**400, None, ValueError, r"start must be a finite .*got inf s"),
        (-(10**400), None, ValueError, r"start must be a finite .*got -inf s"),
        (1, 1, ValueError, r"end must be a finite time beyond start, 1 s, or None .*got 1 s"),
        (1, float("inf"), ValueError, r"end must be .*got inf s"),
        ("1s", None, TypeError, r"start must be a time, in seconds or as a timedelta; got '1s'"),
        (0, True, TypeError, r"end must be a time, .*got True"),
    ],
)
def test_times_that_make_no_segment(start, end, error, message):
    with pytest.raises(error, match=message):
        Segment("a.wav", start, end)


class BytesPath:
    """A path-like that is one of bytes."""

    def __fspath__(self):
        return b"a.wav"


@pytest.mark.parametrize("use", [read_audio, audio_span, Segment])
def test_paths_are_no_bytes(use):
    for path in (b"a.wav", BytesPath(), 3, None, np.ones(2)):
        with pytest.raises(TypeError, match=r"(path|file) must be a str or a path-like; got"):
            use(path)


# Where files begin and end


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("part", [(0.0, None), (0.25, None), (0.1, 0.3), (0.4, 0.58), (1 / 3, 0.5)])
def test_span_is_that_of_the_samples_read(tmp_path, rate, part):
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(scale=0.1, size=rate // 2), rate)
    row = path if part == (0.0, None) else Segment(path, *part)
    found, first, last = audio_span(row)
    samples = read_audio(path, sample_rate=rate)[first:last]
    assert found == rate
    np.testing.assert_array_equal(read_audio(row, sample_rate=rate), samples)


def test_span_of_a_segment_beyond_the_end(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(800, 0.1), 16_000)
    with pytest.raises(ValueError, match=r"a\.wav' from 1 s to its end lies beyond the end"):
        audio_span(Segment(tmp_path / "a.wav", 1.0))


# MPEG, of which libsndfile alone decodes wrongly what follows a seek


def write_mpeg(path, level, mode, rate=RATE, seconds=10):
    samples = 0.1 * np.random.default_rng(0).normal(size=seconds * rate)
    return write(path, samples, rate, bitrate_mode=mode, compression_level=level)


def write_mpeg_without_count(path, level, mode, rate=RATE, seconds=10):
    """Write an MPEG file whose first frame, which tells the number of the others, is cut off."""
    data = write_mpeg(path, level, mode, rate, seconds).read_bytes()
    path.write_bytes(data[data.index(data[:2], 150) :])
    return path


def decode(path):
    """Decode a file in one go, so that soundfile has no reason to seek."""
    with soundfile.SoundFile(path) as file:
        return file.read(file.frames, dtype="float32")


@pytest.mark.parametrize(
    ("rate", "level", "mode"),
    [
        (11_025, 0.9, "VARIABLE"),
        (11_025, 0.99, "CONSTANT"),
        (16_000, 0.9, "VARIABLE"),
        (16_000, 0.5, "AVERAGE"),
        (44_100, 0.9, "VARIABLE"),
        (44_100, 0.99, "CONSTANT"),
    ],
)
def test_segments_of_mpeg_are_parts_of_the_whole(tmp_path, rate, level, mode):
    path = write_mpeg(tmp_path / "noise.mp3", level, mode, rate)
    whole = decode(path)
    for start in range(0, 10, 3):
        segment = read_audio(Segment(path, start, start + 1), sample_rate=rate)
        expected = whole[start * rate : (start + 1) * rate]
        np.testing.assert_allclose(segment, expected, rtol=0, atol=1e-6)


def test_mpeg_that_counts_no_frames_is_read_to_its_end(tmp_path):
    """An encoder that is killed leaves the count of 0 that it wrote first."""
    path = write_mpeg(tmp_path / "noise.mp3", 0.9, "VARIABLE")
    whole, data = decode(path), bytearray(path.read_bytes())
    count = data.index(b"Xing") + 8
    data[count : count + 8] = bytes(8)
    path.write_bytes(data)
    assert soundfile.info(path).frames < len(whole) * 0.9
    found = read_audio(path, sample_rate=RATE)
    assert len(whole) <= len(found) < len(whole) + 3000  # with what the tag would cut off
    assert audio_span(path)[2] == len(found)


def test_blocks_of_mpeg_make_the_whole(tmp_path, monkeypatch):
    path = write_mpeg(tmp_path / "noise.mp3", 0.9, "VARIABLE")
    for block in (999, 54_321):
        monkeypatch.setattr("skdidan.audio.files._BLOCK", block)
        np.testing.assert_allclose(read_audio(path), decode(path), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("tag", "seconds"), [(b"", 1), (b"ID3\3\0\0\0\0\7\x68" + b"tag " * 250, 40)]
)
def test_mpeg_without_a_count_is_as_long_as_it_is(tmp_path, tag, seconds):
    path = write_mpeg(tmp_path / "noise.mp3", 0.95, "CONSTANT", 44_100, seconds)
    whole = decode(path)
    path.write_bytes(tag + path.read_bytes())
    assert b"Info" not in path.read_bytes()
    assert soundfile.info(path).frames > len(whole)  # an estimate
    np.testing.assert_allclose(read_audio(path, sample_rate=44_100), whole, rtol=0, atol=1e-6)
    assert audio_span(path) == (44_100, 0, len(whole))
    last = Segment(path, len(whole) / 44_100 - 0.5)
    rate, first, end = audio_span(last)
    assert (first, end) == (len(whole) - 22_050, len(whole))
    np.testing.assert_allclose(read_audio(last, sample_rate=rate), whole[first:], rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"noise\.mp3' from .* lies beyond the end of the file"):
        read_audio(Segment(path, len(whole) / 44_100))


TAG = b"ID3\4\0\x10\0\0\7\x68" + b"tag " * 250
BEFORE_MPEG = {
    "zero byte": b"\0",
    "padding": TAG.replace(b"\x10", b"\0") + bytes(2000),
    "footer": TAG + TAG[:10].replace(b"ID3", b"3DI"),
    "junk": np.random.default_rng(1).bytes(3000),
    "ones": b"\xff" * 300,
    "several tags": 3 * TAG.replace(b"\x10", b"\0"),
    "tags and padding": 2 * TAG.replace(b"\x10", b"\0") + bytes(40_000),
}


@pytest.mark.parametrize(
    ("level", "mode", "rate"), [(0.9, "VARIABLE", 16_000), (0.95, "CONSTANT", 44_100)]
)
@pytest.mark.parametrize("write_it", [write_mpeg, write_mpeg_without_count])
def test_mpeg_that_does_not_begin_with_a_frame(tmp_path, level, mode, rate, write_it):
    path = write_it(tmp_path / "noise.mp3", level, mode, rate, seconds=4)
    data, whole = path.read_bytes(), read_audio(path, sample_rate=rate)
    assert len(whole) == pytest.approx(4 * rate, abs=0.15 * rate)
    for name, before in BEFORE_MPEG.items():
        path.write_bytes(before + data)
        np.testing.assert_array_equal(read_audio(path, sample_rate=rate), whole, err_msg=name)
        assert audio_span(path) == (rate, 0, len(whole)), name
        segment = read_audio(Segment(path, 2, 3), sample_rate=rate)
        expected = whole[2 * rate : 3 * rate]
        np.testing.assert_allclose(segment, expected, rtol=0, atol=1e-6, err_msg=name)


def test_a_capture_that_begins_within_a_frame(tmp_path):
    path = write_mpeg(tmp_path / "noise.mp3", 0.95, "CONSTANT", 44_100)
    data, whole = path.read_bytes(), decode(path)
    path.write_bytes(data[len(data) // 2 + 7 :])
    waveform = read_audio(path, sample_rate=44_100)
    assert len(waveform) == pytest.approx(len(whole) / 2, abs=4410)
    # The first frames lack what those before them held for them.
    np.testing.assert_allclose(waveform[-200_000:], whole[-200_000:], rtol=0, atol=1e-6)


def test_the_number_of_an_open_file_is_no_news(tmp_path):
    folder = tmp_path.joinpath(*["folder" * 30] * 4)
    folder.mkdir(parents=True)
    (folder / "text.mp3").write_text("not audio at all")
    with pytest.raises(ValueError, match=r"text\.mp3' cannot be decoded: Format not recognised\.$"):
        read_audio(folder / "text.mp3")


def test_mpeg_without_a_count_whose_estimate_is_long(tmp_path):
    samples = 0.1 * np.random.default_rng(0).normal(size=8 * RATE)
    samples[: 4 * RATE] *= 1e-4
    path = write(tmp_path / "noise.mp3", samples, bitrate_mode="VARIABLE", compression_level=0.5)
    data = path.read_bytes()
    path.write_bytes(data[data.index(data[:2], 150) :])
    assert soundfile.info(path).duration > 9
    assert read_audio(path).size == pytest.approx(8 * RATE, abs=0.15 * RATE)


def test_mpeg_that_its_header_shows_to_be_cut(tmp_path):
    path = write_mpeg(tmp_path / "noise.mp3", 0.5, "VARIABLE")
    data = path.read_bytes()
    for tag in (b"", b"ID3\3\0\0\0\0\7\x68" + b"tag " * 250):
        path.write_bytes(tag + data[: len(data) // 2])
        for row in (path, Segment(path, 4), Segment(path, 8, 9)):
            with pytest.raises(ValueError, match=r"is truncated: it holds \d+ of \d+ frames"):
                read_audio(row)
        assert read_audio(Segment(path, 1, 2)).size == RATE


def test_damaged_mpeg_without_a_count_is_named(tmp_path):
    path = write_mpeg_without_count(tmp_path / "noise.mp3", 0.95, "CONSTANT", 44_100)
    data = path.read_bytes()
    path.write_bytes(data[:50_000] + b"no frame" * 1000 + data[50_000:])
    for row in (path, Segment(path, 1, 2)):
        with pytest.raises(ValueError, match=r"noise\.mp3'.* cannot be decoded"):
            read_audio(row)


def test_segments_of_a_file_that_cannot_seek(tmp_path):
    path = write(tmp_path / "call.wav", tone(rate=8_000), 8_000, subtype="GSM610")
    whole = read_audio(path, sample_rate=8_000)
    for first, last in ((0.0, 0.1), (0.2, 0.3)):
        segment = read_audio(Segment(path, first, last), sample_rate=8_000)
        expected = whole[round(8_000 * first) : round(8_000 * last)]
        np.testing.assert_allclose(segment, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_a_constant_is_no_sound_at_any_rate(tmp_path, rate):
    path = write(tmp_path / "constant.wav", np.full(5000, 0.25), rate)
    with pytest.raises(SilentAudioError, match=r"is constant: all of its .*samples are 0\.25"):
        read_audio(path)


def test_a_segment_of_a_segment_is_refused():
    inner = Segment("call.wav", 2, 4)
    with pytest.raises(TypeError, match=r"file must be the path of a whole file; .* from 2 s to 4"):
        Segment(inner, 0.5, 1)
