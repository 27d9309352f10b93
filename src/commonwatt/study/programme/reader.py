"""A programme as the engines see it, and how it is loaded."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl
from pydantic import ValidationError

from commonwatt.core.errors import (
    InputError,
    ProgrammeError,
    TableError,
    TraceError,
    table_cell_location_text,
)
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA
from commonwatt.core.spreadsheets import read_spreadsheet_csv
from commonwatt.fleet.domain.machines import F64, SHARED, Fleet, GpuType, Site
from commonwatt.fleet.domain.workload import ANY, I64, Bools, Workload
from commonwatt.fleet.io.traces import job_location_in_trace
from commonwatt.fleet.io.traces.rows import shown_trace_cell
from commonwatt.runs import InputFile
from commonwatt.study.programme.alternatives import alternative_shared_key_change_faults
from commonwatt.study.programme.changes import Document, apply_programme_changes
from commonwatt.study.programme.faults import (
    ErrorSentence,
    ProgrammeFault,
    closest_name_remedy_or_empty,
    programme_faults_error,
    programme_validation_faults,
)
from commonwatt.study.programme.funding import programme_funding_faults
from commonwatt.study.programme.localised import LocalisedText
from commonwatt.study.programme.quotas import programme_quota_faults
from commonwatt.study.programme.ranges import programme_range_faults
from commonwatt.study.programme.references import programme_reference_faults
from commonwatt.study.programme.schema import (
    PolicyPart,
    ProgrammeFile,
    SeriesPart,
    SitePart,
    TenantPart,
    parse_programme,
)
from commonwatt.study.programme.series import (
    programme_hourly_price_range_faults,
    programme_hourly_series_mean_faults,
)
from commonwatt.study.programme.shipped import PROGRAMMES, shipped_programme_names
from commonwatt.study.programme.spelling import programme_toml_fault
from commonwatt.treasury.io.country.folder import COUNTRIES, country_files, load_country

SHIPPED = "shipped:"
LONGEST_SHOWN = 100  # letters of a path in an error
_NAME_A_FILE = Message("Name a file that is there, by its path from the programme's folder.")
_COUNTRY_FILE = "country.toml"
_SERIES_UNITS = {"power_price": "USD/MWh", "carbon": "gCO2e/kWh"}  # of the hours of a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """A programme: its file, checked, and the files that it names.

    Args:
        file: What the user wrote, with the changes made.
        changes: Changes that were made to the file, in order.
        path: Where it stands.
        trace: The demand trace.
        mapping: Its mapping file, if any.
        inputs: Every file that has a say, the programme first; a run's id holds them all.
        built: Sites that have nodes, as the file spells them.
        sites: The same sites with their hourly series.
        gpu_types: GPU types in the order of the file.
        country: Name of a shipped country, or the folder of one's own; empty where nobody borrows.
        country_files: Every file of that folder.
    """

    file: ProgrammeFile
    # What a file says decides, and where it lies does not: its bytes are among the inputs.
    path: Path = field(metadata={"decides": False})
    trace: InputFile
    mapping: InputFile | None
    inputs: tuple[InputFile, ...]
    built: tuple[SitePart, ...]
    sites: tuple[Site, ...]
    gpu_types: tuple[GpuType, ...]
    changes: tuple[str, ...] = ()
    country: str = ""
    country_files: tuple[InputFile, ...] = ()

    def alternative(self, name: str) -> Programme:
        """Return the programme with one of its alternatives made.

        Raises:
            ProgrammeError: The alternative's changes leave faults; all are listed.
        """
        # Read anew with the changes, so that an alternative is checked as the edited file would be.
        with self.naming_alternative_in_errors(name):
            return _load_programme_with_changes_checked(
                self.path,
                [*self.changes, *self.file.alternatives[name].change],
                # Of one alternative: the others are made of the programme, and not of this one.
                with_alternatives=False,
            )

    @contextmanager
    def naming_alternative_in_errors(self, name: str) -> Generator[None]:
        """Let an error inside name the alternative: the file as written has no such fault."""
        try:
            yield
        except InputError as error:
            where = error.where.removeprefix(self.path.name).lstrip(", ")
            raise type(error)(
                ": ".join(filter(None, (f"{self.path.name}, alternatives.{name}", where))),
                found=error.found,
                wanted=error.wanted,
                remedy=error.remedy,
            ) from error

    def fleet(self) -> Fleet:
        """Return the nodes, site by site in the order of the file; every tenant may use them."""
        rows = [(s, pool) for s, site in enumerate(self.built) for pool in site.pools]
        counts = np.array([pool.nodes for _, pool in rows])

        def node_column(values: Sequence[int], kind: type[np.generic]) -> np.ndarray:
            return np.repeat(np.array(values, dtype=kind), counts)

        pools = [pool for _, pool in rows]
        gpu_index = {gpu.name: i for i, gpu in enumerate(self.gpu_types)}
        return Fleet(
            node_id=tuple(_programme_node_names_site_by_site(self.built)),
            site=node_column([s for s, _ in rows], np.int32),
            gpu_type=node_column([gpu_index[pool.gpu] for pool in pools], np.int32),
            gpus=node_column([pool.gpus_per_node for pool in pools], np.int32),
            cpu_milli=node_column([round(pool.cpu_cores * 1000) for pool in pools], np.int64),
            memory_mib=node_column([round(pool.memory_gib * 1024) for pool in pools], np.int64),
            # A programme's limits are quotas and sites; no node belongs to one tenant.
            tenant=np.full(int(counts.sum()), SHARED, np.int32),
            sites=self.sites,
            gpu_types=self.gpu_types,
            rtt_ms=self.places_to_built_sites_round_trips_ms()[
                self._programme_site_indices(self.built)
            ],
        )

    def places_to_built_sites_round_trips_ms(self) -> F64:
        """Return the round trip from every place of the file to each built site [ms].

        NaN where the file names none, shape (places, built sites).
        """
        return _programme_site_round_trips_matrix_ms(self.file)[
            :, self._programme_site_indices(self.built)
        ]

    def tenant_origin_place_indices(self, tenant_names: Sequence[str]) -> list[int]:
        """Return the place that each tenant works from; the first of the file by default."""
        place = {site.name: i for i, site in enumerate(self.file.sites)}
        parts = self.programme_tenant_parts(tenant_names)
        return [place[part.origin] if part.origin else 0 for part in parts]

    def _programme_site_indices(self, parts: Sequence[SitePart]) -> list[int]:
        place = {site.name: i for i, site in enumerate(self.file.sites)}
        return [place[part.name] for part in parts]

    def quota_gpus_by_tenant_or_none(self, tenant_names: Sequence[str]) -> dict[str, float] | None:
        """Return the quota of each tenant that has one [GPUs]; None where nobody has."""
        quota = {
            tenant.name: float(tenant.quota_gpus)
            for tenant in self.file.tenants
            if tenant.quota_gpus is not None and tenant.name in tenant_names
        }
        return quota or None

    def workload_with_tenant_site_limits(self, workload: Workload) -> Workload:
        """Return the jobs with the sites that their tenant's limits and their own let them run at.

        Raises:
            TraceError: A job names a site that is not declared, or only sites without nodes or
                beyond its tenant's limits.
        """
        masks = np.array(self.tenant_allowed_site_bit_masks(workload.tenant_names), dtype=np.int64)
        by_tenant, names = masks[workload.tenant], tuple(site.name for site in self.sites)
        # The trace may say of one job where its data may go; a programme that says nothing of its
        # tenant takes nothing of that back.
        own = self._job_named_site_bit_masks(workload)
        both = np.where(own == ANY, by_tenant, np.where(by_tenant == ANY, own, own & by_tenant))
        # No bit left would read as no limit at all.
        shut_out = (workload.sites != ANY) & ((own == ANY) | (both == ANY))
        if shut_out.any():
            at = int(shut_out.argmax())
            open_to_it = int(by_tenant[at]) or (1 << len(names)) - 1
            raise self._job_sites_error(
                workload,
                at,
                _site_names_of_bit_mask(int(workload.sites[at]), workload.site_names),
                Message(
                    "one of the built sites open to its tenant: {names}",
                    {"names": ", ".join(_site_names_of_bit_mask(open_to_it, names))},
                ),
            )
        return replace(workload, sites=both, site_names=names)

    def _job_named_site_bit_masks(self, workload: Workload) -> I64:
        """Return the built sites that each job itself names, as bits; 0: it names none."""
        place = {site.name: i for i, site in enumerate(self.sites)}
        declared = [site.name for site in self.file.sites]
        masks = np.zeros(len(workload), np.int64)
        for bit, name in enumerate(workload.site_names):
            naming = (workload.sites & (1 << bit)) != 0
            if name not in declared and naming.any():
                raise self._job_sites_error(
                    workload,
                    int(naming.argmax()),
                    [name],
                    Message("one of {names}", {"names": ", ".join(declared)}),
                )
            if name in place:
                masks |= np.where(naming, np.int64(1) << place[name], 0)
        return masks

    def _job_sites_error(
        self, workload: Workload, at: int, names: list[str], wanted: Message
    ) -> TraceError:
        return TraceError(
            job_location_in_trace(workload, at, self.trace.name, "sites"),
            found=shown_trace_cell("|".join(names)),
            wanted=wanted,
            remedy=Message("Change the sites of the job, the limits of its tenant, or the nodes."),
        )

    def is_site_permitted_by_tenant_residency(self, tenant_names: Sequence[str]) -> Bools:
        """Return where each tenant's data may go, shape (tenants, built sites)."""
        sites = [site.name for site in self.sites]
        parts = self.programme_tenant_parts(tenant_names)
        rows = [[not part.sites or name in part.sites for name in sites] for part in parts]
        return np.array(rows, np.bool_).reshape(len(parts), len(sites))

    def is_site_within_tenant_latency(self, tenant_names: Sequence[str]) -> Bools:
        """Return where each tenant's limit on the round trip holds, shape (tenants, built sites).

        A round trip that the file does not give is no proof that a limit holds.
        """
        rtt_ms = self.places_to_built_sites_round_trips_ms()[
            self.tenant_origin_place_indices(tenant_names)
        ]
        parts = self.programme_tenant_parts(tenant_names)
        limits = [np.inf if part.latency is None else part.latency for part in parts]
        free = [[part.latency is None] for part in parts]
        # NaN is not below any limit, so an unknown round trip counts as too long; who has no limit
        # is let through apart.
        return (rtt_ms <= np.array(limits)[:, None]) | np.array(free, np.bool_)

    def tenant_allowed_site_bit_masks(self, tenant_names: Sequence[str]) -> list[int]:
        """Return the sites that each tenant's jobs may run at, as bits; 0: no limit is named.

        Residency and latency are one mask, which the schedule, the alternatives and the
        placement all read: a limit that only one of them kept would be no limit.
        """
        allowed = self.is_site_permitted_by_tenant_residency(
            tenant_names
        ) & self.is_site_within_tenant_latency(tenant_names)
        return [
            sum(1 << i for i in np.flatnonzero(row).tolist())
            if part.sites or part.latency is not None
            else 0
            for part, row in zip(self.programme_tenant_parts(tenant_names), allowed, strict=True)
        ]

    def programme_tenant_labels(self, tenant_names: Sequence[str]) -> list[str]:
        """Return what tables call each tenant of the trace."""
        label = {tenant.name: tenant.label for tenant in self.file.tenants}
        return [str(label.get(name) or name) for name in tenant_names]

    def names_of_tenants_without_jobs(self, tenant_names: Sequence[str]) -> list[str]:
        """Return the tenants of the file that no job of the trace belongs to."""
        return [part.name for part in self.file.tenants if part.name not in tenant_names]

    def programme_tenant_parts(self, tenant_names: Sequence[str]) -> list[TenantPart]:
        """Return what the file says of each tenant of the trace; nothing said, no limits."""
        declared = {tenant.name: tenant for tenant in self.file.tenants}
        # Not validated: a trace may spell a tenant as no name of a programme file could be spelled.
        return [
            declared.get(name) or TenantPart.model_construct(name=name) for name in tenant_names
        ]

    def built_site_labels(self) -> list[str]:
        """Return what tables call each built site."""
        return [str(site.title) for site in self.built]

    def programme_label_translation_by_english(self, language: str) -> dict[str, str]:
        """Return how the report says each label of the tables."""
        named: list[LocalisedText] = [site.title for site in self.file.sites]
        named += [tenant.label for tenant in self.file.tenants if tenant.label]
        named += [part.label for part in self.file.alternatives.values()]
        return {str(label): label.translate(language) for label in named}

    def policies(self) -> list[PolicyPart]:
        """Return the policy of the programme, then those to compare it with."""
        return [self.file.policy, *self.file.compare]


