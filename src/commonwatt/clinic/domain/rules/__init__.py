"""Rules as data: what the law of a place says of a product on a day.

Rule files are read into a `RuleBook`; `classify` gives class, route and duties
with their reasons, `check` looks at every combination of the axes.
"""

from commonwatt.clinic.domain.rules.book import Rule, RuleBook, load_book
from commonwatt.clinic.domain.rules.check import Checked, check, moved
from commonwatt.clinic.domain.rules.classify import Ruling, classify

__all__ = ["Checked", "Rule", "RuleBook", "Ruling", "check", "classify", "load_book", "moved"]
