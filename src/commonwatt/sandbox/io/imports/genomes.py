"""Genomes in a project: single genotypes stay sealed, only counts over many people come out.

An import keeps the variants and, sealed, who has which alleles: no door of a
dataset hands a sealed table to a job, a question or a person. What can be used
is made here: how often each allele occurs among at least so many people, with
small cells withheld, in all people and in each group of a phenotype. Where one
group's cell is withheld the other groups' are, too, so that no subtraction
brings it back.

Counts over many people still tell whoever holds a person's genome whether that
person is among them (Homer et al.); they stay in the project and pass the airlock.

Sources: Homer et al. (2008), PLoS Genetics 4(8) e1000167; NIH Genomic Data
    Sharing Policy, on aggregate data.
"""

# ruff: noqa: S608  the names in the SQL are ours, and values are quoted by `literal`

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DataImportError, ProjectError
from commonwatt.sandbox.domain.import_report import (
    QUARANTINE,
    TableImportReport,
    import_report_whose_counts_add_up,
)
from commonwatt.sandbox.io.imports.checked import (
    WORK_TABLE,
    copy_import_query_to_parquet,
    dataset_sql_text_literal,
    open_dataset_import_database,
)
from commonwatt.sandbox.io.imports.compressed import open_unpacked_import_file
from commonwatt.sandbox.io.imports.dataset import (
    Dataset,
    fill_and_publish_dataset_draft,
    list_import_files,
)
from commonwatt.sandbox.io.imports.plain import DatasetField, TableFileSchema
from commonwatt.sandbox.io.imports.tables import import_table_into_parquet
from commonwatt.sandbox.io.imports.vcf import (
    RULES,
    BrokenRecord,
    VariantRecord,
    read_vcf_records,
    read_vcf_sample_names,
)

FORM: Final = "vcf-4"
SEALED: Final = ("Genotype", "Sample")
LEAST_PEOPLE: Final = 20
# The airlock's threshold for counts of people, so that nothing is made here that could never
# leave.
SMALLEST_CELL: Final = 8
_CELLS_AT_ONCE: Final = 500_000
EVERYONE: Final = "everyone"

_VARIANT: Final = pl.Schema({
    "variant_id": pl.Int64, "chrom": pl.String, "pos": pl.Int64, "name": pl.String,
    "ref": pl.String, "alts": pl.List(pl.String), "qual": pl.Float64, "passed": pl.Boolean,
})  # fmt: skip
_GENOTYPE: Final = pl.Schema({
    "variant_id": pl.Int64, "patient_id": pl.String, "allele_1": pl.Int16,
    "allele_2": pl.Int16, "phased": pl.Boolean,
})  # fmt: skip


def import_vcf(sources: Sequence[Path], store: Path, name: str) -> Dataset:
    """Import VCF 4 files of the same samples, plain or gzip; each sample is a patient.

    A CSV file among the sources whose first column is `sample` gives each sample
    a group by its second column, such as case and control.

    Raises:
        DataImportError: A file is no VCF 4, or the files' samples differ.
    """
    files = list_import_files(sources)
    genomes = [path for path in files if ".vcf" in path.name.lower()]
    groups = [
        path
        for path in files
        if path.suffix == ".csv" and _first_genome_group_column(path) == "sample"
    ]
    if not genomes or len(groups) > 1:
        raise DataImportError(
            name,
            found=Message("{count} files of variants", {"count": str(len(genomes))}),
            wanted=Message("VCF files, and at most one table of groups"),
        )
    return fill_and_publish_dataset_draft(
        store,
        name,
        FORM,
        lambda draft: _import_genome_tables_into_draft(genomes, groups, draft),
        sealed=SEALED,
    )


def _first_genome_group_column(path: Path) -> str:
    return next(iter(_genome_group_csv_columns(path)), "").lower()


def _genome_group_csv_columns(path: Path) -> list[str]:
    # Spreadsheets put a byte order mark in front, which would become part of the first column's
    # name.
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return next(csv.reader(file), list[str]())


