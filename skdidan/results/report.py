"""A report of a comparison: one HTML file with its tables, figures, settings and audio."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from skdidan.archive import write_atomically
from skdidan.parameters import check_option, check_path
from skdidan.plots.confusion import plot_confusion
from skdidan.plots.drawing import count_lines
from skdidan.reporting import import_extra
from skdidan.results import page
from skdidan.results.rank_plots import plot_ranks
from skdidan.results.records import titles
from skdidan.results.score_plots import plot_scores
from skdidan.results.settings import hash_audio
from skdidan.results.summaries import mean_seconds, tabulate
from skdidan.results.tables import P_HOLM, write_p, write_points

__all__ = ["write_report"]


def write_report(comparison: Any, path: str | os.PathLike[str], reference: str | None) -> None:
    """Write the report of a comparison; the tests compare all methods with `reference`."""
    if not len(comparison):
        raise ValueError("comparison has no runs to report.")
    methods = titles(list(comparison), oracle=False)
    if reference is not None:
        check_option("reference", reference, methods)
    tests = comparison.tests(reference) if len(methods) > 1 else None
    best = tests["reference"].iloc[0] if tests is not None else "".join(methods)
    parts = [
        page.paragraph(_opening(comparison)),
        page.items(comparison.notes()),
        _scores(comparison),
        _figures(comparison),
        _differences(comparison, tests) if tests is not None else "",
        _confusion(comparison, best),
        _times(comparison),
        _failures(comparison),
        _settings(comparison.settings),
        _audio(comparison),
    ]
    content = page.page(repr(comparison).partition(":")[0], filter(None, parts))
    write_atomically(os.path.expanduser(check_path("path", path)), content.encode())


def _opening(comparison: Any) -> str:
    seeds = list(dict.fromkeys(run["seed"] for run in comparison))
    date = comparison.settings.get("date", "").replace("T", " at ").replace("+00:00", " UTC")
    oracles = titles(list(comparison), oracle=True)
    return (
        f"{len(comparison)} runs, with the seeds {', '.join(map(str, seeds))}."
        f"{f' Made on {date}.' if date else ''} Scores are on the target. Its labels were used "
        f"for scores alone{', and to train the methods marked (reference)' if oracles else ''}."
    )


def _scores(comparison: Any) -> str:
    tables = [page.wide(tabulate(list(comparison), name).to_html()) for name in ("uar", "war")]
    return page.section(
        "Scores",
        page.paragraph(
            "Mean ± standard deviation over the seeds, in percent: unweighted average recall (UAR) "
            "and weighted average recall (WAR, the accuracy). The best method of each column is "
            "bold, the second best underlined."
        ),
        *tables,
    )


def _new_figure(width: float, height: float) -> Any:
    figures = import_extra("matplotlib.figure", "plots", "A report needs matplotlib")
    return figures.Figure(figsize=(width, height), layout="constrained")


def _figures(comparison: Any) -> str:
    """Draw each task into a figure of its own, so that they stack on a narrow screen."""
    tasks, n_methods = comparison.tasks, len(comparison.methods)
    n_lines = (1 + count_lines(comparison.methods)) / 2
    drawn = [_new_figure(4.6, 1.1 + 0.3 * n_methods * n_lines) for _ in tasks]
    axes = np.array([figure.subplots() for figure in drawn])
    plot_scores(comparison, spread="interval", ax=axes)
    has_oracles = bool(titles(list(comparison), oracle=True))
    parts = []
    for figure, task in zip(drawn, tasks, strict=True):
        rows = comparison.task_rows[task]
        unit, units = rows.units()
        speakers = f"{units.max() + 1} speakers" if unit == "speaker" else "no speakers known"
        caption = f"{len(rows.truth)} recordings, {speakers}"
        parts.append(page.figure(figure, f"UAR of each method on {task}, as bars.", caption))
    texts = [
        page.paragraph(
            "Error bars are 95 % intervals by a bootstrap over the speakers of the target, or its "
            "recordings where no speakers are known; they are too narrow for fewer than about ten "
            "speakers. Circles are seeds, the dashed line is chance."
            f"{' Hatched bars are references: oracles, trained with target labels.' * has_oracles}"
        ),
        page.grid(parts),
    ]
    n_ranked = len(titles(list(comparison), oracle=False))
    if n_ranked > 1 and len(tasks) > 1:
        figure = _new_figure(5.2, 1.8 + 0.22 * n_ranked * n_lines)
        plot_ranks(comparison, ax=figure.subplots())
        caption = (
            "Methods that a bar joins do not differ by more than the critical difference of the "
            "Nemenyi test (5 %) over the tasks."
        )
        texts.append(page.figure(figure, "Average ranks of the methods.", caption, is_broad=True))
    return page.section("Figures", *texts)


def _differences(comparison: Any, tests: Any) -> str:
    """Tabulate the paired tests, and the intervals of the differences on each task."""
    reference = tests["reference"].iloc[0]
    rows = [
        (
            row.method,
            write_points(row.difference),
            f"{row.wins} / {row.ties} / {row.losses}",
            write_p(row.p),
            write_p(row.p_holm),
        )
        for row in tests.itertuples()
    ]
    columns = [
        "method",
        "difference",
        "better\N{NO-BREAK SPACE}/ equal\N{NO-BREAK SPACE}/ worse",
        "p",
        P_HOLM,
    ]
    intervals = comparison.intervals(reference=reference)
    names = list(dict.fromkeys(intervals["method"]))
    ends = intervals.set_index(["method", "task"])[["score", "low", "high"]]
    limits = {
        (method, task): score if score == "-" else f"{score} [{low}, {high}]"
        for (method, task), (score, low, high) in ends.map(write_points).iterrows()
    }
    tasks = comparison.tasks
    found = [(name, *(limits.get((name, task), "-") for task in tasks)) for name in names]
    return page.section(
        f"Methods compared with {reference}",
        page.paragraph(
            f"UAR of each method minus the UAR of {reference}, in points, over tasks and seeds, "
            "with Wilcoxon's signed-rank test. Seeds of a task share its recordings, so the "
            "p-values are optimistic."
        ),
        page.table(columns, rows),
        page.paragraph("The difference on each task, with its 95 % interval by the bootstrap."),
        page.table(["method", *tasks], found),
    )


def _confusion(comparison: Any, method: str) -> str:
    """Draw the confusion matrix of a method on each task, over all its seeds."""
    frame, figures = comparison.predictions(), []
    for task, rows in comparison.task_rows.items():
        its = frame[(frame["task"] == task) & (frame["method"] == method) & ~frame["oracle"]]
        if its.empty:
            continue
        labels = rows.present if rows.classes is None else rows.classes
        figure = _new_figure(4.4, 4.0)
        ax = figure.subplots()
        plot_confusion(its["y_true"].tolist(), its["y_pred"].tolist(), labels=labels, ax=ax)
        ax.set_title(task)
        figures.append(page.figure(figure, f"Confusion matrix of {method} on {task}."))
    if not figures:
        return ""
    text = "Each row is in percent of the true class, over all seeds."
    return page.section(f"Confusions of {method}", page.paragraph(text), page.grid(figures))


def _times(comparison: Any) -> str:
    times = mean_seconds(comparison)
    rows = [
        (name, *("-" if np.isnan(value) else f"{value:.1f}" for value in values))
        for name, values in zip(times.index, times.to_numpy(), strict=True)
    ]
    return page.section(
        "Time",
        page.paragraph(
            "Mean seconds of a run: audio features, everything else (fits and predictions), and "
            "both. A feature cache makes later runs faster."
        ),
        page.table(["method", "features", "fit", "all"], rows),
    )


def _failures(comparison: Any) -> str:
    failed = [run for run in comparison if run["y_pred"] is None]
    texts = [
        page.details(
            f"{run['method']} on {run['task']}, seed {run['seed']}: {run['error']}",
            str(run.get("traceback") or run["error"]),
        )
        for run in failed
    ]
    return page.section("Failed runs", *texts) if texts else ""


def _settings(settings: dict[str, Any]) -> str:
    if not settings:
        return ""
    parts = []
    if "command" in settings:
        parts += [page.paragraph("Command:"), f"<pre>{page.escape(settings['command'])}</pre>"]
    names = {"features": "features", "platform": "platform", "n_threads": "threads per run"}
    names["seeds"] = "seeds"
    rows = [(text, settings[name]) for name, text in names.items() if name in settings]
    rows += list(settings.get("versions", {}).items())
    parts.append(page.table(["setting", "value"], rows, texts=["value"]))
    parts += [page.details(name, text) for name, text in settings.get("methods", {}).items()]
    return page.section("Settings", *parts)


def _audio(comparison: Any) -> str:
    """Tabulate what the rows of each task are, with a hash of their content."""
    rows = []
    for task, facts in comparison.task_rows.items():
        for side, origin in (("source", facts.source), ("target", facts.target)):
            n_files, content = hash_audio(origin)
            files = "arrays" if n_files is None else n_files
            rows.append((task, side, origin.name, origin.n_rows, files, content))
    columns = ["task", "side", "corpus", "rows", "files", "hash"]
    return page.section(
        "Data",
        page.paragraph(
            "The hash of files is the start of the SHA-256 of their contents, whatever their names "
            "and order, as they were when this report was written; that of arrays was made when "
            "the comparison began."
        ),
        page.table(columns, rows, texts=["side", "corpus", "hash"]),
    )
