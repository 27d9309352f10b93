"""The tables that the clinic writes or shows, column by column."""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.shared import DAY
from commonwatt.catalogue.tables import TableColumn, TableSchema
from commonwatt.clinic.domain import measures as m

_of = TableColumn.of
_INTERVAL: Final = (_of(m.INTERVAL_LOW, "low"), _of(m.INTERVAL_HIGH, "high"))
_ROWS: Final = _of(m.EVIDENCE_ROWS, "rows")
_EVENTS: Final = _of(m.EVENTS, "events")
_VERDICT: Final = _of(m.EVIDENCE_VERDICT, "verdict")
_MODEL: Final = _of(m.MEDICAL_MODEL, "model")
_DAY: Final = _of(DAY, "day", kind="count", meaning="days from the first, or the last of a stretch")
_RATIO: Final = _of(m.OBSERVED_OVER_EXPECTED, "o_over_e")
_OVER_LIMIT: Final = _of(m.EVIDENCE_OVER_LIMIT, "over_limit")
_PLACE: Final = _of(m.PLACE, "jurisdiction")
_ON: Final = _of(m.LAW_OF, "on")
_SCHEME: Final = _of(m.SCHEME, "scheme")
_INSTITUTION: Final = _of(m.INSTITUTION, "institution")
_DEPLOYMENT: Final = _of(m.DEPLOYMENT)
_RULE: Final = _of(m.RULE)
_EVENT: Final = _of(m.EVENT)
_SEVERITY: Final = _of(m.SEVERITY)
_AT: Final = _of(m.RECORDED_AT, "at")

ESTIMATES: Final = TableSchema(
    "estimates",
    "Metrics of a model by group, with intervals.",
    (
        _of(m.PATIENT_GROUP, "group"),
        _of(m.METRIC, "metric"),
        _of(m.ESTIMATE, "estimate"),
        *_INTERVAL,
        _ROWS,
        _EVENTS,
        _of(m.BINNING_ERROR, "resolution"),
        _VERDICT,
    ),
)
CASE: Final = TableSchema(
    "explained_case",
    "What each column adds for one case.",
    (
        _of(m.EXPLAINED_COLUMN, "column"),
        _of(m.CONTRIBUTION, "adds"),
        _of(m.CONTRIBUTION_ERROR, "error"),
    ),
)
IMPORTANCE: Final = TableSchema(
    "importance",
    "What each column is worth to a model.",
    (
        _of(m.EXPLAINED_COLUMN, "column"),
        _of(m.AUC_LOST, "auc_lost"),
        _of(m.INTERVAL_LOW, "low", meaning="2.5th percentile of the rounds"),
        _of(m.INTERVAL_HIGH, "high", meaning="97.5th percentile of the rounds"),
        _of(m.ROUNDS, "rounds"),
    ),
)
EXAMINED: Final = TableSchema(
    "language",
    "What a language model did on each task, with intervals.",
    (
        _of(m.TASK, "task"),
        _of(m.COUNTED, "measure"),
        _of(m.NOTES, "group"),
        _of(m.ESTIMATE, "estimate", meaning="share; empty where there are too few"),
        *_INTERVAL,
        _of(m.EVIDENCE_ROWS, "rows", meaning="notes, sentences or quantities that it rests on"),
        _VERDICT,
    ),
)
CARDS: Final = TableSchema(
    "cards",
    "Model cards: the class that their words suggest, and what they say against themselves.",
    (
        _of(m.CARD_FILE, "file"),
        _of(m.CARD_NAME, "name"),
        _of(m.CARD_VERSION, "version"),
        _of(m.CARD_CATEGORY, "category"),
        _of(m.CARD_FAULT, "rule"),
        _of(m.CARD_STATEMENT, "found"),
    ),
)
OVER_TIME: Final = TableSchema(
    "over_time",
    "How each stream did in each stretch of days.",
    (
        _MODEL,
        _DAY,
        _ROWS,
        _EVENTS,
        _RATIO,
        _of(m.AUC, "auc", meaning="AUC of the stretch; empty where there are too few"),
        _OVER_LIMIT,
    ),
)