def _import_genome_tables_into_draft(
    genomes: list[Path], groups: list[Path], draft: Path
) -> list[TableImportReport]:
    samples = _genome_file_sample_names(genomes)
    parts = _VariantParts(draft / WORK_TABLE)
    for path in genomes:
        _read_vcf_file(path, samples, parts)
    parts.write_waiting_parts()
    with open_dataset_import_database(draft / WORK_TABLE) as base:
        parts.join_variant_parts_per_table(base, draft)
        reports = [_write_sample_group_table(base, samples, groups, draft)]
    rules = dict.fromkeys(RULES, 0) | parts.reasons
    variants = TableImportReport(
        table="Variant", source=", ".join(path.name for path in genomes), read_count=parts.read,
        kept_count=parts.kept_count, rules=rules,
        quarantine_file=draft / WORK_TABLE / "Variant.quarantine.parquet",
    )  # fmt: skip
    # Genotypes stand and fall with their variant, so every one of a kept variant is kept.
    genotype_rows = parts.kept_count * len(samples)
    cells = TableImportReport(
        table="Genotype", source=variants.source, read_count=genotype_rows, kept_count=genotype_rows
    )
    return [import_report_whose_counts_add_up(variants), cells, *reports]


def _genome_file_sample_names(genomes: list[Path]) -> list[str]:
    first_samples: list[str] = []
    for number, path in enumerate(genomes):
        with open_unpacked_import_file(path) as file:
            samples = read_vcf_sample_names(file, path.name)
        # A file a chromosome is usual; with another order of samples people would get each
        # other's genotypes.
        if number and samples != first_samples:
            raise DataImportError(
                path.name,
                found=Message("samples other than those of the first file"),
                wanted=Message("the same samples in the same order"),
            )
        first_samples = samples
    return first_samples


def _read_vcf_file(path: Path, samples: list[str], parts: _VariantParts) -> None:
    with open_unpacked_import_file(path) as file:
        read_vcf_sample_names(file, path.name)
        for record in read_vcf_records(file, len(samples)):
            parts.add_vcf_record_to_variant_parts(record, samples)


@dataclass(slots=True)
class _VariantParts:
    """Rows on their way to disk, a bounded number at a time."""

    work: Path
    read: int = 0
    kept_count: int = 0
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    sites: list[VariantRecord] = field(default_factory=list[VariantRecord])
    samples: list[str] = field(default_factory=list[str])
    quarantined: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    number: int = 0

    def __post_init__(self) -> None:
        self.work.mkdir(exist_ok=True)

    def add_vcf_record_to_variant_parts(
        self, record: VariantRecord | BrokenRecord, samples: list[str]
    ) -> None:
        """Take one record; write what is waiting when that has grown."""
        self.read += 1
        self.samples = samples
        if isinstance(record, BrokenRecord):
            self.reasons[record.reason] = self.reasons.get(record.reason, 0) + 1
            self.quarantined.append(("Variant", self.read, record.reason))
        else:
            self.kept_count += 1
            self.sites.append(record)
        if len(self.sites) * (len(samples) + 10) + len(self.quarantined) >= _CELLS_AT_ONCE:
            self.write_waiting_parts()

    def write_waiting_parts(self) -> None:
        """Write what is waiting as the next part of each table."""
        first = self.kept_count - len(self.sites) + 1
        tables = {
            "Variant": _variant_table_of_vcf_records(self.sites, first),
            "Genotype": _genotype_table_of_vcf_records(self.sites, self.samples, first),
            "quarantine": pl.DataFrame(self.quarantined, schema=QUARANTINE, orient="row"),
        }
        for table, rows in tables.items():
            rows.write_parquet(self.work / f"{table}.{self.number:06}.part")
        self.number += 1
        self.sites, self.quarantined = [], []

    def join_variant_parts_per_table(self, base: duckdb.DuckDBPyConnection, draft: Path) -> None:
        """Make one file of the parts of each table."""
        paths = {"Variant": draft / "Variant.parquet", "Genotype": draft / "Genotype.parquet",
                  "quarantine": self.work / "Variant.quarantine.parquet"}  # fmt: skip
        for table, to in paths.items():
            # Numbers are padded with zeros, so that parts sort as text in the order in which they
            # were written.
            parts = [
                dataset_sql_text_literal(str(path))
                for path in sorted(self.work.glob(f"{table}.*.part"))
            ]
            copy_import_query_to_parquet(
                base, f"SELECT * FROM read_parquet([{', '.join(parts)}])", to
            )


