"""Files whose header says nothing, or something wrong, about their length."""

import struct

import numpy as np
import pytest
import soundfile

from skdidan import (
    AudioLoader,
    CorpusScaler,
    LogMelSpectrogram,
    Segment,
    SourceOnlyClassifier,
    WindowedClassifier,
    find_audio,
    make_adaptation_pipeline,
    read_audio,
)
from skdidan.audio.files import audio_span

RATE = 16_000
N_SAMPLES = 3 * RATE
TAG = b"ID3\4\0\0\0\0\7\x68" + bytes(1000)
APE = b"APETAGEX" + struct.pack("<IIII8x", 2000, 532, 1, 1 << 31)  # a footer, and so a header


def noise():
    return 0.1 * np.random.default_rng(0).normal(size=N_SAMPLES)


def write(path, **options):
    """Write three seconds of noise; return the bytes of the file and the samples in it."""
    soundfile.write(path, noise(), RATE, **options)
    with soundfile.SoundFile(path) as file:
        return path.read_bytes(), file.read(file.frames, dtype="float32")


def put(data, at, form, number):
    return data[:at] + struct.pack(form, number) + data[at + struct.calcsize(form) :]


def put_count(data, n_samples):
    """Write a number of samples into the 36 bits that FLAC has for it; 0 stands for unknown."""
    kept = int.from_bytes(data[21:26]) >> 36 << 36
    return data[:21] + (kept | n_samples).to_bytes(5) + data[26:]


def wav(extra, riff=None):
    """Return a function that writes sizes into a WAV file: its own plus some bytes, or others."""

    def resize(data):
        at = data.index(b"data") + 4
        size = extra if riff is not None else len(data) - at - 4 + extra
        return put(put(data, at, "<I", size), 4, "<I", len(data) - 8 if riff is None else riff)

    return resize


UNKNOWN = {
    "flac": ("flac", lambda data: put_count(data, 0)),
    "flac, tagged": ("flac", lambda data: 2 * TAG + put_count(data, 0)),
    "wav, ffmpeg": ("wav", wav(0xFFFF_FFFF, 0xFFFF_FFFF)),
    "wav, sox": ("wav", wav(0x7FFF_F000, 0x7FFF_F024)),
    "wav, libsndfile, never closed": ("wav", wav(0, 8)),
    "wav, Python, never closed": ("wav", wav(0, 36)),
    "wav, never closed": ("wav", wav(0, 0)),
    "au": ("au", lambda data: put(data, 8, ">I", 0xFFFF_FFFF)),
    "aiff": (
        "aiff",
        lambda data: put(put(put(data, 4, ">I", 0), 22, ">I", 0), data.index(b"SSND") + 4, ">I", 0),
    ),
    "w64": ("w64", lambda data: put(put(data, 16, "<q", -1), 96, "<q", -1)),
    "rf64": ("rf64", lambda data: put(put(data, 20, "<q", -1), 28, "<Q", 1 << 62)),
}
OFF = {
    **{f"wav, {n} bytes more": ("wav", wav(n)) for n in (1, 2, 8, 36, 44, 100, 3199)},
    **{f"wav, last {n} bytes lost": ("wav", lambda d, n=n: d[:-n]) for n in (1, 100, 3199)},
    "flac, 1 more": ("flac", lambda data: put_count(data, N_SAMPLES + 1)),
    "flac, 1600 more": ("flac", lambda data: put_count(data, N_SAMPLES + 1600)),
    "aiff, last bytes lost": ("aiff", lambda data: data[:-101]),
    "au, 36 bytes more": ("au", lambda data: put(data, 8, ">I", 2 * N_SAMPLES + 36)),
    "w64, last bytes lost": ("w64", lambda data: data[:-101]),
    "rf64, last bytes lost": ("rf64", lambda data: data[:-101]),
    "caf, last bytes lost": ("caf", lambda data: data[:-100]),
    "wav, cut within a tag": ("wav", lambda data: data + b"LIST" + struct.pack("<I", 5000)),
    "ogg, tagged": ("ogg", lambda data: data + b"TAG" + bytes(125)),
    "opus, junk": ("opus", lambda data: data + b"\n" * 3000),
    "mp3, zeros": ("mp3", lambda data: data + bytes(3000)),
    "mp3, APE": ("mp3", lambda data: data + APE + b"x" * 500 + APE),
}


@pytest.fixture
def damaged(tmp_path, request):
    """Write a file, change its bytes; return its path, and the samples that are in it."""
    extension, change = request.param
    path = tmp_path / f"noise.{extension}"
    options = {"format": "OGG", "subtype": "OPUS"} if extension == "opus" else {}
    data, samples = write(path, **options)
    path.write_bytes(change(data))
    return path, samples


def each(kinds):
    return pytest.mark.parametrize("damaged", kinds.values(), ids=kinds, indirect=True)