# Of the rules: every combination of the axes.
CELLS: Final = TableSchema(
    "rule_cells",
    "The class of every combination, by place, day and scheme.",
    (_PLACE, _ON, _SCHEME, _of(m.COMBINATION), _of(m.REGULATORY_CLASS, "class")),
)
MOVED: Final = TableSchema(
    "moved",
    "Cells whose class changes when the date of a rule moves.",
    (
        _PLACE,
        _ON,
        _SCHEME,
        _of(m.COMBINATION),
        _of(m.CLASS_BEFORE, "before"),
        _of(m.CLASS_AFTER, "after"),
    ),
)
GAPS: Final = TableSchema(
    "gaps",
    "Combinations to which a scheme applies and no rule gives a class.",
    (_PLACE, _ON, _SCHEME, _of(m.COMBINATIONS), _of(m.SHARED_FACTS, "shared")),
)
CONTRADICTIONS: Final = TableSchema(
    "contradictions",
    "Rules that give different classes to the same combinations.",
    (
        _PLACE,
        _ON,
        _SCHEME,
        _of(m.COMBINATIONS),
        _RULE,
        _of(m.REGULATORY_CLASS, "class"),
        _of(m.RULE_SOURCE, "source"),
        _of(m.OTHER_RULE),
        _of(m.OTHER_CLASS),
        _of(m.OTHER_SOURCE),
    ),
)
REPORT_WITHIN: Final = TableSchema(
    "report_within",
    "How soon each event must be reported, by whom and by which rule.",
    (
        _of(m.REPORTED_EVENT, "event"),
        _of(m.REPORTER),
        _of(m.CALENDAR_DAYS),
        _of(m.WORKING_DAYS),
        _RULE,
    ),
)
RULE_PLACES: Final = TableSchema(
    "rule_places",
    "Whose rules there are, and on how much primary text they rest.",
    (
        _PLACE,
        _of(m.RULE_PLACE_NAME, "place_name"),
        _of(m.RULE_PLACE_KIND, "kind"),
        _of(m.RULES_OF_PLACE, "rules"),
        _of(m.PRIMARY_TEXT_SHARE, "primary_share"),
        _of(m.QUOTED_RULE_SHARE, "quoted_share"),
        _of(m.UNCONFIRMED_RULES, "unconfirmed"),
        _of(m.PROPOSED_RULES, "proposed"),
        _of(m.FAILING_CASES, "failing_cases"),
        _of(m.RULE_FILE, "file"),
    ),
)
UNRULED_SERVICES: Final = TableSchema(
    "unruled_services",
    "Services for which there is neither class nor route.",
    (_PLACE, _ON, _of(m.SERVICES), _of(m.UNRULED, "unruled")),
)

# Of a study: the example models.
CLINIC_OVER_TIME: Final = TableSchema(
    "clinic_over_time", "Each model of the programme by day.", (_MODEL, _DAY, _RATIO)
)
CLINIC_EVIDENCE: Final = TableSchema(
    "clinic_evidence", "The evidence of each monitor by day.", (_MODEL, _DAY, _OVER_LIMIT)
)
CLINIC_SUBGROUPS: Final = TableSchema(
    "clinic_subgroups",
    "Each model by group of patients.",
    tuple(column for column in ESTIMATES.columns if column.name != "resolution"),
)
CLINIC_FUNNEL: Final = TableSchema(
    "clinic_funnel",
    "Each model by institution.",
    (_MODEL, _INSTITUTION, _of(m.EXPECTED_EVENTS, "expected"), _RATIO),
)
CLINIC_VOICES: Final = TableSchema(
    "clinic_voices",
    "Model, doctor and both on the same patients.",
    (
        _of(m.JUDGE, "voice"),
        _of(m.AUC, "estimate"),
        *_INTERVAL,
    ),
)
MODELS: Final = TableSchema(
    "clinic_models",
    "The models of the programme as the report shows them.",
    (
        _MODEL,
        _of(m.CLASS_AND_ROUTE),
        _of(m.AUC_INTERVAL),
        _of(m.RATIO_INTERVAL),
        _of(m.MONITOR),
        _of(m.OPEN_DUTIES),
    ),
)
ESTIMATE_WORTH: Final = TableSchema(
    "estimate_worth",
    "What recording the doctor's own estimate is worth.",
    (_of(m.JUDGE), _of(m.AUC, "auc", kind="text"), _of(m.JUDGE_INTERVAL)),
)

