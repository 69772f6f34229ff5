"""The commands do what the same calls of the package do, and fail with one line."""

import json
import shlex
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier

import skdidan
from skdidan import (
    CORPORA,
    MDSA,
    AnchoredEM,
    CorpusScaler,
    CorrelationAlignment,
    DIDANClassifier,
    Embeddings,
    Functionals,
    LogMelSpectrogram,
    SourceOnlyClassifier,
    SpeakerScaler,
    WindowedClassifier,
    compare,
    cross_corpus_task,
    leave_one_corpus_out,
    load,
    load_corpus,
    load_manifest,
    make_adaptation_pipeline,
    save,
)
from skdidan.tables import CLASSIFIERS

click = pytest.importorskip("click")
from click.testing import CliRunner  # noqa: E402 # after the check that there is one

from skdidan.cli.app import app  # noqa: E402
from skdidan.cli.models import make_features  # noqa: E402
from skdidan.cli.options import METHODS, _pairs  # noqa: E402
from skdidan.cli.session import Session, catch  # noqa: E402

TRAIN = "--epochs 2 --seed 3 --method didan"


def run(line, code=0):
    """Run a command in this process, and return what it printed."""
    found = CliRunner().invoke(app, shlex.split(line) if isinstance(line, str) else line)
    assert found.exit_code == code, found.output
    return found


def table(found):
    return pd.read_csv(pd.io.common.StringIO(found.stdout))


@pytest.fixture(scope="module")
def place(corpora_on_disk, tmp_path_factory):
    """Return a folder with the corpora, calls with bad files among them, and a model."""
    root = tmp_path_factory.mktemp("cli")
    (root / "emodb").symlink_to(corpora_on_disk / "emodb", target_is_directory=True)
    (root / "casia").symlink_to(corpora_on_disk / "casia", target_is_directory=True)
    calls = root / "calls"
    calls.mkdir()
    for n, path in enumerate(sorted((corpora_on_disk / "casia").rglob("*.wav"))):
        waveform, rate = soundfile.read(path)
        soundfile.write(calls / f"{n:02}.wav", 0.9 * waveform, rate)
    save(fitted(root, good(calls)), root / "api.skdidan")
    (calls / "broken.wav").write_text("no audio")
    soundfile.write(calls / "silent.wav", np.zeros(8000), 8000)
    soundfile.write(calls / "short.wav", 0.1 * np.sin(np.arange(400)), 8000)
    (calls / "video.mp4").write_text("a video")
    return root


@pytest.fixture(autouse=True)
def inside(place, monkeypatch):
    monkeypatch.chdir(place)


def good(calls):
    return [str(path) for path in sorted(calls.glob("[0-9]*.wav"))]


def fitted(root, target):
    """Fit by Python what `TRAIN` fits on the command line."""
    emodb = load_corpus("emodb", root / "emodb")
    classifier = DIDANClassifier(max_epochs=2, random_state=3)
    front = Functionals(), CorpusScaler(), SpeakerScaler(random_state=3)
    model = make_adaptation_pipeline(*front, AnchoredEM(classifier))
    return model.fit(emodb.files, emodb.emotion, target)


# Help


@pytest.mark.parametrize("name", app.commands)
def test_help_shows_examples_of_options_that_exist(name):
    command = app.commands[name]
    text = run([name, "--help"]).stdout
    assert "Examples:" in text and "--debug" in text
    examples = command.examples.replace("\\\n", " ").strip().splitlines()
    for example in examples:
        words = shlex.split(example.partition("|")[0])
        assert words[:2] == ["skdidan", name] and example.split(" -")[0] in text
        click.Context(command).command.make_parser(click.Context(command)).parse_args(words[2:])


def test_methods_are_those_of_the_tables():
    assert sorted(METHODS) == sorted([*CLASSIFIERS, "coral", "logistic_regression"])
    assert all(method in " ".join(run("train --help").stdout.split()) for method in METHODS)


