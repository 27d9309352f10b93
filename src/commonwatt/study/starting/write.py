"""A first programme made, held against its trace, and kept."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from commonwatt.core.errors import UsageError
from commonwatt.core.files import save_bytes
from commonwatt.core.messages import Message
from commonwatt.siting.domain.cells import site_cells
from commonwatt.siting.domain.library_region import LibraryRegion
from commonwatt.siting.io.cells import load_cost_cells
from commonwatt.study.programme.annotated import ProgrammeRemarks, annotated_programme_toml_text
from commonwatt.study.programme.reader import load_programme
from commonwatt.study.stages.demand import fleet_inputs_of_programme
from commonwatt.study.starting.demand import (
    started_demand_toml_table,
    started_gpu_toml_tables,
    started_pools_for_demand,
    started_tenant_toml_tables,
    workload_of_programme_start,
)
from commonwatt.study.starting.funding import (
    started_alternative_toml_table_by_name,
    started_funding_toml_table,
)
from commonwatt.study.starting.hall import (
    started_hall_site_name,
    started_hall_toml_table,
    started_rented_site_toml_table,
)
from commonwatt.study.starting.known import (
    check_started_place_and_zone,
    library_region_of_name,
    started_country_called_or_none,
)
from commonwatt.study.starting.start import ProgrammeStart, StartedFile, StartedProgramme


def write_first_programme(start: ProgrammeStart) -> StartedProgramme:
    """Write a first programme that runs at once, and return what is in it.

    Raises:
        UsageError: An unknown region or country, no rate for its currency, or a file that is
            there already.
        InputError: The trace cannot be read, or the folder of a country.
    """
    _check_new_programme_path(start)
    region = library_region_of_name(start.region)
    check_started_place_and_zone(start.place, start.zone)
    country = started_country_called_or_none(start.country)
    workload = workload_of_programme_start(start)
    pools = started_pools_for_demand(workload)
    cells = site_cells(load_cost_cells(), region.cost_site)
    site = started_hall_site_name(start, region)
    file = StartedFile(language=start.language)
    file.document = _started_title_and_seed_table(start, region) | {
        "demand": started_demand_toml_table(file, start, workload),
        "tenants": started_tenant_toml_tables(file, workload, site),
        "gpus": started_gpu_toml_tables(file, cells, pools),
        "sites": [
            started_hall_toml_table(file, start, region, cells, pools),
            started_rented_site_toml_table(file, pools, place=start.place),
        ],
        "policy": {"order": "fifo", "place": "consolidate", "backfill": "easy"},
        "compare": [{"order": "fair-share", "backfill": "easy"}],
        "funding": country and started_funding_toml_table(file, start, country),
        "alternatives": started_alternative_toml_table_by_name(site, pools),
    }
    _write_started_programme_if_it_runs(start, _text_of_file(file, start, site))
    return StartedProgramme(
        path=start.path,
        site=site,
        jobs=len(workload),
        gpus=sum(pool.nodes * pool.gpus_per_node for pool in pools),
        assumptions=tuple(file.assumptions),
        borrowed=tuple(file.borrowed),
    )


def _check_new_programme_path(start: ProgrammeStart) -> None:
    # Without its ending the name could be that of a shipped programme, and run that one.
    if start.path.suffix != ".toml":
        raise UsageError(
            os.fspath(start.path),
            found=Message("a name that does not end in .toml"),
            wanted=Message("a file such as {name}", {"name": f"{start.path.stem or 'my'}.toml"}),
        )
    # A folder is nobody's programme, whatever may be replaced.
    if start.path.is_dir() or (start.path.exists() and not start.replace):
        raise _programme_file_is_there_error(start.path)


def _programme_file_is_there_error(path: Path) -> UsageError:
    return UsageError(
        os.fspath(path),
        found=Message("a file that is there already"),
        wanted=Message("a new name"),
        remedy=Message("--force replaces it."),
    )


def _started_title_and_seed_table(start: ProgrammeStart, region: LibraryRegion) -> dict[str, Any]:
    english, chinese = start.place or region.english, start.place or region.chinese
    title = {"en": f"Public compute in {english}", "zh-Hant": f"公共算力：{chinese}"}
    return {"title": title, "seed": 1}


def _text_of_file(file: StartedFile, start: ProgrammeStart, site: str) -> str:
    header = (
        Message("A first programme, written by commonwatt new. It runs as it stands:"),
        Message("    commonwatt study {name}", {"name": start.path.name}),
        Message("What is marked ASSUMPTION or BORROWED is to be replaced by what you know."),
        Message(
            "To see what a value moves: commonwatt study {name} --what-if sites.{site}.pue=+10%",
            {"name": start.path.name, "site": site},
        ),
        Message("Every key that there is, with its meaning: commonwatt new --template"),
    )
    remarks = ProgrammeRemarks(
        header=[file.text(each) for each in header], before=file.before, after=file.after
    )
    # Not stated is not there: an empty table would say that somebody left it empty.
    stated = {key: value for key, value in file.document.items() if value}
    return annotated_programme_toml_text(stated, remarks=remarks, language=start.language)


def _write_started_programme_if_it_runs(start: ProgrammeStart, text: str) -> None:
    """Read the file back as the study will, hold its jobs against its machines, and keep it.

    Raises:
        UsageError: Somebody else wrote the file meanwhile.
        InputError: The trace asks for what no hall of one kind of node can give.
    """
    folder = start.path.parent
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the file itself: a programme names its files from the folder that it stands in.
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=f".{start.path.stem}-", suffix=".toml"
    ) as draft:
        draft.write(text)
        draft.flush()
        programme = load_programme(Path(draft.name))
        fleet_inputs_of_programme(programme)
        for alternative in programme.file.alternatives:
            programme.alternative(alternative)
    try:
        save_bytes(text.encode("utf-8"), start.path, replace=start.replace)
    except FileExistsError:
        raise _programme_file_is_there_error(start.path) from None
