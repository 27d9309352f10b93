"""Genomes: what a VCF may hold, and that nothing of one person comes out."""

import gzip

import polars as pl
import pytest

from commonwatt.sandbox.domain.errors import DataImportError, DeidentifyError, ProjectError
from commonwatt.sandbox.engines.deidentify.tables import deidentify
from commonwatt.sandbox.io.imports.dataset import load_dataset
from commonwatt.sandbox.io.imports.genomes import (
    count_alleles,
    import_vcf,
    people_in_genome_dataset,
)
from commonwatt.sandbox.io.imports.vcf import RULES
from tests.shared_data import shared_data

HEAD = "##fileformat=VCFv4.2\n##contig=<ID=1>\n"
SAMPLES = [f"P{i:02}" for i in range(40)]
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(SAMPLES)


def _line(*genotypes, chrom="1", pos="100", name="rs1", ref="A", alt="C", qual="50", passed="PASS",
          info="AF=0.5", form="GT"):  # fmt: skip
    cells = list(genotypes) + ["0|0"] * (len(SAMPLES) - len(genotypes))
    return "\t".join([chrom, pos, name, ref, alt, qual, passed, info, form, *cells])


def _vcf(folder, *lines, head=HEAD + COLUMNS):
    path = folder / "in.vcf"
    path.write_bytes("\n".join([head, *lines, ""]).encode("utf-8", "surrogateescape"))
    return path


BROKEN = [
    (_line() .replace("rs1", "\udcff"), "not UTF-8 text"),
    ("1\t100\trs1\tA\tC", "columns not as in the header"),
    (_line() + "\t0|0", "columns not as in the header"),
    ("", "columns not as in the header"),
    (_line(chrom="chr 1"), "CHROM malformed"),
    (_line(chrom=""), "CHROM malformed"),
    (_line(chrom="a:b"), "CHROM malformed"),
    (_line(pos="-1"), "POS is no position"),
    (_line(pos="1e3"), "POS is no position"),
    (_line(pos="99999999999"), "POS is no position"),
    (_line(name="rs 1"), "ID malformed"),
    (_line(ref="."), "REF is no bases"),
    (_line(ref="AXG"), "REF is no bases"),
    (_line(alt=""), "ALT malformed"),
    (_line(alt="C,."), "ALT malformed"),
    (_line(alt="<DEL"), "ALT malformed"),
    (_line(alt="G]17:198982"), "ALT malformed"),
    (_line(alt="A"), "ALT repeats REF"),
    (_line(alt="C,c"), "ALT names an allele twice"),
    (_line(qual="high"), "QUAL is no quality"),
    (_line(qual="-3"), "QUAL is no quality"),
    (_line(passed="q10 s50"), "FILTER malformed"),
    (_line(passed="0"), "FILTER malformed"),
    (_line(info="AF =1"), "INFO malformed"),
    (_line(info="1AF=1"), "INFO malformed"),
    (_line(info="DP=1;DP=2"), "INFO names a key twice"),
    (_line(form="GT:GT"), "FORMAT malformed"),
    (_line(form=""), "FORMAT malformed"),
    (_line(form="DP:GT"), "GT is not first in FORMAT"),
    (_line("0/x"), "genotype malformed"),
    (_line(""), "genotype malformed"),
    (_line("0/0/1"), "genotype of more than two alleles"),
    (_line("0/2"), "genotype names an allele that is not listed"),
    (_line("0/9999"), "genotype names an allele that is not listed"),
    (_line(pos="20"), "position before the one above"),
    (_line(chrom="0", pos="500"), "chromosome seen before"),
    (_line(pos="50", name="again"), "variant seen before"),
]  # fmt: skip


def test_every_kind_of_broken_variant_is_set_aside_once(tmp_path):
    first = [_line(chrom="0", pos="9"), _line(pos="50")]
    path = _vcf(tmp_path, *first, *(line for line, _ in BROKEN), _line(pos="900"))
    dataset = import_vcf([path], tmp_path / "store", "raw")
    assert dataset.rows == {"Variant": 3, "Genotype": 120, "Sample": 40}
    aside = pl.read_parquet(dataset.folder / "quarantine.parquet")
    assert aside.rows() == [
        ("Variant", row, why) for row, (_, why) in enumerate(BROKEN, start=3)
    ]  # fmt: skip
    assert {why for _, why in BROKEN} == set(RULES) - {"line too long"}
    assert sum(dataset.rules["Variant"].values()) == len(BROKEN)