def test_the_entry_point_and_the_module_run():
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"skdidan": "skdidan.cli:main"}
    call = [sys.executable, "-m", "skdidan", "--version"]
    found = subprocess.run(call, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == f"skdidan, version {skdidan.__version__}"


def test_without_click_the_error_names_the_cure():
    code = "import sys; sys.modules['click'] = None; from skdidan.cli import main; main()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 1
    cure = "The command line needs the package click: pip install skdidan[cli]"
    assert found.stderr.strip() == f"skdidan: error: {cure}"


# Corpora and features


def test_corpora_lists_those_that_are_known():
    rows = table(run("corpora"))
    assert rows["name"].tolist() == sorted(CORPORA)
    assert rows.set_index("name")["recordings"]["emodb"] == 535


def test_corpora_describes_a_folder():
    found = run("corpora emodb")
    values = table(found).set_index("property")["value"]
    assert values["layout"] == "emodb (16 files)"
    assert values["emotions"] == "anger: 8, sadness: 8" and values["left out"] == "none"
    assert run("corpora emodb:emodb").stdout == found.stdout
    assert values["duration [s]"] == "1.00 to 1.00, median 1.00"
    assert values["sample rates [Hz]"] == "16000: 16" and values["unusable files"] == "0"


def test_corpora_says_what_the_names_of_folders_lack(tmp_path):
    for name in ("anger", "sadness", "Frust"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.wav").write_bytes(Path("calls/00.wav").read_bytes())
    found = table(run(f"corpora {tmp_path}")).set_index("property")["value"]
    assert found["speakers"] == "unknown" and found["recordings"] == "2"
    assert found["left out"] == "unknown emotion 'Frust': 1"


def test_corpora_lists_unusable_files(tmp_path):
    out = tmp_path / "files.csv"
    found = run(f"corpora calls --out {out}", code=3)
    values = table(found).set_index("property")["value"]
    assert values["layout"] == "none that is known"
    assert (values["unusable files"], values["doubtful files"]) == ("3", "1")
    assert "broken.wav' cannot be decoded" in values["unusable, no. 1"]
    assert "3 recording(s) could not be used." in found.stderr
    errors = pd.read_csv(out).set_index("file")["error"].dropna()
    assert sorted(errors.index) == [
        f"calls/{name}" for name in ("broken.wav", "silent.wav", "video.mp4")
    ]


def test_extract_writes_the_features_of_the_package():
    rows = table(run("extract calls --quiet", code=3)).set_index("file")
    files = good(Path("calls"))
    features = Functionals()
    np.testing.assert_allclose(
        rows.loc[files, features.get_feature_names_out()],
        features.fit_transform(files),
        rtol=1e-5,
        atol=1e-5,
    )
    assert rows.loc["calls/silent.wav"].isna().sum() == 129
    assert "is silent" in rows["error"]["calls/silent.wav"]


def test_extract_keeps_labels_and_writes_spectrograms(tmp_path):
    out = tmp_path / "spectrograms.npz"
    run(f"extract emodb:emodb --features logmel --out {out}")
    with np.load(out) as stored:
        emodb = load_corpus("emodb", "emodb")
        assert stored["files"].tolist() == emodb.files
        assert stored["emotion"].tolist() == emodb.emotion.tolist()
        expected = LogMelSpectrogram().fit_transform(emodb.files)
        np.testing.assert_array_equal(stored["X"], expected)
    assert table(run("extract emodb:emodb"))["speaker"].nunique() == 2
    assert "need --out FILE.npz" in run("extract calls -f mfcc", code=2).stderr


# Train, predict and adapt


def test_train_makes_the_model_of_the_package(tmp_path, place):
    out = tmp_path / "model.skdidan"
    found = run(f"train --source emodb:emodb --target calls {TRAIN} --out {out}", code=3)
    summary = json.loads(found.stdout)
    assert summary == {
        "model": str(out),
        "emotions": ["anger", "sadness"],
        "n_source": 16,
        "n_target": 17,
    }
    assert "3 target file(s) are left out: calls/video.mp4" in found.stderr
    assert "calls/short.wav: lasts 0.05 s" in found.stderr
    assert (
        "17 recordings are few to find clusters in: give 100 or more, or leave out" in found.stderr
    )
    files = good(Path("calls"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = fitted(place, [*files, "calls/short.wav"])
    np.testing.assert_allclose(
        load(out).predict_proba(files), expected.predict_proba(files), rtol=1e-5, atol=1e-7
    )


def test_train_takes_several_sources_and_emotions(tmp_path):
    out = tmp_path / "model.skdidan"
    line = (
        f"train -s emodb:emodb -s casia:casia -t calls/00.wav -t calls/01.wav {TRAIN} --no-refine"
    )
    assert "are few" not in run(f"{line} --no-speakers --emotions angry,sad --out {out}").stderr
    model = load(out)
    assert [name for name, _ in model.steps] == ["functionals", "corpusscaler", "didanclassifier"]
    corpora = [load_corpus(name, name) for name in ("emodb", "casia")]
    X = [*corpora[0].files, *corpora[1].files, "calls/00.wav", "calls/01.wav"]
    y = [*corpora[0].emotion, *corpora[1].emotion, "none", "none"]
    pipeline = make_adaptation_pipeline(
        Functionals(), CorpusScaler(), DIDANClassifier(max_epochs=2, random_state=3)
    ).fit(X, y, sample_domain=np.repeat([0, 1, -1], [16, 16, 2]))
    files = good(Path("calls"))
    np.testing.assert_allclose(
        model.predict_proba(files), pipeline.predict_proba(files), rtol=1e-5, atol=1e-7
    )


def label_calls(path, *others):
    """Write a table of the calls; the first have other emotions, the rest those of the corpora."""
    lines = ["file,emotion,speaker"]
    for n, file in enumerate(good(Path("calls"))):
        emotion = others[n] if n < len(others) else ("anger", "sadness")[n % 2]
        lines.append(f"{Path(file).resolve()},{emotion},s{n % 3}")
    path.write_text("\n".join(lines))
    return path


def test_several_sources_keep_the_emotions_that_all_have(tmp_path):
    labels, out = label_calls(tmp_path / "labels.csv", "fear", "boredom"), tmp_path / "model"
    line = f"train -s emodb:emodb -s {labels} -t casia -m logistic_regression --no-refine -o {out}"
    found = run(line)
    assert "labels: boredom, fear left out, not in every source." in found.stderr
    assert "Training on 30 source and 16 target recordings. Emotions: anger, sadness." in (
        found.stderr
    )
    summary = json.loads(found.stdout)
    assert (summary["emotions"], summary["n_source"]) == (["anger", "sadness"], 30)
    # One source keeps all of its emotions.
    alone = run(f"train -s {labels} -t casia -m logistic_regression --no-refine -o {out}")
    assert json.loads(alone.stdout)["emotions"] == ["anger", "boredom", "fear", "sadness"]
    label_calls(labels, *["fear", "anger"] * 8)
    text = run(line, code=2).stderr
    assert "the sources emodb, labels share fewer than two emotions (anger)" in text


def test_an_emotion_whose_recordings_one_source_cannot_use_is_left_out(tmp_path):
    labels = label_calls(tmp_path / "labels.csv", "fear")
    extra = tmp_path / "extra.csv"
    lines = labels.read_text().splitlines()
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    extra.write_text("\n".join([lines[0], f"{tmp_path}/broken.wav,fear,s0", *lines[2:]]))
    line = f"train -s {labels} -s {extra} -t casia -m logistic_regression --no-refine"
    found = run(f"{line} -o {tmp_path}/model", code=3)
    assert "labels: fear left out, not in every source." in found.stderr
    assert json.loads(found.stdout)["emotions"] == ["anger", "sadness"]


def test_one_source_by_two_paths_is_refused(tmp_path):
    Path("other").symlink_to("emodb", target_is_directory=True)
    line = f"-t casia -m logistic_regression -o {tmp_path}/model"
    try:
        for other in ("./emodb", "other", Path("emodb").resolve()):
            text = run(f"train -s emodb:emodb -s emodb:{other} {line}", code=2).stderr
            assert "a --source is given twice" in text
    finally:
        Path("other").unlink()


def test_help_names_the_methods_that_tell_sources_apart():
    told_apart = [
        name
        for name, kind in CLASSIFIERS.items()
        if "Several sources are told apart" in kind.__doc__
    ]
    assert sorted(told_apart) == ["djda", "emo_dna", "mdsa"]
    text = " ".join(run("train --help").stdout.split())
    assert "The methods djda, emo_dna and mdsa tell the sources apart" in text


def test_coral_aligns_the_source_before_a_logistic_regression(tmp_path):
    files = good(Path("calls"))
    run(f"train -s emodb:emodb -t calls -m coral -o {tmp_path / 'model'} --quiet", code=3)
    model, emodb = load(tmp_path / "model"), load_corpus("emodb", "emodb")
    regression = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    classifier = AnchoredEM(make_adaptation_pipeline(CorrelationAlignment(), regression))
    expected = make_adaptation_pipeline(Functionals(), CorpusScaler(), SpeakerScaler(), classifier)
    expected.fit(emodb.files, emodb.emotion, [*files, "calls/short.wav"])
    np.testing.assert_allclose(model.predict_proba(files), expected.predict_proba(files), atol=1e-6)
    rows = table(run("compare emodb:casia -c emodb:emodb -c casia:casia -m coral --seeds 1"))
    assert rows["method"].tolist() == ["coral"] and rows["uar"].notna().all()


def test_a_saved_model_keeps_no_setting_of_the_machine(tmp_path):
    out, kept = tmp_path / "model.skdidan", tmp_path / "kept"
    line = f"train -s emodb:emodb -t casia --method source_only --epochs 1 --cache {kept} --jobs 2"
    run(f"{line} --features logmel --out {out}")
    params = load(out).get_params()
    names = ("memory", "n_jobs", "verbose", "on_error")
    assert [params[f"logmelspectrogram__{name}"] for name in names] == [None, None, 0, "raise"]
    assert len(list(kept.rglob("*.npy"))) == 32
    for folder, n_rows in ((kept, 32), (tmp_path / "new", 16)):  # read, or computed and kept
        run(f"predict {out} casia --cache {folder} --quiet")
        assert len(list(folder.rglob("*.npy"))) == n_rows
    assert "speakerscaler" not in params  # it has no place among spectrograms


def test_predict_writes_a_row_for_every_file_and_nothing_else(place):
    before = sorted(str(path) for path in place.rglob("*"))
    found = run("predict api.skdidan calls", code=3)
    assert "17 of 20 recordings have a label: anger " in found.stderr
    assert sorted(str(path) for path in place.rglob("*")) == before
    rows = table(found).set_index("file")
    assert rows.columns.tolist() == ["label", "p_anger", "p_sadness", "error", "warning"]
    model, files = load("api.skdidan"), good(Path("calls"))
    assert rows["label"][files].tolist() == model.predict(files).tolist()
    probabilities = rows.loc[files, ["p_anger", "p_sadness"]]
    np.testing.assert_allclose(probabilities, model.predict_proba(files), rtol=1e-4, atol=1e-9)
    bad = ["calls/broken.wav", "calls/silent.wav", "calls/video.mp4"]
    assert rows.index[rows["error"].notna()].tolist() == bad
    assert rows.loc[bad, ["label", "p_anger", "p_sadness"]].isna().all(axis=None)
    assert rows["warning"].dropna().index.tolist() == ["calls/short.wav"]
    assert isinstance(rows["label"]["calls/short.wav"], str)


def test_predict_takes_files_and_channels(tmp_path):
    left, right = (soundfile.read(path)[0] for path in good(Path("calls"))[:2])
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.column_stack([left, right]), 16_000)
    rows = table(run(["predict", "api.skdidan", str(path), "--channel", "split"]))
    assert rows["channel"].tolist() == [0, 1] and set(rows["file"]) == {str(path)}
    alone = table(run(["predict", "api.skdidan", *good(Path("calls"))[:2]]))
    np.testing.assert_allclose(rows["p_anger"], alone["p_anger"], rtol=1e-3, atol=1e-6)
    second = table(run(["predict", "api.skdidan", str(path), "--channel", "1"]))
    assert second["channel"].tolist() == [1]
    text = run("predict api.skdidan calls --channel left", code=2).stderr
    assert "'left' is neither mix, split nor the number" in text


def test_predict_without_probabilities(tmp_path):
    from sklearn.svm import SVC

    emodb = load_corpus("emodb", "emodb")
    model = make_adaptation_pipeline(Functionals(), CorpusScaler(), SVC())
    model.fit(emodb.files, emodb.emotion, good(Path("calls")))
    save(model, tmp_path / "svc.skdidan")
    rows = table(run(f"predict {tmp_path / 'svc.skdidan'} calls", code=3))
    assert rows.columns.tolist() == ["file", "label", "error", "warning"]
    assert rows["label"].isna().sum() == 3
    files = good(Path("calls"))
    assert rows.set_index("file")["label"][files].tolist() == model.predict(files).tolist()


def test_predict_gives_the_labels_of_the_model(tmp_path):
    """A threshold may move them from the class of the highest probability."""
    emodb = load_corpus("emodb", "emodb")
    threshold = FixedThresholdClassifier(
        LogisticRegression(), threshold=0.0, pos_label="sadness", response_method="predict_proba"
    )
    model = make_adaptation_pipeline(Functionals(), CorpusScaler(), threshold)
    model.fit(emodb.files, emodb.emotion, good(Path("calls")))
    save(model, tmp_path / "threshold.skdidan")
    rows = table(run(f"predict {tmp_path / 'threshold.skdidan'} calls", code=3))
    assert set(rows["label"].dropna()) == {"sadness"} and (rows["p_anger"] > 0.5).any()


def test_a_model_that_is_not_adapted_is_named(tmp_path):
    run(f"train -s emodb:emodb -m shot --epochs 1 -o {tmp_path / 'house'}")
    found = run(f"predict {tmp_path / 'house'} calls/00.wav")
    assert "is not adapted to any target: 'skdidan adapt' does that" in found.stderr


def test_two_corpora_of_one_name_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "emodb").symlink_to(Path("emodb").absolute())
    given = f"-c emodb:{tmp_path / 'a' / 'emodb'} -c emodb:{tmp_path / 'b' / 'emodb'}"
    text = run(f"compare {given} -m jdar", code=2).stderr
    assert "two --corpus have the name" in text


def test_an_unusable_target_file_is_left_out(tmp_path):
    line = "train -s emodb:emodb -t calls -t calls/broken.wav -m jdar --no-refine --features"
    found = run(f"{line} functionals -o {tmp_path / 'model'}", code=3)
    assert "calls/broken.wav: " in found.stderr


def test_files_of_both_domains_are_counted(tmp_path):
    files = load_corpus("emodb", "emodb").files[:5]
    targets = " ".join(f"-t {file}" for file in [*files, *good(Path("calls"))[:4]])
    line = f"train -s emodb:emodb -m coral -o {tmp_path / 'model'}"
    text = run(f"{line} {targets}").stderr
    assert "warning: 5 file(s) are in the source and in the target" in text
    assert "in the source and" not in run(f"{line} -t casia").stderr


def test_a_target_is_counted_once_and_a_source_is_given_once(tmp_path):
    line = (
        "train -s emodb:emodb -t calls/00.wav -t calls/00.wav -t calls/01.wav -m jdar --no-refine"
    )
    found = run(f"{line} -o {tmp_path / 'model'}")
    assert json.loads(found.stdout)["n_target"] == 2
    text = run(f"train -s emodb:emodb -s emodb:emodb -t calls -o {tmp_path / 'x'}", code=2).stderr
    assert "a --source is given twice" in text


def test_a_line_that_cannot_work_ends_before_anything_is_read(tmp_path):
    for more, text in (
        (
            f"-f logmel -m jdar -o {tmp_path / 'x'}",
            "'logmel' gives spectrograms, which --method jdar",
        ),
        (f"--window 1e-9 -o {tmp_path / 'x'}", "not in the range x>=0.05"),
        (f"-o {tmp_path}", "is a folder"),
    ):
        assert text in run(f"train -s emodb:emodb -t calls {more}", code=2).stderr


def test_a_labelled_corpus_has_no_channels():
    text = run("extract emodb:emodb --channel 0", code=2).stderr
    assert "--channel: is for folders of recordings" in text


def test_without_arguments_the_help_is_shown():
    found = run("", code=2)
    assert "Commands:" in found.stderr and "skdidan: error" not in found.stderr
    assert (
        "name at least two emotions; got 'a'"
        in run("train -s a -t calls -o c --emotions a", 2).stderr
    )


def test_adapt_goes_on_from_the_weights(tmp_path):
    out = tmp_path / "new.skdidan"
    files = good(Path("calls"))[:8]
    targets = " ".join(f"-t {file}" for file in files)
    run(f"adapt api.skdidan -s emodb:emodb {targets} --epochs 1 -o {out} --quiet")
    emodb, path = load_corpus("emodb", "emodb"), "anchoredem__estimator__"
    model = load("api.skdidan")
    model.set_params(**{f"{path}warm_start": True, f"{path}max_epochs": 1})
    model.fit(emodb.files, emodb.emotion, files)
    np.testing.assert_allclose(
        load(out).predict_proba(files), model.predict_proba(files), rtol=1e-5, atol=1e-7
    )
    text = run(f"adapt api.skdidan -s emodb:emodb {targets} --epochs 1 -o {out}").stderr
    assert "8 recordings are few to find clusters in: give 100 or more" in text
    text = run(f"adapt api.skdidan -s nemo:casia -t calls -o {out}", code=1).stderr
    assert "error: 'nemo:casia' holds no file of nEMO" in text


def test_a_source_free_model_is_trained_without_a_target_and_adapted_without_the_source(tmp_path):
    house, out = tmp_path / "house.skdidan", tmp_path / "new.skdidan"
    options = "--method shot --epochs 2 --seed 3 --quiet"
    found = run(f"train -s emodb:emodb {options} -o {house}")
    assert json.loads(found.stdout)["n_target"] == 0
    files = good(Path("calls"))[:8]
    targets = " ".join(f"-t {file}" for file in files)
    found = run(f"adapt {house} {targets} --epochs 1 -o {out} --quiet")
    assert json.loads(found.stdout)["n_source"] == 0
    model, adapted = load(house), load(out)
    model.set_params(anchoredem__estimator__adaptation_epochs=1).adapt(files)
    np.testing.assert_allclose(
        adapted.predict_proba(files), model.predict_proba(files), rtol=1e-5, atol=1e-7
    )
    text = run(f"adapt {house} -s emodb:emodb -t calls -o {out}", code=2).stderr
    assert "adapts without its source: leave out --source" in text
    text = run(f"adapt api.skdidan -t calls -o {out}", code=2).stderr
    assert "Missing option '-s' / '--source': only models of ecan and shot" in text
    for line in ("-s emodb:emodb --method dan", "-s emodb:emodb -s casia:casia --method shot"):
        text = run(f"train {line} -o {house}", code=2).stderr
        assert "Missing option '-t' / '--target': only ecan and shot train without one" in text


def test_adapt_refuses_other_emotions(tmp_path):
    root = tmp_path / "labelled"
    for n, path in enumerate(good(Path("calls"))[:4]):
        place = root / ("happy" if n % 2 else "sad") / f"{n}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(Path(path).read_bytes())
    text = run(f"adapt api.skdidan -s {root} -t calls -o {tmp_path / 'x'}", code=1).stderr
    assert "has the emotions happiness, sadness, but the model knows anger, sadness" in text


# Compare


def test_compare_gives_the_scores_of_the_package(tmp_path):
    out, results = tmp_path / "table.csv", tmp_path / "runs"
    line = "compare emodb:casia -c emodb:emodb -c casia:casia -m source_only --epochs 2 --seeds 2"
    found = run(f"{line} --results {results} --out {out}")
    rows = pd.read_csv(out)
    task = cross_corpus_task(*(load_corpus(name, name) for name in ("emodb", "casia")))
    features = Functionals()
    task.X_src, task.X_tgt = features.fit_transform(task.X_src), features.transform(task.X_tgt)
    classifier = AnchoredEM(SourceOnlyClassifier(max_epochs=2, n_networks=3))
    method = make_adaptation_pipeline(CorpusScaler(), SpeakerScaler(), classifier)
    expected = compare({"source_only": method}, {"emodb:casia": task}, seeds=[0, 1]).to_frame()
    for column in ("task", "method", "seed"):
        assert rows[column].tolist() == expected[column].tolist()
    for column in ("uar", "war"):
        np.testing.assert_allclose(rows[column], expected[column], rtol=0, atol=1e-5)
    assert "UAR (%)" in found.stderr and len(list(results.iterdir())) == 2
    times = {path: path.stat().st_mtime_ns for path in results.iterdir()}
    table = run(f"{line} --results {results} --format markdown --quiet").stdout
    mean, deviation = 100 * expected["uar"].mean(), 100 * expected["uar"].std()
    assert table.splitlines()[-1] == f"| source\\_only | {mean:.1f} ± {deviation:.1f} |"
    html = tmp_path / "report.html"
    run(f"{line.replace('compare', 'report', 1)} --results {results} --out {html} --quiet")
    assert {path: path.stat().st_mtime_ns for path in results.iterdir()} == times
    page = html.read_text(encoding="utf-8")
    assert '>features</th><td class="text">functionals</td>' in page
    assert f"{mean:.1f}" in page and f"<td>{len(task.y_tgt)}</td>" in page
    refused = run(f"report -c emodb:emodb -c casia:casia --reference dann --out {html}", code=2)
    assert "--reference: 'dann' is none of --method: source_only, dan, didan." in refused.stderr


def test_tables_have_intervals_and_tests(tmp_path):
    line = "compare emodb:casia -c emodb:emodb -c casia:casia --seeds 1 --quiet --results"
    line += f" {tmp_path / 'runs'} -m Coral -m logistic_regression --reference CORAL"
    for form in ("markdown", "latex"):
        text = run(f"{line} --spread interval --format {form}").stdout
        assert "coral" in text.splitlines()[5 if form == "latex" else 0].partition("vs.")[2]
        assert "(Holm)" in text and "[" in text and "±" not in text and r"\pm" not in text
    assert "±" in run(f"{line} --format markdown").stdout
    text = run(line, code=2).stderr
    assert "--spread and --reference need --format latex or markdown" in text
    one = "compare -c emodb:emodb -c casia:casia --format latex -m coral --reference"
    for name, fault in (("coral", "the only"), ("dann", "none of")):
        text = f"--reference: '{name}' is {fault} --method: coral."
        assert text in run(f"{one} {name}", code=2).stderr


def test_compare_takes_all_pairs_by_default():
    line = "compare -c emodb:emodb -c casia:casia -m logistic_regression --seeds 1 --no-speakers"
    found = run(line)
    assert table(found)["task"].tolist() == ["emodb:casia", "casia:emodb"]
    text = "recordings of emodb:casia are few to find clusters in (as in 1 other task(s)): give"
    assert text in found.stderr and "few to find" not in run(f"{line} --no-refine").stderr
    text = run("compare emodb:nemo -c emodb:emodb -c casia:casia", code=2).stderr
    assert (
        "'emodb:nemo' is no SOURCE:TARGET or SOURCE+SOURCE:TARGET of emodb, casia, each of them"
        in text
    )
    for task in ("emodb+casia:casia", "emodb+emodb:casia", "emodb+:casia", "emodb:emodb", "emodb"):
        text = run(f"compare {task} -c emodb:emodb -c casia:casia", code=2).stderr
        assert f"'{task}' is no SOURCE:TARGET" in text
    assert "two different --corpus" in run("compare -c emodb:emodb", code=2).stderr


def test_compare_finds_missing_emotions_before_it_computes_features(tmp_path, monkeypatch):
    def transform(self, X):
        raise AssertionError("it computes features")

    monkeypatch.setattr(Functionals, "transform", transform)
    labels = label_calls(tmp_path / "labels.csv", *["fear", "boredom"] * 8)
    text = run(f"compare emodb:labels -c emodb:emodb -c {labels}", code=1).stderr
    assert "A task needs at least two classes" in text


def test_a_corpus_of_no_task_may_lack_emotions(tmp_path):
    labels = label_calls(tmp_path / "labels.csv", *["fear", "boredom"] * 8)
    line = f"compare emodb:casia -c emodb:emodb -c casia:casia -c {labels} --emotions anger,sadness"
    assert len(table(run(f"{line} -m logistic_regression --seeds 1"))) == 1


def test_compare_takes_several_sources(tmp_path):
    """The scores are those of the task of `leave_one_corpus_out`, which tells the sources apart."""
    labels = label_calls(tmp_path / "labels.csv", "fear", "boredom")
    line = f"-c emodb:emodb -c {labels} -c casia:casia -m mdsa --seeds 1"
    found = run(f"compare emodb+labels:casia labels:casia {line}")
    assert "emodb+labels:casia, labels:casia: emotions anger, sadness." in found.stderr
    rows = table(found).set_index("task")
    corpora = [load_corpus("emodb", "emodb"), load_manifest(labels), load_corpus("casia", "casia")]
    *_, task = leave_one_corpus_out(corpora)
    assert task.target == "casia" and set(task.sample_domain) == {0, 1, -1}
    features = Functionals()
    task.X_src, task.X_tgt = features.fit_transform(task.X_src), features.transform(task.X_tgt)
    method = make_adaptation_pipeline(CorpusScaler(), SpeakerScaler(), AnchoredEM(MDSA()))
    (expected,) = compare(method, task, seeds=[0])
    assert rows["uar"]["emodb+labels:casia"] == pytest.approx(expected["uar"], abs=1e-5)


# Errors and messages


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("train -s emodb -t calls -o x", 2, "give it as emodb:emodb"),
        ("train -s abc:emodb -t calls -o x", 2, "'abc' is no known corpus; there are casia"),
        ("train -s absent -t calls -o x", 2, "'absent' does not exist, and is no NAME:FOLDER"),
        ("train -s emodb:absent -t calls -o x", 1, "does not exist (nothing is downloaded)"),
        ("train -s emodb:emodb -t absent -o x", 2, "'--target': Path 'absent' does not exist"),
        ("predict calls/00.wav absent", 2, "Path 'absent' does not exist"),
        ("extract absent", 2, "no folder or file of recordings 'absent'"),
        ("train -s emodb:emodb -t calls -o no/x", 2, "the folder of 'no/x' does not exist"),
        ("train -s emodb:emodb -t calls -o x -m svm", 2, "'svm' is not one of"),
        ("train -s emodb:emodb -t calls -o x -j 0", 2, "'--jobs': 0 is no number of jobs"),
        ("train -s calls/00.wav -t calls -o x", 2, "is no folder, and no table (.csv, .tsv, .tab)"),
        ("train -s emodb:emodb -t ~/none -o x", 2, "/none' does not exist"),
        ("train -s emodb:emodb -t calls -o x --emotions anger,angry", 2, "all are 'anger'"),
        (
            "train -s emodb:emodb -t calls -o x --mapping Rage=anger --mapping Rage=fear",
            2,
            "'--mapping': 'Rage' has several emotions",
        ),
        (
            "train -s emodb:emodb -t calls -o x --mapping Rage=angr",
            2,
            "'angr' is no emotion; did you mean 'angry'?",
        ),
        ("predict api.skdidan calls -o api.skdidan", 2, "--out: 'api.skdidan' is read by this"),
        ("extract calls -o calls/00.wav", 2, "--out: 'calls/00.wav' is read by this command"),
        ("train -s emodb:emodb -t calls/broken.wav -o x", 1, "no recording of --target can be"),
        ("train -s calls -t calls -o x", 1, "'calls' must hold a folder for each emotion"),
        (
            "train -s emodb:emodb -t calls -o x -f plp",
            2,
            "--features: 'plp' is none of functionals, logmel",
        ),
        (
            "compare -c emodb:emodb -c casia:casia --emotions anger,fear",
            2,
            "--emotions: emodb has no fear, but anger, sadness. 'app compare --help'",
        ),
        ("train -s emodb:emodb -t calls -o x -f embeddings:a@b", 2, "with a layer such as 2"),
        (
            "train -s emodb:emodb -t calls -o x --emotions fear,anger",
            2,
            "emodb has no fear, but anger",
        ),
        ("train -s emodb:emodb -t calls -o x -m mdsa --epochs 9", 2, "no network in --method mdsa"),
        ("train -s emodb:emodb -t calls -o x --mapping Rage", 2, "no SPELLING=EMOTION"),
        ("predict calls/00.wav calls", 1, "is no model of skdidan"),
        ("predict absent calls", 2, "'absent' does not exist"),
        ("corpora absent", 1, "does not exist"),
        ("corpus", 2, "No such command 'corpus'"),
    ],
)
def test_errors_are_one_line(line, code, message):
    found = run(line, code)
    assert found.stdout == ""
    assert message in found.stderr
    *_, last = found.stderr.strip().splitlines()
    assert last.startswith("skdidan: error: ")
    assert not Path("x").exists()


