"""Embeddings: as by hand, whatever goes along in a batch, of tiny models with random weights."""

import json
import os
import pickle
import shutil
import socket
import sys
import warnings

import numpy as np
import pytest
import soundfile
import torch
import transformers
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.svm import SVC

from skdidan import CorpusScaler, Embeddings, Target, make_adaptation_pipeline
from skdidan.audio.recordings import AudioWarning
from skdidan.audio.speech_models import SpeechEncoder, SpeechModel, _batches

RATE = 16_000
N_LAYERS, N_UNITS = 2, 16
SMALL = {
    "hidden_size": N_UNITS,
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8),
    "conv_kernel": (10, 8),
    "conv_stride": (8, 8),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
LAYER = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
# Family, parameters of the configuration and of the feature extractor.
MODELS = {
    "wav2vec2-group": ("Wav2Vec2", {}, {"do_normalize": True}),
    "wav2vec2-layer": ("Wav2Vec2", LAYER, {"return_attention_mask": True}),
    "wav2vec2-layer-unmasked": ("Wav2Vec2", LAYER, {}),
    "hubert-group-masked": ("Hubert", {}, {"return_attention_mask": True}),
    "hubert-layer": ("Hubert", LAYER, {"return_attention_mask": True}),
    "hubert-batch": (
        "Hubert",
        {"feat_extract_norm": "layer", "conv_pos_batch_norm": True},
        {"return_attention_mask": True},
    ),
    "wavlm-group": ("WavLM", {}, {"do_normalize": False}),
    "wavlm-layer": ("WavLM", LAYER, {"do_normalize": True, "return_attention_mask": True}),
    "unispeech-layer": ("UniSpeech", LAYER, {"return_attention_mask": True}),
    "unispeech-sat-layer": ("UniSpeechSat", LAYER, {"return_attention_mask": True}),
    "data2vec-audio": (
        "Data2VecAudio",
        {"conv_pos_kernel_size": 5},
        {"return_attention_mask": True},
    ),
}


