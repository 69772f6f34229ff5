"""Tasks that the command line names: one or several sources, and a target."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import permutations
from typing import Any

import click
import numpy as np

from skdidan import corpora

__all__ = ["make_task", "parse_tasks", "put_features"]


def parse_tasks(tasks: tuple[str, ...], names: list[str]) -> dict[str, tuple[list[str], str]]:
    """Return the sources and the target of each task; without tasks, of all ordered pairs."""
    if len(names) < 2:
        raise click.BadParameter("a comparison needs two different --corpus at least.")
    if not tasks:
        return {f"{one}:{other}": ([one], other) for one, other in permutations(names, 2)}
    parsed = {}
    for task in tasks:
        source, _, target = task.partition(":")
        sources = [source] if source in names else source.split("+")
        given = [*sources, target]
        if not set(given) <= set(names) or len(set(given)) < len(given):
            raise click.BadParameter(
                f"{task!r} is no SOURCE:TARGET or SOURCE+SOURCE:TARGET of {', '.join(names)}, each "
                "of them once at most."
            )
        parsed[task] = sources, target
    return parsed


def make_task(
    found: Mapping[str, Any], sources: list[str], target: str, emotions: list[str] | None
) -> Any:
    """Make a task of corpora, with their files."""
    if len(sources) == 1:
        return corpora.cross_corpus_task(found[sources[0]], found[target], emotions)
    chosen = {name: found[name] for name in [*sources, target]}
    *_, task = corpora.leave_one_corpus_out(chosen, emotions)
    for key in ("X", "y", "speaker"):  # of both domains, which compare stacks itself
        del task[key]
    return task


def put_features(tasks: Collection[Any], transformer: Any) -> None:
    """Put features in the place of the files of tasks; those of each file are computed once."""
    files = list(dict.fromkeys(file for task in tasks for file in [*task.X_src, *task.X_tgt]))
    features = dict(zip(files, transformer.fit_transform(files), strict=True))
    for task in tasks:
        task.files_src, task.files_tgt = task.X_src, task.X_tgt
        task.X_src = np.stack([features[file] for file in task.X_src])
        task.X_tgt = np.stack([features[file] for file in task.X_tgt])