def test_debug_shows_the_traceback():
    found = CliRunner().invoke(app, shlex.split("corpora absent --debug"))
    assert isinstance(found.exception, NotADirectoryError)


def test_a_model_of_rows_is_refused(tmp_path):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit([[0.0], [1.0]], ["anger", "fear"])
    save(model, tmp_path / "rows.skdidan")
    for line in ("predict {} calls", "adapt {} -s emodb:emodb -t calls -o x"):
        found = run(line.format(tmp_path / "rows.skdidan"), code=1)
        assert "does not begin with audio features" in found.stderr


def test_an_interrupt_has_a_code_of_its_own(monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skdidan.corpora.inventory.read_window", interrupt)
    assert run("corpora calls", code=130).stderr.strip() == "skdidan: interrupted."


def test_unusable_source_recordings_are_left_out(tmp_path):
    root = tmp_path / "labelled"
    for n, path in enumerate(good(Path("calls"))):
        place = root / ("angry" if n % 2 else "sad") / f"{n}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(Path(path).read_bytes())
    (root / "sad/broken.wav").write_text("x" * 2000)
    line = f"train -s {root} -t casia -m logistic_regression -o {tmp_path / 'model'}"
    found = run(line, code=3)
    assert "1 of 17 recordings of labelled are left out" in found.stderr
    assert json.loads(found.stdout)["n_source"] == 16


def test_progress_is_for_terminals(monkeypatch, capsys):
    for is_terminal in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda shown=is_terminal: shown)
        assert Session().progress == int(is_terminal)
        assert Session(is_quiet=True).progress == 0
    Session(is_quiet=True).note("nothing")
    Session(is_quiet=True).warn("\nof two\nlines")
    assert capsys.readouterr().err == "skdidan: warning: of two\n"