def load_programme(name: str | Path, changes: Sequence[str] = ()) -> Programme:
    """Read a programme file, or a shipped programme by its bare name.

    Args:
        name: The file or the name.
        changes: Changes to make before it is checked, as `scenario.changes` reads them.

    Raises:
        ProgrammeError: The file or one of its alternatives cannot be read, or holds faults; all
            are listed.
        TableError: An hourly series of a site cannot be.
    """
    return _load_programme_with_changes_checked(
        find_programme_path(name), changes, with_alternatives=True
    )


def _load_programme_with_changes_checked(
    path: Path, changes: Sequence[str], *, with_alternatives: bool
) -> Programme:
    text = _programme_file_text(path)
    file = _checked_programme_file(path, text, tuple(changes))
    named, country = _programme_file_paths_by_key_and_country(path, file)
    # Before anything is simulated: a slip in the last alternative would else be met minutes later.
    for alternative in file.alternatives if with_alternatives else ():
        _check_programme_alternative(path, text, changes, file, alternative)
    files = {where: InputFile.from_path(place) for where, place in named.items()}
    built = tuple(file.built_sites())
    country_files = tuple(
        InputFile.from_path(each, f"{each.parent.name}/{each.name}")
        for each in programme_funding_country_files(country)
    )
    if file.funding is not None:
        _raise_error_if_any_programme_faults(
            path, programme_funding_faults(file.funding, country_files)
        )
    return Programme(
        file=file,
        path=path,
        trace=files["demand.trace"],
        mapping=files.get("demand.mapping"),
        # Each file once: sites often read columns of one series.
        inputs=tuple(dict.fromkeys([InputFile.from_path(path), *files.values(), *country_files])),
        built=built,
        sites=tuple(
            _fleet_site_of_part(path, i, site) for i, site in enumerate(file.sites) if site in built
        ),
        gpu_types=tuple(
            GpuType(
                name=gpu.name,
                idle_w=gpu.idle,
                busy_w=gpu.busy,
                memory_gib=gpu.memory_gib,
                slices=gpu.slices,
                source=gpu.source,
            )
            for gpu in file.gpus
        ),
        changes=tuple(changes),
        country=country,
        country_files=country_files,
    )


