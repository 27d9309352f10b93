"""Does a model remember the rows that it was trained on?

The attacker has the model and a person's row and guesses "was in the training
set" from what the model says of it. The strength of an attack is the area under
its curve: 0.5 knows nothing, 1 knows every member. Three attackers try: one
judges by how well the model fits a row, one learns from half of the people what
members look like, one looks for trees whose leaves hold a few people.

Sources: Yeom et al. (2018), Privacy Risk in Machine Learning, the attack by
loss; Shokri et al. (2017), Membership Inference Attacks, for an attacker who
learns; Carlini et al. (2022), Membership Inference Attacks From First
Principles, for counting members found at few false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.core.messages import Message
from commonwatt.core.seeds import named_random_stream
from commonwatt.sandbox.engines.airlock.checks import StopReason
from commonwatt.sandbox.engines.airlock.models import OutputModel, TreeEnsemble
from commonwatt.sandbox.engines.airlock.training import TrainingRows

AUC_LIMIT: Final = 0.60
"""Strongest attack that may leave; an honest model on new rows scores near 0.5."""
FALSE_ALARMS: Final = 0.05
MOST_FOUND_SHARE: Final = 0.20
"""Most members who may be found at that rate of false alarms; chance finds 0.05."""
SMALLEST_LEAF: Final = 8

_FEWEST: Final = 50
_BINS: Final = 8
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipResult:
    """How well members were told from others; `auc` is 0.5 for not at all.

    Args:
        auc: Of the better attacker.
        found_share: Members found at a twentieth of false alarms.
        members: Rows that the model learned from.
        others: Rows kept back.
    """

    auc: float
    found_share: float
    members: int
    others: int


def attack_membership(
    probability: npt.ArrayLike, outcome: npt.ArrayLike, is_member: npt.ArrayLike
) -> MembershipResult:
    """Return the strength of the loss attack on a model's predictions.

    Args:
        probability: The model's probability of outcome 1, one value a row.
        outcome: What happened, 0 or 1.
        is_member: Whether the row was in the training set.

    >>> attack_membership([0.9, 0.9, 0.6, 0.4], [1, 1, 1, 1], [1, 1, 0, 0]).auc
    1.0
    """
    member = np.asarray(is_member, dtype=bool)
    p, y = np.asarray(probability, dtype=float), np.asarray(outcome, dtype=float)
    return _membership_attack_result(_membership_outcome_log_likelihood(p, y), member)


def strongest_membership_attack_on_model(
    model: OutputModel, rows: TrainingRows
) -> MembershipResult:
    """Return the strength of the better of both attackers on a model."""
    p = model.predict(rows.x)
    is_chance = bool(np.isin(rows.y, (0.0, 1.0)).all())
    fit = _membership_outcome_log_likelihood(p, rows.y) if is_chance else -((rows.y - p) ** 2)
    by_fit = _membership_attack_result(fit, rows.is_member)
    # The learning attacker needs people on both sides to learn from.
    if min(by_fit.members, by_fit.others) < _FEWEST:
        return by_fit
    learned = _membership_attack_result(
        _learned_membership_log_odds(p, rows.y, rows.is_member), rows.is_member
    )
    # The stronger one decides: a model is as safe as its worst attack.
    return max(by_fit, learned, key=lambda attack: attack.auc)


def membership_attack_stop_reasons(
    result: MembershipResult, *, limit: float = AUC_LIMIT
) -> list[StopReason]:
    """Return why the model may not leave, if so.

    Too few rows to tell is a reason as well.
    """
    if min(result.members, result.others) < _FEWEST:
        return [StopReason("membership", Message("Too few rows to test what the model remembers."))]
    # An unlucky split moves the area by chance; two standard errors are allowed for.
    spread = 2 * float(np.sqrt(1 / (12 * result.members) + 1 / (12 * result.others)))
    stops: list[StopReason] = []
    if result.auc > limit + spread:
        why = Message(
            "The model tells its training rows from others (area {auc}, limit {limit}).",
            {"auc": f"{result.auc:.2f}", "limit": f"{limit:.2f}"},
        )
        stops.append(StopReason("membership", why))
    if result.found_share > MOST_FOUND_SHARE + 2 * spread:
        why = Message(
            "{share} of its training rows are found with one false alarm in twenty.",
            {"share": f"{result.found_share:.0%}"},
        )
        stops.append(StopReason("membership", why))
    return stops


def small_tree_leaf_stop_reasons(
    model: OutputModel, rows: TrainingRows, *, smallest: int = SMALLEST_LEAF
) -> list[StopReason]:
    """Return a stop if a leaf of a tree holds some training people but too few.

    What such a leaf says is about them, however well the model behaves elsewhere.
    """
    if not isinstance(model.body, TreeEnsemble):
        return []
    x = model.scaled_features(rows.x[rows.is_member])
    few = 0
    for tree in model.body.trees:
        people = np.bincount(tree.decision_tree_leaf_index_by_row(x), minlength=len(tree.feature))
        few += int(((people > 0) & (people < smallest)).sum())
    if not few:
        return []
    why = Message(
        "{n} leaves of its trees hold fewer than {limit} training people.",
        {"n": str(few), "limit": str(smallest)},
    )
    return [StopReason("leaves", why)]


def linear_model_degrees_of_freedom_stop_reasons(
    model: OutputModel, rows: TrainingRows, *, fewest: int = 10
) -> list[StopReason]:
    """Return a stop if a linear model has hardly more people than weights."""
    weights = len(model.features) + 1
    members = int(rows.is_member.sum())
    if isinstance(model.body, TreeEnsemble) or members - weights >= fewest:
        return []
    why = Message("A model has fewer than {n} residual degrees.", {"n": str(fewest)})
    return [StopReason("degrees of freedom", why)]


def _membership_outcome_log_likelihood(p: Floats, y: Floats) -> Floats:
    # A model may be certain, and the logarithm of nothing is not a score.
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return y * np.log(p) + (1 - y) * np.log(1 - p)


def _membership_attack_result(score: Floats, member: Flags) -> MembershipResult:
    members, others = score[member], score[~member]
    return MembershipResult(
        auc=_membership_auc(members, others),
        found_share=_membership_attack_true_positive_share(members, others),
        members=len(members),
        others=len(others),
    )


def _learned_membership_log_odds(p: Floats, y: Floats, member: Flags) -> Floats:
    """Return log odds of membership, learned on one half of the people for the other.

    Prediction and outcome are cut into cells; a cell's odds are those of the half
    that is learned from, so a model that says odd things of members in any
    direction is caught, not only one that fits them well.
    """
    cell = _membership_quantile_bins(p) * _BINS + _membership_quantile_bins(y)
    # Learned on one half and tried on the other, since an attacker scored on its own lessons
    # would always look strong.
    half = named_random_stream(0, "membership halves").permutation(len(p)) % 2 == 0
    score = np.zeros(len(p))
    for learns in (half, ~half):
        # One is added to each cell (Laplace): an empty one must not have infinite odds.
        inside = np.bincount(cell[learns & member], minlength=_BINS * _BINS) + 1.0
        outside = np.bincount(cell[learns & ~member], minlength=_BINS * _BINS) + 1.0
        odds = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
        score[~learns] = odds[cell[~learns]]
    return score


def _membership_quantile_bins(values: Floats) -> npt.NDArray[np.int64]:
    # Quantiles, so that every cell has people in it; equal edges fall together where predictions
    # repeat.
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def _membership_auc(members: Floats, others: Floats) -> float:
    """Return the chance that a member fits better than another row, ties half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, side="left")
    ties = np.searchsorted(ordered, members, side="right") - below
    return float((below + 0.5 * ties).mean() / len(others)) if len(others) and len(members) else 0.5


def _membership_attack_true_positive_share(members: Floats, others: Floats) -> float:
    """Return the share of members above the score that few others exceed."""
    if not len(members) or not len(others):
        return 0.0
    # The next score above, so that ties never raise the false alarms beyond the stated rate.
    threshold = np.quantile(others, 1 - FALSE_ALARMS, method="higher")
    return float((members > threshold).mean())
