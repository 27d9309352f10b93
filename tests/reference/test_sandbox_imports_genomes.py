"""Counting alleles in the database against counting person by person."""

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.sandbox.io.imports.genomes import count_alleles, import_vcf
from commonwatt.sandbox.io.imports.genomes_reference import count_alleles_reference

PEOPLE = [f"P{i:02}" for i in range(24)]
alleles = st.sampled_from([None, 0, 0, 0, 1, 1, 2])
genotypes = st.lists(st.tuples(alleles, alleles), min_size=24, max_size=24)


def _text(pair):
    return "/".join("." if allele is None else str(allele) for allele in pair)


@settings(max_examples=20, deadline=None)
@given(st.lists(genotypes, min_size=1, max_size=4), st.integers(6, 18))
def test_the_fast_count_is_the_slow_one(sites, cases):
    groups = {who: "case" if i < cases else "control" for i, who in enumerate(PEOPLE)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        head = "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"
        lines = [
            f"1\t{pos}\t.\tA\tC,G\t.\t.\t.\tGT\t" + "\t".join(map(_text, site))
            for pos, site in enumerate(sites, start=1)
        ]
        (folder / "in.vcf").write_text(head + "\t".join(PEOPLE) + "\n" + "\n".join(lines) + "\n")
        rows = "\n".join(f"{who},{group}" for who, group in groups.items())
        (folder / "groups.csv").write_text(f"sample,group\n{rows}\n")
        raw = import_vcf([folder / "in.vcf", folder / "groups.csv"], folder / "store", "raw")
        made, _ = count_alleles(raw, folder / "store", "counts", least_people=4, smallest_cell=3)
        allele_counts = pl.read_parquet(made.table_path("AlleleCount"))
    shown = {
        (row["pos"], row["alt"], row["group"]): None
        if row["withheld"]
        else (row["people"], row["allele_number"], row["allele_count"])
        for row in allele_counts.iter_rows(named=True)
    }
    slow = count_alleles_reference(
        [(("C", "G"), dict(zip(PEOPLE, site, strict=True))) for site in sites],
        groups, least_people=4, smallest_cell=3,
    )  # fmt: skip
    places = [(pos, alt) for pos in range(1, len(sites) + 1) for alt in "CG"]
    wanted = {
        (*place, group): cell
        for place, cells in zip(places, slow, strict=True)
        for group, cell in cells.items()
    }
    assert shown == wanted
