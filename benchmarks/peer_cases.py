"""What `peers.py` compares: tables of cases, each a method of a library with its parameters.

The first case of a table is what the others are compared with. The names of methods are those of
`peer_methods.py`. A sentence says why an answer is another one than that of skdidan.
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
GAMMA = 1 / N_FEATURES  # which skada's TCA always takes
WIDTHS = 0.25, 0.5, 1.0, 2.0, 4.0  # those of skdidan's MMD


class Case(NamedTuple):
    """A method of a library with its parameters, and why its answer is another one."""

    label: str
    library: str
    method: str
    params: dict
    why: str
    timed: bool


def case(library, method, note="", why="", timed=True, **params):
    """Make a case, called after its library and the note."""
    label = f"{library}, {note}" if note else library
    return Case(label, library, method, params, why, timed)


def tca_cases(mu):
    """TCA of all libraries, `mu` as in the paper."""
    shared = {"n_components": 10, "gamma": GAMMA}
    ours = shared | {"name": "TCA", "kernel": "rbf", "mu": mu}
    adapt = ours | {"mu": 1 / mu}
    skada = {"name": "TransferComponentAnalysisAdapter", "n_components": 10, "mu": 1 / mu}
    exact = {"note": "eig for eigh", "timed": False, "exact": True}
    half = "eigh reads half of (I + mu K L K)^-1 K H K, which is not symmetric."
    order = "Rows that it was fitted on come back source first, whatever their order was."
    shuffled = {**exact, "note": "eig for eigh, rows shuffled", "why": order, "shuffled": True}
    return [
        case("skdidan", "transformer", **ours),
        case("numpy", "TCA", "dense", **shared, mu=mu),
        case("skada", "transformer", why=half, **skada),
        case("adapt", "transformer", why=half, **adapt),
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
        why="Its Frank-Wolfe method does not look at tol and stops after max_iter steps.",
        gamma=GAMMA,
    ),
    case("skada", "KMM", "20,000 steps", gamma=GAMMA, max_iter=20_000),
    case("adapt", "KMM", gamma=GAMMA),
]
KMM_BOUNDED = [
    case("skdidan", "KMM", gamma=GAMMA, max_weight=5.0),
    case("skada", "KMM", why="Its Frank-Wolfe method does not look at B.", gamma=GAMMA, B=5.0),
    case("adapt", "KMM", gamma=GAMMA, B=5.0),
]
CORAL_PENALTY = [
    case("skdidan", "penalty", name="CORAL"),
    case("skada", "CORAL"),
    case("adapt", "CORAL", "in a step of training", timed=False),
]
SQUARE = "Its Gaussian kernel takes the distance, not its square."
MMD_PENALTY = [
    case("skdidan", "penalty", name="MMD"),
    case("skada", "MMD", why=f"{SQUARE} It also has 33 widths, and not 5."),
    case("skada", "MMD", "same widths", SQUARE, widths=WIDTHS),
    case("skada", "MMD", "same widths, squared", timed=False, widths=WIDTHS, squared=True),
]
SCHEDULE = "Same penalty; skdidan raises its weight slowly and lowers the rate at the end."
DEEP_CORAL = [
    case("skdidan", "network", name="DeepCORALClassifier"),
    case("skdidan", "network", "source only", name="SourceOnlyClassifier"),
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
    case("skada", "network", why=SQUARE, name="DAN"),
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
    "DeepCORAL": (compare_accuracies, DEEP_CORAL),
    "DAN": (compare_accuracies, DAN),
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
