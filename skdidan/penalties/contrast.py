"""Supervised contrast: rows of one class attract each other, all others repel."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["supervised_contrast"]


def supervised_contrast(rows: Tensor, aside: Tensor, members: Tensor, temperature: float) -> Tensor:
    r"""Return the supervised contrast of the rows that are members of a class.

    .. math:: -\frac1n \sum_i \frac{1}{|A_i|} \sum_{a \in A_i}
              \log \frac{\exp(f_i \cdot f_a / \tau)}
              {\sum_{b \ne i} \exp(f_i \cdot f_b / \tau) + \sum_j \exp(f_i \cdot c_j / \tau)}

    :math:`A_i` are the other members of the class of :math:`i`. The mean is over the :math:`n` rows
    with such a partner; without any, the result is 0. The loss is that of Khosla et al. (2020),
    arXiv:2004.11362.

    Parameters
    ----------
    rows : Tensor, shape (n_samples, n_features)
        Rows :math:`f` of length one.
    aside : Tensor, shape (n_aside, n_features)
        Further negatives :math:`c` of length one, of which there may be none.
    members : Tensor, shape (n_samples, n_classes)
        One-hot labels; zeros for rows without a label, which are left out.
    temperature : float > 0
        Temperature :math:`\tau`.

    Examples
    --------
    >>> rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> members = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> round(float(supervised_contrast(rows, rows[:0], members, 1.0)), 3)  # log(1 + 1 / e)
    0.313
    """
    is_member = members.sum(dim=1) > 0
    rows, members = rows[is_member], members[is_member]
    near = rows @ rows.T / temperature
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    others = torch.cat([near.masked_fill(itself, -torch.inf), rows @ aside.T / temperature], dim=1)
    partners = (members @ members.T).masked_fill(itself, 0)
    counts = partners.sum(dim=1)
    has_partner = counts > 0
    if not bool(has_partner.any()):
        return rows.sum() * 0
    losses = others[has_partner].logsumexp(dim=1, keepdim=True) - near[has_partner]
    return ((partners[has_partner] * losses).sum(dim=1) / counts[has_partner]).mean()
