"""Tables of cases for `peers.py`; each case is a method of a library with its parameters.

The first case of a table is the reference for the others. The names of the methods are those of
`peer_methods.py`. A sentence explains a result that differs from that of skdidan.
"""

from functools import partial
from typing import NamedTuple

from peer_agreement import (
    compare_accuracies,
    compare_components,
    compare_places,
    compare_up_to_sign,
    compare_values,
    compare_weights,
)

N_FEATURES = 88
GAMMA = 1 / N_FEATURES  # fixed in skada's TCA
WIDTHS = 0.25, 0.5, 1.0, 2.0, 4.0  # as in skdidan's MMD


class Case(NamedTuple):
    """A method of a library with its parameters, and why its result differs."""

    label: str
    library: str
    method: str
    params: dict
    why: str
    timed: bool


def case(library, method, note="", why="", timed=True, **params):
    """Make a case whose label joins the library and the note."""
    label = f"{library}, {note}" if note else library
    return Case(label, library, method, params, why, timed)


def tca_cases(mu):
    """Make the cases of TCA for all libraries; `mu` is that of the paper."""
    shared = {"n_components": 10, "gamma": GAMMA}
    ours = shared | {"name": "TCA", "kernel": "rbf", "mu": mu}
    adapt = ours | {"mu": 1 / mu}
    skada = {"name": "TransferComponentAnalysisAdapter", "n_components": 10, "mu": 1 / mu}
    exact = {"note": "eig for eigh", "timed": False, "exact": True}
    triangle = "eigh reads one triangle of (I + mu K L K)^-1 K H K, which is not symmetric."
    order = "Rows that it was fitted on come back source first, whatever their order was."
    shuffled = {**exact, "note": "eig for eigh, rows shuffled", "why": order, "shuffled": True}
    return [
        case("skdidan", "transformer", **ours),
        case("numpy", "TCA", "dense", **shared, mu=mu),
        case("skada", "transformer", why=triangle, **skada),
        case("adapt", "transformer", why=triangle, **adapt),
        case("skada", "transformer", **exact, **skada),
        case("adapt", "transformer", **exact, **adapt),
        case("skada", "transformer", **shuffled, **skada),
    ]