def save_model(folder, name, **changes):
    """Save one of MODELS and return its folder as a string."""
    family, config, extractor = MODELS[name]
    config = getattr(transformers, f"{family}Config")(**SMALL, **config, **changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{family}Model")(config)
        for weight in model.parameters():  # so that the layers differ, and biases tell of padding
            weight.data += 0.1 * torch.randn(weight.shape)
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(**extractor).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {name: save_model(root / name, name) for name in MODELS}


@pytest.fixture(scope="module")
def folder(folders):
    return folders["wav2vec2-layer"]


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """Save a Whisper of windows of one second."""
    folder = tmp_path_factory.mktemp("whisper")
    config = transformers.WhisperConfig(
        d_model=N_UNITS,
        encoder_layers=N_LAYERS,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        num_mel_bins=20,
        max_source_positions=50,
        vocab_size=30,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.WhisperModel(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=1).save_pretrained(folder)
    return str(folder)


def noise(seconds=0.5, seed=0):
    return np.random.default_rng(seed).normal(0.02, 0.1, round(seconds * RATE)).astype(np.float32)


CLIPS = [noise(seconds, seed=n) for n, seconds in enumerate((0.5, 0.9, 0.2, 0.9, 1.3, 0.7))]


def normalised(waveform):
    return (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)


def hidden_states(folder, waveform):
    """Run a model by hand on one waveform as it is; shape (n_layers + 1, n_frames, n_units)."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        output = model(torch.tensor(waveform)[None], output_hidden_states=True)
    states = [*output.hidden_states[:-1], output.last_hidden_state]
    return torch.cat(states).numpy().astype(np.float64)


# Values


@pytest.mark.parametrize(
    ("name", "layer"),
    [*((name, -1) for name in MODELS), *(("wavlm-layer", layer) for layer in (0, 1, -2, "mean"))],
)
def test_a_layer_is_pooled_as_by_hand(folders, name, layer):
    waveform = noise()
    expects_normalised = MODELS[name][2].get("do_normalize", True)
    states = hidden_states(folders[name], normalised(waveform) if expects_normalised else waveform)
    frames = states.mean(axis=0) if layer == "mean" else states[layer]
    expected = {"mean": frames.mean(axis=0), "std": frames.std(axis=0), "max": frames.max(axis=0)}
    expected["mean_std"] = np.concatenate([expected["mean"], expected["std"]])
    for pooling, values in expected.items():
        if pooling != "mean_std" and name != "wavlm-layer":  # one model is pooled in every way
            continue
        (embedding,) = Embeddings(folders[name], layer, pooling=pooling).transform([waveform])
        np.testing.assert_allclose(embedding, values, rtol=1e-4, atol=1e-5)
        assert embedding.dtype == np.float32


def test_layers_and_recordings_differ(folder):
    layers = [Embeddings(folder, layer).transform(CLIPS) for layer in (0, 1, 2, "mean")]
    for n, one in enumerate(layers):
        assert np.ptp(one, axis=0).max() > 1e-3
        for other in layers[:n]:
            assert np.abs(one - other).max() > 1e-2


@pytest.mark.parametrize("name", MODELS)
def test_a_recording_is_embedded_alone_as_among_others(folders, name):
    """Padding would change its frames, and most of all their deviation."""
    embeddings = Embeddings(folders[name], pooling="mean_std", batch_size=1)
    alone = embeddings.transform(CLIPS)
    np.testing.assert_array_equal(embeddings.transform(CLIPS[2:3]), alone[2:3])
    for batch_size in (2, 16):
        together = clone(embeddings).set_params(batch_size=batch_size).transform(CLIPS)
        np.testing.assert_allclose(together, alone, atol=1e-5)


def test_only_models_that_mask_padding_get_mixed_lengths():
    lengths = [5, 9, 2, 9, 13, 7, 9]
    assert list(_batches(lengths, 3, mixed=True)) == [[2, 0, 5], [1, 3, 6], [4]]
    assert list(_batches(lengths, 2, mixed=False)) == [[2], [0], [5], [1, 3], [6], [4]]


@pytest.mark.parametrize("name", ["wav2vec2-group", "wav2vec2-layer"])
def test_long_recordings_are_cut_and_pooled_together(folders, name):
    waveform = np.concatenate([noise(0.7), 0.2 * noise(0.3)])
    windows = np.array_split(normalised(waveform), 4)  # 0.25 s each
    frames = np.concatenate([hidden_states(folders[name], window)[1] for window in windows])
    mean_std = np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
    for pooling, expected in (("mean_std", mean_std), ("max", frames.max(axis=0))):
        embeddings = Embeddings(folders[name], 1, pooling=pooling, max_duration=0.3, batch_size=3)
        result = embeddings.transform([noise(0.2), waveform, noise(0.65)])
        np.testing.assert_allclose(result[1], expected, rtol=1e-4, atol=1e-5)
    whole = Embeddings(folders[name], 1, pooling="max", max_duration=1.0).transform([waveform])
    assert np.abs(whole - expected).max() > 1e-4


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_long_recordings_do_not_stand_in_memory_together(folder, monkeypatch, n_jobs):
    """Recordings of ten windows wait for four batches of two, which one of them fills."""
    clips, n_read, held = [noise(2.0, seed=n) for n in range(6)], [], []
    cut, encode = SpeechModel.cut, SpeechEncoder.encode

    def noting_cut(model, waveform, max_duration):
        n_read.append(1)
        return cut(model, waveform, max_duration)

    def noting_encode(encoder, windows, batch_size):
        held.append((len(n_read), len(windows)))
        return encode(encoder, windows, batch_size)

    expected = Embeddings(folder, max_duration=0.2, batch_size=64).transform(clips)
    monkeypatch.setattr(SpeechModel, "cut", noting_cut)
    monkeypatch.setattr(SpeechEncoder, "encode", noting_encode)
    embeddings = Embeddings(folder, max_duration=0.2, batch_size=2, n_jobs=n_jobs)
    np.testing.assert_allclose(embeddings.transform(clips), expected, atol=1e-5)
    assert [n_windows for _, n_windows in held] == [10] * 6
    assert all(n <= k + (n_jobs or 1) for k, (n, _) in enumerate(held))


@pytest.mark.parametrize("layer", [0, -1, "mean"])
def test_whisper_takes_the_positions_of_the_recording(whisper, layer):
    """The reference is a Whisper that was made for recordings of this length."""
    weights = transformers.AutoModel.from_pretrained(whisper).state_dict()
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(whisper)
    clips = [noise(0.5), noise(1.0, seed=1), noise(0.305, seed=2), noise(0.5, seed=3)]
    for clip, result in zip(clips, Embeddings(whisper, layer).transform(clips), strict=True):
        n_positions = int(np.ceil(len(clip) / 320))
        config = transformers.AutoConfig.from_pretrained(whisper, max_source_positions=n_positions)
        short = transformers.WhisperModel(config).eval()
        name = "encoder.embed_positions.weight"
        short.load_state_dict(weights | {name: weights[name][:n_positions]})
        padded = np.pad(clip, (0, 320 * n_positions - len(clip)))
        inputs = extractor(padded, padding=False, sampling_rate=RATE, return_tensors="pt")
        with torch.no_grad():
            output = short.get_encoder()(inputs["input_features"], output_hidden_states=True)
        states = torch.cat(output.hidden_states).numpy()
        frames = states.mean(axis=0) if layer == "mean" else states[layer]
        np.testing.assert_allclose(result, frames.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("layer", [0, 1, -1, "mean"])
def test_padded_whisper_pools_the_frames_of_the_recording(whisper, layer):
    model = transformers.AutoModel.from_pretrained(whisper).eval()
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(whisper)
    clips = [noise(0.5), noise(1.0, seed=1), noise(0.305, seed=2)]
    for clip, result in zip(
        clips, Embeddings(whisper, layer, pad=True).transform(clips), strict=True
    ):
        features = extractor(clip, sampling_rate=RATE, return_tensors="pt")["input_features"]
        with torch.no_grad():
            output = model.get_encoder()(features, output_hidden_states=True)
        states = torch.cat(output.hidden_states).numpy()
        frames = states.mean(axis=0) if layer == "mean" else states[layer]
        n_frames = int(np.ceil(len(clip) / 320))  # of 20 ms, out of fifty
        np.testing.assert_allclose(result, frames[:n_frames].mean(axis=0), atol=1e-5)


def test_whisper_takes_windows_no_longer_than_its_own(whisper):
    long = Embeddings(whisper, max_duration=30.0).transform([noise(1.8)])
    np.testing.assert_array_equal(
        Embeddings(whisper, max_duration=1.0).transform([noise(1.8)]), long
    )
    halves = Embeddings(whisper).transform(np.array_split(noise(1.8), 2))
    np.testing.assert_allclose(long[0], halves.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("name", ["wav2vec2-group", "wav2vec2-layer", "wavlm-layer"])
def test_odd_clips_stay_finite(folders, name):
    clips = [np.array([0.1]), np.eye(1, 400)[0], noise(0.02)]
    clips.append(np.concatenate([noise(0.1), np.zeros(RATE)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X = Embeddings(folders[name], pooling="mean_std", max_duration=0.5).transform(clips)
    assert np.isfinite(X).all()


def test_adapter_and_masks_of_training_are_not_needed(tmp_path):
    plain = save_model(tmp_path / "plain", "wav2vec2-layer", mask_time_prob=0.0)
    changes = {"mask_time_prob": 0.5, "mask_feature_prob": 0.5, "add_adapter": True}
    other = save_model(tmp_path / "other", "wav2vec2-layer", **changes)
    expected = Embeddings(plain).transform(CLIPS)
    shutil.copy(f"{plain}/model.safetensors", other)
    np.testing.assert_array_equal(Embeddings(other).transform(CLIPS), expected)


def test_half_precision_weights_are_computed_with_in_single(folder, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    weights = {name: value.half() for name, value in load_file(half / "model.safetensors").items()}
    save_file(weights, half / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((half / "config.json").read_text())
    (half / "config.json").write_text(json.dumps(config | {"torch_dtype": "float16"}))
    X = Embeddings(half).transform(CLIPS)
    np.testing.assert_allclose(X, Embeddings(folder).transform(CLIPS), atol=0.02)
    alone = np.concatenate([Embeddings(half).transform([clip]) for clip in CLIPS])
    np.testing.assert_allclose(X, alone, atol=1e-5)


# Rows


def test_file_and_array_agree_for_any_number_of_jobs(folder, tmp_path):
    paths = [tmp_path / f"{n}.wav" for n in range(len(CLIPS))]
    for path, clip in zip(paths, CLIPS, strict=True):
        soundfile.write(path, clip, RATE, subtype="FLOAT")
    expected = Embeddings(folder, batch_size=1).fit_transform(CLIPS)
    for X in (paths, Target(paths), [clip.astype(float) for clip in CLIPS]):
        np.testing.assert_array_equal(
            Embeddings(folder, batch_size=1, n_jobs=2).transform(X), expected
        )
    order = [3, 1, 4, 0, 2, 5]
    shuffled = Embeddings(folder, batch_size=1).transform([paths[row] for row in order])
    np.testing.assert_array_equal(shuffled, expected[order])


def test_silence_stands_for_a_bad_row(folder):
    with pytest.warns(AudioWarning, match=r"1 of 2 rows .* row 1 is silent"):
        X = Embeddings(folder, on_error="warn").transform([noise(), np.zeros(100)])
    assert np.isfinite(X).all()
    with pytest.raises(ValueError, match="row 1 is silent"):
        Embeddings(folder).transform([noise(), np.zeros(100)])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_bad_row_leaves_those_before_it_in_the_cache(folder, tmp_path, n_jobs):
    """Also those of its own block, which is four batches."""
    embeddings = Embeddings(folder, batch_size=1, memory=tmp_path, n_jobs=n_jobs)
    for _ in range(2):
        with pytest.raises(ValueError, match="row 6 is silent"):
            embeddings.transform([*CLIPS, np.zeros(100)])
        assert len(list(tmp_path.rglob("*.npy"))) == len(CLIPS)


def test_names_match_the_columns(folder):
    embeddings = Embeddings(folder, pooling="mean_std").set_output(transform="pandas")
    frame = embeddings.fit_transform(CLIPS)
    assert frame.columns.tolist() == embeddings.get_feature_names_out(["x0"]).tolist()
    assert frame.columns[[0, -1]].tolist() == ["mean_0", f"std_{N_UNITS - 1}"]
    assert frame.shape == (len(CLIPS), 2 * N_UNITS)
    assert len(Embeddings(folder).get_feature_names_out()) == N_UNITS


def test_progress_is_shown_when_verbose(folder, capsys):
    Embeddings(folder, verbose=1, batch_size=1).transform(CLIPS)
    assert "6/6" in capsys.readouterr().err


# Manners


def test_scikit_learn_manners(folder):
    embeddings = Embeddings(folder, 1, pooling="std", on_error="warn", n_jobs=2)
    assert clone(embeddings).get_params() == embeddings.get_params()
    assert not embeddings.__sklearn_tags__().requires_fit
    assert embeddings.fit(CLIPS) is embeddings


def test_neither_copies_nor_pickles_carry_weights(folder):
    embeddings = Embeddings(folder).fit(CLIPS)
    expected = embeddings.transform(CLIPS)
    assert vars(embeddings) == embeddings.get_params() | {"_is_fitted": True}
    data = pickle.dumps(embeddings)
    assert len(data) < 2000
    np.testing.assert_array_equal(pickle.loads(data).transform(CLIPS), expected)
    np.testing.assert_array_equal(clone(embeddings).transform(CLIPS), expected)


def test_a_pipeline_keeps_the_embeddings_of_recordings(folder, tmp_path, monkeypatch):
    y = np.array(["anger", "sadness"] * 3)
    steps = Embeddings(folder, 1), CorpusScaler(), SVC()
    pipeline = make_adaptation_pipeline(*steps)
    expected = pipeline.fit(CLIPS[2:], y[2:], CLIPS[:4]).decision_function(CLIPS[:2])
    pipeline = make_adaptation_pipeline(*steps, memory=tmp_path)
    pipeline.fit(CLIPS, y, CLIPS[::-1])
    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", None)
    kept = pipeline.fit(CLIPS[2:], y[2:], CLIPS[:4]).decision_function(CLIPS[:2])
    np.testing.assert_allclose(kept, expected, atol=1e-3)


def test_global_state_is_left_alone_and_the_network_is_not_asked(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("The network was asked.")

    def state():
        return {
            "torch": torch.get_rng_state().tolist(),
            "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002 - it is the global one
            "dtype": torch.get_default_dtype(),
            "grad": torch.is_grad_enabled(),
            "threads": torch.get_num_threads(),
            "filters": list(warnings.filters),
            "environment": dict(os.environ),
            "verbosity": transformers.logging.get_verbosity(),
        }

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    before = state()
    first = Embeddings(folder).transform(CLIPS)
    assert state() == before
    torch.rand(1)
    np.testing.assert_array_equal(Embeddings(folder).transform(CLIPS), first)


@pytest.mark.parametrize(
    "mode", [lambda: torch.autocast("cpu", torch.bfloat16), lambda: torch.device("meta")]
)
def test_modes_of_torch_around_transform(folder, mode):
    expected = Embeddings(folder).transform(CLIPS)
    with mode():
        np.testing.assert_array_equal(Embeddings(folder).transform(CLIPS), expected)


# Errors


def test_missing_transformers_names_the_cure(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    embeddings = Embeddings(folder).fit(CLIPS)
    for method in (lambda: embeddings.transform(CLIPS), embeddings.get_feature_names_out):
        with pytest.raises(ImportError, match=r"pip install skdidan\[transformers\]"):
            method()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer": 1.0}, r"layer must be a whole number or 'mean'; got 1\.0"),
        ({"layer": "last"}, "layer must be a whole number or 'mean'; got 'last'"),
        ({"layer": True}, "layer must be a whole number or 'mean'; got True"),
        ({"pooling": "median"}, r"pooling must be one of \['max', 'mean', .*; got 'median'"),
        ({"max_duration": 0}, "max_duration must be a finite number above 0; got 0"),
        ({"max_duration": 0.1}, r"max_duration must be at least 0\.2 s; got 0\.1"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1; got 0"),
        (
            {"device": "gpu"},
            r"device must be one that torch can use here, such as \['auto', .*; got 'gpu'",
        ),
        ({"device": None}, "device must be one that torch can use here, .*; got None"),
        ({"on_error": None}, "on_error must be one of"),
        ({"model": None}, "model must be a folder or a name on the hub; got None"),
        ({"model": ""}, "model must be a folder or a name on the hub; got ''"),
    ],
)
def test_fit_and_transform_check_the_parameters(folder, changes, message):
    embeddings = Embeddings(folder).set_params(**changes)
    for method in (embeddings.fit, embeddings.transform):
        with pytest.raises(ValueError, match=message):
            method(CLIPS)


@pytest.mark.parametrize("device", ["cuda", "meta", "vulkan", "mtia", "hpu"])
def test_a_device_that_cannot_compute(folder, device):
    if device == "cuda" and torch.cuda.is_available():
        device = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ValueError, match=f"device must be one that .*; got '{device}'"):
        Embeddings(folder, device=device).transform(CLIPS)


@pytest.mark.parametrize("layer", [3, -4])
def test_a_layer_that_the_model_lacks(folder, layer):
    with pytest.raises(ValueError, match=rf"layer must be 'mean' or from -3 to 2.*; got {layer}"):
        Embeddings(folder, layer).transform(CLIPS)


def test_another_rate_than_the_model_s(folder):
    with pytest.raises(ValueError, match=r"sample_rate must be that of .*, 16000 Hz; got 8000"):
        Embeddings(folder, sample_rate=8000).transform(CLIPS)


def test_a_folder_that_is_not_there(tmp_path):
    for model in (tmp_path / "none", str(tmp_path / "none"), "./none", "a/b/c"):
        with pytest.raises(
            FileNotFoundError, match=r"(none|a/b/c)' is neither a folder nor a possible name"
        ):
            Embeddings(model).fit(CLIPS)


@pytest.mark.parametrize("part", ["config.json", "preprocessor_config.json"])
def test_a_folder_without_settings(folder, tmp_path, part):
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / part).unlink()
    with pytest.raises(ValueError, match="has no configuration or no feature extractor"):
        Embeddings(tmp_path / "model").transform(CLIPS)


def test_a_folder_without_weights(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="has no weights that can be loaded"):
        Embeddings(tmp_path / "model").transform(CLIPS)


def test_weights_that_are_missing_are_not_drawn_at_random(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    weights = load_file(path)
    del weights["encoder.layers.1.feed_forward.output_dense.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 1 weights of a 'wav2vec2' model, .*layers\.1"):
        Embeddings(tmp_path / "model").transform(CLIPS)


def test_models_of_other_input_are_refused(tmp_path):
    config = transformers.ASTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
    config.save_pretrained(tmp_path)
    transformers.SpeechT5FeatureExtractor().save_pretrained(tmp_path)
    message = r"of type 'audio-spectrogram-transformer', with a .*must be a model of waveforms"
    with pytest.raises(ValueError, match=message):
        Embeddings(tmp_path).transform(CLIPS)


def test_a_name_goes_to_the_hub(folder, monkeypatch):
    asked = []

    def answer(name, **options):
        asked.append((name, options))
        raise OSError("the hub does not know it")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", answer)
    with pytest.raises(ValueError, match=r"model='some/model' has no .* the hub does not know it"):
        Embeddings("some/model").fit(CLIPS).transform(CLIPS)
    with pytest.raises(ValueError, match="has no configuration"):
        Embeddings(folder).transform(CLIPS)
    assert asked == [
        ("some/model", {"local_files_only": False, "trust_remote_code": False}),
        (folder, {"local_files_only": True, "trust_remote_code": False}),
    ]


def test_memory_notices_another_model(folders, tmp_path, monkeypatch):
    clips = [np.random.default_rng(0).normal(scale=0.1, size=2000).astype(np.float32)]
    embeddings, expected = Embeddings("model", memory=tmp_path / "kept"), {}
    for name in ("wav2vec2-group", "hubert-layer"):
        place = tmp_path / name
        shutil.copytree(folders[name], place / "model")
        monkeypatch.chdir(place)
        expected[name] = Embeddings("model").fit_transform(clips)
        np.testing.assert_array_equal(embeddings.transform(clips), expected[name])
    shutil.rmtree("model")
    shutil.copytree(folders["wav2vec2-group"], "model")  # other weights in the same place
    np.testing.assert_array_equal(embeddings.transform(clips), expected["wav2vec2-group"])


def test_weights_that_cannot_be_read_are_named(folders, tmp_path):
    place = tmp_path / "model"
    shutil.copytree(folders["wav2vec2-group"], place)
    weights = place / "model.safetensors"
    for content in (b"", weights.read_bytes()[:1000], b"x" * 2000):
        weights.write_bytes(content)
        with pytest.raises(ValueError, match="has no weights that can be loaded"):
            Embeddings(place).transform([np.eye(1, 2000)[0]])


def test_the_home_folder_may_be_named(folders, tmp_path, monkeypatch):
    shutil.copytree(folders["hubert-layer"], tmp_path / "model")
    monkeypatch.setenv("HOME", str(tmp_path))
    clips = [np.random.default_rng(0).normal(scale=0.1, size=2000).astype(np.float32)]
    X = Embeddings("~/model").fit_transform(clips)
    np.testing.assert_array_equal(X, Embeddings(tmp_path / "model").fit_transform(clips))


def test_layers_of_different_lengths_have_no_mean(tmp_path):
    config = transformers.SEWConfig(**SMALL, squeeze_factor=2)
    transformers.SEWModel(config).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    clips = [np.random.default_rng(0).normal(scale=0.1, size=4000).astype(np.float32)]
    assert Embeddings(tmp_path, layer=1).fit_transform(clips).shape == (1, N_UNITS)
    with pytest.raises(
        ValueError, match=r"layer='mean' needs layers of equal length, .* pass the number"
    ):
        Embeddings(tmp_path, layer="mean").fit_transform(clips)


def test_models_that_write_text_are_refused(tmp_path):
    transformers.MoonshineConfig().save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"is of type 'moonshine', .* it must be a model of wavef"):
        Embeddings(tmp_path).transform([np.eye(1, 2000)[0]])
