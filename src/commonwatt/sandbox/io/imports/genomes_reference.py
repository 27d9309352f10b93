"""Count alleles person by person: the slow, obvious twin of `genomes.count_alleles`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from commonwatt.sandbox.io.imports.genomes import EVERYONE


def count_alleles_slowly(
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
                members = {who for who, name in groups.items() if name == group}
                cells[group] = _cell(people, members, allele, least_people, smallest_cell)
            if None in cells.values():
                cells = dict.fromkeys(names)
            everyone = _cell(people, set(groups), allele, least_people, smallest_cell)
            yield {EVERYONE: everyone, **cells}


def _cell(
    people: dict[str, tuple[int | None, int | None]],
    members: set[str],
    allele: int,
    least: int,
    smallest: int,
) -> tuple[int, int, int] | None:
    alleles = [[one for one in people[who] if one is not None] for who in members]
    known = [one for one in alleles if one]
    carriers = sum(allele in one for one in known)
    fine = len(known) >= least and not 0 < carriers < smallest
    fine = fine and not 0 < len(known) - carriers < smallest
    total = sum(len(one) for one in known)
    return (len(known), total, sum(one.count(allele) for one in known)) if fine else None
