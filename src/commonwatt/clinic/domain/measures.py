"""What the figures of the clinic are: label, unit, meaning and form, once each.

A metric of a model has no unit of its own: AUC, sensitivity and the ratio of observed to
expected events are pure numbers, written to three digits, because an interval of a few
hundred patients supports no more.
"""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import COUNT, DATE, NUMBER, SHARE, TEXT, Form, FormKind, Measure
from commonwatt.core.messages import Message

_THREE: Final = NUMBER.with_digits(3)
_FOUR: Final = NUMBER.with_digits(4)
_SIGNED_THREE: Final = Form(FormKind.NUMBER, 3, signed=True)
_SIGNED_FOUR: Final = Form(FormKind.NUMBER, 4, signed=True)


def _clinic_text_measure(name: str, label: Message, meaning: Message, form: Form = TEXT) -> Measure:
    return Measure(name, label, "", meaning, form)


def _clinic_count_measure(name: str, label: Message, meaning: Message) -> Measure:
    return Measure(name, label, "", meaning, COUNT)


def _clinic_number_measure(
    name: str, label: Message, meaning: Message, form: Form = _THREE
) -> Measure:
    return Measure(name, label, "", meaning, form)


# How well a model does, for whom, and how sure that is.
MEDICAL_MODEL: Final = _clinic_text_measure(
    "medical_model", Message("Model"), Message("A medical model, or a stream of its patients")
)
PATIENT_GROUP: Final = _clinic_text_measure(
    "patient_group", Message("Group of patients"), Message("The patients that a row speaks of")
)
METRIC: Final = _clinic_text_measure(
    "metric", Message("Metric"), Message("What is measured: auc, o_over_e or a threshold metric")
)
ESTIMATE: Final = _clinic_number_measure(
    "metric_estimate", Message("Estimate"), Message("The metric; empty where there are too few")
)
INTERVAL_LOW: Final = _clinic_number_measure(
    "interval_low", Message("From"), Message("Lower bound of the interval at 95 %")
)
INTERVAL_HIGH: Final = _clinic_number_measure(
    "interval_high", Message("To"), Message("Upper bound of the interval at 95 %")
)
EVIDENCE_ROWS: Final = _clinic_count_measure(
    "evidence_rows", Message("Patients or cases"), Message("Rows that a figure rests on")
)
PATIENTS: Final = _clinic_count_measure(
    "patients_in_rows", Message("Patients"), Message("Patients whose rows a figure rests on")
)
EVENTS: Final = _clinic_count_measure(
    "events_observed", Message("Events"), Message("Rows in which the event came")
)
EXPECTED_EVENTS: Final = _clinic_number_measure(
    "events_expected",
    Message("Expected events"),
    Message("Sum of the model's probabilities over the rows"),
    NUMBER.with_digits(1),
)
OBSERVED_OVER_EXPECTED: Final = Measure(
    "observed_over_expected",
    Message("Observed over expected"),
    "",
    Message("Events that came over the sum of the model's probabilities; 1 where it is right"),
    _THREE,
    "events_observed / events_expected",
)
AUC: Final = _clinic_number_measure(
    "auc",
    Message("AUC"),
    Message(
        "Chance that a patient with the event has a higher score than one without; DeLong's "
        "interval (1988)"
    ),
)
BINNING_ERROR: Final = _clinic_number_measure(
    "binning_error",
    Message("Binning error"),
    Message("Most that counting scores in steps of the logit can have changed the estimate"),
    _FOUR,
)
EVIDENCE_VERDICT: Final = _clinic_text_measure(
    "evidence_verdict", Message("Verdict"), Message("Estimated, or too few to say")
)
INSTITUTION: Final = _clinic_text_measure(
    "institution", Message("Institution"), Message("Where a model is used, as deployments name it")
)
JUDGE: Final = _clinic_text_measure(
    "judge", Message("Judged by"), Message("The model, the doctor, or the mean of both")
)
JUDGES: Final = {
    "model": Message("model"),
    "doctor": Message("doctor"),
    "both": Message("both together"),
}
"""Who foretold, by the name of the field that holds their figure."""
JUDGE_INTERVAL: Final = _clinic_text_measure(
    "judge_interval", Message("Interval at 95 %"), Message("From and to of the AUC, or of a gain")
)

