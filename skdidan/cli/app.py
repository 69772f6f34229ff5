"""The group of all commands."""

from __future__ import annotations

import click

import skdidan
from skdidan.cli.comparing import compare, report
from skdidan.cli.corpora import corpora
from skdidan.cli.extracting import extract
from skdidan.cli.predicting import predict
from skdidan.cli.session import Group
from skdidan.cli.training import adapt, train

__all__ = ["app"]


_APP = r"""
skdidan corpora calls/                 what is in a folder
skdidan train --source emodb:corpora/emodb --target calls/ --out calls.skdidan
skdidan predict calls.skdidan calls/ --out calls.csv
"""


@click.group(
    cls=Group,
    examples=_APP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(skdidan.__version__, prog_name="skdidan")
def app() -> None:
    """Recognise emotions in speech across corpora.

    Train on a labelled corpus and unlabelled recordings from elsewhere, and label these.

    Results go to standard output, messages and progress bars to standard error.

    Exit codes: 0 done; 1 an error; 2 a wrong command line; 3 done, but some recordings could not be
    used; 130 interrupted.
    """


for _command in (corpora, extract, train, predict, adapt, compare, report):
    app.add_command(_command)
