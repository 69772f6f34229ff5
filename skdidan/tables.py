"""Tables of all penalties, transformers and classifiers, by their names.

The contract tests run over them: an entry here is tested from the start.
"""

from __future__ import annotations

from sklearn.base import ClassifierMixin, TransformerMixin

from skdidan import neural, penalties, shallow

__all__ = ["CLASSIFIERS", "PENALTIES", "TRANSFORMERS"]

#: All penalties; the keys are the names of their columns in the training history.
PENALTIES: dict[str, type[penalties.Penalty]] = {
    "balanced_mmd": penalties.BalancedMMD,
    "conditional_domain_adversary": penalties.ConditionalDomainAdversary,
    "coral": penalties.CORAL,
    "decoupling": penalties.ContrastiveDecoupling,
    "domain_adversary": penalties.DomainAdversary,
    "ida": penalties.IDA,
    "jmmd": penalties.JMMD,
    "lmmd": penalties.LMMD,
    "mcc": penalties.MCC,
    "mean_distance": penalties.MeanDistance,
    "mmd": penalties.MMD,
}

#: All transformers that are fitted to two domains: they align features, or select them.
TRANSFORMERS: dict[str, type[TransformerMixin]] = {
    "cdsa": shallow.CDSA,
    "corpus_invariant_selector": shallow.CorpusInvariantSelector,
    "corpus_scaler": shallow.CorpusScaler,
    "correlation_alignment": shallow.CorrelationAlignment,
    "gfk": shallow.GFK,
    "jda": shallow.JDA,
    "optimal_transport": shallow.OptimalTransport,
    "speaker_scaler": shallow.SpeakerScaler,
    "subspace_alignment": shallow.SubspaceAlignment,
    "tca": shallow.TCA,
    "tjm": shallow.TJM,
}

#: All classifiers that take a target.
CLASSIFIERS: dict[str, type[ClassifierMixin]] = {
    "aktlr": shallow.AKTLR,
    "cdan": neural.CDANClassifier,
    "dan": neural.DANClassifier,
    "dann": neural.DANNClassifier,
    "deep_coral": neural.DeepCORALClassifier,
    "didan": neural.DIDANClassifier,
    "djda": neural.DJDAClassifier,
    "dsan": neural.DSANClassifier,
    "ecan": neural.ECANClassifier,
    "emo_dna": neural.EmoDNAClassifier,
    "hda": neural.HDAClassifier,
    "jan": neural.JANClassifier,
    "jdar": shallow.JDAR,
    "jiasl": shallow.JIASL,
    "lidan": neural.LIDANClassifier,
    "mcc": neural.MCCClassifier,
    "mdsa": shallow.MDSA,
    "shot": neural.SHOTClassifier,
    "source_only": neural.SourceOnlyClassifier,
    "weighted": shallow.WeightedClassifier,
}
