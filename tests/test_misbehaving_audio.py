"""Every kind of file that misbehaves, read alone and through each transformer of audio."""

import os
import re
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from sklearn.base import clone

from skdidan import (
    MFCC,
    AudioLoader,
    Embeddings,
    Functionals,
    LogMelSpectrogram,
    Segment,
    Spectrogram,
    read_audio,
)
from skdidan.audio.decoders import impostor
from skdidan.audio.files import audio_span
from skdidan.audio.recordings import AudioWarning, DoubtfulAudioWarning

RATE = 16_000
TRANSFORMERS = {
    "loader": AudioLoader(),
    "spectrogram": Spectrogram(),
    "log-mel, loudest": LogMelSpectrogram(),
    "log-mel, centre": LogMelSpectrogram(crop="center"),
    "mfcc": MFCC(),
    "functionals": Functionals(),
    "opensmile": Functionals("eGeMAPSv02"),
    "embeddings": Embeddings("a folder that is made for the tests"),
}
FEATURES = {name: made for name, made in TRANSFORMERS.items() if name != "loader"}
# All transformers read a recording in one of these ways: whole, or a part of it.
READERS = {name: TRANSFORMERS[name] for name in ("loader", "log-mel, loudest", "log-mel, centre")}


def of_each(transformers):
    """Run a test with each of the transformers, which it may set and fit as it likes."""
    made = [pytest.param(made, id=name) for name, made in transformers.items()]
    return pytest.mark.parametrize("transformer", made, indirect=True)


@pytest.fixture
def transformer(request):
    """Return a copy of a transformer, or skip where the package that it needs is missing."""
    made = clone(request.param)
    if isinstance(made, Embeddings):
        made.set_params(model=request.getfixturevalue("speech_model"))
    elif getattr(made, "feature_set", "light") != "light":
        pytest.importorskip("opensmile")
    return made