def test_only_the_chosen_warnings_are_caught():
    with pytest.warns(RuntimeWarning, match="kept"), catch(UserWarning) as caught:
        warnings.warn("taken", UserWarning, stacklevel=1)
        warnings.warn("kept", RuntimeWarning, stacklevel=1)
    assert [str(message) for message in caught] == ["taken"]


# Windows and embeddings


@pytest.mark.parametrize("features", ["functionals", "logmel"])
def test_recordings_are_cut_into_windows(features, tmp_path):
    model, method = tmp_path / "windows.skdidan", "-m source_only --epochs 1"
    line = f"train -s emodb:emodb -t casia {method} --features {features} --window 0.5 -o {model}"
    run(line)
    classifier = load(model)
    assert isinstance(classifier, WindowedClassifier)
    assert (classifier.window, classifier.hop) == (0.5, 0.25)
    rows = table(run(f"predict {model} calls", code=3)).set_index("file")
    files = good(Path("calls"))
    probabilities = classifier.predict_proba(files)
    np.testing.assert_allclose(
        rows.loc[files, ["p_anger", "p_sadness"]], probabilities, rtol=1e-3, atol=1e-6
    )
    errors = rows["error"].dropna()
    assert sorted(errors.index) == sorted(rows.index[rows["label"].isna()])
    assert "cannot be decoded" in errors["calls/broken.wav"]
    assert "is silent" in errors["calls/silent.wav"]
    assert "lasts 0.05 s" in rows["warning"]["calls/short.wav"]
    run(f"adapt {model} -s emodb:emodb -t casia --epochs 1 -o {tmp_path / 'new.skdidan'}")


