"""What makes implicit distribution alignment work? Its rows, leads and ablations, one at a time.

The cells, networks, schedule and batches of ``cross_corpus.py``; the log-mel spectrograms are
averaged over pairs of frames, which halves the time and leaves the order of the rows. Target labels
score, and do nothing else. docs/research/ida.rst reads the results::

    OMP_NUM_THREADS=1 python benchmarks/ida_study.py --corpora DIR --seeds 5 --jobs 2 --bf16
"""

import cross_corpus
import torch

from skdidan import IDA, MMD, AdaptationClassifier, MeanDistance, PenaltyTerm, sparse_codes
from skdidan.penalties import Penalty, _directions, _label_error, _shares

AROUSAL = [0, 0, 0, 1, 1]  # anger, fear and happiness; neutral and sadness


class Naive(Penalty):
    """Target rows rebuilt from source rows as they are: neither centred nor scaled."""

    def _penalise(self, source, target):
        codes = sparse_codes(source, target, 0.1, tol=0.1)
        return (target - codes @ source).square().sum(dim=1).mean()


class BothDirections(IDA):
    """The source rebuilt from the target as well."""

    def terms(self, source, target, labels=None, predictions=None):
        """Average the reconstructions; the labels stay one-directional."""
        terms = super().terms(source, target, labels, predictions)
        back = IDA(self.sparsity, mean_weight=0, label_weight=0)(target, source)
        return {**terms, "features": (terms["features"] + back) / 2}


class LabelsOnly(IDA):
    """The rebuilt labels without the rebuilt features."""

    def terms(self, source, target, labels=None, predictions=None):
        """Leave the reconstruction out."""
        terms = super().terms(source, target, labels, predictions)
        return {**terms, "features": torch.zeros(())}


class SelfTraining(IDA):
    """Labels that the network makes of its own predictions, in place of the rebuilt ones."""

    def terms(self, source, target, labels=None, predictions=None):
        """Sharpen the predictions as IDA sharpens the evidence of the codes."""
        terms = super().terms(source, target, labels, predictions)
        if "labels" in terms:
            errors = []
            for merge in self._merges(labels.shape[1], predictions):
                merged = predictions @ merge
                shares = _shares(merged.detach().clamp_min(0))
                error = (merged - _shares(shares.square())).square().sum(dim=1)
                errors.append((shares.amax(dim=1) * error).mean())
            terms["labels"] = self.label_weight * torch.stack(errors).mean()
        return terms


class LongMemory(IDA):
    """The labels rebuilt from the source rows of the last four batches."""

    def __init__(self, **params):
        super().__init__(**params)
        self.batches = []

    def terms(self, source, target, labels=None, predictions=None):
        """Solve a second time with the larger dictionary, for the labels."""
        terms = super().terms(source, target, labels, predictions)
        self.batches = [*self.batches[-3:], (source.detach(), labels)]
        memory, known = (torch.cat(parts) for parts in zip(*self.batches, strict=True))
        long = IDA(self.sparsity, mean_weight=0, label_weight=self.label_weight)
        rebuilt = long.terms(memory, target.detach(), known, predictions)
        return {**terms, "labels": rebuilt["labels"]}


class LabelAware(IDA):
    """Codes that pay up to three times for source rows of classes improbable for the target row."""

    def terms(self, source, target, labels=None, predictions=None):
        """Solve with a price for each pair of rows."""
        atoms, rows = _directions(source), _directions(target)
        positive = predictions.detach().clamp_min(0)
        undecided = positive.amax(dim=1, keepdim=True) == 0
        probable = _shares(torch.where(undecided, 1.0, positive))
        price = self.sparsity * (1 + 2 * (1 - probable @ labels.T.to(probable)))
        codes = sparse_codes(atoms, rows, price, tol=self.tol)
        error = _label_error(codes, labels.to(atoms), predictions)
        return {  # the price of the codes has no gradient
            "features": (rows - codes @ atoms).square().sum(dim=1).mean(),
            "labels": self.label_weight * error,
        }


class Variant(AdaptationClassifier):
    """Any penalties: a dict of them is the class attribute `terms`, made anew for each fit."""

    terms = staticmethod(dict)

    def _penalty_terms(self, classes):
        return self.terms()


def variant(make_terms, **params):
    """Row of the study: penalties and parameters of the classifier."""
    return type("StudiedClassifier", (Variant,), {"terms": staticmethod(make_terms)}), params


