"""The command that lists known corpora, and says what is in a folder."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from skdidan import corpora as wing
from skdidan.cli import options
from skdidan.cli.output import write_table
from skdidan.cli.session import Command, Session, catch, naming
from skdidan.cli.sources import corpus_name

__all__ = ["corpora"]


_CORPORA = r"""
skdidan corpora
skdidan corpora calls/
skdidan corpora corpora/emodb --out emodb_files.csv
"""


@click.command(cls=Command, examples=_CORPORA)
@click.argument("folder", required=False)
@options.out("Also write a table of all files, with their format, length, level and errors.")
@options.jobs
@click.pass_obj
def corpora(session: Session, folder: str | None, out: str | None, jobs: int | None) -> None:
    """List the known corpora, or say what is in FOLDER.

    Without FOLDER: the corpora that are recognised by the names of their files, as CSV. With it,
    each file is read once, and a table of properties is printed: the layout guessed from the names,
    emotions, files left out, such as those of unknown emotions (see --mapping of 'skdidan train'),
    formats, rates, durations, levels and unusable files.
    """
    import pandas as pd

    if folder is None:
        write_table(pd.DataFrame(map(_describe_layout, sorted(wing.CORPORA))), None)
        return
    if corpus_name(folder):
        folder = folder.partition(":")[2]
    with naming(folder):
        inventory = wing.inspect_audio(folder, n_jobs=jobs, verbose=session.progress)
    properties = _describe_corpus(folder) | _describe_files(inventory)
    if out is not None:
        write_table(inventory, out)
    table = {"property": list(properties), "value": list(properties.values())}
    write_table(pd.DataFrame(table), None)
    n_unusable = int(inventory["error"].notna().sum())
    session.lose(n_unusable)
    if n_unusable and out is None:
        session.note("--out FILE lists the reason of every file.")


def _describe_layout(name: str) -> dict[str, Any]:
    corpus = wing.CORPORA[name]
    counts: Any = corpus.counts[0] if corpus.counts else {}
    return {
        "name": name,
        "recordings": sum(counts.values()),
        "emotions": " ".join(sorted(counts)),
        "files": corpus.layout,
        "title": corpus.title,
    }


def _describe_corpus(folder: str) -> dict[str, Any]:
    """Return the layouts that fit the names, and the emotions and speakers of the best."""
    guesses = wing.guess_layout(folder)
    if not guesses:
        return {"folder": folder, "layout": "none that is known"}
    name = guesses[0][0]
    is_plain = name == "folders"
    with catch(wing.CorpusWarning) as caught:
        corpus = wing.load_audio_folder(folder) if is_plain else wing.load_corpus(name, folder)
    speakers, used = set(corpus.speaker.tolist()), set(map(str, corpus.files))
    reasons = [
        reason for warning in caught for file, reason in warning.reasons.items() if file not in used
    ]
    return {
        "folder": folder,
        "layout": ", or ".join(
            f"{'one folder per emotion' if x == 'folders' else x} ({n} files)" for x, n in guesses
        ),
        "recordings": len(corpus.files),
        "left out": _tally(reasons) or "none",
        "emotions": _tally(corpus.emotion),
        "speakers": "unknown" if speakers == {"unknown"} else len(speakers),
    }


def _describe_files(inventory: Any) -> dict[str, Any]:
    usable = inventory[inventory["error"].isna()]
    minutes = usable["duration"].sum() / 60
    rates = _tally(usable["sample_rate"].dropna().astype(int))
    channels = _tally(usable["channels"].dropna().astype(int))
    found = {
        "files": len(inventory),
        "formats": _tally(usable["format"]),
        "sample rates [Hz]": rates,
        "channels": channels,
        "duration in all [min]": f"{minutes:.1f}",
        "duration [s]": _spread(usable["duration"]),
        "level [dB]": _spread(usable["level"]),
        "doubtful files": int(usable["doubt"].notna().sum()),
        "unusable files": len(inventory) - len(usable),
    }
    errors = zip(inventory["file"], inventory["error"], strict=True)
    shown = [f"{file}: {error}" for file, error in errors if isinstance(error, str)][:3]
    return found | {f"unusable, no. {n}": text for n, text in enumerate(shown, start=1)}


def _tally(values: Any) -> str:
    counts = Counter(map(str, values)).most_common()
    return ", ".join(f"{value}: {count}" for value, count in counts)


def _spread(values: Any) -> str:
    if not len(values):
        return ""
    return f"{values.min():.2f} to {values.max():.2f}, median {values.median():.2f}"
