"""Study implicit distribution alignment: earlier findings, leads and ablations, one at a time.

Cells, networks, schedule and batches are those of ``cross_corpus.py``. The log-mel spectrograms are
averaged over pairs of frames, which halves the time. docs/research/ida.rst explains the results::

    OMP_NUM_THREADS=1 python benchmarks/ida_study.py --corpora DIR --seeds 5 --jobs 2 --bf16
"""

from functools import partial

import cross_corpus
import torch

from skdidan import (
    IDA,
    MMD,
    AdaptationClassifier,
    DIDANClassifier,
    MeanDistance,
    PenaltyTerm,
    sparse_codes,
)
from skdidan.penalties.base import Penalty, normalise_rows
from skdidan.penalties.reconstruction import _directions, _label_error, _sharpened_error

#: Level 1: high (0) or low (1) arousal of anger, fear, happiness, neutral, sadness. Level 2: these.
LEVELS = [[0, 0, 0, 1, 1], [0, 1, 2, 3, 4]]


class Naive(Penalty):
    """Reconstruct target rows from source rows, neither centred nor scaled."""

    def _penalise(self, source, target):
        codes = sparse_codes(source, target, 0.1, tol=0.1)
        return (target - codes @ source).square().sum(dim=1).mean()


class BothDirections(IDA):
    """IDA that also reconstructs the source from the target."""

    def terms(self, source, target, labels=None, predictions=None):
        """Average both reconstructions of features; reconstruct labels in one direction only."""
        terms = super().terms(source, target, labels, predictions)
        back = IDA(self.sparsity, mean_weight=0, label_weight=0)(target, source)
        return {**terms, "features": (terms["features"] + back) / 2}


class SelfTraining(IDA):
    """IDA with the network's own sharpened predictions in place of the reconstructed labels."""

    def terms(self, source, target, labels=None, predictions=None):
        """Sharpen the predictions in the same way as IDA sharpens the evidence of the codes."""
        terms = super().terms(source, target, labels, predictions)
        if "labels" in terms:
            merged = self._at_levels(predictions)
            error = _sharpened_error(merged.detach().clamp_min(0), merged)
            terms["labels"] = self.label_weight * error
        return terms


class LongMemory(IDA):
    """IDA that reconstructs labels from the source rows of the last four batches."""

    def __init__(self, **params):
        super().__init__(**params)
        self.batches = []

    def terms(self, source, target, labels=None, predictions=None):
        """Solve a second time for the labels, with the larger dictionary."""
        terms = super().terms(source, target, labels, predictions)
        self.batches = [*self.batches[-3:], (source.detach(), labels)]
        memory, known = (torch.cat(parts) for parts in zip(*self.batches, strict=True))
        long = IDA(self.sparsity, mean_weight=0, label_weight=self.label_weight)
        rebuilt = long.terms(memory, target.detach(), known, predictions)
        return {**terms, "labels": rebuilt["labels"]}


class LabelAware(IDA):
    """IDA with up to three times the penalty weight for rows of improbable classes."""

    def terms(self, source, target, labels=None, predictions=None):
        """Solve with a penalty weight for each pair of rows."""
        atoms, rows = _directions(source), _directions(target)
        positive = predictions.detach().clamp_min(0)
        undecided = positive.amax(dim=1, keepdim=True) == 0
        probable = normalise_rows(torch.where(undecided, 1.0, positive))
        price = self.sparsity * (1 + 2 * (1 - probable @ labels.T.to(probable)))
        codes = sparse_codes(atoms, rows, price, tol=self.tol)
        error = _label_error(codes, labels.to(atoms), predictions)
        return {  # the penalty weights have no gradient
            "features": (rows - codes @ atoms).square().sum(dim=1).mean(),
            "labels": self.label_weight * error,
        }


class Variant(AdaptationClassifier):
    """Classifier with the penalties that its class attribute `terms` makes anew for each fit."""

    terms = staticmethod(dict)

    def _penalty_terms(self, classes):
        return self.terms()


def variant(terms, params=None, **recipe):
    """Make a row of the study from a function that makes penalties, and parameters.

    Variants of DIDAN and LIDAN have their trade-off; a single penalty has that of the others, 1.
    """
    trade_off = {} if terms is single else {"trade_off": DIDANClassifier().trade_off}
    members = {
        "terms": staticmethod(partial(terms, **recipe)),
        "recipe": {"terms": terms.__name__}
        | {name: getattr(value, "__name__", value) for name, value in recipe.items()},
    }
    return type("StudiedClassifier", (Variant,), members), {**trade_off, **(params or {})}


