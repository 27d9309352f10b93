"""Count alleles person by person: the slow, obvious reference of `genomes.count_alleles`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from commonwatt.sandbox.io.imports.genomes import EVERYONE


def count_alleles_reference(
    sites: Iterable[tuple[tuple[str, ...], dict[str, tuple[int | None, int | None]]]],
    groups: dict[str, str],
    *,
    least_people: int,
    smallest_cell: int,
) -> Iterator[dict[str, tuple[int, int, int] | None]]:
    """Yield for each variant and allele the counts by group.

    Args:
        sites: Alternative alleles, and each person's two alleles.
        groups: Group by person.
        least_people: As in `count_alleles`.
        smallest_cell: As in `count_alleles`.

    Yields:
        People, alleles seen and alleles that are the alternative one, by group;
        nothing for a cell that is withheld.
    """
    names = sorted(set(groups.values()))
    for alts, people in sites:
        for allele in range(1, len(alts) + 1):
            cells: dict[str, tuple[int, int, int] | None] = {}
            for group in names:
                members = {person for person, name in groups.items() if name == group}
                cells[group] = _releasable_allele_cell_counts(
                    people, members, allele, least_people, smallest_cell
                )
            if None in cells.values():
                cells = dict.fromkeys(names)
            everyone = _releasable_allele_cell_counts(
                people, set(groups), allele, least_people, smallest_cell
            )
            yield {EVERYONE: everyone, **cells}


def _releasable_allele_cell_counts(
    people: dict[str, tuple[int | None, int | None]],
    members: set[str],
    allele: int,
    least: int,
    smallest: int,
) -> tuple[int, int, int] | None:
    alleles = [[copy for copy in people[person] if copy is not None] for person in members]
    called = [copies for copies in alleles if copies]
    carriers = sum(allele in copies for copies in called)
    fine = len(called) >= least and not 0 < carriers < smallest
    fine = fine and not 0 < len(called) - carriers < smallest
    total = sum(len(copies) for copies in called)
    return (len(called), total, sum(copies.count(allele) for copies in called)) if fine else None