SA = [
    case("skdidan", "transformer", name="SubspaceAlignment", n_components=10),
    case("skada", "transformer", name="SubspaceAlignmentAdapter", n_components=10),
    case("adapt", "transformer", name="SA", n_components=10),
]
CORAL = [
    case("skdidan", "transformer", name="CorrelationAlignment", shrinkage=0.0),
    case("skada", "transformer", name="CORALAdapter", reg=0.0),
    case(
        "adapt",
        "transformer",
        why="It leaves the means alone, as the paper does.",
        name="CORAL",
        lambda_=0.0,
    ),
]
CORAL_WITHOUT_MEANS = [
    case("skdidan", "transformer", name="CorrelationAlignment", shrinkage=0.0, with_mean=False),
    case("adapt", "transformer", name="CORAL", lambda_=0.0),
]
CORAL_SHRUNK = [
    case("skdidan", "transformer", name="CorrelationAlignment"),
    case(
        "skada",
        "transformer",
        why="It shrinks the covariances of features that are scaled to unit variance before.",
        name="CORALAdapter",
    ),
]
KMM = [
    case("skdidan", "KMM", gamma=GAMMA),
    case(
        "skada",
        "KMM",
        why="Its Frank-Wolfe method ignores tol; a thousand steps end short of the minimum.",
        gamma=GAMMA,
    ),
    case("skada", "KMM", "20,000 steps", gamma=GAMMA, max_iter=20_000),
    case("adapt", "KMM", gamma=GAMMA),
]
KMM_BOUNDED = [
    case("skdidan", "KMM", gamma=GAMMA, max_weight=5.0),
    case("skada", "KMM", why="Its Frank-Wolfe method ignores the bound B.", gamma=GAMMA, B=5.0),
    case("adapt", "KMM", gamma=GAMMA, B=5.0),
]
CORAL_PENALTY = [
    case("skdidan", "penalty", name="CORAL"),
    case("skada", "penalty", name="deepcoral_loss"),
    case("adapt", "penalty", "in a step of training", timed=False, name="DeepCORAL"),
]
SQUARE = "Its Gaussian kernel takes the distance, not its square."
MMD_PENALTY = [
    case("skdidan", "penalty", name="MMD"),
    case("skada", "penalty", name="dan_loss", why=f"{SQUARE} It also has 33 widths, and not 5."),
    case("skada", "penalty", "same widths", SQUARE, name="dan_loss", widths=WIDTHS),
    case(
        "skada",
        "penalty",
        "same widths, squared",
        timed=False,
        name="dan_loss",
        widths=WIDTHS,
        squared=True,
    ),
]
SCHEDULE = "Weight and rate are constant there; in skdidan the one grows and the other ends low."
SOURCE_ONLY = case("skdidan", "network", "source only", name="SourceOnlyClassifier")
DEEP_CORAL = [
    case("skdidan", "network", name="DeepCORALClassifier"),
    case(
        "skdidan", "network", "constant weight and rate", name="DeepCORALClassifier", constant=True
    ),
    SOURCE_ONLY,
    case("skada", "network", why=SCHEDULE, name="DeepCoral", reg=100.0),
    case(
        "adapt",
        "network",
        why="Its encoder gets the gradient of the penalty alone, none from the labels.",
        name="DeepCORAL",
        lambda_=100.0,
    ),
    case("adapt", "network", "weight 0", "Nothing then moves it.", name="DeepCORAL", lambda_=0.0),
]
DAN = [
    case("skdidan", "network", name="DANClassifier"),
    case("skdidan", "network", "constant weight and rate", name="DANClassifier", constant=True),
    SOURCE_ONLY,
    case("skada", "network", why=f"{SQUARE} {SCHEDULE}", name="DAN"),
]
CONSTANT = "Its domain classifier ends in a softmax over one unit, which is 1 whatever comes in."
TWICE = "It adds the losses of the domains, of which skdidan takes the mean."
DANN_PENALTY = [
    case("skdidan", "penalty", name="DomainAdversary", hidden=[]),
    case("skada", "adversary", why=TWICE),
    case("skada", "adversary", "own domain classifier", CONSTANT, timed=False, own=True),
    case("adapt", "penalty", "in a step of training", TWICE, timed=False, name="DANN"),
]
DANN = [
    case("skdidan", "network", name="DANNClassifier"),
    case("skdidan", "network", "constant weight and rate", name="DANNClassifier", constant=True),
    SOURCE_ONLY,
    case("skada", "network", why=CONSTANT, name="DANN", reg=0.5, num_features=64),
    case("skada", "network", "weight 0", name="DANN", reg=0.0, num_features=64),
    case("skada", "network", "plain domain classifier", SCHEDULE, name="DANN", reg=0.5, plain=True),
    case("adapt", "network", why=SCHEDULE, name="DANN", lambda_=0.5),
]
TABLES = {
    "TCA, mu = 0.1": (partial(compare_components, mu=0.1, gamma=GAMMA), tca_cases(0.1)),
    "TCA, mu = 10": (partial(compare_components, mu=10.0, gamma=GAMMA), tca_cases(10.0)),
    "SA": (compare_up_to_sign, SA),
    "CORAL, no shrinkage": (compare_places, CORAL),
    "CORAL, no shrinkage, without means": (compare_places, CORAL_WITHOUT_MEANS),
    "CORAL, estimated shrinkage": (compare_places, CORAL_SHRUNK),
    "KMM": (partial(compare_weights, gamma=GAMMA), KMM),
    "KMM, weights up to 5": (partial(compare_weights, gamma=GAMMA), KMM_BOUNDED),
    "Penalty of DeepCORAL": (compare_values, CORAL_PENALTY),
    "Penalty of DAN": (compare_values, MMD_PENALTY),
    "Penalty of DANN": (compare_values, DANN_PENALTY),
    "DeepCORAL": (compare_accuracies, DEEP_CORAL),
    "DAN": (compare_accuracies, DAN),
    "DANN": (compare_accuracies, DANN),
}
LANDMARKS = case(
    "skdidan",
    "transformer",
    name="TCA",
    kernel="rbf",
    n_components=10,
    gamma=GAMMA,
    mu=0.1,
    n_landmarks=1000,
    random_state=0,
)