@pytest.mark.parametrize(
    "head",
    ["##fileformat=VCFv3.3\n" + COLUMNS, COLUMNS, HEAD + "#CHROM\tPOS", HEAD, "",
     HEAD + COLUMNS + "\tP00"],
)  # fmt: skip
def test_what_is_no_vcf_is_refused(tmp_path, head):
    with pytest.raises(DataImportError):
        import_vcf([_vcf(tmp_path, head=head)], tmp_path / "store", "raw")
    assert not (tmp_path / "store" / "raw").exists()


def test_genotypes_are_read_as_they_stand(tmp_path):
    lines = [
        _line("0|1", "1/1", "./.", "1", ".|0", alt="C,*,<DEL>"),
        _line("0/3:9:1,2", "1:.", pos="200", alt="G,T,AC", form="GT:DP:AD"),
        _line(pos="300", alt=".", form="DP"),
    ]
    dataset = import_vcf([_vcf(tmp_path, *lines)], tmp_path / "store", "raw")
    assert dataset.quarantined == {}
    cells = pl.read_parquet(dataset.folder / "Genotype.parquet").drop("patient_id").rows()
    assert cells[:5] == [(1, 0, 1, True), (1, 1, 1, False), (1, None, None, False),
                         (1, 1, None, False), (1, None, 0, True)]  # fmt: skip
    assert cells[40:42] == [(2, 0, 3, False), (2, 1, None, False)]
    assert cells[80] == (3, None, None, False)
    assert pl.read_parquet(dataset.table_path("Variant"))["alts"].to_list() == [
        ["C", "*", "<DEL>"], ["G", "T", "AC"], []]  # fmt: skip


def test_block_gzip_and_plain_files_read_alike(tmp_path):
    text = "\n".join([HEAD + COLUMNS, _line(), _line(pos="200"), ""]).encode()
    (tmp_path / "plain.vcf").write_bytes(text)
    blocks = gzip.compress(text[:300]) + gzip.compress(text[300:]) + gzip.compress(b"")
    (tmp_path / "packed.vcf.gz").write_bytes(blocks)
    plain = import_vcf([tmp_path / "plain.vcf"], tmp_path / "store", "plain")
    packed = import_vcf([tmp_path / "packed.vcf.gz"], tmp_path / "store", "packed")
    assert plain.files == packed.files
    (tmp_path / "cut.vcf.gz").write_bytes(gzip.compress(text)[:-20])
    with pytest.raises(DataImportError):
        import_vcf([tmp_path / "cut.vcf.gz"], tmp_path / "store", "cut")


def test_files_of_other_samples_are_refused(tmp_path):
    (tmp_path / "a.vcf").write_text(HEAD + COLUMNS + "\n" + _line() + "\n")
    (tmp_path / "b.vcf").write_text(HEAD + COLUMNS.replace("P39", "Q39") + "\n")
    with pytest.raises(DataImportError, match="samples other"):
        import_vcf([tmp_path / "a.vcf", tmp_path / "b.vcf"], tmp_path / "store", "raw")


def _cohort(folder, *, carriers=20, cases=20, sites=()):
    genotypes = ["0|1"] * carriers + ["0|0"] * (40 - carriers)
    path = _vcf(folder, _line(*genotypes), *sites)
    rows = [f"{who},{'case' if i % 40 < cases else 'control'}" for i, who in enumerate(SAMPLES)]
    (folder / "groups.csv").write_text("sample,phenotype\n" + "\n".join(rows) + "\n")
    return import_vcf([path, folder / "groups.csv"], folder / "store", "raw")


def test_nobody_is_handed_a_genotype(tmp_path):
    dataset = _cohort(tmp_path)
    loaded = load_dataset(dataset.folder, check=True)
    for table in ("Genotype", "Sample"):
        with pytest.raises(ProjectError, match="single genotypes"):
            loaded.table_path(table)
        assert table not in loaded.dataset_row_count_by_table
    with pytest.raises(DeidentifyError):
        deidentify(loaded, tmp_path / "store", "safe", key=bytes(32))
    made, _ = count_alleles(loaded, tmp_path / "store", "counts")
    assert set(made.files) == {"AlleleCount.parquet", "quarantine.parquet"}
    text = b"".join(path.read_bytes() for path in made.folder.iterdir())
    assert not any(who.encode() in text for who in SAMPLES)