@pytest.fixture(scope="module")
def speech_model(tmp_path_factory):
    """Save a tiny wav2vec2 with random weights and return its folder."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("model")
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        conv_dim=(8, 8),
        conv_kernel=(10, 8),
        conv_stride=(8, 8),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.Wav2Vec2Model(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return str(folder)


def noise(seconds=0.5, rate=RATE, scale=0.1, seed=0):
    return np.random.default_rng(seed).normal(scale=scale, size=round(seconds * rate))


def write(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def apply(transformer, path):
    """Return what a transformer makes of one file, as an array."""
    return np.asarray(transformer.fit_transform([path])[0])


# Files that cannot be used

BAD_FILES = {
    "missing.wav": (FileNotFoundError, "does not exist"),
    "directory.wav": (FileNotFoundError, "is a directory"),
    "pipe.wav": (FileNotFoundError, "is a pipe or a device: write what it holds to a file"),
    "dead_link.wav": (FileNotFoundError, r"is a link to '.*gone\.wav', which is not a file"),
    f"{'long' * 64}.wav": (FileNotFoundError, "does not exist"),
    "forbidden.wav": (PermissionError, "cannot be read: permission denied"),
    "zero_bytes.wav": (ValueError, "is empty: it holds 0 bytes"),
    "zero_bytes.mp3": (ValueError, "is empty: it holds 0 bytes"),
    "text.wav": (ValueError, "cannot be decoded"),
    "half_a_header.wav": (ValueError, "cannot be decoded"),
    "text.mp3": (ValueError, r"cannot be decoded: No MPEG frame found\."),
    "headerless.raw": (ValueError, "so its sample rate is unknown"),
    "headerless.au": (
        ValueError,
        r"has no header \(or is not audio\), so its sample rate is unknown\. Convert it",
    ),
    "headerless.vox": (ValueError, "so its sample rate is unknown"),
    "header_only.wav": (ValueError, "is empty: it holds 0 samples"),
    "no_samples.wav": (ValueError, "is empty: it holds 0 samples"),
    "cut.wav": (ValueError, r"is truncated: it holds \d+ of 96000 bytes"),
    "cut.flac": (ValueError, "cannot be decoded"),
    "cut.ogg": (ValueError, "is truncated: its last page is missing"),
    "cut.mp3": (ValueError, r"is truncated: it holds \d+ of 48000 frames"),
    "slow.wav": (ValueError, "has a sample rate of 10 Hz; speech needs at least 1000 Hz"),
    "silent.wav": (ValueError, "is silent: all of its 100 samples are zero"),
    "antiphase.wav": (ValueError, "is silent"),
    "constant.wav": (ValueError, r"is constant: all of its 100 samples are 0\.5"),
    "nan.wav": (ValueError, "holds NaN or infinite samples: 1 of 100"),
    "infinite.wav": (ValueError, "holds NaN or infinite samples: 3 of 100"),
    "integers_as_floats.wav": (ValueError, r"has a peak of \d+.*, but floats have full scale 1"),
}


@pytest.fixture
def bad_files(tmp_path, monkeypatch):
    """Write a file of every kind of misbehaviour and map its name to its path."""
    files = {name: tmp_path / name for name in BAD_FILES}
    files["directory.wav"].mkdir()
    os.mkfifo(files["pipe.wav"])
    files["dead_link.wav"].symlink_to(tmp_path / "gone.wav")
    forbid(write(files["forbidden.wav"], noise()), monkeypatch)
    for extension in ("wav", "mp3"):
        files[f"zero_bytes.{extension}"].write_bytes(b"")
    files["text.wav"].write_text("not audio at all\n" * 20)
    files["text.mp3"].write_text("not audio at all\n" * 20)
    for extension in ("raw", "au", "vox"):
        files[f"headerless.{extension}"].write_bytes(b"\x01\x02" * 50)
    write(files["no_samples.wav"], np.zeros(0))
    for extension in ("wav", "flac", "ogg", "mp3"):
        whole = write(tmp_path / f"whole.{extension}", noise(3)).read_bytes()
        files[f"cut.{extension}"].write_bytes(whole[: len(whole) // 2])
    whole = (tmp_path / "whole.wav").read_bytes()
    files["header_only.wav"].write_bytes(whole[:44])
    files["half_a_header.wav"].write_bytes(whole[:20])
    write(files["slow.wav"], noise(), 10)
    write(files["silent.wav"], np.zeros(100))
    write(files["constant.wav"], np.full(100, 0.5))
    write(files["antiphase.wav"], np.column_stack([noise(), -noise()]), subtype="FLOAT")
    write(files["nan.wav"], np.where(np.arange(100) == 7, np.nan, 0.1), subtype="FLOAT")
    write(files["infinite.wav"], np.where(np.arange(100) < 3, np.inf, 0.1), subtype="FLOAT")
    write(files["integers_as_floats.wav"], 32767 * noise(), subtype="FLOAT")
    return files


def forbid(path, monkeypatch):
    """Take the permission to read a file; from one who may read all, by refusing it to them."""
    path.chmod(0)
    access, open_file = os.access, soundfile.SoundFile.__init__
    if not access(path, os.R_OK):
        return

    def refuse(self, file, *args, **options):
        if str(file) == str(path):
            raise soundfile.LibsndfileError(2, prefix=f"Error opening {file!r}: ")
        open_file(self, file, *args, **options)

    monkeypatch.setattr(soundfile.SoundFile, "__init__", refuse)
    monkeypatch.setattr(os, "access", lambda p, mode: str(p) != str(path) and access(p, mode))


def test_a_bad_file_is_named(bad_files):
    for name, (error, message) in BAD_FILES.items():
        with pytest.raises(error, match=message) as caught:
            read_audio(bad_files[name])
        assert repr(str(bad_files[name])) in str(caught.value), name


@of_each(TRANSFORMERS)
def test_every_transformer_names_a_bad_file(bad_files, tmp_path, transformer):
    """All transformers share one reader, which the test above tries with every kind of file."""
    for name in ("missing.wav", "nan.wav"):
        error, message = BAD_FILES[name]
        files = [tmp_path / "whole.wav", bad_files[name], tmp_path / "whole.flac"]
        with pytest.raises(error, match=message) as caught:
            transformer.fit_transform(files)
        assert repr(str(bad_files[name])) in str(caught.value)


@of_each(TRANSFORMERS)
def test_every_transformer_warns_once_and_drops_no_row(bad_files, tmp_path, transformer):
    good = [tmp_path / "whole.wav", tmp_path / "whole.flac"]
    expected = transformer.fit_transform(good)
    files = [good[0], *bad_files.values(), good[1]]
    with pytest.warns(AudioWarning, match=f"{len(BAD_FILES)} of {len(files)} rows") as caught:
        rows = transformer.set_params(on_error="warn").fit_transform(files)
    (warning,) = [w for w in caught if w.category is AudioWarning]
    named = [name for name in BAD_FILES if f"{name}'" in str(warning.message)]
    assert len(named) == 5
    assert str(warning.message).endswith(f"And {len(BAD_FILES) - 5} more.")
    assert warning.filename == __file__
    assert len(rows) == len(files)
    np.testing.assert_array_equal(rows[0], expected[0])
    np.testing.assert_array_equal(rows[-1], expected[1])
    for row in rows[1:-1]:
        np.testing.assert_array_equal(row, rows[1])
        assert np.isfinite(row).all()


IMPOSTORS = {
    b"version https://git-lfs.github.com/spec/v1\nsize 7\n": "a Git LFS .*`git lfs pull`",
    b"\n<!DOCTYPE html>\n<html>": "a web page: download it again",
    b"<?xml version='1.0'?><Error>AccessDenied</Error>": "a web page",
    b"PK\3\4" + bytes(60): "an archive: unpack it",
    b"\x1f\x8b\x08" + bytes(60): "an archive",
    b"\0\0\0\x20ftypM4A " + bytes(60): r"an MPEG-4 container .*`ffmpeg -i FILE FILE\.wav`",
    b"\x1a\x45\xdf\xa3" + bytes(60): "a Matroska container .*ffmpeg",
    b"RIFF\0\0\1\0AVI LIST" + bytes(60): "a video: .*ffmpeg",
    b"#!AMR\n" + bytes(60): "in a format that is not read: .*ffmpeg",
    b"\xff\xf1\x50\x80" + bytes(60): "in a format that is not read",
    b"wvpk" + bytes(60): "in a format that is not read",
}


@pytest.mark.parametrize("start", IMPOSTORS)
def test_files_that_are_no_audio_are_named(tmp_path, start):
    mpeg = write(tmp_path / "noise.mp3", noise(), format="MP3").read_bytes()
    for extension in ("wav", "flac", "mp3", "au", "raw"):
        path = tmp_path / f"noise.{extension}"
        for rest in (b"", mpeg):  # libmpg123 finds the frames within a container
            path.write_bytes(start + rest)
            for read in (read_audio, audio_span):
                match = rf"noise\.{extension}' is {IMPOSTORS[start]}"
                with pytest.raises(ValueError, match=match):
                    read(path)
            assert re.match(IMPOSTORS[start], impostor(path))


@pytest.mark.parametrize(
    ("suffix", "cure"),
    [
        (".mp4", "save their sound by `ffmpeg"),
        (".AMR", "save them as .wav"),
    ],
)
def test_the_error_for_a_format_that_is_not_read_has_the_cure(tmp_path, suffix, cure):
    path = tmp_path / f"call{suffix}"
    path.write_text("of a kind that nothing recognises")
    with pytest.raises(
        ValueError, match=f"cannot be decoded: .* Files with this suffix cannot be read: {cure}"
    ):
        read_audio(path)


def test_no_file_and_no_audio_file_is_an_impostor(tmp_path):
    assert impostor(tmp_path / "none.wav") is None
    for extension in ("wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64"):
        assert impostor(write(tmp_path / f"noise.{extension}", noise())) is None


CONTAINERS = [
    ("aiff", "PCM_16"),
    ("aiff", "FLOAT"),
    ("au", "PCM_16"),
    ("au", "ULAW"),
    ("w64", "PCM_16"),
    ("rf64", "PCM_24"),
    ("svx", "PCM_16"),
    ("voc", "PCM_16"),
    ("mat", "PCM_16"),
    ("wve", "ALAW"),
    ("wav", "IMA_ADPCM"),
    ("wav", "GSM610"),
    ("flac", "PCM_24"),
    ("ogg", "VORBIS"),
    ("ogg", "OPUS"),
]


def write_container(path, kind, n_samples):
    formats = {"mat": "MAT4", "w64": "W64"}
    container, subtype = kind
    options = {"format": formats.get(container, container.upper()), "subtype": subtype}
    return write(path, noise(2)[:n_samples], 8_000, **options)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_files_of_every_container_that_are_cut_off(tmp_path, kind):
    whole = write_container(tmp_path / "whole", kind, 2 * RATE).read_bytes()
    for share in (0.3, 0.5, 0.9, 0.97):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[: round(share * len(whole))])
        message = r"cut'.* (is truncated|cannot be decoded|is empty|lies .*, which lasts 0 s)"
        for row in (cut, Segment(cut, 0.01)):
            with pytest.raises(ValueError, match=message):
                read_audio(row)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_whole_files_of_every_container(tmp_path, kind):
    for n_samples in (1, 7, 1001, 1002, 1003, 2 * RATE):
        path = write_container(tmp_path / "whole", kind, n_samples)
        if n_samples > 1:
            assert len(read_audio(path, sample_rate=8_000)) >= n_samples


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("damage", ["noise", "gap", "lost page"])
def test_ogg_that_is_damaged_in_its_middle(tmp_path, subtype, damage):
    path = write(tmp_path / "whole.ogg", noise(9), subtype=subtype, format="OGG")
    data = path.read_bytes()
    pages = [n for n in range(len(data)) if data.startswith(b"OggS", n)]
    middle = len(pages) // 2
    start, end = pages[middle], pages[middle + 1]
    junk = np.random.default_rng(0).bytes(1000)
    path.write_bytes(
        {
            "noise": data[: start + 500] + junk + data[start + 1500 :],
            "gap": data[: start + 500] + data[start + 1500 :],
            "lost page": data[:start] + data[end:],
        }[damage]
    )
    with pytest.raises(ValueError, match=r"whole\.ogg' is (damaged: a part in its|truncated: it)"):
        read_audio(path)


def test_silence_of_a_second_stands_for_a_bad_file(bad_files):
    with pytest.warns(AudioWarning):
        waveforms = AudioLoader(on_error="warn").transform(list(bad_files.values()))
    for waveform in waveforms:
        np.testing.assert_array_equal(waveform, np.zeros(RATE, dtype=np.float32))


@pytest.mark.parametrize("read", [read_audio, audio_span])
def test_a_folder_that_may_not_be_entered(tmp_path, monkeypatch, read):
    path = write(tmp_path / "noise.wav", noise())
    stat = os.stat

    def refuse(file, *args, **options):
        if os.fspath(file) == str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(file, *args, **options)

    monkeypatch.setattr(os, "stat", refuse)
    message = r"noise\.wav' cannot be read: permission to open its folder is denied"
    with pytest.raises(PermissionError, match=message):
        read(path)


def test_a_refusal_of_the_decoder_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "refused.wav", noise())

    def refuse(*args, **options):
        raise soundfile.LibsndfileError(2, prefix=f"Error opening {path}: ")

    monkeypatch.setattr(soundfile.SoundFile, "__init__", refuse)
    with pytest.raises(ValueError, match=r"refused\.wav' cannot be decoded: System error\."):
        read_audio(path)


def test_a_header_may_promise_a_little_more(tmp_path, monkeypatch):
    path = write(tmp_path / "noise.wav", noise(1), subtype="FLOAT")
    read = soundfile.SoundFile.read

    def deliver(n_delivered):
        def shorter(self, frames=-1, **options):
            return read(self, max(0, min(frames, n_delivered - self.tell())), **options)

        monkeypatch.setattr(soundfile.SoundFile, "read", shorter)

    expected = {crop: LogMelSpectrogram(duration=0.5, crop=crop) for crop in ("loudest", "center")}
    whole = read_audio(path)[:15_000]
    lower = read_audio(path, sample_rate=8_000)
    expected = {crop: made.transform([whole]) for crop, made in expected.items()}
    deliver(15_000)
    np.testing.assert_array_equal(read_audio(path), whole)
    resampled = read_audio(path, sample_rate=8_000)
    assert len(resampled) == 7500
    np.testing.assert_allclose(resampled[:7000], lower[:7000], atol=1e-6)
    for crop, features in expected.items():
        made = LogMelSpectrogram(duration=0.5, crop=crop).transform([path])
        np.testing.assert_array_equal(made, features)
    deliver(14_000)
    with pytest.raises(ValueError, match="is truncated: it holds 14000 of 16000 frames"):
        read_audio(path)


# Files that can


@pytest.mark.parametrize(
    ("subtype", "extension", "bits"),
    [
        ("PCM_U8", "wav", 8),
        ("PCM_S8", "flac", 8),
        ("PCM_16", "wav", 16),
        ("PCM_24", "wav", 24),
        ("PCM_24", "flac", 24),
        ("PCM_32", "wav", 32),
    ],
)
def test_integers_of_every_width(tmp_path, subtype, extension, bits):
    steps = np.random.default_rng(0).integers(-(2 ** (bits - 2)), 2 ** (bits - 2), size=4000)
    samples = (steps << (32 - bits)).astype(np.int32)  # libsndfile keeps the upper bits
    path = write(tmp_path / f"noise.{extension}", samples, subtype=subtype)
    expected = steps / 2.0 ** (bits - 1)
    np.testing.assert_allclose(read_audio(path), expected, rtol=0, atol=2.0**-24)
    values = (LogMelSpectrogram().fit_transform([row]) for row in (path, expected))
    np.testing.assert_allclose(*values, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("extension", ["flac", "ogg", "mp3", "txt", "WAV", ""])
def test_a_wrong_extension_does_not_matter(tmp_path, extension):
    path = write(tmp_path / "noise.wav", noise())
    wrong = tmp_path / f"wrong.{extension}"
    wrong.write_bytes(path.read_bytes())
    np.testing.assert_array_equal(read_audio(wrong), read_audio(path))


def write_beyond_full_scale(path):
    return write(path, noise(scale=1.0), subtype="FLOAT"), noise(scale=1.0)


def write_five_channels(path):
    channels = np.stack([noise(seed=seed) for seed in range(5)], axis=1)
    return write(path, channels, subtype="FLOAT"), channels.mean(axis=1)


def write_one_sample(path):
    return write(path, [0.25], subtype="FLOAT"), np.array([0.25])


def write_twenty_milliseconds(path):
    return write(path, noise(0.02), subtype="FLOAT"), noise(0.02)


def write_offset(path):
    return write(path, 0.3 + noise(), subtype="FLOAT"), 0.3 + noise()


def write_chinese_name(path):
    return write(path.with_name("愤怒 süß 😠.wav"), noise(), subtype="FLOAT"), noise()


def write_long_name(path):
    return write(path.with_name("n" * 251 + ".wav"), noise(), subtype="FLOAT"), noise()


def write_name_of_other_bytes(path):
    name = os.fsencode(path.parent) + b"/m\xfcller.wav"  # in Latin-1, which is no UTF-8
    write(path, noise(), subtype="FLOAT")
    try:
        os.rename(path, name)
    except OSError:
        pytest.skip("this file system takes names of UTF-8 only")
    return os.fsdecode(name), noise()


def write_long_path(path):
    folder = path.parent.joinpath(*["folder" * 30] * 8)
    folder.mkdir(parents=True)
    write(path, noise(), subtype="FLOAT").rename(folder / "noise.wav")
    return folder / "noise.wav", noise()


ODD_FILES = [
    write_beyond_full_scale,
    write_five_channels,
    write_offset,
    write_chinese_name,
    write_long_name,
    write_long_path,
    write_name_of_other_bytes,
]


@of_each(READERS)
@pytest.mark.parametrize("write_it", ODD_FILES)
def test_odd_files_are_read_as_they_are(tmp_path, transformer, write_it):
    compare_with_samples(transformer, *write_it(tmp_path / "odd.wav"))


@of_each(TRANSFORMERS)
@pytest.mark.parametrize("write_it", [write_one_sample, write_twenty_milliseconds])
def test_every_transformer_takes_short_recordings(tmp_path, transformer, write_it):
    compare_with_samples(transformer, *write_it(tmp_path / "odd.wav"))


def compare_with_samples(transformer, path, samples):
    """Compare a file, as it is read and transformed, with the samples that were written."""
    np.testing.assert_allclose(read_audio(path), samples, rtol=0, atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DoubtfulAudioWarning)  # two of the files are short
        values = apply(transformer, path)
    assert np.isfinite(values).all()
    if isinstance(transformer, AudioLoader):
        np.testing.assert_array_equal(values, read_audio(path))
    else:
        np.testing.assert_allclose(values, transformer.transform([samples])[0], atol=1e-3)


@pytest.mark.parametrize(
    "write_it", [write_chinese_name, write_long_path, write_name_of_other_bytes]
)
def test_names_of_every_kind(tmp_path, write_it):
    path, samples = write_it(tmp_path / "odd.wav")
    assert audio_span(Segment(path, 0.1, 0.3)) == (RATE, 1600, 4800)
    part = read_audio(Segment(path, 0.1, 0.3))
    np.testing.assert_array_equal(part, samples[1600:4800].astype(np.float32))
    Path(path).write_text("not audio at all")
    for read in (read_audio, audio_span):
        with pytest.raises(ValueError, match="cannot be decoded") as caught:
            read(path)
        assert repr(os.fspath(path)) in str(caught.value)
        assert str(caught.value).isprintable()
    os.remove(path)
    with pytest.raises(FileNotFoundError, match="does not exist") as caught:
        audio_span(path)
    assert str(caught.value).isprintable()


def test_an_offset_stays_in_the_lowest_bins(tmp_path):
    path, _ = write_offset(tmp_path / "offset.wav")
    (values,) = Spectrogram(duration=0.5).transform([path])
    (centred,) = Spectrogram(duration=0.5).transform([noise()])
    inner = slice(2, -2)  # the first and last frames see where the recording begins and ends
    assert (values[0, inner] > centred[0, inner] + 10).all()
    means = (part[20:, inner].mean(axis=1) for part in (values, centred))
    np.testing.assert_allclose(*means, atol=0.5)


@of_each(READERS)
@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_low_and_high_rates(tmp_path, transformer, rate):
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    path = write(tmp_path / "tone.wav", tone, rate, subtype="FLOAT")
    expected = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    waveform = read_audio(path)
    assert waveform.shape == expected.shape
    np.testing.assert_allclose(waveform[2000:-2000], expected[2000:-2000], atol=1e-3)
    values = apply(transformer, path)
    if isinstance(transformer, AudioLoader):
        np.testing.assert_array_equal(values, waveform)
    else:
        np.testing.assert_array_equal(values, transformer.transform([waveform])[0])


@of_each(READERS)
def test_a_file_that_changes_after_fit_is_read_as_it_is(tmp_path, transformer):
    path = write(tmp_path / "changing.wav", noise(seed=1), subtype="FLOAT")
    before = np.asarray(transformer.fit([path]).transform([path])[0])
    write(path, noise(seed=2), subtype="FLOAT")
    after = np.asarray(transformer.transform([path])[0])
    np.testing.assert_array_equal(after, apply(clone(transformer), path))
    assert not np.array_equal(after, before)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"changing\.wav' does not exist"):
        transformer.transform([path])


# One recording, three ways


@of_each(FEATURES)
@pytest.mark.parametrize(("seconds", "block"), [(0.02, 999), (0.7, 1 << 20), (3.1, 999)])
def test_array_file_and_segment_give_the_same(tmp_path, monkeypatch, transformer, seconds, block):
    monkeypatch.setattr("skdidan.audio.files._BLOCK", block)
    integers = np.round(32768 * noise(seconds)).astype(np.int16)
    alone = write(tmp_path / "alone.wav", integers)
    around = np.round(32768 * noise(1, seed=3)).astype(np.int16)
    within = write(tmp_path / "within.flac", np.concatenate([around, integers, around]))
    expected = transformer.fit_transform([integers / 32768.0])
    for row in (
        integers,
        (integers / 32768).astype(np.float32),
        alone,
        Segment(alone),
        Segment(within, 1.0, 1.0 + seconds),
    ):
        np.testing.assert_allclose(transformer.fit_transform([row]), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_file_and_segment_are_loaded_alike(tmp_path, monkeypatch, rate):
    samples = noise(0.7, rate)
    alone = write(tmp_path / "alone.wav", samples, rate)
    within = write(tmp_path / "within.wav", np.concatenate([samples, samples, samples]), rate)
    whole, segment, part = AudioLoader().transform(
        [alone, Segment(alone), Segment(within, 0.7, 1.4)]
    )
    np.testing.assert_array_equal(whole, segment)
    np.testing.assert_array_equal(whole, part)
    monkeypatch.setattr("skdidan.audio.files._BLOCK", 1000)
    np.testing.assert_allclose(read_audio(alone), whole, rtol=0, atol=1e-6)


@of_each(FEATURES)
def test_a_resampled_file_gives_what_its_waveform_gives(tmp_path, monkeypatch, transformer):
    path = write(tmp_path / "noise.wav", noise(3.3, 44_100), 44_100)
    expected = transformer.fit_transform([read_audio(path)])
    np.testing.assert_array_equal(transformer.fit_transform([path]), expected)
    monkeypatch.setattr("skdidan.audio.files._BLOCK", 4321)
    np.testing.assert_allclose(transformer.fit_transform([path]), expected, rtol=0, atol=1e-6)


def test_functionals_do_not_depend_on_how_many_frames_are_described_at_once(monkeypatch):
    clips = [noise(seconds, seed=n) for n, seconds in enumerate((0.02, 0.3, 1.234))]
    expected = Functionals().transform(clips)
    for n_together in (1, 7, 30):
        monkeypatch.setattr("skdidan.audio.functionals._N_TOGETHER", n_together)
        np.testing.assert_allclose(Functionals().transform(clips), expected, rtol=1e-5, atol=1e-6)


INVARIANT = {name: TRANSFORMERS[name] for name in ("functionals", "embeddings")}


@of_each(INVARIANT)
@pytest.mark.parametrize("offset", [0.01, 0.3, -0.3])
def test_an_offset_does_not_matter_where_the_mean_is_taken_off(tmp_path, transformer, offset):
    """Spectrograms and openSMILE keep it, and so does wav2vec2 that does not normalise."""
    samples = np.sin(2 * np.pi * 150 * np.arange(RATE) / RATE) / 9 + noise(1, scale=0.01)
    samples *= np.repeat([1.0, 0.03, 0.5, 0.1], RATE // 4)
    expected = transformer.transform([samples])
    path = write(tmp_path / "offset.wav", samples + offset, subtype="FLOAT")
    for row in (path, samples + offset, Segment(path)):
        # Samples are rounded to 2**-25 of full scale, which a pause of noise shows in decibels.
        np.testing.assert_allclose(transformer.transform([row]), expected, rtol=1e-4, atol=1e-3)


# An hour


@pytest.fixture(scope="module")
def hour(tmp_path_factory):
    """Write an hour of noise, loudest in its fortieth minute, and return its path."""
    path = tmp_path_factory.mktemp("long") / "hour.wav"
    minute = noise(60, scale=0.05)
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for n in range(60):
            file.write(minute * (2 if n == 39 else 1))
    return path


def peak_memory(function, *args):
    """Return what a function returns, and the most bytes of arrays that it held meanwhile."""
    tracemalloc.start()
    try:
        return function(*args), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


WAVEFORM = 3600 * RATE * 4  # bytes of an hour in float32


@pytest.mark.parametrize(("make", "crop"), [(LogMelSpectrogram, "loudest"), (MFCC, "center")])
def test_a_window_of_an_hour_needs_a_fraction_of_its_memory(hour, make, crop):
    transformer = make(duration=2, crop=crop)
    values, peak = peak_memory(apply, transformer, hour)
    assert peak < 0.25 * WAVEFORM
    whole = read_audio(hour)
    if crop == "center":
        start = len(whole) // 2 - RATE
    else:
        energy = np.concatenate([[0.0], np.cumsum(whole.astype(np.float64) ** 2)])
        start = np.argmax(energy[2 * RATE :] - energy[: -2 * RATE])
        assert 39 * 60 * RATE <= start < 40 * 60 * RATE
    expected = transformer.transform([whole[start : start + 2 * RATE]])[0]
    np.testing.assert_array_equal(values, expected)
    values, peak = peak_memory(transformer.transform, [whole])
    np.testing.assert_array_equal(values[0], expected)
    assert peak < 0.25 * WAVEFORM


def test_an_hour_is_loaded_in_little_more_than_twice_its_memory(hour):
    (waveform,), peak = peak_memory(AudioLoader().transform, [hour])
    assert waveform.nbytes == WAVEFORM
    assert peak < 2.2 * WAVEFORM


@of_each({name: TRANSFORMERS[name] for name in ("log-mel, loudest", "functionals")})
def test_the_last_seconds_of_an_hour_are_those_of_its_array(hour, transformer):
    samples = read_audio(Segment(hour, 3595))
    assert len(samples) == 5 * RATE
    values = transformer.transform([Segment(hour, 3595)]), transformer.transform([samples])
    np.testing.assert_array_equal(*values)


@pytest.mark.slow
def test_functionals_of_an_hour_need_a_few_times_its_memory(hour):
    (values,), peak = peak_memory(Functionals().transform, [hour])
    assert np.isfinite(values).all()
    assert peak < 3 * WAVEFORM


def test_functionals_of_minutes_need_a_few_times_their_memory(hour):
    """What stands beside the waveform does not grow with all frames of it at once."""
    frames = 3_000 * 8 * (400 + 1800) * 6  # bytes of one part's frames, of YIN and the others
    peaks = [
        peak_memory(Functionals().transform, [Segment(hour, 0, 60 * n_minutes)])[1]
        for n_minutes in (1, 4)
    ]
    assert peaks[0] < frames
    assert peaks[1] - peaks[0] < 3 * 3 * WAVEFORM / 60