def _variant_table_of_vcf_records(sites: list[VariantRecord], first: int) -> pl.DataFrame:
    rows = [
        (first + i, site.chrom, site.pos, site.name or None, site.ref, list(site.alts), site.qual,
         site.passed)
        for i, site in enumerate(sites)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=_VARIANT, orient="row")


def _genotype_table_of_vcf_records(
    sites: list[VariantRecord], samples: list[str], first: int
) -> pl.DataFrame:
    cells = [cell for site in sites for cell in site.genotypes]
    numbers = range(first, first + len(sites))
    columns = {
        "variant_id": [number for number in numbers for _ in samples],
        "patient_id": samples * len(sites),
        "allele_1": [cell[0] for cell in cells],
        "allele_2": [cell[1] for cell in cells],
        "phased": [cell[2] for cell in cells],
    }
    return pl.DataFrame(columns, schema=_GENOTYPE)


def _write_sample_group_table(
    base: duckdb.DuckDBPyConnection, samples: list[str], groups: list[Path], draft: Path
) -> TableImportReport:
    """Write the table of samples, with the group of each where one is given."""
    to = draft / "Sample.parquet"
    sample_rows = pl.DataFrame({"patient_id": samples}, schema={"patient_id": pl.String})
    if not groups:
        sample_rows.with_columns(group=pl.lit(None, dtype=pl.String)).write_parquet(to)
        return TableImportReport(
            table="Sample", source="", read_count=len(samples), kept_count=len(samples)
        )
    first, second = (*_genome_group_csv_columns(groups[0]), "", "")[:2]
    plain = TableFileSchema(fields=(
        DatasetField(name="patient_id", kind="text", required=True, unique=True, column=first,
              # A group of somebody who is in no file of variants is a broken row and no new
              # person.
              choices=tuple(samples)),
        DatasetField(name="group", kind="text", required=True, longest=40, column=second),
    ))  # fmt: skip
    report = import_table_into_parquet(base, "Sample", plain, groups[0], to)
    group_rows = pl.read_parquet(to)
    sample_rows.join(group_rows, on="patient_id", how="left", maintain_order="left").write_parquet(
        to
    )
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class GenomeReport:
    """What was made of genomes, and under which rule; the custodian signs its digest.

    Args:
        dataset: The dataset of counts.
        people: People counted, without those who opted out.
        groups: How many people stand in each group.
        least_people: Fewest people of whom an allele is counted.
        smallest_cell: Fewest carriers, and fewest others, that are told.
        cells: Counts that were to be told.
        withheld: Of those, counts that are not told because they are small, or
            because a small one could be worked out from them.
    """

    dataset: str
    people: int
    groups: dict[str, int]
    least_people: int
    smallest_cell: int
    cells: int
    withheld: int

    @property
    def sha256(self) -> str:
        """Return the digest under which the custodian signs."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def people_in_genome_dataset(dataset: Dataset) -> list[str]:
    """Return the people of a genomic dataset, for the custodian's side only."""
    return pl.read_parquet(_sealed_genome_table_path(dataset, "Sample"))["patient_id"].to_list()


def _sealed_genome_table_path(dataset: Dataset, table: str) -> Path:
    """Return a sealed table; only this module and an erasure open one."""
    return dataset.folder / f"{table}.parquet"


