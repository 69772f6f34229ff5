"""The command that compares methods on tasks between corpora."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import click
import numpy as np

from skdidan import corpora, selection
from skdidan.cli import options
from skdidan.cli.models import make_classifier, make_features, make_model
from skdidan.cli.output import write_table
from skdidan.cli.session import Command, Session
from skdidan.cli.sources import canonical, drop_unusable, load_source

__all__ = ["compare"]


_COMPARE = r"""
skdidan compare --corpus emodb:corpora/emodb --corpus casia:corpora/casia --jobs 2
skdidan compare emodb:calls -c emodb:corpora/emodb -c calls.csv -m didan -m mcc \
    --seeds 5 --results runs --out table.csv
"""


@click.command(cls=Command, examples=_COMPARE)
@click.argument("tasks", nargs=-1, metavar="[SOURCE:TARGET]...")
@click.option(
    "-c", "--corpus", "given", multiple=True, required=True, metavar="CORPUS", help=options.SOURCE
)
@click.option(
    "-m",
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(options.METHODS),
    metavar="METHOD",
    default=("source_only", "dan", "didan"),
    show_default=True,
    help=f"May be repeated. One of {', '.join(options.METHODS)}.",
)
@options.features
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Repetitions.")
@options.emotions
@options.epochs
@options.refine
@options.speakers
@options.MAPPING
@click.option(
    "--results", metavar="FOLDER", help="Folder that keeps finished runs; a second call goes on."
)
@options.out("CSV file of the means over the seeds. Default: standard output.")
@options.cache
@options.jobs
@click.pass_obj
def compare(
    session: Session,
    tasks: tuple[str, ...],
    given: tuple[str, ...],
    methods: tuple[str, ...],
    features: str,
    seeds: int,
    emotions: list[str] | None,
    epochs: int | None,
    refine: bool,
    speakers: bool,
    mapping: dict[str, str],
    results: str | None,
    out: str | None,
    cache: str | None,
    jobs: int | None,
) -> None:
    """Compare methods on tasks from one labelled corpus to another.

    A task is SOURCE:TARGET, with the names of two of the --corpus: for NAME:FOLDER the name, for a
    table or a folder its own name without suffix. Without tasks, all ordered pairs are compared.
    Labels of the target are used for scores alone. The result is CSV with the mean and standard
    deviation of UAR and WAR over the seeds; a table of it goes to standard error.
    """
    import pandas as pd

    classifiers = {name: make_classifier(name, epochs, 0, is_refined=refine) for name in methods}
    transformer = make_features(features, memory=cache, n_jobs=jobs, verbose=session.progress)
    found = {}
    for argument in given:
        corpus = load_source(argument, mapping)
        found[corpus.name] = drop_unusable(corpus, session, jobs)
    pairs = _pairs(tasks, list(found))
    shared = None if emotions is None else canonical(emotions, mapping)
    rows = {name: _rows(transformer, found[name]) for name in {x for pair in pairs for x in pair}}
    has_speakers = speakers and hasattr(transformer, "get_feature_names_out")
    models = {
        name: make_model([], classifier, has_speakers=has_speakers)
        for name, classifier in classifiers.items()
    }
    named = {
        f"{source}:{target}": _task(found, rows, source, target, shared) for source, target in pairs
    }
    records = _run(session, models, named, range(seeds), jobs, results)
    summary = selection.summarise(records)
    session.note(selection.format_summary(summary))
    write_table(pd.DataFrame(summary).drop(columns="oracle"), out)


def _run(
    session: Session, models: Any, tasks: Any, seeds: Any, n_jobs: int | None, results: str | None
) -> Any:
    """Call the comparison of the package."""
    return selection.compare(
        models, tasks, seeds=seeds, n_jobs=n_jobs, results=results, verbose=session.progress
    )


def _pairs(tasks: tuple[str, ...], names: list[str]) -> list[tuple[str, str]]:
    """Return the names of source and target of each task."""
    if len(names) < 2:
        raise click.BadParameter("a comparison needs two different --corpus at least.")
    if not tasks:
        return list(permutations(names, 2))
    pairs = []
    for task in tasks:
        source, _, target = task.partition(":")
        if source not in names or target not in names or source == target:
            text = f"{task!r} is no SOURCE:TARGET of two of {', '.join(names)}."
            raise click.BadParameter(text)
        pairs.append((source, target))
    return pairs


def _rows(transformer: Any, corpus: Any) -> dict[Any, Any]:
    """Compute the features of each file of a corpus once for all tasks."""
    return dict(zip(corpus.files, transformer.fit_transform(corpus.files), strict=True))


def _task(
    found: dict[str, Any],
    rows: dict[str, Any],
    source: str,
    target: str,
    emotions: list[str] | None,
) -> Any:
    task = corpora.cross_corpus_task(found[source], found[target], emotions)
    task.X_src = np.stack([rows[source][file] for file in task.X_src])
    task.X_tgt = np.stack([rows[target][file] for file in task.X_tgt])
    return task
