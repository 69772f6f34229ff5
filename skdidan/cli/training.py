"""The commands that train a model, and adapt it to new recordings."""

from __future__ import annotations

import os
from typing import Any

import click

from skdidan import audio, persistence
from skdidan.cli import options
from skdidan.cli.models import (
    check_features,
    fit_to,
    has_columns,
    make_classifier,
    make_features,
    make_model,
    set_all,
    set_epochs,
    start_warm,
    warn_of_few,
)
from skdidan.cli.output import write_json
from skdidan.cli.session import Command, Session, catch
from skdidan.cli.sources import (
    corpus_name,
    count_shared,
    drop_unusable,
    find_usable,
    keep_shared,
    load_labelled,
    protect_inputs,
    select,
)

__all__ = ["adapt", "train"]


def _source(text: str, *, required: bool = True) -> Any:
    """Return the option of a labelled corpus, which may be repeated."""
    names = "-s", "--source", "sources"
    return click.option(*names, multiple=True, required=required, metavar="CORPUS", help=text)


def _target(text: str, *, required: bool = True) -> Any:
    """Return the option of unlabelled recordings, which may be repeated."""
    return click.option(
        *("-t", "--target", "targets"),
        multiple=True,
        required=required,
        type=options.RECORDINGS,
        metavar="PATH",
        help=text,
    )


_TRAIN = r"""
skdidan train --source emodb:corpora/emodb --target calls/ --out calls.skdidan
skdidan train -s labels.csv -s nemo:corpora/nemo -t calls/ --method dan -o calls.skdidan
skdidan train -s emodb:corpora/emodb --method shot -o house.skdidan
skdidan train -s emodb:corpora/emodb -t calls/ --features embeddings:openai/whisper-tiny@2 \
    --emotions anger,neutral,sadness --cache .skdidan -o calls.skdidan
"""


@click.command(cls=Command, examples=_TRAIN)
@_source(options.SOURCE)
@_target(f"{options.TARGET} Not needed by ecan and shot.", required=False)
@options.out("File of the model to write.", required=True)
@click.option(
    "-m",
    "--method",
    type=options.METHOD,
    metavar="METHOD",
    default="didan",
    show_default=True,
    help=f"One of {', '.join(options.METHODS)}.",
)
@options.features
@options.emotions
@options.epochs
@options.refine
@options.speakers
@click.option(
    "--window",
    type=click.FloatRange(0.05),
    metavar="SECONDS",
    help="Cut recordings into windows of this length, as for calls of minutes; predictions are "
    "averaged over those of a recording.",
)
@options.channel
@options.MAPPING
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed.")
@options.cache
@options.jobs
@click.pass_obj
def train(
    session: Session,
    sources: tuple[str, ...],
    targets: tuple[str, ...],
    out: str,
    method: str,
    features: str,
    emotions: list[str] | None,
    epochs: int | None,
    refine: bool,
    speakers: bool,
    window: float | None,
    channel: int | str,
    mapping: dict[str, str],
    seed: int,
    cache: str | None,
    jobs: int | None,
) -> None:
    """Train a model on labelled corpora and unlabelled recordings.

    --source and --target may be repeated. A model of several sources knows the emotions that all of
    them have; a note names those that are left out. The methods djda, emo_dna and mdsa tell the
    sources apart, all others pool them. Recordings that cannot be used are left out, with a
    warning.

    The model is one file without pickle; 'skdidan predict' uses it. A line of JSON says what was
    trained, with its emotions.

    The methods ecan and shot can be trained on one corpus without a target: 'skdidan adapt' gives
    them one, elsewhere, without the source.
    """
    from skdidan.pipeline.steps import waits_for_target

    corpora = _list_sources(session, sources, mapping, emotions)
    protect_inputs(out, sources)
    transformer = make_features(features, memory=cache, n_jobs=jobs, verbose=session.progress)
    classifier = make_classifier(method, seed, is_refined=refine)
    set_epochs({method: classifier}, epochs)
    if not targets and (len(sources) > 1 or not waits_for_target(classifier)):
        raise click.UsageError(
            "Missing option '-t' / '--target': only ecan and shot train without one, on one source."
        )
    check_features(features, transformer, method, classifier)
    has_speakers = speakers and has_columns(transformer)
    model = make_model(
        [transformer], classifier, has_speakers=has_speakers, seed=seed, window=window
    )
    corpora = _keep_usable(session, corpora, emotions, jobs)
    _fit_and_save(session, model, corpora, targets, channel, out)


_ADAPT = r"""
skdidan adapt may.skdidan --source emodb:corpora/emodb --target calls/june --out june.skdidan
skdidan adapt house.skdidan --target calls/june --out june.skdidan
"""