def test_alleles_are_counted_in_everyone_and_in_each_group(tmp_path):
    dataset = _cohort(tmp_path, sites=[_line(*["1/1"] * 20, *["./."] * 10, pos="200", alt="G,T")])
    made, report = count_alleles(dataset, tmp_path / "store", "counts", least_people=10)
    rows = pl.read_parquet(made.table_path("AlleleCount")).select(
        "pos", "alt", "group", "people", "allele_number", "allele_count", "frequency"
    )
    assert rows.rows()[:6] == [
        (100, "C", "everyone", 40, 80, 20, 0.25),
        (100, "C", "case", 20, 40, 20, 0.5),
        (100, "C", "control", 20, 40, 0, 0.0),
        (200, "G", "everyone", 30, 60, 40, 40 / 60),
        (200, "G", "case", 20, 40, 40, 1.0),
        (200, "G", "control", 10, 20, 0, 0.0),
    ]
    assert (report.people, report.groups) == (40, {"case": 20, "control": 20})


@pytest.mark.parametrize(("carriers", "shown"), [(0, True), (1, False), (7, False), (8, True),
                                                (32, True), (33, False), (39, False),
                                                (40, True)])  # fmt: skip
def test_few_carriers_and_few_others_are_withheld(tmp_path, carriers, shown):
    dataset = _cohort(tmp_path, carriers=carriers, cases=40)
    made, report = count_alleles(dataset, tmp_path / "store", "counts")
    row = pl.read_parquet(made.table_path("AlleleCount")).row(0, named=True)
    assert row["withheld"] is not shown
    assert (row["allele_count"] is not None) is shown
    assert (report.withheld == 0) is shown


def test_a_withheld_group_is_no_difference_of_shown_ones(tmp_path):
    """Twenty cases and three controls carry it: without the controls, no group is told."""
    genotypes = ["0|1"] * 23
    dataset = _cohort(tmp_path, carriers=0, sites=[_line(*genotypes, pos="200")])
    made, _ = count_alleles(dataset, tmp_path / "store", "counts")
    rows = pl.read_parquet(made.table_path("AlleleCount")).filter(pl.col("pos") == 200)
    assert rows.select("group", "withheld").rows() == [
        ("everyone", False), ("case", True), ("control", True)]  # fmt: skip


def test_a_small_group_stops_everything(tmp_path):
    dataset = _cohort(tmp_path, cases=21)
    with pytest.raises(ProjectError, match="fewer than 20"):
        count_alleles(dataset, tmp_path / "store", "counts")
    assert not (tmp_path / "store" / "counts").exists()


def test_who_opted_out_is_in_no_count(tmp_path):
    dataset = _cohort(tmp_path, carriers=20, cases=40)
    assert people_in_genome_dataset(dataset) == SAMPLES
    made, report = count_alleles(dataset, tmp_path / "store", "counts", leave_out=SAMPLES[:5])
    row = pl.read_parquet(made.table_path("AlleleCount")).row(0, named=True)
    assert (report.people, row["people"], row["allele_count"]) == (35, 35, 15)


def test_a_group_for_an_unknown_sample_is_set_aside(tmp_path):
    path = _vcf(tmp_path, _line())
    (tmp_path / "g.csv").write_text("sample,case\nP00,1\nP00,0\nX,1\nP01,\n")
    dataset = import_vcf([path, tmp_path / "g.csv"], tmp_path / "store", "raw")
    broken = ("patient_id not of its choices", "group missing", "patient_id seen before")
    assert dataset.quarantined == {"Sample": dict.fromkeys(broken, 1)}


@pytest.mark.shared_data
def test_a_synthetic_cohort_is_counted_like_its_own_frequencies(tmp_path):
    dataset = import_vcf([shared_data("health", "vcf-synthetic")], tmp_path, "raw")
    assert dataset.rows == {"Variant": 3000, "Genotype": 600_000, "Sample": 200}
    assert dataset.quarantined == {}
    made, report = count_alleles(dataset, tmp_path, "counts")
    assert report.cells == 9000
    counts = pl.read_parquet(made.table_path("AlleleCount"))
    assert counts.filter(~pl.col("withheld"))["people"].min() >= 20
    genotypes = pl.read_parquet(dataset.folder / "Genotype.parquet").filter(
        pl.col("variant_id") == 1
    )
    everyone = counts.row(0, named=True)
    alleles = genotypes["allele_1"].to_list() + genotypes["allele_2"].to_list()
    assert everyone["allele_count"] == alleles.count(1)