def _programme_file_paths_by_key_and_country(
    path: Path, file: ProgrammeFile
) -> tuple[dict[str, Path], str]:
    """Return where each file that a programme names lies, by its key, and its country.

    Raises:
        ProgrammeError: One of them is not there.
    """
    names = {"demand.trace": file.demand.trace}
    if file.demand.mapping is not None:
        names["demand.mapping"] = file.demand.mapping
    # Sites without nodes are read, too: an alternative may build them, and its run is this run.
    names |= {
        f"sites.{i}.{key}.file": part.file
        for i, site in enumerate(file.sites)
        for key in _SERIES_UNITS
        if isinstance(part := getattr(site, key), SeriesPart)
    }
    places = {
        where: _path_of_file_beside_programme(path, name, where) for where, name in names.items()
    }
    country = (
        _programme_country_shipped_name_or_folder(path, file.funding.country)
        if file.funding
        else ""
    )
    return places, country


def read_programme_file(path: Path, changes: Sequence[str] = ()) -> ProgrammeFile:
    """Return what a programme file says, checked as `load_programme` does; nothing else is read.

    Raises:
        ProgrammeError: The file cannot be read, or holds faults; all are listed.
    """
    return _checked_programme_file(path, _programme_file_text(path), tuple(changes))


def programme_funding_country_files(country: str) -> tuple[Path, ...]:
    """Return every file that decides a country's accounts; none where nobody borrows."""
    return country_files(country) if country else ()