# What a monitor saw.
EVIDENCE_OVER_LIMIT: Final = _clinic_number_measure(
    "evidence_over_limit",
    Message("Evidence over its limit"),
    Message(
        "Highest value of the monitor's statistic so far over the limit of its alarm; it has "
        "rung at 1"
    ),
)
MONITOR: Final = _clinic_text_measure(
    "monitor_verdict",
    Message("Monitor"),
    Message("Alarm, quiet or too few, with the day of the alarm"),
)
MODELS: Final = _clinic_count_measure(
    "medical_models", Message("Models"), Message("Medical models of the programme")
)
MONITORS_IN_ALARM: Final = _clinic_count_measure(
    "monitors_in_alarm", Message("Monitors in alarm"), Message("Models whose monitor has rung")
)
RULES_IN_SET: Final = _clinic_count_measure(
    "rules_in_set", Message("Rules of the set"), Message("Rules of every place, proposed ones too")
)
BOTH_AUC: Final = _clinic_number_measure(
    "auc_of_both",
    Message("Doctor and model together"),
    Message("AUC of the plain mean of the doctor's and the model's estimate; nothing is fitted"),
)
CLASS_AND_ROUTE: Final = _clinic_text_measure(
    "class_and_route",
    Message("Class and route in Hong Kong"),
    Message("Class by scheme, and the route by which the product may be used"),
)
AUC_INTERVAL: Final = _clinic_text_measure(
    "auc_interval", Message("AUC (interval)"), Message("AUC over all patients, from and to")
)
RATIO_INTERVAL: Final = _clinic_text_measure(
    "ratio_interval",
    Message("Observed over expected (interval)"),
    Message("Observed over expected events over all patients, from and to"),
)
OPEN_DUTIES: Final = _clinic_text_measure(
    "open_duties", Message("Open duties"), Message("Duties of the class that are not met")
)

# Why a model scores as it does.
EXPLAINED_COLUMN: Final = _clinic_text_measure(
    "explained_column", Message("Column of the model"), Message("A column that the model reads")
)
CONTRIBUTION: Final = _clinic_number_measure(
    "contribution",
    Message("What it adds"),
    Message("Added to the logit or the score of one case, against what is usual"),
    _SIGNED_FOUR,
)
CONTRIBUTION_ERROR: Final = _clinic_number_measure(
    "contribution_error",
    Message("Standard error"),
    Message("Standard error of what it adds; zero where that is exact"),
    _FOUR,
)
AUC_LOST: Final = _clinic_number_measure(
    "auc_lost", Message("AUC lost"), Message("Mean loss of AUC when the column is shuffled"), _FOUR
)
ROUNDS: Final = _clinic_count_measure(
    "rounds", Message("Rounds"), Message("How often the column was shuffled")
)

# Language models.
TASK: Final = _clinic_text_measure(
    "language_task", Message("Task"), Message("Detect, summarise or lazy")
)
COUNTED: Final = _clinic_text_measure(
    "counted", Message("What is counted"), Message("The share that a row gives")
)
NOTES: Final = _clinic_text_measure(
    "notes_examined", Message("Notes"), Message("All notes, or those with one kind of error")
)

# What a model card states, and which rules it breaks.
CARD_FILE: Final = _clinic_text_measure(
    "card_file", Message("File of the card"), Message("Name of the file")
)
CARD_NAME: Final = _clinic_text_measure(
    "card_name", Message("Name on the card"), Message("As the card has it")
)
CARD_VERSION: Final = _clinic_text_measure(
    "card_version", Message("Version on the card"), Message("The version that the card states")
)
CARD_CATEGORY: Final = _clinic_text_measure(
    "card_category",
    Message("IMDRF category"),
    Message("Category recomputed from the facts that the card's words suggest"),
)
CARD_FAULT: Final = _clinic_text_measure(
    "card_fault", Message("Fault of the card"), Message("Rule that the card breaks; empty if none")
)
CARD_STATEMENT: Final = _clinic_text_measure(
    "card_statement", Message("What the card says"), Message("The words at fault")
)

