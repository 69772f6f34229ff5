"""Messages of a command beside its result: progress, warnings, errors and exit codes."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

__all__ = ["Command", "Group", "Session", "catch", "naming"]

# Exit codes; click's of a wrong command line is 2.
_ERROR, _PARTIAL, _INTERRUPTED = 1, 3, 130

# Cures in messages of the package that are others here.
_CURES = {
    r"mapping=\{spelling: label\}": "--mapping SPELLING=EMOTION",
    r"trusted=\[\.\.\.\]": "--trust NAME",
    r"Pass the name of the column as .*": "Rename a column, or add one.",
    r"Pass delimiter=\.\.\.": "Save it as .csv, with commas.",
    r"Pass encoding=.*": "Save it in UTF-8.",
    r"Pass \w+=None to leave it out\.": "Fill its cells.",
}


@dataclass
class Session:
    """Messages of one run of a command, and the number of recordings that could not be used."""

    is_quiet: bool = False
    n_unusable: int = 0

    @property
    def progress(self) -> int:
        """1 if progress bars are shown: on a terminal, without --quiet."""
        return int(not self.is_quiet and sys.stderr.isatty())

    def note(self, text: str) -> None:
        """Print a message, unless the command is quiet."""
        if not self.is_quiet:
            click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Print a warning."""
        click.echo(f"skdidan: warning: {_first_line(text)}", err=True)

    def lose(self, n_files: int) -> None:
        """Count recordings that could not be used."""
        self.n_unusable += n_files


class _Help(click.Command):
    """A command with examples at the end of its help."""

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are, without wrapping their lines."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.strip("\n").splitlines():
                    formatter.write(f"  {line}\n")


class Group(_Help, click.Group):
    """A group of commands, whose errors of the command line are single lines, too."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command of the arguments, and exit with its code."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            code = error.exit_code
        except click.ClickException as error:
            command = (
                error.ctx.command_path
                if isinstance(error, click.UsageError) and error.ctx
                else "skdidan"
            )
            text = _first_line(error.format_message()).rstrip(".")
            click.echo(f"skdidan: error: {text}. '{command} --help' tells more.", err=True)
            code = error.exit_code
        except click.Abort:
            click.echo("skdidan: interrupted.", err=True)
            code = _INTERRUPTED
        sys.exit(code)


class Command(_Help):
    """A command whose errors and warnings are single lines, with the options of all commands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(["-q", "--quiet"], is_flag=True, help="No progress bars and notes."),
            click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit with 1 after an error, and with 3 if recordings were not used."""
        is_debugged = ctx.params.pop("debug")
        session = ctx.obj = Session(is_quiet=ctx.params.pop("quiet"))
        with _warnings_to(session):
            try:
                super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except Exception as error:
                if is_debugged or isinstance(error, BrokenPipeError):  # a pipe such as to head
                    raise
                text = _first_line(str(error)) or type(error).__name__
                click.echo(f"skdidan: error: {text}", err=True)
                ctx.exit(_ERROR)
        if session.n_unusable:
            session.note(f"{session.n_unusable} recording(s) could not be used.")
            ctx.exit(_PARTIAL)


@contextmanager
def catch(*categories: type[Warning]) -> Iterator[list[Any]]:
    """Collect the warnings of some categories, in place of printing them."""
    caught: list[Any] = []
    show = warnings.showwarning

    def sort(message: Any, category: type[Warning], *place: Any) -> None:
        if issubclass(category, categories):
            caught.append(message)
        else:
            show(message, category, *place)

    with warnings.catch_warnings():
        for category in categories:
            warnings.simplefilter("always", category)
        warnings.showwarning = sort  # type: ignore[assignment] # the last arguments are not needed
        yield caught


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Name what the user has given in errors about `root`, the argument of the package."""
    try:
        yield
    except (OSError, ValueError) as error:
        start, _, rest = str(error).partition(" ")
        if start != "root":
            raise
        raise type(error)(f"{argument!r} {rest}") from error


@contextmanager
def _warnings_to(session: Session) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = lambda message, *_: session.warn(str(message))
        yield


def _first_line(text: str) -> str:
    """Return the first line that is not blank, with options in place of arguments of Python."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    for cure, own in _CURES.items():
        line = re.sub(cure, own, line)
    return line
