"""The commands that train a model, and adapt it to new recordings."""

from __future__ import annotations

from typing import Any

import click

from skdidan import audio, persistence, pipeline
from skdidan.cli import options
from skdidan.cli.models import (
    fit_to,
    has_columns,
    make_classifier,
    make_features,
    make_model,
    set_all,
    start_warm,
)
from skdidan.cli.output import write_json
from skdidan.cli.session import Command, Session, catch
from skdidan.cli.sources import drop_unusable, find_usable, load_source, select

__all__ = ["adapt", "train"]

_FEW = 200  # target recordings; with fewer, clusters may be chance
_sources = click.option(
    "-s", "--source", "sources", multiple=True, required=True, metavar="CORPUS", help=options.SOURCE
)
_targets = click.option(
    "-t", "--target", "targets", multiple=True, required=True, metavar="PATH", help=options.TARGET
)


_TRAIN = r"""
skdidan train --source emodb:corpora/emodb --target calls/ --out calls.skdidan
skdidan train -s labels.csv -s nemo:corpora/nemo -t calls/ --method dan -o calls.skdidan
skdidan train -s emodb:corpora/emodb -t calls/ --features embeddings:openai/whisper-tiny@2 \
    --emotions anger,neutral,sadness --cache .skdidan -o calls.skdidan
"""


@click.command(cls=Command, examples=_TRAIN)
@_sources
@_targets
@options.out("File of the model to write.", required=True)
@click.option(
    "-m",
    "--method",
    type=click.Choice(options.METHODS),
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
    type=click.FloatRange(0, min_open=True),
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

    --source and --target may be repeated. Recordings that cannot be used are left out, with a
    warning. The model is one file without pickle; 'skdidan predict' uses it. A line of JSON says
    what was trained.
    """
    classifier = make_classifier(method, epochs, seed, is_refined=refine)
    transformer = make_features(features, memory=cache, n_jobs=jobs, verbose=session.progress)
    has_speakers = speakers and has_columns(transformer)
    model = make_model(
        [transformer], classifier, has_speakers=has_speakers, seed=seed, window=window
    )
    _fit_and_save(
        session, model, _load(session, sources, mapping, emotions, jobs), targets, channel, out
    )


_ADAPT = r"""
skdidan adapt may.skdidan --source emodb:corpora/emodb --target calls/june --out june.skdidan
"""


@click.command(cls=Command, examples=_ADAPT)
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@_sources
@_targets
@options.out("File of the new model to write.", required=True)
@options.emotions
@click.option("--epochs", type=click.IntRange(1), default=5, show_default=True, help="New epochs.")
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
    epochs: int,
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
    """
    estimator = persistence.load(model)
    if not start_warm(estimator, epochs):
        session.note("The model has no network: it is fitted anew.")
    if not set_all(estimator, "on_error", "raise"):
        raise ValueError(
            f"{model!r} does not begin with audio features: 'skdidan train' makes one."
        )
    for name, value in {"memory": cache, "n_jobs": jobs, "verbose": session.progress}.items():
        _set_audio(estimator, name, value)
    corpora = _load(session, sources, mapping, emotions, jobs)
    known, given = set(estimator.classes_), {x for corpus in corpora for x in corpus.emotion}
    if known != given:
        raise ValueError(
            f"the source has the emotions {', '.join(sorted(given))}, but the model knows "
            f"{', '.join(sorted(known))}: give the same --source, --emotions and --mapping."
        )
    _fit_and_save(session, estimator, corpora, targets, channel, out)


def _load(
    session: Session,
    sources: tuple[str, ...],
    mapping: dict[str, str],
    emotions: list[str] | None,
    n_jobs: int | None,
) -> list[Any]:
    """Load the usable recordings of the sources with the chosen emotions."""
    loaded = []
    for source in sources:
        corpus = load_source(source, mapping)
        if emotions is not None:
            corpus = select(corpus, emotions, mapping)
        loaded.append(drop_unusable(corpus, session, n_jobs))
    return loaded


def _fit_and_save(
    session: Session,
    model: Any,
    corpora: list[Any],
    targets: tuple[str, ...],
    channel: int | str,
    out: str,
) -> None:
    from skdidan.pipeline.steps import last_step

    target = find_usable(targets, channel, session)
    n_source = sum(len(corpus.files) for corpus in corpora)
    session.note(f"Training on {n_source} source and {len(target)} target recordings.")
    if len(target) < _FEW and isinstance(last_step(model), pipeline.AnchoredEM):
        session.warn(
            f"{len(target)} recordings are few to find clusters in: compare with --no-refine."
        )
    with catch(audio.DoubtfulAudioWarning):  # the search for the recordings has named them
        fit_to(model, corpora, target)
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