# Rules of the law.
PLACE: Final = _clinic_text_measure("jurisdiction", Message("Place"), Message("Whose law"))
LAW_OF: Final = _clinic_text_measure(
    "law_of", Message("Law of"), Message("Day whose law applies"), DATE
)
SCHEME: Final = _clinic_text_measure("scheme", Message("Scheme"), Message("Scheme of classes"))
COMBINATION: Final = _clinic_count_measure(
    "combination", Message("Combination"), Message("Number of a combination of the axes, from 0")
)
COMBINATIONS: Final = _clinic_count_measure(
    "combinations", Message("Combinations"), Message("How many combinations of the axes")
)
REGULATORY_CLASS: Final = _clinic_text_measure(
    "regulatory_class", Message("Class"), Message("Class of a product; outside, or silent")
)
CLASS_BEFORE: Final = _clinic_text_measure(
    "class_before", Message("Class before"), Message("Class while the rule's date stands")
)
CLASS_AFTER: Final = _clinic_text_measure(
    "class_after", Message("Class after"), Message("Class once the rule's date is moved")
)
SHARED_FACTS: Final = _clinic_text_measure(
    "shared_facts", Message("What they share"), Message("Facts that all these combinations have")
)
RULE: Final = _clinic_text_measure("rule", Message("Rule"), Message("Name of a rule in the book"))
RULE_SOURCE: Final = _clinic_text_measure(
    "rule_source", Message("Source of the rule"), Message("Title, article and what was checked")
)
OTHER_RULE: Final = _clinic_text_measure(
    "other_rule", Message("Other rule"), Message("A rule that gives another class")
)
OTHER_CLASS: Final = _clinic_text_measure(
    "other_class", Message("Other class"), Message("The class it gives")
)
OTHER_SOURCE: Final = _clinic_text_measure(
    "other_source", Message("Source of the other rule"), Message("Where that rule stands")
)
SERVICES: Final = _clinic_count_measure(
    "services", Message("Services"), Message("Combinations in which a service is offered")
)
UNRULED: Final = _clinic_count_measure(
    "unruled_services",
    Message("Without class or route"),
    Message("Services of which no rule of the place gives a class or a route"),
)

# What is on record.
DEPLOYMENT: Final = _clinic_text_measure(
    "deployment", Message("Deployment"), Message("A version at work at a hospital")
)
PRODUCT: Final = _clinic_text_measure(
    "product", Message("Product"), Message("What is sold, on record")
)
VERSION: Final = _clinic_text_measure(
    "version", Message("Version"), Message("What runs, by its digest")
)
MODE: Final = _clinic_text_measure(
    "mode", Message("How far it may go"), Message("shadow, advisory, confirm or supervised")
)
THRESHOLD: Final = _clinic_number_measure(
    "threshold",
    Message("Threshold"),
    Message("Score from which the model advises, as approved"),
    NUMBER,
)
DEPLOYMENT_STATUS: Final = _clinic_text_measure(
    "deployment_status", Message("Lifecycle status"), Message("The last move of the deployment")
)
SINCE: Final = _clinic_text_measure(
    "since", Message("Since"), Message("When the deployment last moved")
)
REFUSED_BY: Final = _clinic_text_measure(
    "refused_by",
    Message("Refused by"),
    Message("Rule by which the gate lets a live deployment advise nobody; empty where it may"),
)
ALARMS: Final = _clinic_count_measure("alarms", Message("Alarms"), Message("Signals on record"))
APPROVED_BY: Final = _clinic_text_measure(
    "approved_by", Message("Approved by"), Message("Who approved the deployment, and the entry")
)
UNDISCLOSED: Final = _clinic_count_measure(
    "undisclosed",
    Message("Without disclosure"),
    Message("Encounters advised on before, or without, a disclosure"),
)
DECISIONS: Final = _clinic_text_measure(
    "decisions", Message("Decisions"), Message("What doctors did with the advice, by outcome")
)
PRODUCTS: Final = _clinic_count_measure(
    "products", Message("Products"), Message("Products on record")
)
VERSIONS: Final = _clinic_count_measure(
    "versions", Message("Versions"), Message("Versions on record")
)
EVIDENCE_RECORDS: Final = _clinic_count_measure(
    "evidence_records", Message("Evidence on record"), Message("Records of evidence")
)
DUE_AT: Final = _clinic_text_measure(
    "due_at", Message("Due"), Message("When a report is due at the latest")
)
NEXT_DUE: Final = _clinic_text_measure(
    "next_due", Message("Next report due"), Message("The earliest report that is owed")
)
SEVERITY: Final = _clinic_text_measure(
    "severity", Message("Severity"), Message("How grave an event is")
)
REPORTER: Final = _clinic_text_measure(
    "reporter",
    Message("Who reports"),
    Message("Maker, importer, hospital or professional: each has a period of its own"),
)
EVENT: Final = _clinic_text_measure(
    "event", Message("Event"), Message("A signal, an incident or an action")
)
EVENT_TYPE: Final = _clinic_text_measure(
    "event_type", Message("Kind of event"), Message("signal, incident or action")
)
EVENT_CODE: Final = _clinic_text_measure(
    "event_code", Message("What happened"), Message("A code; never about a person")
)
INTENDED_USE: Final = _clinic_text_measure(
    "intended_use", Message("Intended use"), Message("What a product is meant for, on record")
)
ROUTE: Final = _clinic_text_measure(
    "route", Message("Route"), Message("approval, filing, exempt or prohibited")
)
RULE_SET: Final = _clinic_text_measure(
    "rule_set", Message("Rule set"), Message("Beginning of the digest of the rule set")
)
RECORDED_AT: Final = _clinic_text_measure(
    "recorded_at", Message("Recorded"), Message("When the entry was written")
)

