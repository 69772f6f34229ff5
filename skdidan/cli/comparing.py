"""The commands that compare methods on tasks between corpora."""

from __future__ import annotations

from typing import Any

import click

from skdidan import selection
from skdidan.cli import options
from skdidan.cli.models import (
    check_features,
    has_columns,
    make_classifier,
    make_features,
    make_model,
    set_all,
    set_epochs,
    warn_of_few,
)
from skdidan.cli.output import write_table, write_text
from skdidan.cli.session import Command, Session
from skdidan.cli.sources import canonical, drop_unusable, load_labelled, select
from skdidan.cli.tasks import make_task, parse_tasks, put_features
from skdidan.reporting import import_extra

__all__ = ["compare", "report"]

_COMPARE = r"""
skdidan compare --corpus emodb:corpora/emodb --corpus casia:corpora/casia --jobs 2
skdidan compare emodb:calls -c emodb:corpora/emodb -c calls.csv -m didan -m mcc \
    --seeds 5 --results runs --format latex --spread interval --reference mcc --out table.tex
skdidan compare emodb+nemo:casia -c emodb:corpora/emodb -c nemo:corpora/nemo \
    -c casia:corpora/casia -m didan -m djda
"""
_REPORT = r"""
skdidan report -c emodb:corpora/emodb -c casia:corpora/casia --results runs --out report.html
"""

_OPTIONS = (
    click.argument("tasks", nargs=-1, metavar="[SOURCE[+SOURCE]:TARGET]..."),
    click.option(
        *("-c", "--corpus", "given"),
        multiple=True,
        required=True,
        metavar="CORPUS",
        help=options.SOURCE,
    ),
    click.option(
        *("-m", "--method", "methods"),
        multiple=True,
        type=options.METHOD,
        metavar="METHOD",
        default=("source_only", "dan", "didan"),
        show_default=True,
        help=f"May be repeated. One of {', '.join(options.METHODS)}.",
    ),
    options.features,
    click.option(
        "--seeds", type=click.IntRange(1), default=3, show_default=True, help="Repetitions."
    ),
    click.option(
        "--networks",
        type=click.IntRange(1),
        default=3,
        show_default=True,
        help="Networks that each neural method averages.",
    ),
    *(options.emotions, options.epochs, options.refine, options.speakers, options.MAPPING),
    click.option(
        "--results",
        metavar="FOLDER",
        help="Folder that keeps finished runs; a second call goes on.",
    ),
    options.cache,
    options.jobs,
)


_reference = click.option(
    "--reference",
    type=options.METHOD,
    metavar="METHOD",
    help="Method that the tests compare others with.",
)