def count_alleles(
    dataset: Dataset,
    store: Path,
    name: str,
    *,
    leave_out: Iterable[str] = (),
    least_people: int = LEAST_PEOPLE,
    smallest_cell: int = SMALLEST_CELL,
) -> tuple[Dataset, GenomeReport]:
    """Make the dataset `name`, which tells how often alleles occur and nothing of a person.

    Args:
        dataset: An imported VCF.
        store: The project's folder of datasets.
        name: Of the new dataset; its one table is `AlleleCount`.
        leave_out: People who opted out.
        least_people: Fewest people in every group; with fewer nothing is made.
        smallest_cell: Fewest carriers, and fewest others, that are told.

    Raises:
        ProjectError: A group is too small.
    """
    if dataset.form != FORM:
        raise ProjectError(dataset.name, wanted=Message("a dataset of genomes, as imported"))
    genome_reports: list[GenomeReport] = []

    def write_allele_counts(draft: Path) -> list[TableImportReport]:
        work = draft / WORK_TABLE
        work.mkdir()
        with open_dataset_import_database(work) as base:
            groups = _make_chosen_people_and_count_by_group(base, dataset, leave_out)
            _check_genome_group_sizes(dataset, groups, least_people)
            _judge_allele_cell_disclosure(base, dataset, least_people, smallest_cell)
            copy_import_query_to_parquet(base, _SHOWN_COUNTS, draft / "AlleleCount.parquet")
            cells, shown_cells = base.execute(
                "SELECT count(*), count(*) FILTER (shown) FROM judged"
            ).fetchall()[0]
        genome_reports.append(
            GenomeReport(
                dataset=name, people=sum(groups.values()), groups=groups,
                least_people=least_people, smallest_cell=smallest_cell, cells=cells,
                withheld=cells - shown_cells,
            )
        )  # fmt: skip
        return [
            TableImportReport(
                table="AlleleCount", source=dataset.name, read_count=cells, kept_count=cells
            )
        ]

    counts_dataset = fill_and_publish_dataset_draft(
        store, name, f"{FORM} counts", write_allele_counts
    )
    return counts_dataset, genome_reports[0]


def _make_chosen_people_and_count_by_group(
    base: duckdb.DuckDBPyConnection, dataset: Dataset, leave_out: Iterable[str]
) -> dict[str, int]:
    """Make the table `chosen` of people and groups; return how many stand in each group."""
    # SQL has no empty list; nobody's id is empty text.
    excluded = ", ".join(dataset_sql_text_literal(person) for person in sorted(leave_out)) or "''"
    base.execute(
        "CREATE TEMP TABLE chosen AS SELECT patient_id,"
        # People without a group are a group: left out, they would be what is missing between the
        # total and the groups.
        ' coalesce("group", \'unknown\') AS "group"'
        f" FROM read_parquet("
        f"{dataset_sql_text_literal(str(_sealed_genome_table_path(dataset, 'Sample')))})"
        f" WHERE patient_id NOT IN ({excluded})"
    )
    rows = base.execute('SELECT "group", count(*) FROM chosen GROUP BY 1 ORDER BY 1').fetchall()
    return dict(rows)


def _check_genome_group_sizes(dataset: Dataset, groups: dict[str, int], least: int) -> None:
    small = sum(people < least for people in groups.values())
    if small or not groups:
        raise ProjectError(
            dataset.name,
            found=Message(
                "{count} groups of fewer than {least} people",
                {"count": str(small), "least": str(least)},
            ),
            wanted=Message("at least {least} people in every group", {"least": str(least)}),
        )