# What waits for whom, and the committee's page of a product.
WAITING_SUBJECT: Final = _clinic_text_measure(
    "waiting_subject", Message("What waits"), Message("The record that stands still")
)
WAITING_REASON: Final = _clinic_text_measure(
    "waiting_reason", Message("Why it stands still"), Message("What is missing or wrong")
)
WAITS_FOR: Final = _clinic_text_measure(
    "waits_for", Message("Waits for"), Message("The role that must act")
)
NEXT_COMMAND: Final = _clinic_text_measure(
    "next_command", Message("By the command"), Message("What moves it on, after commonwatt")
)
WORKING_DAYS_LEFT: Final = _clinic_count_measure(
    "working_days_left",
    Message("Working days left"),
    Message("Days up to the due one without Saturdays and Sundays; negative once it has passed"),
)
WAITING_THINGS: Final = _clinic_count_measure(
    "waiting_things", Message("Things that wait"), Message("Rows of what waits for whom")
)
WAITING_OVERDUE: Final = _clinic_count_measure(
    "waiting_overdue", Message("Overdue"), Message("Of them, those whose day has passed")
)
ARTICLE: Final = _clinic_text_measure(
    "article", Message("Article"), Message("Where the rule that gave the class stands")
)
RULING_TODAY: Final = _clinic_text_measure(
    "ruling_today",
    Message("By the rules of today"),
    Message("In force, or in what the rules at hand give another ruling today"),
)
EVIDENCE_RECORD: Final = _clinic_text_measure(
    "evidence_record", Message("Record of evidence"), Message("Name of the record")
)
DESIGN: Final = _clinic_text_measure(
    "design", Message("Design"), Message("How the evidence was gained")
)
GROUPS_ESTIMATED: Final = _clinic_count_measure(
    "groups_estimated",
    Message("Groups with an AUC"),
    Message("Groups of patients beside the whole of which the AUC could be estimated"),
)
EVIDENCE_SHORTFALL: Final = _clinic_text_measure(
    "evidence_shortfall",
    Message("What it lacks"),
    Message("Against the standard of the class that the institution's rules give the use"),
)
GUIDE: Final = _clinic_text_measure(
    "guide", Message("Scenario guide"), Message("The scenario guide that the model is used under")
)
BAND: Final = _clinic_number_measure(
    "band", Message("Tolerated drift"), Message("Half width on the logit scale"), NUMBER
)
HORIZON_ROWS: Final = _clinic_count_measure(
    "horizon_rows", Message("Horizon"), Message("Rows that the bound on false alarms is for")
)
EVERY_DAYS: Final = _clinic_count_measure(
    "every_days", Message("Runs every"), Message("Days after which the monitor runs again")
)
ON_ALARM: Final = _clinic_text_measure(
    "on_alarm", Message("On an alarm"), Message("signal, pause or roll-back, as the plan says")
)
LAST_RUN: Final = _clinic_text_measure(
    "last_run", Message("Last run"), Message("When the monitor last put its counts on record")
)
ALARM_ANSWER: Final = _clinic_text_measure(
    "alarm_answer",
    Message("What was done"),
    Message("The event that answers the alarm, or the state that somebody moved it to"),
)
ANSWERED_AT: Final = _clinic_text_measure(
    "answered_at", Message("Answered"), Message("When it was done")
)
ALARM_STREAM: Final = _clinic_text_measure(
    "alarm_stream", Message("Stream that rang"), Message("The group of patients")
)
REPORT_NUMBER: Final = _clinic_text_measure(
    "report_number",
    Message("Number of the report"),
    Message("Of the report to the authority that closed the duty; empty while it is open"),
)
RECORD_NAME: Final = _clinic_text_measure(
    "record_name", Message("Record"), Message("Name of the record")
)
RECORD_KIND: Final = _clinic_text_measure(
    "record_kind", Message("Kind of record"), Message("What was put on record, or moved")
)
WHAT_CHANGED: Final = _clinic_text_measure(
    "what_changed",
    Message("What changed"),
    Message("Of a version, in what it differs from the approved one and whether a plan covers it"),
)

