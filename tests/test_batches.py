"""Paired batches: how often each row is used, and the sizes of the batches."""

import numpy as np
import pytest
import torch

from skdidan.neural.batches import PairedBatches


def batches(n_source, n_target, batch_size, seed=0):
    target = None if n_target is None else torch.arange(n_target) + 1000
    source = torch.arange(n_source)
    return PairedBatches(source, target, source * 10, batch_size, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("n_source", "n_target", "batch_size"),
    [(10, 10, 4), (1000, 30, 64), (5, 200, 7), (3, 2, 64)],
)
def test_an_epoch_uses_each_row_of_the_larger_domain_once(n_source, n_target, batch_size):
    loader = batches(n_source, n_target, batch_size)
    for _ in range(3):
        epoch = list(loader)
        assert len(epoch) == len(loader) == -(-max(n_source, n_target) // batch_size)
        largest = torch.cat([b.source if n_source >= n_target else b.target for b in epoch])
        assert len(largest) == len(largest.unique()) == max(n_source, n_target)


def test_batch_sizes_differ_by_one_at_most():
    sizes = [len(batch.source) for batch in batches(130, 20, 64)]
    assert sorted(sizes) == [43, 43, 44]


@pytest.mark.parametrize("n_target", [3, 50, 64])
def test_no_batch_holds_a_row_twice_and_all_rows_are_used_equally_often(n_target):
    """Orders of the smaller domain are joined in the middle of a batch."""
    loader = batches(200, n_target, 64)
    counts = torch.zeros(n_target)
    for _ in range(6):
        for batch in loader:
            rows = batch.target - 1000
            assert len(rows) == min(len(batch.source), n_target) == len(rows.unique())
            counts[rows] += 1
    assert counts.max() - counts.min() <= 1


def test_class_indices_stay_with_their_rows():
    for batch in batches(50, 20, 8):
        assert torch.equal(batch.y_idx, batch.source * 10)


def test_orders_differ_between_epochs_but_not_for_equal_seeds():
    loader, again = batches(40, 40, 8, seed=3), batches(40, 40, 8, seed=3)
    first, second = list(loader), list(loader)
    assert not torch.equal(first[0].source, second[0].source)
    for batch, same in zip(first, again, strict=True):
        assert torch.equal(batch.source, same.source)
        assert torch.equal(batch.target, same.target)


def test_without_a_target_batches_hold_only_the_source():
    epoch = list(batches(10, None, 4))
    assert [len(batch.target) for batch in epoch] == [0, 0, 0]
    assert sum(len(batch.source) for batch in epoch) == 10
