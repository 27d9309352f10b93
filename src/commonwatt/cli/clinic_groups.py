"""The nouns of `commonwatt clinic`: one group each, with the command that it once was."""

from __future__ import annotations

from commonwatt.cli.frame import LazyGroup

# Every axis is stated: an example that is refused teaches nothing.
CLASSIFY_EXAMPLE = (
    "commonwatt clinic model classify --fact significance=diagnose --fact condition=critical"
    " --fact autonomy=informs --fact change=locked --fact technique=deep --fact offering=product"
    " --fact user=clinician --place hk --place eu"
)
rules = LazyGroup(
    name="rules",
    help="What the law says: the rule sets, and which of them a ruling rests on.",
    example="commonwatt clinic rules show --move eu.aia.art6-1=2027-08-02",
    # Scripts that still call the group by itself are answered with its new words and exit code 2.
    was_command="show",
)
model = LazyGroup(
    name="model",
    help="A medical model from its class to its dossier: classify, evidence, approve, deploy.",
    example=CLASSIFY_EXAMPLE,
)
monitor = LazyGroup(
    name="monitor",
    help="Whether a model in use is still good.",
    example="commonwatt clinic monitor run scores.csv",
    was_command="run",
)
incident = LazyGroup(
    name="incident",
    help="What went wrong, and who must be told by when.",
    example="commonwatt clinic incident duties --json",
    was_command="report",
)
committee = LazyGroup(
    name="committee",
    help="What waits for whom, and everything that a product rests on.",
    example="commonwatt clinic committee waiting",
)
gate = LazyGroup(
    name="gate",
    help="Where clinicians ask a model, and what became of its advice.",
    example="commonwatt clinic gate serve institution.toml",
)
language_models = LazyGroup(
    name="language",
    help="Examine a language model: answers, reversals, and what it lets out.",
    example="commonwatt clinic language canaries --count 20 --out canaries",
    was_command="examine",
)
sealed = LazyGroup(
    name="sealed",
    help="Third-party evaluation on items that nobody could see before.",
    example="commonwatt clinic sealed seal items.jsonl --key me.pem --out sealed",
)

clinic = LazyGroup(
    name="clinic",
    help="Say whether a medical model may touch a patient, and whether it is still good.",
    example="\n".join([CLASSIFY_EXAMPLE, "commonwatt clinic rules show"]),
    # Names are a contract: an old one is answered with the new one and never runs something else in
    # silence.
    renamed={
        "classify": "clinic model classify",
        "evidence": "clinic model evidence",
        "joint": "clinic model joint",
        "register": "clinic model register",
        "approve": "clinic model approve",
        "deploy": "clinic model deploy",
        "stop": "clinic model pause",
        "dossier": "clinic model dossier",
        "live": "clinic model live",
        "approver": "clinic model approver",
        "explain": "clinic model explain",
        "import": "clinic model import",
        "rulings": "clinic rules rulings",
        "duties": "clinic incident duties",
        "serve": "clinic gate serve",
        "ask": "clinic gate ask",
        "disclose": "clinic gate disclose",
        "sign": "clinic gate sign",
        "guides": "clinic gate guides",
        "lots": "clinic gate lottery",
        "undisclosed": "clinic gate undisclosed",
        "unsigned": "clinic gate unsigned",
        "overrides": "clinic gate overrides",
        "seen": "clinic gate seen",
        "canaries": "clinic language canaries",
        "seal": "clinic sealed seal",
        "examine": "clinic sealed examine",
        "reveal": "clinic sealed reveal",
        "confirm": "clinic sealed confirm",
    },
)
for _group in (rules, model, committee, monitor, incident, gate, language_models, sealed):
    clinic.add_command(_group)
