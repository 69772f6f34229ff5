"""The command line: ``skdidan``, or ``python -m skdidan``."""

from __future__ import annotations

import sys

from skdidan.reporting import import_extra

__all__ = ["main"]


def main() -> None:
    """Run the command line with the arguments of the process, and exit."""
    try:
        import_extra("click", "cli", "The command line needs the package click")
    except ImportError as error:
        sys.exit(f"skdidan: error: {error}")
    from skdidan.cli.app import app

    app(prog_name="skdidan")
