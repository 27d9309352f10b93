"""Rules as data: what the law of a place says of a product on a day.

Rule files are read into a `RegulatoryRuleBook`; `classify` gives class, route and duties
with their reasons, `check` looks at every combination of the axes.
"""

from commonwatt.clinic.domain.rules.book import (
    RegulatoryRule,
    RegulatoryRuleBook,
    load_regulatory_rule_book,
)
from commonwatt.clinic.domain.rules.check import (
    RuleBookFindings,
    product_class_cells_changed_by_rule_date,
    rule_book_findings,
)
from commonwatt.clinic.domain.rules.classify import (
    ProductRuling,
    ReportingPeriod,
    classify_product,
)

__all__ = [
    "ProductRuling",
    "RegulatoryRule",
    "RegulatoryRuleBook",
    "ReportingPeriod",
    "RuleBookFindings",
    "classify_product",
    "load_regulatory_rule_book",
    "product_class_cells_changed_by_rule_date",
    "rule_book_findings",
]