@click.command(cls=Command, examples=_ADAPT)
@click.argument("model", type=options.MODEL)
@_source(f"{options.SOURCE} Not needed by ecan and shot.", required=False)
@_target(options.TARGET)
@options.out("File of the new model to write.", required=True)
@options.emotions
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="New epochs.  [default: 5; without a source those of the model]",
)
@options.channel
@options.MAPPING
@options.cache
@options.jobs
@click.pass_obj
def adapt(
    session: Session,
    model: str,
    sources: tuple[str, ...],
    targets: tuple[str, ...],
    out: str,
    emotions: list[str] | None,
    epochs: int | None,
    channel: int | str,
    mapping: dict[str, str],
    cache: str | None,
    jobs: int | None,
) -> None:
    """Adapt a saved MODEL to new recordings.

    It needs the labelled source again: a model file holds no recordings, and adaptation compares
    the new target with the source. Give the same --source, --emotions and --mapping as in 'skdidan
    train'. Networks go on from their weights (warm_start); all else is fitted anew. MODEL stays as
    it is.

    A model of the methods ecan and shot needs no source, and takes none of these options. It starts
    from the weights that the source has given it.
    """
    from skdidan.pipeline.steps import waits_for_target

    corpora = _list_sources(session, sources, mapping, emotions)
    estimator = persistence.load(model)
    is_alone = waits_for_target(estimator)
    if is_alone and (sources or emotions or mapping):
        raise click.UsageError(
            f"{model} adapts without its source: leave out --source, --emotions and --mapping."
        )
    if not is_alone and not sources:
        raise click.UsageError(
            "Missing option '-s' / '--source': only models of ecan and shot adapt without it."
        )
    if is_alone:
        if epochs is not None:
            set_all(estimator, "adaptation_epochs", epochs)
    elif not start_warm(estimator, 5 if epochs is None else epochs):
        session.note("The model has no network: it is fitted anew.")
    if not set_all(estimator, "on_error", "raise"):
        raise ValueError(
            f"{model!r} does not begin with audio features: 'skdidan train' makes one."
        )
    for name, value in {"memory": cache, "n_jobs": jobs, "verbose": session.progress}.items():
        _set_audio(estimator, name, value)
    if is_alone:
        _fit_and_save(session, estimator, [], targets, channel, out)
        return
    corpora = _keep_usable(session, corpora, emotions, jobs)
    known, given = set(estimator.classes_), {x for corpus in corpora for x in corpus.emotion}
    if known != given:
        raise ValueError(
            f"the source has the emotions {', '.join(sorted(given))}, but the model knows "
            f"{', '.join(sorted(known))}: give the same --source, --emotions and --mapping."
        )
    _fit_and_save(session, estimator, corpora, targets, channel, out)


def _list_sources(
    session: Session,
    sources: tuple[str, ...],
    mapping: dict[str, str],
    emotions: list[str] | None,
) -> list[Any]:
    """Load the sources with the chosen emotions, without reading audio."""
    paths = (source.partition(":")[2] if corpus_name(source) else source for source in sources)
    if len({os.path.realpath(os.path.expanduser(path)) for path in paths}) < len(sources):
        raise click.BadParameter("a --source is given twice.")
    loaded = [load_labelled(source, mapping) for source in sources]
    if emotions is not None:
        loaded = [select(corpus, emotions, mapping) for corpus in loaded]
    elif len(loaded) > 1:
        loaded = keep_shared(loaded, session)
    return loaded


def _keep_usable(
    session: Session, corpora: list[Any], emotions: list[str] | None, n_jobs: int | None
) -> list[Any]:
    """Read the recordings of the sources, and leave out those that cannot be used."""
    usable = [drop_unusable(corpus, session, n_jobs) for corpus in corpora]
    if emotions is None and len(usable) > 1:  # one may have lost all recordings of an emotion
        usable = keep_shared(usable, session)
    return usable


def _fit_and_save(
    session: Session,
    model: Any,
    corpora: list[Any],
    targets: tuple[str, ...],
    channel: int | str,
    out: str,
) -> None:
    """Fit a model, or adapt it if there are no corpora of a source, and save it."""
    target = find_usable(targets, channel, session) if targets else []
    protect_inputs(out, target, *(corpus.files for corpus in corpora))
    if targets and not target:
        raise ValueError("no recording of --target can be used.")
    n_source = sum(len(corpus.files) for corpus in corpora)
    domains = {"source": n_source, "target": len(target)}
    parts = [f"{n} {domain}" for domain, n in domains.items() if n]
    labels = {str(label) for corpus in corpora for label in corpus.emotion}
    emotions = f" Emotions: {', '.join(sorted(labels))}." if corpora else ""
    session.note(f"Training on {' and '.join(parts)} recordings.{emotions}")
    if n_shared := count_shared(corpora, target):
        session.warn(
            f"{n_shared} file(s) are in the source and in the target: their labels are learnt, so "
            "they say nothing about new recordings. Leave them out of --target."
        )
    warn_of_few(session, [model], {"": len(target)})
    with catch(audio.DoubtfulAudioWarning):  # the search for the recordings has named them
        if corpora:
            fit_to(model, corpora, target)
        else:
            model.adapt(target)
    for name, value in {"memory": None, "n_jobs": None, "verbose": 0}.items():
        _set_audio(model, name, value)
    persistence.save(model, out)
    write_json(
        {
            "model": out,
            "emotions": [str(label) for label in model.classes_],
            "n_source": n_source,
            "n_target": len(target),
        }
    )


def _set_audio(model: Any, name: str, value: Any) -> None:
    """Set a parameter of the audio transformers only; other steps use the same names."""
    set_all(model, name, value, audio.AudioTransformer)
