"""The report of a comparison: one file, escaped, complete, and readable on a narrow screen."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import Bunch

from skdidan import Comparison, Segment, compare, cross_corpus_task, load_corpus
from skdidan.results.settings import hash_audio
from skdidan.results.task_rows import Origin

HOSTILE = "<script>alert('&')</script>"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


class Fails(ClassifierMixin, BaseEstimator):
    """Fails with an error that is HTML."""

    def __init__(self, text=HOSTILE):
        self.text = text

    def fit(self, X, y):
        raise ValueError(self.text)


def make_comparison(**more):
    rng = np.random.default_rng(0)
    y = np.array([HOSTILE, "anger", "fear"] * 6)
    X = rng.normal(size=(18, 2)) + np.unique(y, return_inverse=True)[1][:, None]
    task = Bunch(X_src=X, y_src=y, X_tgt=X + 0.5, y_tgt=y, speaker_tgt=np.arange(18) // 3)
    methods = {"near": KNeighborsClassifier(1), HOSTILE: KNeighborsClassifier(3), **more}
    tasks = {f"{HOSTILE} → B": Bunch(**task, source=HOSTILE, target="B"), "A → C": task}
    oracles = {"knn": KNeighborsClassifier(2)}
    return compare(methods, tasks, oracles=oracles, seeds=[0, 1])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the text of a report with several tasks, a reference and a method that fails."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.warns(FitFailedWarning):
        make_comparison(bad=Fails()).report(path, reference="near")
    return path.read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Collects tags, their attributes and the texts between them; checks that all are closed."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_all_texts_are_escaped(report):
    reader = Reader(report)
    assert "script" not in reader.tags
    assert HOSTILE in "".join(reader.texts)
    assert f"Confusion matrix of near on {HOSTILE} → B." in dict(
        (value, name) for name, value in reader.attributes
    )


def test_the_file_needs_no_other(report):
    sources = [value for name, value in Reader(report).attributes if name in ("src", "href")]
    assert len(sources) == 2 + 1 + 2  # scores and confusions of two tasks, and ranks
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"url\(|@import|<link", report)


def test_sections_and_what_is_in_them(report):
    titles = re.findall(r"<h2>(.*?)</h2>", report)
    assert titles == [
        *("Scores", "Figures", "Methods compared with near", "Confusions of near", "Time"),
        *("Failed runs", "Settings", "Data"),
    ]
    text = "".join(Reader(report).texts)
    assert "Comparison of 3 methods and 1 oracle on 2 tasks" in text
    for part in ("UAR (%)", "WAR (%)", "p (Holm)", "bootstrap", "threads per run", "scikit-learn"):
        assert part in text, part
    assert f"ValueError: {HOSTILE}" in text and ", in fit\n" in text
    assert "<td>-</td>" in report and "[-, -]" not in report  # the method that failed
    assert "Hatched bars are references" in text and "train the methods marked (reference)" in text
    assert "KNeighborsClassifier(n_neighbors=1)" in text
    assert shlex.join(sys.orig_argv) in text  # the command


def test_numbers_are_those_of_the_comparison(tmp_path):
    comparison = make_comparison()
    comparison.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for metric in ("uar", "war"):
        for value in comparison.summary(metric)["average", "mean"]:
            assert f"{100 * value:.1f}" in text
    (test,) = comparison.tests().to_dict("records")
    assert f"<td>{100 * test['difference']:+.1f}</td>" in text
    for row in comparison.intervals(reference=test["reference"]).itertuples():
        assert f"{100 * row.score:+.1f} [{100 * row.low:+.1f}, {100 * row.high:+.1f}]" in text


def test_one_method_on_one_task_without_settings(tmp_path):
    records = [run for run in make_comparison() if run["task"] == "A → C"][:2]
    y = np.array([HOSTILE, "anger", "fear"] * 6)
    task = Bunch(X_src=[[0]], y_src=["a"], X_tgt=np.zeros((18, 1)), y_tgt=y)
    Comparison(records, {"A → C": task}).report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles == ["Scores", "Figures", "Confusions of near", "Time", "Data"]
    assert "18 recordings, no speakers known" in text
    assert "reference" not in text


def test_only_references(tmp_path):
    records = [run for run in make_comparison() if run["oracle"]]
    y = np.array([HOSTILE, "anger", "fear"] * 6)
    task = Bunch(X_src=[[0]], y_src=["a"], X_tgt=np.zeros((18, 1)), y_tgt=y)
    tasks = {run["task"]: task for run in records}
    Comparison(records, tasks).report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.findall("<h2[^>]*>([^<]*)", text)[:3] == ["Scores", "Figures", "Time"]


def test_unknown_reference(tmp_path):
    with pytest.raises(ValueError, match=r"reference must be one of .*; got 'X'"):
        make_comparison().report(tmp_path / "report.html", reference="X")
    assert not list(tmp_path.iterdir())


def test_files_of_a_task_are_counted_and_named(corpora_on_disk, tmp_path):
    corpora = [load_corpus(name, corpora_on_disk / name) for name in ("emodb", "casia")]
    task = cross_corpus_task(*corpora)
    comparison = compare(DummyClassifier(), task, seeds=[0])
    assert comparison.predictions()["file"].tolist() == list(task.X_tgt)
    comparison.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    data = "".join(Reader(text).texts)
    for side, corpus, files in zip(
        ("source", "target"), ("emodb", "casia"), (task.X_src, task.X_tgt), strict=True
    ):
        n_files, content = hash_audio(Origin(corpus, len(files), list(files), None))
        assert f"emodb → casia{side}{corpus}{len(files)}{n_files}{content}" in data


class TestHash:
    """Counts and hashes of the audio of one side of a task."""

    @staticmethod
    def count(*files):
        return hash_audio(Origin("corpus", len(files), list(files), None))

    def test_names_and_order_do_not_count_but_contents_do(self, tmp_path):
        for name, content in {"a": "one", "b": "two", "c": "one", "d": "three"}.items():
            (tmp_path / name).write_text(content)
        a, b, c, d = (tmp_path / name for name in "abcd")
        n_files, content = self.count(a, b)
        assert n_files == 2 and re.fullmatch("[0-9a-f]{16}", content)
        assert self.count(str(b), c) == (2, content)
        assert self.count(a, d)[1] != content

    def test_parts_of_a_file(self, tmp_path):
        (tmp_path / "a").write_text("one")
        parts = [Segment(tmp_path / "a", start, start + 1) for start in (0, 1)]
        n_files, content = self.count(*parts)
        assert n_files == 1 and content != self.count(parts[0], parts[0])[1]

    def test_files_that_are_gone(self, tmp_path):
        n_files, content = self.count(tmp_path / "a", tmp_path / "b")
        assert n_files == 2 and content.startswith("not readable: [Errno 2]")

    def test_arrays(self):
        assert hash_audio(Origin("corpus", 3, None, "0123456789abcdef0123")) == (
            None,
            "0123456789abcdef",
        )
        assert hash_audio(Origin("corpus", 3, None, None)) == (None, "unknown")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_all_of_it_without_scrolling_sideways(report, width, tmp_path):
    """A frame of the width of a screen tells how wide the page is, and which images it shows."""
    script = """
        const window = document.querySelector("iframe").contentWindow;
        const frame = window.document, page = frame.documentElement;
        const images = [...frame.images];
        const shown = images.filter(image => image.complete && image.naturalWidth > 0).length;
        document.title = [
            window.innerWidth, page.scrollWidth - page.clientWidth, images.length, shown
        ].join(" ");
    """
    (tmp_path / "frame.html").write_text(
        f'<body style="margin: 0"><iframe srcdoc="{escape(report)}" onload="tell()" '
        f'style="width: {width}px; height: 800px; border: 0"></iframe>'
        f"<script>function tell() {{ {script} }}</script>",
        encoding="utf-8",
    )
    command = [CHROMIUM, "--headless", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--no-sandbox")  # it refuses to run as root with one
    address = (tmp_path / "frame.html").as_uri()
    done = subprocess.run([*command, address], capture_output=True, text=True, timeout=300)
    found = re.search(r"<title>(\d+) (\d+) (\d+) (\d+)</title>", done.stdout)
    assert found, done.stderr[-2000:]
    assert [int(number) for number in found.groups()] == [width, 0, 5, 5]