def ida(penalty=IDA, local=True, means=3.0, on="features", below=None, **params):
    """Terms of DIDAN, or of something like it."""
    params = {"mean_weight": 0, "label_weight": 0.5, **params}

    def make_terms():
        terms = {"ida": PenaltyTerm(penalty(**params), on=on, local=local)}
        if means:
            terms["means"] = PenaltyTerm(below or MeanDistance(), weight=means)
        return terms

    return make_terms


def lidan(penalty):
    """Terms of LIDAN, or of something like it."""

    def make_terms():
        terms = {}
        for layer, levels in enumerate((None, [AROUSAL], [AROUSAL, range(5)]), 1):
            term = penalty(mean_weight=0, label_weight=1.5 if levels else 0, levels=levels)
            on = f"fc{layer}"
            terms[f"ida_{on}"] = PenaltyTerm(term, 1 / 3, on=on, local=True)
            terms[f"means_{on}"] = PenaltyTerm(MeanDistance(), 1.0, on=on)
        return terms

    return make_terms


def single(penalty, weight=1.0, on="features"):
    """Terms of one penalty with its full gradient."""
    return lambda: {"penalty": PenaltyTerm(penalty(), weight, on=on)}


DIDAN, LIDAN = cross_corpus.METHODS["DIDAN"], cross_corpus.METHODS["LIDAN"]
DAN, WIDE = cross_corpus.METHODS["DAN 1.0"], {"hidden": (128, 128, 128)}
NO_LABELS = {"label_weight": 0}
ROWS = {
    # What was known.
    "no penalty": cross_corpus.METHODS["source only, target in the batch"],
    "MMD": DAN,
    "CORAL": cross_corpus.METHODS["DeepCORAL 1.0"],
    "means alone": variant(single(MeanDistance, 3.0)),
    "IDA raw": variant(single(Naive)),
    "IDA, all gradients, means": variant(ida(local=False, **NO_LABELS)),
    "IDA, local, means": variant(ida(**NO_LABELS)),
    "IDA, local, no means": variant(ida(means=0, **NO_LABELS)),
    # What was found, and its parts.
    "DIDAN": DIDAN,
    "DIDAN, all gradients": variant(ida(local=False)),
    "DIDAN without features": variant(ida(LabelsOnly)),
    "DIDAN without means": variant(ida(means=0)),
    "DIDAN, own predictions": variant(ida(SelfTraining)),
    "DIDAN, MMD for means": variant(ida(means=1.0, below=MMD())),
    "MMD and labels only": variant(ida(LabelsOnly, means=1.0, below=MMD())),
    # Leads.
    "DIDAN, both directions": variant(ida(BothDirections)),
    "DIDAN, label-aware codes": variant(ida(LabelAware)),
    "DIDAN, memory": variant(ida(LongMemory)),
    "DIDAN, log loss": (DIDAN[0], {"loss": "log_loss"}),
    "DIDAN, groups and classes": variant(ida(levels=[AROUSAL, range(5)])),
    "DIDAN, three layers": (DIDAN[0], {"network_params": WIDE, "align_on": ("fc1", "fc2", "fc3")}),
    # Labels of growing detail, and its parts.
    "LIDAN": LIDAN,
    "LIDAN, no labels": (LIDAN[0], {"label_weight": 0.0}),
    "LIDAN, own predictions": variant(lidan(SelfTraining), network_params=WIDE),
    "LIDAN, classes for groups": (LIDAN[0], {"groups": {}}),
    "LIDAN, valence": (LIDAN[0], {"groups": "valence"}),
    "LIDAN, narrow": (LIDAN[0], {"network_params": {"hidden": (128, 128, 64)}}),
    "MMD, three layers": (DAN[0], {"network_params": WIDE, "align_on": ("fc1", "fc2", "fc3")}),
    # How much the weights matter.
    "DIDAN, label weight 0.25": (DIDAN[0], {"label_weight": 0.25}),
    "DIDAN, label weight 1": (DIDAN[0], {"label_weight": 1.0}),
    "DIDAN, mean weight 1": (DIDAN[0], {"mean_weight": 1.0}),
    "DIDAN, mean weight 10": (DIDAN[0], {"mean_weight": 10.0}),
    "DIDAN, sparsity 0.05": (DIDAN[0], {"sparsity": 0.05}),
    "DIDAN, sparsity 0.2": (DIDAN[0], {"sparsity": 0.2}),
    "DIDAN, trade-off 0.3": (DIDAN[0], {"trade_off": 0.3}),
    "DIDAN, trade-off 3": (DIDAN[0], {"trade_off": 3.0}),
}

if __name__ == "__main__":
    cross_corpus.main(ROWS, ("DIDAN", "LIDAN"), __doc__, "ida_study", frames_per_step=2)