# Of the registry, as console and dossier show it.
DEPLOYMENTS: Final = TableSchema(
    "clinic_deployments",
    "Where each deployment stands.",
    (
        _DEPLOYMENT,
        _of(m.PRODUCT),
        _of(m.VERSION),
        _INSTITUTION,
        _of(m.MODE),
        _of(m.THRESHOLD),
        _of(m.DEPLOYMENT_STATUS, "status"),
        _of(m.SINCE),
        _of(m.ALARMS),
    ),
)
DUTIES: Final = TableSchema(
    "clinic_duties",
    "Who must be told of incidents by when.",
    (_of(m.DUE_AT), _PLACE, _SEVERITY, _of(m.REPORTER), _EVENT, _RULE),
)
RULINGS: Final = TableSchema(
    "clinic_rulings",
    "Which class each intended use was given, where and by which rule set.",
    (
        _of(m.INTENDED_USE),
        _PLACE,
        _of(m.REGULATORY_CLASS, "classes"),
        _of(m.ROUTE, "route"),
        _of(m.RULE_SET),
        _AT,
    ),
)
EVENTS: Final = TableSchema(
    "clinic_events",
    "Signals, incidents and actions.",
    (_AT, _of(m.EVENT_TYPE, "type"), _SEVERITY, _DEPLOYMENT, _of(m.EVENT_CODE, "code")),
)
STANDING: Final = TableSchema(
    "clinic_standing",
    "Where the deployments of one version stand, as the dossier shows it.",
    (
        _DEPLOYMENT,
        _INSTITUTION,
        _of(m.DEPLOYMENT_STATUS, "status"),
        _of(m.APPROVED_BY),
        _of(m.UNDISCLOSED),
        _of(m.DECISIONS),
    ),
)

