"""Read VCF line by line, holding each record to the format's rules.

A file whose header is not that of a VCF 4 is refused; a record that breaks a
rule is quarantined by the rule's name. Of the samples only the genotype is read;
depths and likelihoods are not kept.

Source: The Variant Call Format specification, VCFv4.3 (hts-specs), sections 1.4
    to 1.6; VCFv4.1 and 4.2 differ in nothing that is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DataImportError

_FIXED: Final = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_BASES: Final = re.compile(r"[ACGTNacgtn]+")
_ALT: Final = re.compile(
    r"[ACGTNacgtn]+|\*|\.|<[!-;=?-~]+>"
    r"|[ACGTNacgtn]+[\[\]][^\s\[\]]+[\[\]]|[\[\]][^\s\[\]]+[\[\]][ACGTNacgtn]+"
    r"|\.[ACGTNacgtn]+|[ACGTNacgtn]+\."
)
_QUAL: Final = re.compile(r"\.|\d+(\.\d*)?([eE][+-]?\d+)?|inf|nan", re.IGNORECASE)
_FILTER: Final = re.compile(r"\.|[^\s;,]+(;[^\s;,]+)*")
_INFO: Final = re.compile(r"(1000G|[A-Za-z_][0-9A-Za-z_.]*)(=[^\s;]*)?")
# VCF 4 lets a contig's name hold no blank, comma, quotation mark or bracket, nor begin with * or
# =.
_CHROM: Final = re.compile(r"[!-)+-9;?-~][!-9;-~]*")
_ID: Final = re.compile(r"\.|[^\s;]+(;[^\s;]+)*")
_GENOTYPE: Final = re.compile(r"(?:\.|\d+)(?:[/|](?:\.|\d+))*")
# A line of a hundred thousand samples is a few megabytes; a longer one is a file without line
# ends, which must not fill the memory.
_LONGEST_LINE: Final = 64 << 20
_LARGEST_POSITION: Final = 2**31 - 1

RULES: Final = (
    "not UTF-8 text", "line too long", "columns not as in the header", "CHROM malformed",
    "POS is no position", "ID malformed", "REF is no bases", "ALT malformed", "ALT repeats REF",
    "ALT names an allele twice", "QUAL is no quality", "FILTER malformed", "INFO malformed",
    "INFO names a key twice", "FORMAT malformed", "GT is not first in FORMAT",
    "genotype malformed", "genotype of more than two alleles",
    "genotype names an allele that is not listed", "position before the one above",
    "chromosome seen before", "variant seen before",
)  # fmt: skip
Alleles = tuple[int | None, int | None, bool]
"""First and second allele (nothing where unknown), and whether they are phased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRecord:
    """One record that broke no rule: the variant, and a genotype for each sample."""

    record: int
    chrom: str
    pos: int
    name: str
    ref: str
    alts: tuple[str, ...]
    qual: float | None
    passed: bool | None
    genotypes: list[Alleles]


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """One record that broke a rule."""

    record: int
    reason: str


def read_vcf_sample_names(file: IO[bytes], where: str) -> list[str]:
    """Return the samples that a VCF names, leaving `file` at its first record.

    Raises:
        DataImportError: It is no VCF 4, or its column line is not in order.
    """
    try:
        first = file.readline(_LONGEST_LINE).decode("utf-8-sig").rstrip("\r\n")
        if not re.fullmatch(r"##fileformat=VCFv4\.[0-9]+", first):
            raise _no_vcf_header_error(where)
        while (line := file.readline(_LONGEST_LINE).decode()).startswith("##"):
            pass
    except UnicodeDecodeError as error:
        raise _no_vcf_header_error(where) from RuntimeError(type(error).__name__)
    names = line.rstrip("\r\n").split("\t")
    samples = names[9:]
    if tuple(names[:8]) != _FIXED or names[8:9] not in ([], ["FORMAT"]):
        raise _no_vcf_header_error(where)
    if len(set(samples)) != len(samples) or "" in samples:
        raise DataImportError(
            where,
            found=Message("sample names that are empty or stand twice"),
            wanted=Message("one name for each sample"),
        )
    return samples


def _no_vcf_header_error(where: str) -> DataImportError:
    return DataImportError(
        where,
        found=Message("a header that is not that of a VCF"),
        wanted=Message("##fileformat=VCFv4 first, then the line that starts with #CHROM"),
    )


def read_vcf_records(file: IO[bytes], samples: int) -> Iterator[VariantRecord | BrokenRecord]:
    """Yield every record, checked; one line is in memory at a time."""
    order = _PositionOrder()
    genotypes = _Genotypes()
    record = 0
    while line := file.readline(_LONGEST_LINE):
        record += 1
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            _skip_vcf_line(file)
            yield BrokenRecord(record, "line too long")
            continue
        try:
            yield _parse_vcf_record(record, line.decode().rstrip("\r\n"), samples, genotypes, order)
        except UnicodeDecodeError:
            yield BrokenRecord(record, "not UTF-8 text")
        except _VcfError as fault:
            yield BrokenRecord(record, fault.reason)