@pytest.mark.parametrize(
    ("name", "layer"), [("folder", -1), ("a/b@2", 2), ("a/b@-2", -2), ("a/b@mean", "mean")]
)
def test_embeddings_have_a_model_and_a_layer(name, layer):
    features = make_features(f"embeddings:{name}", n_jobs=2)
    assert isinstance(features, Embeddings) and features.n_jobs == 2
    assert (features.model, features.layer) == (name.partition("@")[0], layer)


def test_emotions_of_ones_own_are_no_slips():
    values = "low=unhappy", "mad=furious", "Rage=Anger"
    assert _pairs(None, None, values) == dict(value.split("=") for value in values)


def test_functionals_may_be_a_set_of_opensmile():
    assert make_features("functionals").feature_set == "light"
    assert make_features("eGeMAPSv02").feature_set == "eGeMAPSv02"


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("file,emotion,speaker", "no known emotion but 'Rage' (1): pass --mapping SPELLING=EMO"),
        ("file,emotion,name", "it has ['file', 'emotion', 'name']. Rename a column, or add one."),
        ("file|emotion", "',' is not its delimiter. Save it as .csv, with commas."),
    ],
)
def test_messages_name_what_the_command_line_has(head, message, tmp_path):
    cells = Path("calls/00.wav").resolve(), "Rage", "a"
    mark = "|" if "|" in head else ","
    (tmp_path / "labels.csv").write_text(f"{head}\n{mark.join(map(str, cells))}\n")
    assert message in run(f"train -s {tmp_path / 'labels.csv'} -t calls -o x", code=1).stderr