def _judge_allele_cell_disclosure(
    base: duckdb.DuckDBPyConnection, dataset: Dataset, least: int, smallest: int
) -> None:
    """Make the table `judged`: every cell, and whether it may be told."""
    base.execute(
        'CREATE TEMP TABLE seen AS SELECT g.*, c."group"'
        " FROM read_parquet("
        f"{dataset_sql_text_literal(str(_sealed_genome_table_path(dataset, 'Genotype')))}) g"
        " JOIN chosen c ON c.patient_id = g.patient_id"
        " WHERE g.allele_1 IS NOT NULL OR g.allele_2 IS NOT NULL"
    )
    base.execute(_CALLED)
    base.execute(_CARRIED)
    base.execute(
        f"CREATE TEMP TABLE cells AS {_CELLS}",
        {"file": str(dataset.folder / "Variant.parquet"), "everyone": EVERYONE},
    )
    base.execute(_JUDGED, {"least": least, "smallest": smallest})


# Grouping sets count everybody and each group in one pass over the sealed table, which is the
# longest read of all.
_CALLED: Final = """
CREATE TEMP TABLE called AS
SELECT variant_id, "group", grouping("group") AS all_groups, count(*) AS people,
       sum((allele_1 IS NOT NULL)::INT + (allele_2 IS NOT NULL)::INT) AS allele_number
FROM seen GROUP BY GROUPING SETS ((variant_id), (variant_id, "group"))
"""
# A person with the allele twice is one carrier with a dose of two; the second branch takes only
# those whose second allele is another.
_CARRIED: Final = """
CREATE TEMP TABLE carried AS
SELECT variant_id, "group", grouping("group") AS all_groups, allele,
       sum(dose) AS allele_count, count(*) AS carriers
FROM (SELECT variant_id, "group", allele_1 AS allele,
             CASE WHEN allele_2 = allele_1 THEN 2 ELSE 1 END AS dose
      FROM seen WHERE allele_1 > 0
      UNION ALL
      SELECT variant_id, "group", allele_2, 1
      FROM seen WHERE allele_2 > 0 AND allele_2 IS DISTINCT FROM allele_1)
GROUP BY GROUPING SETS ((variant_id, allele), (variant_id, allele, "group"))
"""
_CELLS: Final = """
SELECT v.*, g."group", g.all_groups, coalesce(c.people, 0) AS people,
       coalesce(c.allele_number, 0) AS allele_number,
       coalesce(k.allele_count, 0) AS allele_count, coalesce(k.carriers, 0) AS carriers
FROM (SELECT variant_id, chrom, pos, name, ref, unnest(alts) AS alt,
             unnest(range(1, len(alts) + 1)) AS allele FROM read_parquet($file)) v
CROSS JOIN (SELECT DISTINCT "group", 0 AS all_groups FROM chosen
            UNION ALL SELECT $everyone, 1) g
LEFT JOIN called c ON c.variant_id = v.variant_id AND c.all_groups = g.all_groups
     AND coalesce(c."group", $everyone) = g."group"
LEFT JOIN carried k ON k.variant_id = v.variant_id AND k.all_groups = g.all_groups
     AND coalesce(k."group", $everyone) = g."group" AND k.allele = v.allele
"""
# Few others tell as much as few carriers. One small group withholds that allele in all groups,
# since the total less the shown ones would give it back.
_JUDGED: Final = """
CREATE TEMP TABLE judged AS
SELECT *, fine AND bool_and(fine) OVER (PARTITION BY variant_id, allele, all_groups) AS shown
FROM (SELECT *, people >= $least AND carriers NOT BETWEEN 1 AND $smallest - 1
             AND people - carriers NOT BETWEEN 1 AND $smallest - 1 AS fine FROM cells)
"""
# In a fixed order: the digest that the custodian signs must be the same for the same genomes.
_SHOWN_COUNTS: Final = """
SELECT chrom, pos, name, ref, alt, "group", CASE WHEN shown THEN people END AS people,
       CASE WHEN shown THEN allele_number END::BIGINT AS allele_number,
       CASE WHEN shown THEN allele_count END::BIGINT AS allele_count,
       CASE WHEN shown THEN allele_count / allele_number END AS frequency,
       NOT shown AS withheld
FROM judged ORDER BY variant_id, allele, all_groups DESC, "group"
"""
