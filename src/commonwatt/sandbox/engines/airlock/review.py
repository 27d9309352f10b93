"""What the project's own side finds in an output, knowing the rows behind it.

`airlock` looks at bytes; this looks at them beside the data. Counts are counted
again and compared with everything that ever left; models are asked whether they
know their own people from those whom the project kept back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import commonwatt.sandbox.engines.airlock.membership as membership
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.airlock.checks import OutputRules, StopReason, output_stop_reasons
from commonwatt.sandbox.engines.airlock.cohort import (
    Cohort,
    people_ids_by_cohort_cell,
    wrong_cohort_count_stop_reasons,
)
from commonwatt.sandbox.engines.airlock.differencing import DifferencingCheck
from commonwatt.sandbox.engines.airlock.models import parse_output_model
from commonwatt.sandbox.engines.airlock.tables import LabelledCount, labelled_counts
from commonwatt.sandbox.engines.airlock.training import (
    ProjectTrainingDeclaration,
    project_training_table,
    split_training_rows,
)
from commonwatt.sandbox.engines.isolation.collect import CollectedOutput
from commonwatt.sandbox.io.imports.dataset import Dataset

Cells = dict[str, list[str]]
"""People by the name of a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputProvenance:
    """What stands behind a job's outputs.

    Args:
        dataset: What it read.
        cohorts: Declared people, by output, or by `output:column` where it has several counts.
        training: Declared training rows, if it makes a model.
        opted_out: People who opted out.
        held_out: People whom the project kept back from a job that makes a model.
    """

    dataset: Dataset
    cohorts: Mapping[str, Cohort] = field(default_factory=dict[str, Cohort])
    training: ProjectTrainingDeclaration | None = None
    opted_out: frozenset[str] = frozenset()
    held_out: frozenset[str] = frozenset()

    @property
    def unseen_people(self) -> frozenset[str]:
        """Return the people whose rows the job did not see."""
        return self.opted_out | self.held_out


@dataclass(slots=True)
class OutputAssessment:
    """Every reason to stop an output, the people whom it counts, and the model that it is."""

    stops: list[StopReason]
    cells: Cells = field(default_factory=dict[str, list[str]])
    trained_on: frozenset[str] = frozenset()
    attack_auc: float | None = None


def assess_output(
    output: CollectedOutput, provenance: OutputProvenance, released: Mapping[str, list[str]]
) -> OutputAssessment:
    """Return what is to be said of an output.

    Args:
        output: Collected bytes.
        provenance: The data and declarations behind them.
        released: People by cell of everything that left the project before.
    """
    rules = OutputRules()
    assessment = OutputAssessment(output_stop_reasons(output, rules))
    data = output.path.read_bytes()
    # A file that is no model of the form cannot be asked anything.
    if output.kind is OutputKind.MODEL and not assessment.stops:
        _attack_output_model_into_assessment(data, provenance, assessment)
    if output.kind in (OutputKind.CSV, OutputKind.JSON):
        _recount_declared_cells_into_assessment(output, data, provenance, assessment, rules)
        assessment.stops += output_differencing_stop_reasons(assessment.cells, released)
    return assessment


def output_differencing_stop_reasons(
    cells: Mapping[str, list[str]], released: Mapping[str, list[str]]
) -> list[StopReason]:
    """Return a stop if `cells` and what was released tell about too few people."""
    if not cells:
        return []
    # Only people who stand in some cell: all others are zero in every set and would only make the
    # bits longer.
    everyone = {p for people in (*released.values(), *cells.values()) for p in people}
    differencing = DifferencingCheck(sorted(everyone))
    differencing.add_released_differencing_cells(
        {name: differencing.people_bits(people) for name, people in released.items()}
    )
    pairs = differencing.identifying_differencing_cell_pairs(
        {name: differencing.people_bits(people) for name, people in cells.items()}
    )
    if not pairs:
        return []
    why = Message(
        "Compared with what is released, {n} combinations of cells tell of too few people.",
        {"n": str(len(pairs))},
    )
    return [StopReason("differencing", why)]


def _recount_declared_cells_into_assessment(
    output: CollectedOutput,
    data: bytes,
    provenance: OutputProvenance,
    assessment: OutputAssessment,
    rules: OutputRules,
) -> None:
    """Count every declared cell again; a count that nobody declared is a reason to stop."""
    columns = labelled_counts(data, output.kind)
    for column in columns:
        # One column needs no name of its own, which is how most tables look.
        name = output.name if len(columns) == 1 else f"{output.name}:{column}"
        cohort = provenance.cohorts.get(name)
        if cohort is None:
            why = Message(
                "It counts people, and no cohort says which; the differencing check cannot compare."
            )
            assessment.stops.append(StopReason("declaration", why))
            continue
        shown_counts = _shown_counts_by_cell_label_or_none(columns[column], cohort.by)
        if shown_counts is None:
            why = Message("The table lacks a column by which its cohort is split.")
            assessment.stops.append(StopReason("declaration", why))
            continue
        # The declaration is counted again on the rows that the job saw; its own word for it is
        # not taken.
        people = _seen_people_by_cell(provenance, cohort)
        assessment.stops += wrong_cohort_count_stop_reasons(
            shown_counts, people, round_to=rules.round_to
        )
        # A cell that is withheld or zero is no equation; the others are.
        assessment.cells |= {
            "|".join((name, *label)): people[label]
            for label, value in shown_counts.items()
            if value and label in people
        }


def _shown_counts_by_cell_label_or_none(
    counts: list[LabelledCount], by: tuple[str, ...]
) -> dict[tuple[str, ...], float] | None:
    """Return shown counts by the labels of their cells, or None if a label is missing."""
    counts_by_label: dict[tuple[str, ...], float] = {}
    for count in counts:
        label = count.output_count_cell_label_or_none(by)
        if label is None:
            return None
        counts_by_label[label] = count.value
    return counts_by_label


def _seen_people_by_cell(
    provenance: OutputProvenance, cohort: Cohort
) -> dict[tuple[str, ...], list[str]]:
    unseen = provenance.unseen_people
    cells = people_ids_by_cohort_cell(provenance.dataset, cohort)
    return {label: [p for p in people if p not in unseen] for label, people in cells.items()}


def _attack_output_model_into_assessment(
    data: bytes, provenance: OutputProvenance, assessment: OutputAssessment
) -> None:
    """Attack a model with its own rows and those that it never saw."""
    training, model = provenance.training, parse_output_model(data)
    if training is None:
        why = Message("It is a model, and no declared training says on which rows.")
        assessment.stops.append(StopReason("declaration", why))
        return
    # In the same order, too: the model is asked with our columns, and other names would make the
    # attack meaningless.
    if model.features != tuple(feature.name for feature in training.features):
        why = Message("The model has other inputs than the declared features.")
        assessment.stops.append(StopReason("declaration", why))
        return
    frame = project_training_table(provenance.dataset, training, provenance.opted_out)
    rows = split_training_rows(frame, training, provenance.held_out)
    attack = membership.strongest_membership_attack_on_model(model, rows)
    assessment.stops += membership.membership_attack_stop_reasons(attack)
    assessment.stops += membership.small_tree_leaf_stop_reasons(model, rows)
    assessment.stops += membership.linear_model_degrees_of_freedom_stop_reasons(model, rows)
    assessment.attack_auc = attack.auc
    assessment.trained_on = frozenset(frame[training.person].to_list()) - provenance.held_out
