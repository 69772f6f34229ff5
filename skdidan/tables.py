"""Tables of all penalties, transformers and classifiers, by their names.

The contract tests run over them: an entry here is tested from the start.
"""

from __future__ import annotations

from sklearn.base import ClassifierMixin, TransformerMixin

from skdidan.neural import (
    CDANClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    DIDANClassifier,
    DSANClassifier,
    JANClassifier,
    LIDANClassifier,
    MCCClassifier,
    SourceOnlyClassifier,
)
from skdidan.penalties import (
    CORAL,
    IDA,
    JMMD,
    LMMD,
    MCC,
    MMD,
    ConditionalDomainAdversary,
    DomainAdversary,
    MeanDistance,
    Penalty,
)
from skdidan.shallow import (
    GFK,
    JDA,
    JDAR,
    JIASL,
    TCA,
    TJM,
    CorpusScaler,
    CorrelationAlignment,
    OptimalTransport,
    SubspaceAlignment,
    WeightedClassifier,
)

__all__ = ["CLASSIFIERS", "PENALTIES", "TRANSFORMERS"]

#: All penalties; the keys are the names of their columns in the training history.
PENALTIES: dict[str, type[Penalty]] = {
    "conditional_domain_adversary": ConditionalDomainAdversary,
    "coral": CORAL,
    "domain_adversary": DomainAdversary,
    "ida": IDA,
    "jmmd": JMMD,
    "lmmd": LMMD,
    "mcc": MCC,
    "mean_distance": MeanDistance,
    "mmd": MMD,
}

#: All transformers that align the features of two domains.
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

#: All classifiers that take a target.
CLASSIFIERS: dict[str, type[ClassifierMixin]] = {
    "cdan": CDANClassifier,
    "dan": DANClassifier,
    "dann": DANNClassifier,
    "deep_coral": DeepCORALClassifier,
    "didan": DIDANClassifier,
    "dsan": DSANClassifier,
    "jan": JANClassifier,
    "jdar": JDAR,
    "jiasl": JIASL,
    "lidan": LIDANClassifier,
    "mcc": MCCClassifier,
    "source_only": SourceOnlyClassifier,
    "weighted": WeightedClassifier,
}