def ida(penalty=IDA, local=True, means=3.0, moments=MeanDistance, **params):
    """Return the terms of DIDAN or of a variant."""
    params = {"mean_weight": 0, "levels": LEVELS, **params}
    terms = {"ida": PenaltyTerm(penalty(**params), local=local)}
    if means:
        terms["means"] = PenaltyTerm(moments(), weight=means)
    return terms


def lidan(penalty):
    """Return the terms of LIDAN or of a variant."""
    terms = {}
    for layer, levels in enumerate((None, LEVELS[:1], LEVELS), 1):
        term = penalty(mean_weight=0, label_weight=1.5 if levels else 0, levels=levels)
        on = f"fc{layer}"
        terms[f"ida_{on}"] = PenaltyTerm(term, 1 / 3, on=on, local=True)
        terms[f"means_{on}"] = PenaltyTerm(MeanDistance(), 1.0, on=on)
    return terms


def single(penalty, weight=1.0):
    """Return one penalty with its full gradient as the only term."""
    return {"penalty": PenaltyTerm(penalty(), weight)}


DAN, DIDAN, LIDAN = (cross_corpus.METHODS[name] for name in ("DAN 1.0", "DIDAN", "LIDAN"))
THREE = {"network_params": {"hidden": (128, 128, 128)}, "align_on": ("fc1", "fc2", "fc3")}
NO_LABELS, CLASSES = {"label_weight": 0}, {"levels": None}
ROWS = {
    # Earlier findings.
    "no penalty": cross_corpus.METHODS["source only, target in the batch"],
    "MMD": DAN,
    "CORAL": cross_corpus.METHODS["DeepCORAL 1.0"],
    "means alone": variant(single, penalty=MeanDistance, weight=3.0),
    "IDA raw": variant(single, penalty=Naive),
    "IDA, all gradients, means": variant(ida, local=False, **NO_LABELS),
    "IDA, local, means": variant(ida, **NO_LABELS),
    "IDA, local, no means": variant(ida, means=0, **NO_LABELS),
    # DIDAN and its parts.
    "DIDAN": DIDAN,
    "DIDAN, all gradients": variant(ida, local=False),
    "DIDAN without features": variant(ida, feature_weight=0),
    "DIDAN without means": variant(ida, means=0),
    "DIDAN without groups": (DIDAN[0], {"emotion_groups": None}),
    "DIDAN, own predictions": variant(ida, penalty=SelfTraining),
    "DIDAN without reconstruction": variant(ida, penalty=SelfTraining, feature_weight=0),
    "MMD and labels only": variant(ida, feature_weight=0, means=1.0, moments=MMD),
    # Leads.
    "DIDAN, MMD for means": variant(ida, means=1.0, moments=MMD),
    "DIDAN, both directions": variant(ida, penalty=BothDirections),
    "DIDAN, label-aware codes": variant(ida, penalty=LabelAware, label_weight=0.5, **CLASSES),
    "DIDAN, memory": variant(ida, penalty=LongMemory, label_weight=0.5, **CLASSES),
    "DIDAN, log loss": (DIDAN[0], {"loss": "log_loss"}),
    "DIDAN, valence": (DIDAN[0], {"emotion_groups": "valence"}),
    "DIDAN, three layers": (DIDAN[0], THREE),
    # LIDAN (labels of growing detail) and its parts.
    "LIDAN": LIDAN,
    "LIDAN, no labels": (LIDAN[0], NO_LABELS),
    "LIDAN, own predictions": variant(
        lidan, {"network_params": THREE["network_params"]}, penalty=SelfTraining
    ),
    "LIDAN without groups": (LIDAN[0], {"emotion_groups": None}),
    "MMD, three layers": (DAN[0], THREE),
    # Sensitivity to the parameters.
    "DIDAN, label weight 0.5": (DIDAN[0], {"label_weight": 0.5}),
    "DIDAN, label weight 2": (DIDAN[0], {"label_weight": 2.0}),
    "DIDAN, mean weight 1": (DIDAN[0], {"mean_weight": 1.0}),
    "DIDAN, mean weight 10": (DIDAN[0], {"mean_weight": 10.0}),
    "DIDAN, sparsity 0.05": (DIDAN[0], {"sparsity": 0.05}),
    "DIDAN, sparsity 0.2": (DIDAN[0], {"sparsity": 0.2}),
    "DIDAN, trade-off 1": (DIDAN[0], {"trade_off": 1.0}),
    "DIDAN, trade-off 3": (DIDAN[0], {"trade_off": 3.0}),
}

if __name__ == "__main__":
    defaults = {"tasks": ["B→C", "C→B"], "frames_per_step": 2}  # those of LEVELS, at half the time
    cross_corpus.main(ROWS, ("DIDAN", "LIDAN"), list(ROWS), __doc__, "ida_study", **defaults)
