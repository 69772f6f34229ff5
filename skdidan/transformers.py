"""All transformers that align the features of two domains: ``fit(X, y, X_tgt)``."""

from __future__ import annotations

from sklearn.base import TransformerMixin

from skdidan.alignments import GFK, CorrelationAlignment, SubspaceAlignment
from skdidan.jda import JDA
from skdidan.scaling import CorpusScaler
from skdidan.subspaces import TCA
from skdidan.tjm import TJM
from skdidan.transport import OptimalTransport

__all__ = ["TRANSFORMERS"]

#: All alignments of features by their names in the tests of their contract.
TRANSFORMERS: dict[str, type[TransformerMixin]] = {
    "corpus_scaler": CorpusScaler,
    "correlation_alignment": CorrelationAlignment,
    "gfk": GFK,
    "jda": JDA,
    "optimal_transport": OptimalTransport,
    "subspace_alignment": SubspaceAlignment,
    "tca": TCA,
    "tjm": TJM,
}
