"""Warnings of the package are errors in tests and in the examples of the docs."""

# What `make docs` writes is no source of tests: importing an example would run it.
BUILT = "docs/_build", "docs/auto_examples", "docs/generated", "docs/reference/generated"
collect_ignore_glob = [f"{folder}/*" for folder in BUILT]
# The tests are run without the packages of the site.
collect_ignore = ["docs/mathml.py"]

WARNINGS = (
    "AudioWarning",
    "corpora.CorpusWarning",
    "domains.NoTargetWarning",
    "SparseCodesWarning",
)


def pytest_configure(config):
    """Add them in the processes that run tests; the one that hands these out needs no import."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        for category in WARNINGS:
            config.addinivalue_line("filterwarnings", f"error::skdidan.{category}")
        # Many files of the tests are a few samples long; test_unusable.py asks for the warning.
        config.addinivalue_line("filterwarnings", "ignore::skdidan.DoubtfulAudioWarning")