# What waits for whom, and the committee's page of a product.
WAITING: Final = TableSchema(
    "clinic_waiting",
    "What stands still until somebody acts.",
    (
        _of(m.DUE_AT),
        _of(m.WORKING_DAYS_LEFT),
        _of(m.PRODUCT),
        _of(m.WAITING_SUBJECT, "subject"),
        _of(m.WAITING_REASON, "reason"),
        _of(m.WAITS_FOR, "role"),
        _of(m.NEXT_COMMAND, "command"),
        _of(m.SINCE, "since", meaning="when it came to stand still"),
        _RULE,
    ),
)
PLACE_RULINGS: Final = TableSchema(
    "clinic_place_rulings",
    "The last ruling on each intended use of a product, by place.",
    (
        _of(m.INTENDED_USE),
        _PLACE,
        _of(m.REGULATORY_CLASS, "classes"),
        _of(m.ROUTE, "route"),
        _RULE,
        _of(m.ARTICLE),
        _of(m.RULING_TODAY, "today"),
        _of(m.RULE_SET_DIGEST, "rule_set_sha256"),
        _AT,
    ),
)
PRODUCT_EVIDENCE: Final = TableSchema(
    "clinic_product_evidence",
    "Evidence on the versions of a product, against the standard of its class.",
    (
        _of(m.EVIDENCE_RECORD, "evidence"),
        _of(m.VERSION),
        _of(m.DESIGN),
        _ROWS,
        _EVENTS,
        _of(m.AUC, "auc"),
        *_INTERVAL,
        _of(m.GROUPS_ESTIMATED, "groups"),
        _of(m.THRESHOLD),
        _of(m.EVIDENCE_SHORTFALL, "lacks"),
    ),
)
MONITOR_PLANS: Final = TableSchema(
    "clinic_monitor_plans",
    "Guide and monitor plan of each deployment, and how the last run ended.",
    (
        _DEPLOYMENT,
        _of(m.GUIDE),
        _of(m.BAND),
        _of(m.FALSE_ALARM_BOUND, "alpha"),
        _of(m.HORIZON_ROWS),
        _of(m.MATURITY_DAYS),
        _of(m.EVERY_DAYS),
        _of(m.ON_ALARM),
        _of(m.LAST_RUN),
        _of(m.MONITOR, "verdict"),
    ),
)
PRODUCT_DEPLOYMENTS: Final = TableSchema(
    "clinic_product_deployments",
    "Where the versions of a product work.",
    (
        _DEPLOYMENT,
        _of(m.VERSION),
        _INSTITUTION,
        _PLACE,
        _of(m.MODE),
        _of(m.THRESHOLD),
        _of(m.DEPLOYMENT_STATUS, "status"),
        _of(m.SINCE),
    ),
)
PRODUCT_ALARMS: Final = TableSchema(
    "clinic_product_alarms",
    "Alarms of the monitors of a product, and what was done about them.",
    (
        _AT,
        _EVENT,
        _DEPLOYMENT,
        _of(m.ALARM_STREAM, "stream"),
        _of(m.ALARM_ANSWER, "answer"),
        _of(m.ANSWERED_AT),
    ),
)
PRODUCT_INCIDENTS: Final = TableSchema(
    "clinic_product_incidents",
    "Incidents of a product: who must report them by when, and which were reported.",
    (
        _of(m.DUE_AT),
        _of(m.WORKING_DAYS_LEFT),
        _EVENT,
        _PLACE,
        _SEVERITY,
        _of(m.REPORTER),
        _RULE,
        _of(m.REPORT_NUMBER),
    ),
)
CHANGES_SINCE_APPROVAL: Final = TableSchema(
    "clinic_changes",
    "What was put on record of a product since its last approval.",
    (_AT, _of(m.RECORD_NAME, "record"), _of(m.RECORD_KIND, "kind"), _of(m.WHAT_CHANGED, "change")),
)

# What the commands show, under the names of their JSON.
STREAMS: Final = TableSchema(
    "clinic_streams",
    "What the monitor says of each group of patients.",
    (
        _of(m.PATIENT_GROUP, "stream"),
        _of(m.MONITOR, "verdict"),
        _ROWS,
        _EVENTS,
    ),
)
LIVE: Final = TableSchema(
    "clinic_live",
    "What was live at an institution at an instant.",
    (
        _DEPLOYMENT,
        _of(m.VERSION),
        _of(m.MODE),
        _of(m.THRESHOLD),
        _of(m.SINCE),
        _of(m.REFUSED_BY),
    ),
)
PRODUCT_RULINGS: Final = TableSchema(
    "clinic_product_rulings",
    "Which rule sets gave a product its class in a place.",
    (
        _of(m.RULING, "ruling"),
        _AT,
        _of(m.REGULATORY_CLASS, "classes"),
        _of(m.ROUTE, "route"),
        _of(m.RULE_SET_DIGEST, "rule_set_sha256"),
    ),
)
UNSIGNED_ADVICE: Final = TableSchema(
    "clinic_unsigned_advice",
    "Advice on which a doctor's signed decision is still wanted.",
    (_of(m.ADVICE, "advice"),),
)
ADVICE_FATE: Final = TableSchema(
    "clinic_advice_fate",
    "How accepted and overridden advice fared.",
    (
        _of(m.DECISION, "decision"),
        _of(m.EVENT_CAME, "event"),
        _of(m.EVENT_NOT_CAME, "no event"),
        _of(m.EVENT_NOT_KNOWN, "not known"),
    ),
)
