"""An invoice per tenant: lines by GPU type, by the tariff, in whole minor units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from commonwatt.operate.domain.settings import ControllerSettings
from commonwatt.operate.domain.state import GpuUse, JobRecord
from commonwatt.operate.engines.meter import tariff_price_per_gpu_h


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """GPU time of one type at one price.

    Args:
        gpu_type: The type.
        gpu_h: GPU-hours in the period.
        price_per_gpu_h: What one costs.
        amount_minor: What they cost together, in minor units (cents), rounded half to even.
    """

    gpu_type: str
    gpu_h: float
    price_per_gpu_h: float
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """What one tenant owes for a period."""

    tenant: str
    currency: str
    from_s: float
    until_s: float
    lines: tuple[InvoiceLine, ...]

    @property
    def total_minor(self) -> int:
        """The sum of the lines, in minor units."""
        return sum(line.amount_minor for line in self.lines)


def tenant_invoices(
    rows: Mapping[str, JobRecord],
    uses: Sequence[GpuUse],
    settings: ControllerSettings,
    *,
    from_s: float,
    until_s: float,
) -> list[Invoice]:
    """Return the invoice of each tenant for GPU time between two instants.

    Time is cut at the ends of the period, so that periods add up to the whole.
    """
    used: dict[str, dict[str, float]] = {}
    for use in uses:
        gpu_h_by_type = used.setdefault(rows[use.job_id].request.tenant, {})
        gpu_h_by_type[use.gpu_type] = gpu_h_by_type.get(use.gpu_type, 0.0) + _billed_gpu_h(
            use, from_s, until_s
        )
    return [
        Invoice(
            tenant=tenant,
            currency=settings.tariff.currency,
            from_s=from_s,
            until_s=until_s,
            lines=tuple(
                _tenant_invoice_line(tenant, kind, h, settings)
                for kind, h in sorted(gpu_h_by_type.items())
                if h
            ),
        )
        for tenant, gpu_h_by_type in sorted(used.items())
    ]


def _billed_gpu_h(use: GpuUse, from_s: float, until_s: float) -> float:
    # A use that is still open is billed to the end of the period, or the tenant of a month-long
    # job would owe nothing until it ends.
    end_s = until_s if use.until_s is None else min(use.until_s, until_s)
    span_s = max(end_s - max(use.from_s, from_s), 0.0)
    return span_s * use.gpus * use.gpu_milli / 3.6e6


def _tenant_invoice_line(
    tenant: str, gpu_type: str, gpu_h: float, settings: ControllerSettings
) -> InvoiceLine:
    price = tariff_price_per_gpu_h(tenant, gpu_type, settings)
    return InvoiceLine(
        gpu_type=gpu_type,
        gpu_h=gpu_h,
        price_per_gpu_h=price,
        # Each line is rounded and the total is the sum of rounded lines, so that the invoice
        # adds up on paper.
        amount_minor=round(gpu_h * price * 100),
    )