def _programme_country_shipped_name_or_folder(path: Path, name: str) -> str:
    """Return what `load_country` calls a programme's country: a shipped name, or a folder.

    A folder is sought beside the programme, as every file that a programme names is, so
    that the answer does not hang on where somebody stands who asks for it. A shipped name
    goes first; a path is written as a path.
    """
    if name in COUNTRIES.names():
        return name
    place = path.parent / name
    # A file of the folder stands for the folder, as people name either.
    folder = place if _is_programme_path_a_folder(place) else place.parent
    if not _is_programme_path_a_file(folder / _COUNTRY_FILE) or not (
        _is_programme_path_a_folder(place) or _is_programme_path_a_file(place)
    ):
        raise ProgrammeError(
            f"{path.name}, funding.country",
            found=Message(
                "no such country or folder: {name}",
                {"name": _file_name_shortened_for_message(name)},
            ),
            wanted=Message(
                "one of {names}, or a country folder beside the programme",
                {"names": ", ".join(COUNTRIES.names())},
            ),
            remedy=closest_name_remedy_or_empty(name, COUNTRIES.names())
            or Message(
                'Write for example country = "{name}", or name a folder with a file {file}.',
                {"name": COUNTRIES.names()[-1], "file": _COUNTRY_FILE},
            ),
        )
    country = str(folder)
    # Asked before anything is simulated; the shipped ones are known to be whole.
    load_country(country)
    return country


