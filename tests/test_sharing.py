"""Batches that two processes share: the same weights as in one process."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from skdidan import share_batches

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import numpy as np
import torch
from skdidan import CDANClassifier, DANClassifier, DANNClassifier, DIDANClassifier
from skdidan import SHOTClassifier, share_batches
from skdidan.neural.networks import MLP

rank, folder, n_processes = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if n_processes > 1:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=n_processes
    )
rng = np.random.default_rng(0)
X, X_tgt = rng.normal(size=(2, 37, 8, 16)).astype(np.float32)
y = np.arange(37) % 3
X += y[:, None, None] / 3
calls = []


def count(module, inputs, outputs):
    if isinstance(module, MLP) and module.training:
        calls.append(len(inputs[0]))


torch.nn.modules.module.register_module_forward_hook(count)
settings = {"max_epochs": 2, "batch_size": 13, "n_networks": 1}
models = {
    "didan": DIDANClassifier(random_state=0, **settings),
    "cdan": CDANClassifier(random_state=0, **settings),
    "shot": SHOTClassifier(random_state=0, **settings),
    "cnn": DANClassifier(random_state=None if n_processes > 1 else 0, network="cnn", **settings),
}
found = {}
for name, model in models.items():
    rows, others = (X, X_tgt) if name == "cnn" else (X[:, 0], X_tgt[:, 0])
    if n_processes > 1:
        with share_batches():
            model.fit(rows, y, others)
    else:
        model.fit(rows, y, others)
    for key, value in model.net_.module_.state_dict().items():
        found[f"{name} {key}"] = value.numpy()
    if rank == 0:  # predictions wait for nobody
        assert np.isfinite(model.predict_proba(others)).all()
found["calls"] = np.array(calls)
if n_processes > 1:

    def keep(name, model):
        parts = dict(model.net_.module_.named_parameters())
        for place, penalty in enumerate(getattr(model.net_, "penalties_", [])):
            parts |= {f"penalty {place} {key}": p for key, p in penalty.named_parameters()}
        for key, value in parts.items():
            found[f"{name} {key}"] = value.detach().numpy()

    # What the processes have drawn before differs: another start, another seed of a fit, and
    # another number of segments of padded rows before an adversary draws its weights.
    warm = DIDANClassifier(random_state=rank, **settings).fit(X[:, 0], y, X_tgt[:, 0])
    free = SHOTClassifier(random_state=rank, **settings).fit(X[:, 0], y)
    padded = X.copy()
    padded[1::2, :, 9:] = np.nan
    nested = DANNClassifier(random_state=0, network="nested_transformer", **settings)
    with share_batches():
        keep("warm", warm.set_params(warm_start=True).fit(X[:, 0], y, X_tgt[:, 0]))
        keep("adapted", free.adapt(X_tgt[:, 0]))
        keep("nested", nested.fit(padded, y, X_tgt))
        for place, wrong in enumerate([(X[:, 0] + rank, y), (X[rank:, 0], y[rank:])]):
            try:
                models["didan"].fit(*wrong, X_tgt[:, 0])
            except ValueError as error:
                found[f"error{place}"] = np.array(str(error))
np.savez(f"{folder}/{n_processes}-{rank}.npz", **found)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Weights after the fits of a single process, and of each of two."""
    folder = tmp_path_factory.mktemp("shared")
    runs = [(0, 1), (0, 2), (1, 2)]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(rank), str(folder), str(n_processes)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, n_processes in runs
    ]
    errors = [process.communicate(timeout=300)[1] for process in started]
    assert all(process.returncode == 0 for process in started), errors
    return [dict(np.load(folder / f"{n_processes}-{rank}.npz")) for rank, n_processes in runs]


@pytest.mark.parametrize("name", ["didan", "cdan", "shot"])
def test_two_processes_train_the_network_of_one(name, results):
    """Also with dropout, an adversary and sparse codes; only sums are in another order."""
    alone, *shared = ({k: v for k, v in found.items() if k.startswith(name)} for found in results)
    for found in shared:
        for key, expected in alone.items():
            np.testing.assert_allclose(found[key], expected, atol=2e-5, err_msg=key)


def test_all_processes_end_with_the_same_weights(results):
    """Also without a seed, with batch normalisation, and from another start in each process."""
    _, first, second = results
    assert first.keys() == second.keys()
    for key in set(first) - {"calls"}:
        np.testing.assert_array_equal(first[key], second[key], err_msg=key)
    assert first["cnn encoder.1.running_var"].std() > 0


def test_each_process_computes_its_part(results):
    alone, *shared = (found["calls"] for found in results)
    np.testing.assert_array_equal(shared[0] + shared[1], alone)
    assert max(shared[0] - shared[1]) <= 1


def test_other_data_in_a_process_are_an_error(results):
    for found in results[1:]:
        for place, fact in enumerate(["data", "shapes"]):
            message = str(found[f"error{place}"])
            assert message.startswith(f"share_batches needs the same {fact} in all processes, but")


def test_without_processes_it_says_how_to_start_them():
    assert not torch.distributed.is_initialized()
    with pytest.raises(RuntimeError, match="start the script with torchrun"), share_batches():
        pass
