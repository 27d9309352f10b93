"""Does a model remember the rows that it was trained on?

The attacker has the model and a person's row and guesses "was in the training
set" from how well the model fits it. The strength of the attack is the area
under its curve: 0.5 knows nothing, 1 knows every member.

Source: Yeom et al. (2018), Privacy Risk in Machine Learning, the attack by loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.core.messages import Message
from commonwatt.sandbox.airlock.checks import Stop

LIMIT: Final = 0.60
"""Strongest attack that may leave; an honest model on new rows scores near 0.5."""

_FEWEST: Final = 50
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How well members were told from others; `auc` is 0.5 for not at all."""

    auc: float
    members: int
    others: int


def attack_membership(
    probability: npt.ArrayLike, outcome: npt.ArrayLike, is_member: npt.ArrayLike
) -> Membership:
    """Return the strength of the loss attack on a model's predictions.

    Args:
        probability: The model's probability of outcome 1, one value a row.
        outcome: What happened, 0 or 1.
        is_member: Whether the row was in the training set.

    >>> attack_membership([0.9, 0.9, 0.6, 0.4], [1, 1, 1, 1], [1, 1, 0, 0]).auc
    1.0
    """
    p = np.clip(np.asarray(probability, dtype=float), 1e-12, 1 - 1e-12)
    y = np.asarray(outcome, dtype=float)
    member = np.asarray(is_member, dtype=bool)
    fit = y * np.log(p) + (1 - y) * np.log(1 - p)
    return Membership(
        auc=_auc(fit[member], fit[~member]),
        members=int(member.sum()),
        others=int((~member).sum()),
    )


def check_membership(found: Membership, *, limit: float = LIMIT) -> list[Stop]:
    """Return why the model may not leave, if so.

    Too few rows to tell is a reason as well.
    """
    if min(found.members, found.others) < _FEWEST:
        return [Stop("membership", Message("Too few rows to test what the model remembers."))]
    # An unlucky split moves the area by chance; two standard errors are allowed for.
    spread = 2 * float(np.sqrt(1 / (12 * found.members) + 1 / (12 * found.others)))
    if found.auc <= limit + spread:
        return []
    return [
        Stop(
            "membership",
            Message(
                "The model tells its training rows from others (area {auc}, limit {limit}).",
                {"auc": f"{found.auc:.2f}", "limit": f"{limit:.2f}"},
            ),
        )
    ]


def _auc(members: Floats, others: Floats) -> float:
    """Return the chance that a member fits better than another row, ties half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, side="left")
    ties = np.searchsorted(ordered, members, side="right") - below
    return float((below + 0.5 * ties).mean() / len(others)) if len(others) and len(members) else 0.5
