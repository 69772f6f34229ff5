"""Order of the examples in the gallery; others follow by name."""

ORDER = (
    "two_dimensions",
    "waveform_to_input",
    "learning_curves",
    "confusion_matrices",
    "comparison",
    "reconstruction",
    "when_it_hurts",
    "trade_off",
    "grid_search",
    "select_without_labels",
    "confidence",
    "several_sources",
    "save_and_adapt_again",
    "source_free",
    "embeddings_or_functionals",
    "corpus_distance",
    "invariant_features",
)


def place(file: str) -> tuple[int, str]:
    """Return what the examples are sorted by."""
    name = file.removeprefix("plot_").removesuffix(".py")
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)