def find_programme_path(name: str | Path) -> Path:
    """Return the path of a shipped programme or of a programme file.

    Raises:
        ProgrammeError: There is no such file.
    """
    path = PROGRAMMES.find_shipped_file_or_path(name)
    if not path.is_file():
        raise ProgrammeError(
            str(name),
            found=Message("no such file"),
            wanted=Message(
                "a programme file (TOML) or one of: {names}",
                {"names": ", ".join(shipped_programme_names())},
            ),
        )
    return path


def _programme_file_text(path: Path) -> str:
    try:
        # With or without a byte order mark: editors on Windows write one.
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProgrammeError(
            path.name,
            found=str(error),
            wanted=Message("TOML in UTF-8"),
            remedy=Message("Save the file again as UTF-8."),
        ) from None
    except OSError as error:
        raise ProgrammeError(path.name, found=str(error.strerror)) from None


@lru_cache(maxsize=2)
def _programme_document(path: Path, text: str) -> Document:
    try:
        document = _parsed_programme_toml_document(text)
    except tomllib.TOMLDecodeError as error:
        raise programme_toml_fault(text, error).programme_error_in_file(path.name) from None
    except RecursionError:
        raise ProgrammeError(
            path.name,
            found=Message("tables or lists nested hundreds of levels deep"),
            wanted=Message("TOML in UTF-8"),
        ) from None
    if not document:
        raise ProgrammeError(
            path.name,
            found=Message("no key at all"),
            wanted=Message("a programme, in TOML"),
            remedy=Message("Let commonwatt new write a first one, and change that."),
        )
    return document


# A study reads its file as written, with its changes, and with those of each alternative, each of
# them when it is loaded and when it is computed. By the text, so that an edited file is read anew.
@lru_cache(maxsize=32)
def _checked_programme_file(path: Path, text: str, changes: tuple[str, ...]) -> ProgrammeFile:
    """Return the file with the changes made, its names known and its figures possible.

    Raises:
        ProgrammeError: It is not so; all faults are listed.
    """
    try:
        document = _changed_programme_document(path, _programme_document(path, text), changes)
        file = parse_programme(document)
    except ValidationError as error:
        faults = programme_validation_faults(error.errors(), ProgrammeFile)
        raise programme_faults_error(path.name, faults) from None
    _raise_error_if_any_programme_faults(
        path, [*programme_range_faults(file), *programme_reference_faults(file)]
    )
    # Asked of names and limits that are known to be right.
    _raise_error_if_any_programme_faults(path, programme_quota_faults(file))
    return file


def _raise_error_if_any_programme_faults(path: Path, faults: Iterable[ProgrammeFault]) -> None:
    if every := list(faults):
        raise programme_faults_error(path.name, every)


