"""The commands of the page on the command line run, one after the other."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from skdidan import load, make_speech_corpora

click_testing = pytest.importorskip("click.testing")
PAGE = Path(__file__).parents[1] / "docs" / "start" / "command_line.rst"


def commands():
    """List the arguments of each command of the page."""
    text = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^    \$ skdidan (.*)$|^    \$ (skdidan)$", text, flags=re.MULTILINE)
    return [shlex.split(line) for line, _ in lines]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write labelled recordings, and calls with two bad files among them."""
    made = make_speech_corpora(16, 16, emotions=["anger", "sadness"], duration=1.0, random_state=0)
    for n, waveform in enumerate(made.X_src):
        for name, part, labels in (
            ("labelled", waveform, made.y_src),
            ("studio", 0.5 * waveform, made.y_src),
            ("elsewhere", made.X_tgt[n], made.y_tgt),
        ):
            path = tmp_path / name / labels[n] / f"{n}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, part, 16_000)
    (tmp_path / "elsewhere/fear").mkdir()
    soundfile.write(tmp_path / "elsewhere/fear/0.wav", 0.8 * made.X_tgt[0], 16_000)
    for name in ("calls", "june"):
        (tmp_path / name).mkdir()
        for n, waveform in enumerate(made.X_tgt):
            path = tmp_path / name / ("monday.wav" if n == 0 else f"{n}.wav")
            soundfile.write(path, 0.9 * waveform, 16_000)
    (tmp_path / "calls/broken.wav").write_text("no audio")
    (tmp_path / "calls/video.mp4").write_text("a video")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_runs_as_it_is_written(folder):
    from skdidan.cli.app import app

    lines = commands()
    assert {line[0] for line in lines} == set(app.commands)
    for line in lines:
        run = click_testing.CliRunner().invoke(app, line)
        reads_calls = "calls" in line and line[0] in {"corpora", "train", "predict"}
        assert run.exit_code == (3 if reads_calls else 0), (line, run.stderr)
        assert "Traceback" not in run.output
        if line.count("-s") == 2:
            shown = re.findall(r"^    (.*left out, not.*|Training on.*)$", PAGE.read_text(), re.M)
            assert len(shown) == 2 and set(shown) < set(run.stderr.splitlines())
    table = pd.read_csv("calls.csv").set_index("file")
    assert len(table) == 18
    assert set(table["label"].dropna()) <= {"anger", "sadness"}
    assert table["label"].isna().sum() == table["error"].notna().sum() == 2
    assert "cannot be decoded" in table["error"]["calls/broken.wav"]
    assert load("june.skdidan").classes_.tolist() == ["anger", "sadness"]
    assert len(pd.read_csv("table.csv")) == 4 and len(pd.read_csv("features.csv")) == 16