def test_a_missing_package_is_found_before_anything_is_read(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name, package in (("eGeMAPS", "opensmile"), ("embeddings:a@2", "transformers")):
        text = run(f"train -s emodb:emodb -t calls -o x -f {name}", code=2).stderr
        assert f"--features: {name!r} needs the package {package}: pip install" in text
        assert "Training on" not in text


def test_a_single_emotion_ends_before_anything_is_read(tmp_path):
    file = Path("calls/00.wav").resolve()
    (tmp_path / "labels.csv").write_text(
        f"file,emotion,speaker\n{file},neutral,a\n{file.with_name('01.wav')},Rage,b\n"
    )
    source = tmp_path / "labels.csv"
    message = "only one emotion of labels is known: neutral. Name the spellings of others by --map"
    for line in (
        f"train -s {source} -t calls -o x",
        f"adapt api.skdidan -s {source} -t calls -o x",
        f"compare -c {source} -c emodb:emodb",
    ):
        assert message in run(line, code=2).stderr
    assert "neutral" in run(f"extract {source}").stdout


def test_an_empty_folder_is_named(tmp_path):
    for line in (
        f"corpora {tmp_path}",
        f"predict api.skdidan {tmp_path}",
        f"train -s {tmp_path} -t calls -o x",
        f"train -s emodb:emodb -t {tmp_path} -o x",
    ):
        text = run(line, code=1).stderr
        assert f"error: {str(tmp_path)!r} holds no audio: expected" in text.splitlines()[-1]


def test_a_recording_in_two_formats_has_one_row(tmp_path):
    waveform, rate = soundfile.read("calls/00.wav")
    for suffix in ("wav", "flac"):
        soundfile.write(tmp_path / f"call.{suffix}", waveform, rate)
    rows = table(run(["predict", "api.skdidan", str(tmp_path)]))
    assert rows["file"].tolist() == [str(tmp_path / "call.wav")]