def _check_programme_alternative(
    path: Path, text: str, changes: Sequence[str], file: ProgrammeFile, name: str
) -> None:
    """Raise where an alternative could not be read, as the fault of its own lines."""
    lines = file.alternatives[name].change
    try:
        _raise_error_if_any_programme_faults(path, alternative_shared_key_change_faults(lines))
        changed = _checked_programme_file(path, text, (*changes, *lines))
        _programme_file_paths_by_key_and_country(path, changed)
    except ProgrammeError as error:
        raise ProgrammeError(
            f"{path.name}, alternatives.{name}.change",
            found=ErrorSentence("", {}, error),
            remedy=Message("Change these lines: {lines}", {"lines": "; ".join(lines)}),
        ) from None


def _parsed_programme_toml_document(text: str) -> Document:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    # The reader of TOML lets Python refuse a number of thousands of digits in its own words.
    except ValueError as error:
        raise tomllib.TOMLDecodeError(str(error)) from None


def _changed_programme_document(path: Path, document: Document, changes: Sequence[str]) -> Document:
    try:
        return apply_programme_changes(document, changes)
    except ValueError as error:
        raise ProgrammeError(
            path.name,
            found=Message("the change {error}", {"error": str(error)}),
            wanted=Message("a change such as sites.west.power_price=+50% or fleet.order=qssf"),
        ) from None


def _path_of_file_beside_programme(path: Path, name: str, where: str) -> Path:
    is_shipped = name.startswith(SHIPPED)
    place = DATA / name.removeprefix(SHIPPED) if is_shipped else path.parent / name
    # What is shipped lies within the package; a way out of it names no shipped file.
    if not _is_programme_path_a_file(place) or (is_shipped and ".." in place.parts):
        shown = {"name": _file_name_shortened_for_message(name)}
        raise ProgrammeError(
            f"{path.name}, {where}",
            found=Message("a folder and no file: {name}", shown)
            if _is_programme_path_a_folder(place)
            else Message("no such file: {name}", shown),
            wanted=Message('a file beside the programme, or "shipped:NAME"'),
            remedy=_missing_shipped_file_remedy(name)
            if is_shipped
            else _nearest_programme_file_remedy(path, name),
        )
    return place


def _missing_shipped_file_remedy(name: str) -> Message | str:
    shipped = [f"{SHIPPED}{each.relative_to(DATA).as_posix()}" for each in DATA.rglob("*.*")]
    # Nearer than other names: all begin alike, and a table of another wing is no trace.
    near = get_close_matches(name[:LONGEST_SHOWN], sorted(shipped), n=1, cutoff=0.8)
    return Message('Did you mean "{name}"?', {"name": near[0]}) if near else _NAME_A_FILE


def _nearest_programme_file_remedy(path: Path, name: str) -> Message | str:
    """Return which file near the programme was probably meant by one that is not there."""
    inner = PurePosixPath(name)
    folder = path.parent / inner.parent
    # Beside the programme or below it alone: of other folders an error must tell nothing.
    is_below = not inner.is_absolute() and ".." not in inner.parts
    there = sorted(folder.iterdir()) if is_below and _is_programme_path_a_folder(folder) else []
    if _is_programme_path_a_folder(path.parent / inner):
        return _NAME_A_FILE
    files = [(inner.parent / each.name).as_posix() for each in there if each.is_file()]
    return closest_name_remedy_or_empty(name[:LONGEST_SHOWN], files) or _NAME_A_FILE


def _file_name_shortened_for_message(name: str) -> str:
    short = name[:LONGEST_SHOWN]
    return short if short and short.isprintable() else repr(short)


def _is_programme_path_a_file(place: Path) -> bool:
    try:
        return place.is_file()
    # A name that no file can have, as one of thousands of letters.
    except (OSError, ValueError):
        return False


def _is_programme_path_a_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except (OSError, ValueError):
        return False


def _fleet_site_of_part(path: Path, index: int, part: SitePart) -> Site:
    where = f"sites.{index}"
    price = _programme_hourly_site_series(path, where, "power_price", part.power_price)
    if isinstance(part.power_price, SeriesPart) and part.price_range is not None:
        _raise_error_if_any_programme_faults(
            path,
            programme_hourly_price_range_faults(f"{where}.price_range", part.price_range, price),
        )
    return Site(
        name=part.name,
        region=part.region,
        pue=part.pue,
        price_usd_per_mwh=price,
        carbon_g_per_kwh=_programme_hourly_site_series(path, where, "carbon", part.carbon),
    )