@each(UNKNOWN | OFF)
def test_all_that_can_be_read_in_order_is_read(damaged):
    path, samples = damaged
    waveform = read_audio(path)
    assert len(samples) - 1600 <= len(waveform) <= len(samples)
    np.testing.assert_allclose(waveform, samples[: len(waveform)], rtol=0, atol=1e-6)
    loaded = AudioLoader(on_error="warn").fit_transform([path])[0]
    np.testing.assert_array_equal(loaded, waveform)
    if path.suffix in (".wav", ".flac", ".mp3"):
        assert find_audio(path.parent, check=True) == [str(path)]


@each(UNKNOWN)
def test_a_length_that_no_header_tells_is_counted(damaged):
    path, samples = damaged
    assert len(read_audio(path)) == len(samples)
    assert audio_span(path) == (RATE, 0, len(samples))
    for part in (Segment(path, 1, 2), Segment(path, 2.5), Segment(path, 2.5, 3.05)):
        rate, first, last = audio_span(part)
        assert last == min(round((part.end or 3) * rate), len(samples))
        np.testing.assert_array_equal(read_audio(part), samples[first:last])
    with pytest.raises(ValueError, match=r"from 4 s to 5 s lies beyond .* which lasts 3 s"):
        read_audio(Segment(path, 4, 5))


def test_windows_of_a_file_without_a_length_and_of_a_channel(tmp_path):
    data, _ = write(tmp_path / "known.flac")
    (tmp_path / "streamed.flac").write_bytes(put_count(data, 0))
    soundfile.write(tmp_path / "right.flac", np.column_stack([noise()[::-1], noise()]), RATE)
    pipeline = make_adaptation_pipeline(
        LogMelSpectrogram(duration=1.0),
        CorpusScaler(),
        SourceOnlyClassifier(max_epochs=1, random_state=0),
    )
    clips = [*noise().reshape(6, -1)]
    windowed = WindowedClassifier(pipeline, window=1.0, hop=0.5).fit(clips, ["a", "b"] * 3, clips)
    files = [tmp_path / "known.flac", tmp_path / "streamed.flac"]
    right = Segment(tmp_path / "right.flac", channel=1)
    known, *others = windowed.predict_proba([*files, right])
    np.testing.assert_array_equal(others, [known, known])
    assert (known != windowed.predict_proba([right.file])).any()


BEYOND = {
    "wav, 3202 bytes more": ("wav", wav(3202)),
    "wav, 3202 bytes lost": ("wav", lambda data: data[:-3202]),
    "flac, 1601 more": ("flac", lambda data: put_count(data, N_SAMPLES + 1601)),
    "flac, half": ("flac", lambda data: put_count(data[: len(data) // 2], 0)),
    "flac, hole": ("flac", lambda data: put_count(data[:30_000] + data[30_500:], 0)),
    "au": ("au", lambda data: put(data, 8, ">I", 4 * N_SAMPLES)),
    "ogg, a byte lost": ("ogg", lambda data: data[:-1]),  # and with it a page
    "opus, a byte lost": ("opus", lambda data: data[:-1]),
}


@each(BEYOND)
def test_more_than_a_tenth_of_a_second_is_an_error(damaged):
    path, _ = damaged
    with pytest.raises(ValueError, match=r"noise\.\w+' (is truncated|cannot be decoded)"):
        read_audio(path)


def test_a_short_file_may_lack_a_tenth_of_a_second_too(tmp_path):
    soundfile.write(tmp_path / "short.wav", noise()[:2000], RATE)
    data = (tmp_path / "short.wav").read_bytes()
    (tmp_path / "short.wav").write_bytes(data[:-3200])
    assert len(read_audio(tmp_path / "short.wav")) == 400


def test_a_closed_file_without_samples_is_empty(tmp_path):
    data, _ = write(tmp_path / "noise.wav")
    (tmp_path / "noise.wav").write_bytes(wav(0)(data[:44]) + b"LIST" + struct.pack("<I4x", 4))
    data = (tmp_path / "noise.wav").read_bytes()
    (tmp_path / "noise.wav").write_bytes(put(data, 4, "<I", len(data) - 8))
    with pytest.raises(ValueError, match="is empty: it holds 0 samples"):
        read_audio(tmp_path / "noise.wav")


def test_segments_of_every_format_are_parts_of_the_whole(tmp_path):
    n_formats = 0
    for container in soundfile.available_formats():
        for subtype in soundfile.available_subtypes(container):
            path = tmp_path / f"noise.{container}"
            try:
                soundfile.write(path, noise(), 8000, format=container, subtype=subtype)
                info = soundfile.info(path)
            except (
                soundfile.LibsndfileError,
                TypeError,
            ):  # it only reads some, and .raw not at all
                continue
            whole = read_audio(path, sample_rate=info.samplerate)
            assert len(whole) == info.frames, (container, subtype)
            for start in (0.2, 0.9 * info.duration, info.duration - 0.1):
                part = read_audio(Segment(path, start), sample_rate=info.samplerate)
                expected = whole[round(start * info.samplerate) :]
                np.testing.assert_allclose(part, expected, rtol=0, atol=1e-6, err_msg=subtype)
            n_formats += 1
    assert n_formats > 100