def _skip_vcf_line(file: IO[bytes]) -> None:
    while (rest := file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


class _VcfError(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason


def _require_vcf_rule(holds: object, reason: str) -> None:
    if not holds:
        raise _VcfError(reason)


def _parse_vcf_record(
    record: int, line: str, samples: int, genotypes: _Genotypes, order: _PositionOrder
) -> VariantRecord:
    cells = line.split("\t")
    _require_vcf_rule(len(cells) == (9 + samples if samples else len(cells)) and len(cells) >= 8,
          "columns not as in the header")  # fmt: skip
    _require_vcf_rule(samples or len(cells) <= 9, "columns not as in the header")
    chrom, pos, name, ref, alt, qual, passed, info = cells[:8]
    _require_vcf_rule(_CHROM.fullmatch(chrom), "CHROM malformed")
    # `isdigit` alone takes digits of other scripts, which `int` then reads.
    _require_vcf_rule(
        pos.isascii() and pos.isdigit() and int(pos) <= _LARGEST_POSITION, "POS is no position"
    )
    _require_vcf_rule(_ID.fullmatch(name), "ID malformed")
    alts = _parse_vcf_alternative_alleles(ref, alt)
    _require_vcf_rule(_QUAL.fullmatch(qual), "QUAL is no quality")
    _require_vcf_rule(_FILTER.fullmatch(passed) and passed != "0", "FILTER malformed")
    _check_vcf_info(info)
    alleles = _parse_vcf_genotypes(cells, len(alts), genotypes) if samples else []
    order.check_vcf_record_order(chrom, int(pos), ref, alt)
    return VariantRecord(
        record=record, chrom=chrom, pos=int(pos), name="" if name == "." else name,
        ref=ref.upper(), alts=alts, qual=None if qual == "." else float(qual),
        passed=None if passed == "." else passed == "PASS", genotypes=alleles,
    )  # fmt: skip


def _parse_vcf_alternative_alleles(ref: str, alt: str) -> tuple[str, ...]:
    _require_vcf_rule(_BASES.fullmatch(ref), "REF is no bases")
    alts = tuple(alt.split(","))
    _require_vcf_rule(all(_ALT.fullmatch(alt) for alt in alts), "ALT malformed")
    _require_vcf_rule("." not in alts or len(alts) == 1, "ALT malformed")
    normalised = tuple(alt.upper() if _BASES.fullmatch(alt) else alt for alt in alts)
    # Bases are compared in capitals, which VCF makes equal to small letters; symbolic alleles
    # keep their case.
    _require_vcf_rule(ref.upper() not in normalised, "ALT repeats REF")
    _require_vcf_rule(len(set(normalised)) == len(normalised), "ALT names an allele twice")
    return () if alts == (".",) else normalised


def _check_vcf_info(info: str) -> None:
    if info == ".":
        return
    parts = info.removesuffix(";").split(";")
    _require_vcf_rule(all(_INFO.fullmatch(part) for part in parts), "INFO malformed")
    keys = [part.partition("=")[0] for part in parts]
    _require_vcf_rule(len(set(keys)) == len(keys), "INFO names a key twice")


def _parse_vcf_genotypes(cells: list[str], alts: int, genotypes: _Genotypes) -> list[Alleles]:
    form = cells[8].split(":")
    _require_vcf_rule(cells[8] and all(form) and len(set(form)) == len(form), "FORMAT malformed")
    _require_vcf_rule("GT" not in form[1:], "GT is not first in FORMAT")
    # A site without genotypes is kept: it says that the variant is known, and of nobody what they
    # carry.
    if form[0] != "GT":
        return [(None, None, False)] * (len(cells) - 9)
    texts = [cell.partition(":")[0] for cell in cells[9:]] if len(form) > 1 else cells[9:]
    parsed = [genotypes[text] for text in texts]
    # Files repeat a handful of genotypes millions of times, so each spelling is parsed once and
    # checked by its highest allele.
    highest = max((genotypes.highest[text] for text in set(texts)), default=0)
    _require_vcf_rule(highest <= alts, "genotype names an allele that is not listed")
    return parsed


class _Genotypes(dict[str, Alleles]):
    """Genotypes by how they are written, each read once."""

    def __init__(self) -> None:
        super().__init__()
        self.highest: dict[str, int] = {}

    def __missing__(self, text: str) -> Alleles:
        _require_vcf_rule(_GENOTYPE.fullmatch(text), "genotype malformed")
        parts = re.split(r"[/|]", text)
        _require_vcf_rule(len(parts) <= 2, "genotype of more than two alleles")
        _require_vcf_rule(
            # No site lists a thousand alleles, and a longer number would only cost time to refuse
            # later.
            all(len(part) <= 3 for part in parts),
            "genotype names an allele that is not listed",
        )
        alleles = [None if part == "." else int(part) for part in parts]
        # One copy, as of X in men or of mitochondria, has no second allele.
        second = alleles[1] if len(alleles) == 2 else None
        self.highest[text] = max((allele for allele in alleles if allele is not None), default=0)
        self[text] = genotype = (alleles[0], second, "|" in text)
        return genotype


@dataclass(slots=True)
class _PositionOrder:
    """Positions rise within a chromosome, each chromosome is one block, no variant comes twice."""

    chrom: str = ""
    pos: int = -1
    past: set[str] = field(default_factory=set[str])
    here: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def check_vcf_record_order(self, chrom: str, pos: int, ref: str, alt: str) -> None:
        if chrom != self.chrom:
            _require_vcf_rule(chrom not in self.past, "chromosome seen before")
            # A chromosome that comes back later would make the check for repeated variants
            # remember the whole file.
            self.past.add(self.chrom)
            self.chrom, self.pos, self.here = chrom, -1, set()
        _require_vcf_rule(pos >= self.pos, "position before the one above")
        if pos > self.pos:
            self.pos, self.here = pos, set()
        _require_vcf_rule((ref, alt) not in self.here, "variant seen before")
        self.here.add((ref, alt))
