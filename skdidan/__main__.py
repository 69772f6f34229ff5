"""Run the command line: ``python -m skdidan``."""

from skdidan.cli import main

if __name__ == "__main__":
    main()