# What the commands show.
STREAMS: Final = Measure(
    "streams_watched",
    Message("Streams of patients"),
    "",
    Message("Groups of patients that the monitor watches, all patients among them"),
    COUNT,
)
FALSE_ALARM_BOUND: Final = Measure(
    "false_alarm_bound",
    Message("Chance of any false alarm"),
    "",
    Message("Bound over all streams together, as it was asked for"),
    NUMBER,
)
DAY_EFFECT_SD: Final = Measure(
    "day_effect_sd",
    Message("Day effect"),
    "",
    Message("Standard deviation of what the rows of one day share, on the logit scale"),
    NUMBER.with_digits(2),
)
MATURITY_DAYS: Final = Measure(
    "maturity_days",
    Message("Wait for the outcome"),
    "",
    Message("Days that every row waits for its outcome before it counts"),
    COUNT,
)
EMPTY_DAYS: Final = Measure(
    "days_without_rows",
    Message("Days without a row"),
    "",
    Message("Days after the first on which no row counted"),
    COUNT,
)
TABLE_ROW: Final = Measure(
    "table_row", Message("Row"), "", Message("Number of a row, the first below the header"), COUNT
)
LABEL_FREE_AUC: Final = Measure(
    "label_free_auc",
    Message("AUC that scores alone would say"),
    "",
    Message("Assumes that the chance of the event at each score has not changed"),
    _THREE,
)
AUC_GAIN: Final = Measure(
    "auc_gain",
    Message("Gain in AUC"),
    "",
    Message("AUC of doctor and model together over one of them alone"),
    _SIGNED_THREE,
)
DISAGREEMENTS: Final = Measure(
    "disagreements",
    Message("Cases in which they disagree"),
    "",
    Message("Cases in which doctor and model stand on two sides of the threshold"),
    COUNT,
)
DOCTOR_RIGHT: Final = Measure(
    "doctor_right",
    Message("Doctor right among these"),
    "share",
    Message("Share of these cases in which the doctor was right"),
    SHARE,
)
REPORTED_EVENT: Final = _clinic_text_measure(
    "reported_event", Message("Reported event"), Message("What must be reported, by its gravity")
)
CALENDAR_DAYS: Final = _clinic_number_measure(
    "calendar_days",
    Message("Calendar days"),
    Message("Within how many days of the calendar; empty where only working days count"),
    NUMBER,
)
WORKING_DAYS: Final = _clinic_number_measure(
    "working_days",
    Message("Working days"),
    Message("Within how many working days; empty where every day counts"),
    NUMBER,
)
RULE_PLACE_NAME: Final = _clinic_text_measure(
    "rule_place_name", Message("Name of the place"), Message("Whose rules a file holds")
)
RULE_PLACE_KIND: Final = _clinic_text_measure(
    "rule_place_kind",
    Message("Kind of rules"),
    Message("Law, guidance of a forum, or an institution's own rules"),
)
RULES_OF_PLACE: Final = _clinic_count_measure(
    "rules_of_place", Message("Rules"), Message("Rules of a place, proposed ones too")
)
PRIMARY_TEXT_SHARE: Final = Measure(
    "primary_text_share",
    Message("Primary text"),
    "share",
    Message("Share of the rules of a place that were checked against the text itself"),
    SHARE,
)
QUOTED_RULE_SHARE: Final = Measure(
    "quoted_rule_share",
    Message("Quoted"),
    "share",
    Message("Share of the rules of a place that carry the words that were read"),
    SHARE,
)
UNCONFIRMED_RULES: Final = _clinic_count_measure(
    "unconfirmed_rules",
    Message("Unconfirmed"),
    Message("Rules named from general knowledge, to be looked up before anybody relies on them"),
)
PROPOSED_RULES: Final = _clinic_count_measure(
    "proposed_rules", Message("Proposed"), Message("Rules that are no law yet and decide nothing")
)
FAILING_CASES: Final = _clinic_count_measure(
    "failing_cases",
    Message("Without a case"),
    Message("Rules without a case that turns on them, or that decide nothing in their own"),
)
RULE_FILE: Final = _clinic_text_measure(
    "rule_file", Message("Rule file"), Message("The file that holds the rules of a place")
)
RULE_FINDINGS: Final = Measure(
    "rule_findings",
    Message("Findings of the rule book"),
    "",
    Message("Combinations or cells of the rule book that are listed"),
    COUNT,
)
FHIR_RESOURCES: Final = Measure(
    "fhir_resources",
    Message("FHIR resources"),
    "",
    Message("Resources that the dossier holds"),
    COUNT,
)
ROW_EXPLAINED: Final = Measure(
    "row_explained", Message("Row explained"), "", Message("Number of the row, from 0"), COUNT
)
CASE_SCORE: Final = Measure(
    "case_score",
    Message("Score of the case"),
    "",
    Message("Logit or score that the model gives the case"),
    _FOUR,
)
USUAL_SCORE: Final = Measure(
    "usual_score",
    Message("Usual score"),
    "",
    Message("Logit or score that the parts start from"),
    _FOUR,
)
LOTS: Final = Measure(
    "lots_drawn_again",
    Message("Lots drawn again"),
    "",
    Message("Lots that follow from the secrets that are disclosed now"),
    COUNT,
)
LOTS_ASKED: Final = Measure(
    "lots_asked_first",
    Message("Lots that asked the doctor first"),
    "",
    Message("Of these, lots that fell on asking the doctor first"),
    COUNT,
)
LOTS_SEALED: Final = Measure(
    "lots_sealed",
    Message("Lots under a secret not disclosed"),
    "",
    Message("Lots that cannot be drawn again yet"),
    COUNT,
)
LOTS_BROKEN: Final = Measure(
    "lots_broken",
    Message("Encounters out of order"),
    "",
    Message("Encounters whose advice was shown first, or whose mark is wrong"),
    COUNT,
)
DEVICES_LISTED: Final = Measure(
    "devices_listed", Message("Devices listed"), "", Message("Devices of a public list"), COUNT
)
REPORTS_LISTED: Final = Measure(
    "reports_listed",
    Message("Reports listed"),
    "",
    Message("Reports of events in a public file"),
    COUNT,
)
RECORDS_OF_KIND: Final = Measure(
    "records_of_kind",
    Message("Records of each kind"),
    "",
    Message("Devices by route, or reports by severity or by what is left empty"),
    COUNT,
)
NOTES_EXAMINED: Final = Measure(
    "notes_examined_count",
    Message("Notes examined"),
    "",
    Message("Notes that the language model was given"),
    COUNT,
)
CASES_EXAMINED: Final = Measure(
    "cases_examined_count",
    Message("Cases examined"),
    "",
    Message("Cases that these notes are about"),
    COUNT,
)
CHECK_SENSITIVITY: Final = Measure(
    "check_sensitivity",
    Message("Planted errors that the check finds"),
    "",
    Message("Share of what was planted that the check of summaries finds"),
    _THREE,
)
CONTRADICTION_AUROC: Final = Measure(
    "contradiction_auroc",
    Message("AUROC of contradicted against faithful"),
    "",
    Message("Chance that a contradicted sentence scores above a faithful one"),
    _THREE,
)
FAITHFUL_FLAGGED: Final = Measure(
    "faithful_flagged",
    Message("Faithful sentences flagged"),
    "",
    Message("Share of faithful sentences of others that the check flags at its limit"),
    _THREE,
)
CONTRADICTIONS_FOUND: Final = Measure(
    "contradictions_found",
    Message("Contradictions found"),
    "",
    Message("Share of contradicted sentences of others that the check finds at its limit"),
    _THREE,
)
CHECK_SPECIFICITY: Final = Measure(
    "check_specificity",
    Message("True statements that the check clears"),
    "",
    Message("Share of what is true that the check of summaries clears"),
    _THREE,
)
P_FLAGS: Final = Measure(
    "p_flags",
    Message("p value of errors found"),
    "",
    Message(
        "Chance of answers so close to their notes if they had nothing to do with them; for errors"
    ),
    _THREE,
)
P_FIT: Final = Measure(
    "p_fit", Message("p value of summaries"), "", Message("The same for summaries"), _THREE
)
CANARIES: Final = Measure(
    "canaries_planted",
    Message("Canaries planted"),
    "",
    Message("Lines that were planted before training"),
    COUNT,
)
CANARIES_COMPLETED: Final = Measure(
    "canaries_completed",
    Message("Canaries completed"),
    "",
    Message("Planted lines that the model completes"),
    COUNT,
)
CANARIES_CHOSEN: Final = Measure(
    "canaries_chosen",
    Message("Canaries chosen"),
    "",
    Message("Planted lines that the model prefers to every decoy"),
    COUNT,
)
CANARY_LINES: Final = Measure(
    "canary_lines",
    Message("Lines to choose from"),
    "",
    Message("Each planted line among its decoys"),
    COUNT,
)
P_LEAK: Final = Measure(
    "p_leak",
    Message("p value of the leak"),
    "",
    Message("Chance of so many choices if the model had never seen the lines"),
    NUMBER,
)
RULING: Final = Measure(
    "ruling_record", Message("Ruling on record"), "", Message("Name of the ruling"), TEXT
)
RULE_SET_DIGEST: Final = Measure(
    "rule_set_digest",
    Message("Digest of the rule set"),
    "",
    Message("SHA-256 of the rule set that gave the class"),
    TEXT,
)
ADVICE: Final = Measure(
    "advice_record", Message("Advice on record"), "", Message("Name of the advice"), TEXT
)
REFUSED_UNDISCLOSED: Final = Measure(
    "refused_undisclosed",
    Message("Refused for lack of disclosure"),
    "",
    Message("Encounters in which the gate gave no advice"),
    COUNT,
)
DECISION: Final = Measure(
    "decision_outcome",
    Message("What the doctor did"),
    "",
    Message("Accepted, overridden, or none on record"),
    TEXT,
)
EVENT_CAME: Final = Measure(
    "event_came", Message("Event came"), "", Message("Advice after which the event came"), COUNT
)
EVENT_NOT_CAME: Final = Measure(
    "event_not_came",
    Message("Event did not come"),
    "",
    Message("Advice after which it did not"),
    COUNT,
)
EVENT_NOT_KNOWN: Final = Measure(
    "event_not_known",
    Message("Event not known yet"),
    "",
    Message("Advice whose outcome is not on record yet"),
    COUNT,
)
SEALED_ITEMS: Final = Measure(
    "sealed_items", Message("Items sealed"), "", Message("Private items under the seal"), COUNT
)
SEALED_ITEM: Final = Measure(
    "sealed_item",
    Message("Number of the item"),
    "",
    Message("Number of the item among those sealed"),
    COUNT,
)
EXAMINATION: Final = Measure(
    "sealed_examination",
    Message("Number of the examination"),
    "",
    Message("Which examination on the same items it is"),
    COUNT,
)
CANARY_COUNT: Final = Measure(
    "canaries_made", Message("Canaries made"), "", Message("Lines to plant before training"), COUNT
)
