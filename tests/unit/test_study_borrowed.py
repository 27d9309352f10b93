"""A site that is costed with the cells of another country says so, cell by cell."""

import html

import pytest

from commonwatt.runs import RunStore
from commonwatt.siting.domain.cells import COUNTRY_OF_LIBRARY_SITE
from commonwatt.siting.io.cells import cost_library_site_names, load_cost_cells
from commonwatt.study.programme.regions import COUNTRY_CODES
from commonwatt.study.usecases import run_study
from tests.small_programme import ALTERNATIVES, small_programme

# What a programme states or a run measures is nobody's cell.
STATED = {"tariff_usd_per_kwh", "pue_ratio", "utilisation_share", "tax_share"}


def test_every_site_of_the_library_has_its_country():
    assert set(COUNTRY_OF_LIBRARY_SITE) == set(cost_library_site_names())
    assert set(COUNTRY_OF_LIBRARY_SITE.values()) <= COUNTRY_CODES


@pytest.mark.parametrize(("region", "is_borrowed"), [("HK", False), ("KE", True)])
def test_the_cells_of_another_country_are_marked_in_report_and_table(region, is_borrowed, tmp_path):
    own_cell = 'cost_cells = "hong-kong"\n[sites.cells]\ntax_share = 0.25\n'
    programme = small_programme(
        tmp_path,
        changes={
            'region = "HK"': f'region = "{region}"',
            'cost_cells = "hong-kong"\n': own_cell,
            ALTERNATIVES: "",
        },
        jobs=12,
    )
    store = RunStore(tmp_path / "runs")
    study = run_study(programme, store)
    cells = store.table(study.run.run_id, "cost_cells").filter(name="home")
    marked = dict(zip(cells["input"], cells["borrowed_from"], strict=True))
    library = {cell.input for cell in load_cost_cells() if cell.site == "hong-kong"}
    borrowed = library - STATED if is_borrowed else set()
    assert {name for name, owner in marked.items() if owner == "hong-kong"} == borrowed
    assert {name for name, owner in marked.items() if not owner} == set(marked) - borrowed
    sites = store.table(study.run.run_id, "cost_sites")
    assert sites["cells_borrowed"].to_list() == [len(borrowed), 0]
    assert sites["borrowed_from"].to_list() == ["hong-kong" if is_borrowed else "", ""]
    page = study.report.read_text(encoding="utf-8")
    note = f"Home hall borrows {len(borrowed)} of its {len(marked)} inputs from hong-kong, a site"
    assert (html.escape(note) in page) == is_borrowed
    assert "Borrowed inputs" in page