def _comparison_options(function: Any) -> Any:
    """Add the arguments and options that decide a comparison."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command(cls=Command, examples=_COMPARE)
@_comparison_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "latex", "markdown"]),
    default="csv",
    show_default=True,
    help="CSV has a row for each run, the others are tables of means and deviations.",
)
@click.option(
    "--spread",
    type=click.Choice(["deviation", "interval"]),
    help="Beside each mean of a table: the deviation over the seeds, or the 95 % interval over the "
    "speakers of the target, or over its recordings if no speakers are known.  "
    "[default: deviation]",
)
@_reference
@options.out("File of the result. Default: standard output.")
@click.pass_obj
def compare(
    session: Session,
    form: str,
    spread: str | None,
    reference: str | None,
    out: str | None,
    **given: Any,
) -> None:
    """Compare methods on tasks from labelled corpora to another.

    A task is SOURCE:TARGET, or SOURCE+SOURCE:TARGET with several sources, by the names of the
    --corpus: for NAME:FOLDER the name, for a table or a folder its own name without suffix. Without
    tasks, all ordered pairs are compared.

    A task has the emotions that all its corpora share, or those of --emotions, which each must
    have. Labels of the target are used for scores alone. The emotions of each task and a table of
    the scores also go to standard error.
    """
    if form == "csv" and (spread or reference):
        raise click.UsageError("--spread and --reference need --format latex or markdown.")
    _check_reference(reference, given["methods"], least=2)
    comparison = _compare(session, **given)
    session.note(comparison.to_text())
    if form == "csv":
        write_table(comparison.to_frame(), out)
    else:
        write = comparison.to_latex if form == "latex" else comparison.to_markdown
        write_text(write(spread=spread or "deviation", reference=reference), out)


@click.command(cls=Command, examples=_REPORT)
@_comparison_options
@_reference
@options.out("HTML file to write.", required=True)
@click.pass_obj
def report(session: Session, reference: str | None, out: str, **given: Any) -> None:
    """Compare methods, and write an HTML file of tables, figures, tests, settings and versions.

    The arguments are those of 'skdidan compare'. With the same --results, its runs are taken, and
    only missing ones are computed. The file needs no other file and no network.
    """
    import_extra("matplotlib", "plots", "A report needs matplotlib")
    _check_reference(reference, given["methods"])
    _compare(session, **given).report(out, reference=reference)
    session.note(f"{out} is written.")


def _check_reference(reference: str | None, methods: tuple[str, ...], least: int = 1) -> None:
    if reference is not None and (reference not in methods or len(set(methods)) < least):
        fault = "the only" if reference in methods else "none of"
        text = f"{reference!r} is {fault} --method: {', '.join(dict.fromkeys(methods))}."
        raise click.BadParameter(text, param_hint="--reference")


def _load_corpora(given: tuple[str, ...], mapping: dict[str, str]) -> dict[str, Any]:
    """Load the corpora by their names."""
    found: dict[str, Any] = {}
    for argument in given:
        corpus = load_labelled(argument, mapping)
        if corpus.name in found:
            raise click.BadParameter(f"two --corpus have the name {corpus.name!r}: rename one.")
        found[corpus.name] = corpus
    return found


def _compare(
    session: Session,
    *,
    tasks: tuple[str, ...],
    given: tuple[str, ...],
    methods: tuple[str, ...],
    features: str,
    seeds: int,
    emotions: list[str] | None,
    epochs: int | None,
    networks: int,
    refine: bool,
    speakers: bool,
    mapping: dict[str, str],
    results: str | None,
    cache: str | None,
    jobs: int | None,
) -> Any:
    """Return the comparison of the options."""
    from skdidan.results.task_rows import describe_emotions

    found = _load_corpora(given, mapping)
    parsed = parse_tasks(tasks, list(found))
    used = {name for sources, target in parsed.values() for name in (*sources, target)}
    found = {name: corpus for name, corpus in found.items() if name in used}
    if emotions is not None:
        found = {name: select(corpus, emotions, mapping) for name, corpus in found.items()}
    transformer = make_features(features, memory=cache, n_jobs=jobs, verbose=session.progress)
    classifiers = {name: make_classifier(name, 0, is_refined=refine) for name in methods}
    set_epochs(classifiers, epochs)
    for name, classifier in classifiers.items():
        check_features(features, transformer, name, classifier)
        set_all(classifier, "n_networks", networks)
    found = {name: drop_unusable(corpus, session, jobs) for name, corpus in found.items()}
    shared = None if emotions is None else canonical(emotions, mapping)
    named = {task: make_task(found, *sides, shared) for task, sides in parsed.items()}
    for line in describe_emotions({name: task.classes for name, task in named.items()}):
        session.note(line)
    put_features(named.values(), transformer)
    has_speakers = speakers and has_columns(transformer)
    models = {
        name: make_model([], classifier, has_speakers=has_speakers)
        for name, classifier in classifiers.items()
    }
    sizes = {name: len(task.X_tgt) for name, task in named.items()}
    warn_of_few(session, models.values(), sizes)
    comparison = selection.compare(
        models, named, seeds=range(seeds), n_jobs=jobs, results=results, verbose=session.progress
    )
    comparison.settings["features"] = features  # the methods get rows, and know no features
    return comparison