def _programme_hourly_site_series(
    path: Path, where: str, key: str, part: float | SeriesPart
) -> F64:
    if not isinstance(part, SeriesPart):
        return np.array([part])
    series_file = _path_of_file_beside_programme(path, part.file, f"{where}.{key}.file")
    _check_hourly_series_encoding_and_unique_column(series_file, part.column)
    frame = _load_programme_hourly_series_table(series_file)
    if part.column not in frame.columns:
        raise ProgrammeError(
            f"{path.name}, {where}.{key}.column",
            found=Message(
                "{name}; {file} has the columns {names}",
                {
                    "name": repr(part.column),
                    "file": series_file.name,
                    "names": ", ".join(frame.columns),
                },
            ),
            wanted=Message("an hourly column of that name"),
            remedy=_hourly_series_column_remedy(part.column, frame.columns),
        )
    # Not strict: a word becomes a gap here and is refused below with its row, which Polars would
    # not name.
    values = frame[part.column].cast(pl.Float64, strict=False).to_numpy()
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        cell = frame[part.column][int(bad[0])]
        raise TableError(
            table_cell_location_text(series_file.name, int(bad[0]) + 1, part.column),
            found=Message("nothing") if cell is None else repr(str(cell))[:40],
            wanted=Message("a value for every hour"),
            remedy=Message(
                "Write a number there, with a point before decimals and nothing behind them."
            ),
        )
    hourly = values.astype(np.float64) * part.times
    _raise_error_if_any_programme_faults(
        path, programme_hourly_series_mean_faults(f"{where}.{key}", hourly, _SERIES_UNITS[key])
    )
    return hourly


def _hourly_series_column_remedy(column: str, columns: Sequence[str]) -> Message | str:
    """Return which column was probably meant; people forget capitals and blanks."""
    alike = [each for each in columns if each.strip().casefold() == column.strip().casefold()]
    near = closest_name_remedy_or_empty(column, columns)
    if alike:
        return Message('Did you mean "{name}"?', {"name": alike[0]})
    return near or Message("Write the heading of one of these columns.")


def _load_programme_hourly_series_table(file: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(file) if file.suffix == ".parquet" else read_spreadsheet_csv(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(
            file.name,
            found=str(error).splitlines()[0],
            wanted=Message("a table in CSV or Parquet with one row an hour"),
        ) from None


def _check_hourly_series_encoding_and_unique_column(file: Path, column: str) -> None:
    """Raise where a CSV is in another encoding, or has two columns of the name that is read.

    The reader of tables would take the one for a heading of odd letters, and of two columns
    the first, in silence.
    """
    if file.suffix == ".parquet":
        return
    with file.open("rb") as opened:
        first = opened.readline(65_536)
    if first[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise TableError(
            file.name,
            found=Message("text in UTF-16"),
            wanted=Message("text in UTF-8; save the file again as UTF-8"),
        )
    heads = next(csv.reader([first.decode("utf-8-sig", errors="replace")]), list[str]())
    if heads.count(column) > 1:
        raise TableError(
            table_cell_location_text(file.name, column=column),
            found=Message("the same column twice"),
            wanted=Message("it once"),
            remedy=Message("Give each column its own heading."),
        )


def _site_names_of_bit_mask(mask: int, names: Sequence[str]) -> list[str]:
    return [name for bit, name in enumerate(names) if mask >> bit & 1]


def _programme_node_names_site_by_site(sites: Sequence[SitePart]) -> list[str]:
    names: list[str] = []
    for site in sites:
        width = len(str(sum(pool.nodes for pool in site.pools)))
        total = sum(pool.nodes for pool in site.pools)
        # With leading zeros, so that nodes sort by name as they are numbered.
        names += [f"{site.name}-{i:0{width}d}" for i in range(total)]
    return names


def _programme_site_round_trips_matrix_ms(file: ProgrammeFile) -> F64:
    index = {site.name: i for i, site in enumerate(file.sites)}
    # Unknown until the file gives it: nought would put every site next door.
    rtt = np.full((len(index), len(index)), np.nan)
    np.fill_diagonal(rtt, 0.0)
    for link in file.latency:
        a, b = (index[name] for name in link.between)
        rtt[a, b] = rtt[b, a] = link.rtt
    return rtt
