"""All penalties on the difference between source and target: ``forward(source, target)``.

Each is a `torch.nn.Module` that maps features of shapes (n_source, n_features) and (n_target,
n_features) to a scalar, for use in any training loop.
"""

from __future__ import annotations

from skdidan.adversaries import ConditionalDomainAdversary, DomainAdversary
from skdidan.confusion import MCC
from skdidan.discrepancies import JMMD, LMMD, MMD
from skdidan.distances import CORAL, MeanDistance, Penalty
from skdidan.reconstruction import IDA

__all__ = ["PENALTIES"]

#: All penalties by their names in the training history and in the tests of their contract.
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
