"""The committee: what waits for whom, and everything that one product rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commonwatt.catalogue.measures import measure_label_message
from commonwatt.clinic.domain import tables
from commonwatt.clinic.domain.measures import PRODUCT as PRODUCT_MEASURE
from commonwatt.clinic.domain.measures import WAITING_OVERDUE, WAITING_THINGS
from commonwatt.core.messages import Message
from commonwatt.web.page_view import (
    HeadlineFact,
    PageView,
    TableListing,
    console_column_headings_of,
    page_headline_fact_of_figure,
)
from commonwatt.web.pages.models import ledger_head_text_and_clinic_registry, page_table_rows_digest
from commonwatt.web.pages.states import table_listing_of_rows
from commonwatt.web.parameters import Options, PageParameter, PageValues, ParameterKind
from commonwatt.web.request_context import Page, RequestContext
from commonwatt.web.roles import ConsoleAction

if TYPE_CHECKING:
    from commonwatt.catalogue.tables import TableSchema


def _committee_page_product_options(context: RequestContext) -> Options:
    _, registry = ledger_head_text_and_clinic_registry(context)
    names = dict.fromkeys(registry.by_kind["product"])
    return [("", Message("all products")), *((name, name) for name in names)]


PRODUCT = PageParameter(
    name="product",
    label=measure_label_message(PRODUCT_MEASURE),
    meaning=Message("One product; all of them where nothing is given."),
    kind=ParameterKind.CHOICE,
    options=_committee_page_product_options,
    longest=120,
)


def build_committee_page(context: RequestContext, values: PageValues) -> PageView:
    """Return what waits over all products, or everything that one product rests on."""
    from commonwatt.clinic.usecases.committee import (
        PRODUCT_TABLES,
        clinic_waiting_row_dicts,
        committee_product_file,
    )

    _, registry = ledger_head_text_and_clinic_registry(context)
    product, on = values.text(PRODUCT.name), context.now.date()
    if not product:
        waiting = clinic_waiting_row_dicts(registry, on, language=context.language)
        title = PRODUCT_TABLES["waiting"][0]
        listings = [_committee_table_listing("waiting", title, waiting, tables.WAITING)]
    else:
        rows = committee_product_file(registry, product, on, language=context.language).tables()
        waiting = rows["waiting"]
        listings = [
            _committee_table_listing(name, title, rows[name], table)
            for name, (title, table) in PRODUCT_TABLES.items()
        ]
    overdue = sum((row["working_days_left"] or 0) < 0 for row in waiting)
    return PageView(
        lede=_committee_page_lede(product, len(waiting), overdue),
        facts=_committee_page_waiting_facts(len(waiting), overdue, context.language),
        tables=listings,
        notes=[
            Message(
                "Each row says who must act and by which command of commonwatt. Working days "
                "leave out Saturdays and Sundays, not public holidays."
            )
        ],
        extra={"products": list(dict.fromkeys(registry.by_kind["product"])), "product": product},
        data={"waiting": waiting},
    )


def _committee_page_lede(product: str, waiting: int, overdue: int) -> Message:
    gaps = {"waiting": str(waiting), "overdue": str(overdue)}
    if not product:
        return Message(
            "{waiting} things wait for somebody; {overdue} of them are past their day.", gaps
        )
    return Message(
        "{product}: {waiting} things wait for somebody; {overdue} of them are past their day.",
        gaps | {"product": product},
    )


def _committee_page_waiting_facts(waiting: int, overdue: int, language: str) -> list[HeadlineFact]:
    counted = ((WAITING_THINGS, waiting), (WAITING_OVERDUE, overdue))
    return [page_headline_fact_of_figure(figure, count, language) for figure, count in counted]


def _committee_table_listing(
    name: str, title: Message, rows: Sequence[Mapping[str, Any]], table: TableSchema
) -> TableListing:
    return table_listing_of_rows(
        name,
        title,
        rows,
        console_column_headings_of(table),
        # The rows themselves name the content: they hold reasons in the reader's language, and
        # days run out while the ledger stands still.
        key=f"committee/{name}/{page_table_rows_digest(rows)}",
    )


def _committee_page_content_key(context: RequestContext, values: PageValues) -> str:
    """Return what the page is made of: the ledger, and the day from which days are counted."""
    del values
    head, _ = ledger_head_text_and_clinic_registry(context)
    return f"{head}/{context.now.date().isoformat()}"


PAGE = Page(
    name="committee",
    title=Message("Committee"),
    action=ConsoleAction.SEE_MODELS,
    build=build_committee_page,
    parameters=(PRODUCT,),
    template="committee.html",
    group="govern",
    content_key=_committee_page_content_key,
)
