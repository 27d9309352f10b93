"""The commands whose results are held, one row each: a name, the words, what they need.

A step is the line that a user types after `commonwatt`. A step that is a pair also keeps
values of its JSON for later steps, which name them in braces; an empty path keeps all of
stdout in a file of that name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.clinic_institution import hospital
from tests.golden.commands.inputs import (
    CLAIMS,
    FAULT_COUNTS,
    FAULTS,
    GPU_NODES,
    ITEMS,
    LARGEST_FIRST,
    LINEAR,
    MODEL_CARD,
    OPERATE_NODES,
    REGISTRY_FILES,
    TELEMETRY,
    detect_tables,
    keys,
    notes,
    ward,
)
from tests.small_programme import small_programme

DIGESTS = ((r"\b[0-9a-f]{64}\b", "<digest>"), (r"[A-Za-z0-9+/]{43,}={0,2}", "<signature>"))
DUE = ((r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d\+00:?00", "<due>"),)
ITP = "--trace shipped:traces/itp_ten_days.parquet --nodes 72 --gpus-per-node 8"
SWF = "--trace shipped:traces/examples/log.swf --nodes 4 --gpus-per-node 8"
SCORES = "shipped:clinic/examples/scores.csv"
_AXES = "--fact autonomy=informs --fact change=locked --fact technique=deep --fact user=clinician"
FACTS = f"--fact significance=diagnose --fact condition=critical --fact offering=product {_AXES}"
WISH = f"--fact significance=drive --fact condition=serious {_AXES}"

Step = str | tuple[str, dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One command, or a walk of several in one folder.

    Args:
        name: Names the record on file.
        steps: Lines, as a user types them.
        files: Texts that stand in the folder before the first step.
        prepare: Fills the folder with what is more than a text.
        masks: Patterns of what is random in this walk (salts, keys), and their names.
        leave_out: Parts of names of files that are not compared.
        drawn: Fields of JSON that hang on a key drawn anew in each walk.
        environment: Further settings of the environment.
        programs: Whether other programs of the machine may be found.
    """

    name: str
    steps: tuple[Step, ...]
    files: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], object] | None = None
    masks: tuple[tuple[str, str], ...] = ()
    leave_out: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    programs: bool = False


def one(name, line, **more):
    """Return a command as JSON with its files, then as text in both languages."""
    quick = (line, f"{line} --lang zh-Hant") if more.pop("text", True) else ()
    return Case(name=name, steps=(f"{line} --json --out out", *quick), **more)


STUDIES = [
    Case(
        name="study-harbour",
        masks=((r"(People, counted with noise\s+)\d+", r"\1<drawn>"),),
        steps=(
            "study harbour --json --out out",
            "study harbour --what-if funding.years=5",
            "runs list --json",
            "runs check --json",
            "runs show latest",
            "runs trace latest funding.capital_bn",
            "runs trace latest funding.capital_bn --json",
        ),
    ),
    Case(
        name="study-fjord",
        steps=(
            "study fjord --json",
            "study fjord --what-if funding.scale=20 --json",
        ),
    ),
    Case(
        name="study-small",
        prepare=small_programme,
        steps=(
            "study small.toml --json --out out",
            "study small.toml",
            "study small.toml --what-if sites.west.power_price=+50% --what-if fleet.order=qssf",
            "study small.toml --what-if sites.west.nodes=0 --json",
            "runs list",
            "runs show latest --json",
            "runs check",
        ),
    ),
]

FLEET = [
    one("fleet-describe", "fleet describe --trace shipped:traces/itp_ten_days.parquet"),
    *(
        one(f"fleet-describe-{name.replace('.', '-').replace('_', '-')}",
            f"fleet describe --trace shipped:traces/examples/{name}{more}", text=False)
        for name, more in (
            ("acme_seren.csv", ""), ("azure_llm.csv", ""), ("helios.csv", ""), ("itp.csv", ""),
            ("log.swf", ""), ("mooncake.jsonl", ""), ("openb_pods.csv", ""), ("philly.csv", ""),
            ("philly_log.json", ""), ("sacct.txt", ""), ("servegen.csv", ""),
            ("table.csv", " --mapping shipped:traces/examples/table.toml"),
        )
    ),
    one("fleet-compare",
        f"fleet compare {ITP} --policy fifo --policy sjf --policy fifo+easy --policy qssf+easy",
        text=False),
    one("fleet-compare-swf", f"fleet compare {SWF} --policy fifo --policy sjf+easy"),
    one("fleet-explain", f"fleet explain 2012 {ITP} --backfill easy"),
    one("fleet-sweep",
        f"fleet sweep {ITP} --axis nodes=68,72 --axis policy=fifo+easy,qssf+easy --workers 1",
        text=False),
    one("fleet-simulate", f"fleet simulate {ITP} --order qssf --backfill easy"),
    one("fleet-simulate-swf", f"fleet simulate {SWF} --order sjf --backfill easy"),
    one("fleet-simulate-own-order", f"fleet simulate {SWF} --order mine.py:LargestFirst",
        files={"mine.py": LARGEST_FIRST}),
    one("fleet-simulate-load",
        "fleet simulate --trace shipped:traces/examples/openb_pods.csv"
        " --nodes nodes.csv --place fgd --arrived-load 1.3", files={"nodes.csv": GPU_NODES}),
    one("fleet-simulate-reclaim",
        "fleet simulate --trace shipped:traces/examples/itp.csv"
        " --nodes 2 --gpus-per-node 8 --preemption priority --order fifo"),
]  # fmt: skip

SITING = [
    one("siting-cost", "siting cost --draws 4000"),
    one("siting-cost-two", "siting cost us-virginia cn-west --draws 4000", text=False),
    one("siting-cost-contest", "siting cost --contest --draws 4000"),
    one("siting-cost-market",
        "siting cost us-virginia --market us-east4 --cooling economiser --draws 4000",
        text=False),
    one("siting-place", "siting place --hours 168"),
    one("siting-place-carbon", "siting place --hours 72 --carbon-price 100", text=False),
]  # fmt: skip

TREASURY = [
    one("treasury-project-hongkong", "treasury project hongkong"),
    one("treasury-project-finland", "treasury project finland", text=False),
    one("treasury-project-choices",
        "treasury project hongkong --years 12 --basis revalued --bonds-as-income"
        " --transfers-as-income --fx EUR=0.03", text=False),
    one("treasury-fan-hongkong", "treasury fan hongkong --paths 5000"),
    one("treasury-fan-strategies",
        "treasury fan hongkong --paths 2000 --years 6 --strategies 20", text=False),
    *(
        Case(name=f"treasury-assess-{rules}",
             steps=(f"treasury assess {who} --rules {rules} --json",
                    f"treasury assess {who} --rules {rules}",
                    f"treasury assess {who} --rules {rules} --lang zh-Hant"))
        for rules, who in (("mac-dsa", "hongkong"), ("srdsf", "hongkong"),
                           ("eu-2024", "finland"), ("lic-dsf", "hongkong"))
    ),
    one("treasury-finance-harbour", "treasury finance harbour --paths 1024"),
    one("treasury-finance-sovereign",
        "treasury finance harbour --sovereign hongkong --paths 1024", text=False),
    *(
        one(f"treasury-finance-{route}",
            f"treasury finance harbour --sovereign hongkong --route {route} --paths 1024",
            text=False)
        for route in ("guarantee", "ppp")
    ),
]  # fmt: skip

AUDIT = [
    one("audit", "audit claims.csv", files={"claims.csv": CLAIMS}),
    one("audit-flagged", "audit claims.csv --flagged", files={"claims.csv": CLAIMS}, text=False),
]

CLINIC = [
    one("clinic-classify", f"clinic model classify {WISH} --fact offering=product --place hk --place eu --on 2026-11-22"),
    one("clinic-classify-all", f"clinic model classify {FACTS} --on 2026-11-22", text=False),
    one("clinic-classify-house",
        f"clinic model classify --fact offering=service {WISH} --place house --on 2026-11-22"),
    one("clinic-rules",
        "clinic rules show --move eu.aia.art6-1=2027-08-02 --on 2028-01-01", text=False),
    one("clinic-evidence",
        f"clinic model evidence {SCORES} --by institution --threshold 0.3"
        " --institution institution"),
    one("clinic-monitor", f"clinic monitor run {SCORES} --by institution"),
    one("clinic-joint", "clinic model joint cases.csv", prepare=ward),
    one("clinic-explain", "clinic model explain cases.csv --linear model.json", prepare=ward,
        files={"model.json": LINEAR}),
    one("clinic-explain-row", "clinic model explain cases.csv --linear model.json --row 17",
        prepare=ward, files={"model.json": LINEAR}),
    one("clinic-import", "clinic model import card.xml --on 2026-11-22", files={"card.xml": MODEL_CARD}),
    one("clinic-language", "clinic language examine notes.csv --baseline --held-out 0.5", prepare=notes),
    one("clinic-canaries", "clinic language canaries --count 5", files={"canaries.secret": "ab" * 32},
        text=False),
]  # fmt: skip

ENROL = tuple(
    f"ledger enrol --by registrar.pem --key {role}.pem --name {role} --role {role}"
    " --organisation HA"
    for role in ("manufacturer", "regulatory-officer", "evaluator", "committee-chair",
                 "clinical-lead", "safety-officer")
)  # fmt: skip

WALKS = [
    Case(
        name="walk-ledger",
        prepare=keys,
        masks=DIGESTS,
        leave_out=("record/"),
        steps=(
            "ledger init --key registrar.pem --name Chan --organisation HA --json",
            "ledger enrol --by registrar.pem --key clinician.pem --name Lee --role clinician"
            " --organisation HA --device card-9 --json",
            "ledger verify",
            "ledger verify --json",
            "ledger verify --lang zh-Hant",
            "ledger show --json",
            "ledger show --kind ledger. --limit 1",
            "ledger prove 1",
            "ledger prove --since 1",
            ("ledger checkpoint --key registrar.pem", {"kept.txt": ""}),
            "ledger verify --checkpoint kept.txt",
            "ledger export record --key registrar.pem",
            "ledger enrol --by clinician.pem --key gateway.pem --name Ng --role clinician"
            " --organisation HA --json",
        ),
    ),
    Case(
        name="walk-registry",
        prepare=keys,
        files=REGISTRY_FILES,
        masks=DIGESTS + DUE,
        steps=(
            "ledger init --key registrar.pem --name Wong --organisation HA",
            *ENROL,
            "clinic model register product chest product.json --key manufacturer.pem",
            "clinic model register version chest-1 version.json --key manufacturer.pem",
            "clinic model register intended-use chest use.json --key manufacturer.pem",
            "clinic model classify --record chest --use intended-use/chest --place hk"
            " --key regulatory-officer.pem",
            "clinic model evidence shipped:clinic/examples/scores.csv --by institution"
            " --threshold 0.3 --record chest --version version/chest-1 --design external"
            " --key evaluator.pem",
            "clinic model register determination chest determination.json --key committee-chair.pem",
            "clinic model register deployment qmh-chest deployment.json --key clinical-lead.pem --json",
            "clinic model deploy deployment/qmh-chest --key clinical-lead.pem --json",
            "clinic model approve deployment/qmh-chest --key committee-chair.pem --json",
            "clinic model deploy deployment/qmh-chest --key clinical-lead.pem --json",
            "clinic model live qmh",
            "clinic model live qmh --json",
            "clinic model approver deployment/qmh-chest",
            "clinic rules rulings product/chest --place hk --json",
            "clinic gate undisclosed deployment/qmh-chest --json",
            "clinic gate unsigned deployment/qmh-chest --json",
            "clinic gate overrides deployment/qmh-chest --json",
            "clinic incident report deployment/qmh-chest e1 --severity serious --place hk"
            " --code missed-finding --key safety-officer.pem",
            "clinic incident duties --json",
            "clinic model pause deployment/qmh-chest --key safety-officer.pem --reason missed-finding",
            "clinic model dossier version/chest-1 --out dossier --json",
            "ledger verify --json",
        ),
    ),
    Case(
        name="walk-gate",
        prepare=hospital,
        # The names of encounters are drawn from it; without one it would be made anew each time.
        files={"institution.secret": "ab" * 32},
        masks=DIGESTS,
        steps=(
            "clinic model live qmh --at 2020-01-01T02:00:00+0000 --json",
            "clinic model approver deployment/x --json",
            "clinic rules rulings product/p --place hk",
            "clinic gate disclose deployment/x e1 --language en --institution qmh.toml --key gateway.pem",
            "clinic gate ask deployment/x e1 --institution qmh.toml --key gateway.pem --fact modality=ct"
            " --fact age_years=50 --fact quality=good --fact series_complete=yes"
            " --fact metal_in_view=no --fact postoperative=no --json",
            "clinic gate ask deployment/x e1 --institution qmh.toml --key gateway.pem --fact modality=ct"
            " --fact age_years=inf --fact quality=good --fact series_complete=yes"
            " --fact metal_in_view=no --fact postoperative=no --json",
            "clinic gate ask deployment/x e1 --institution qmh.toml --key gateway.pem --fact modality=ct"
            " --json",
            "clinic gate lottery qmh --secret institution.secret --json",
            "clinic model dossier version/v1 --out dossier",
        ),
    ),
    Case(
        name="walk-committee",
        prepare=hospital,
        masks=DIGESTS,
        steps=(
            # By then its monitor should have run once more.
            "clinic committee waiting --on 2020-01-10",
            "clinic committee waiting product/p --on 2020-01-10 --json",
            "clinic committee waiting --on 2020-01-02 --lang zh-Hant",
            "clinic committee product product/p --on 2020-01-10 --out file --json",
            "clinic committee product product/p --on 2020-01-10 --lang zh-Hant",
            "clinic committee product product/none",
        ),
    ),
    Case(
        name="walk-sealed",
        prepare=keys,
        files={"items.jsonl": ITEMS, "model.json": LINEAR, "items.secret": "ab" * 32},
        masks=DIGESTS,
        steps=(
            "ledger init --key registrar.pem --name Wong --organisation HA",
            "ledger enrol --by registrar.pem --key evaluator.pem --name evaluator --role evaluator"
            " --organisation HKU",
            "clinic sealed seal items.jsonl --key evaluator.pem --threshold 0.3 --most 3 --out sealed"
            " --json",
            "clinic sealed examine items.jsonl --seal sealed/seal.json --key evaluator.pem"
            " --linear model.json --out report --json",
            "clinic sealed confirm report/report.json --seal sealed/seal.json --json",
            "clinic sealed reveal items.jsonl 17 --out opened --json",
            "clinic sealed confirm report/report.json --seal sealed/seal.json --item opened/item.json",
        ),
    ),
]

OPERATE = [
    Case(name="operate-dashboard", steps=("operate dashboard --json",)),
    one("operate-care-checkpoint",
        "operate care checkpoint --nodes 2048 --faults 4.2 --save-s 20"),
    one("operate-care-lemons", "operate care lemons faults.csv --nodes 40",
        files={"faults.csv": FAULTS}),
    one("operate-care-replay",
        "operate care replay counts.csv --gang 32 --spares 4 --days 10 --watched 40",
        files={"counts.csv": FAULT_COUNTS}, text=False),
    one("operate-care-detect", "operate care detect a.csv b.csv --day 500",
        prepare=detect_tables),
    Case(
        name="walk-care",
        files={"home/nodes.csv": OPERATE_NODES, "t.csv": TELEMETRY},
        steps=(
            "operate init home --json",
            "operate care run --home home --samples t.csv --dry-run --json",
            "operate care run --home home --samples t.csv --dry-run --lang zh-Hant",
            "operate care run --home home --samples t.csv --json",
            "operate care intervene undo n1 --home home --json",
            "operate care intervene undo n1 --home home --json",
            "operate care run --home home",
        ),
    ),
    Case(
        name="walk-operate",
        files={"control.toml": "tick_s = 0.05\nmetrics_port = 0\n",
               "home/nodes.csv": "node,gpus,count\nn,4,2\n"},
        programs=True,
        leave_out=("home/engine/jobs", "home/lock"),
        steps=(
            "operate init home --settings control.toml --json",
            *(f"operate submit --home home --name j{i} --gpus 4 --json -- sleep 0.2"
              for i in range(3)),
            "operate status --home home --json",
            "operate start --home home --until-idle --json",
            "operate replay --home home --json",
            "operate drain nowhere --home home --json",
            "operate cancel j0 --home home --json",
        ),
    ),
]  # fmt: skip

SANDBOX = [
    Case(
        name="walk-sandbox",
        prepare=keys,
        masks=DIGESTS,
        leave_out=("heart/", "risk/"),
        drawn=("diary", "diary_coarser", "overwritten-bytes"),
        steps=(
            "ledger init --key registrar.pem --name Wong --organisation HA",
            "ledger enrol --by registrar.pem --key custodian.pem --name Ho"
            " --role data-custodian --organisation HA",
            "ledger enrol --by registrar.pem --key first.pem --name Ng --role output-checker"
            " --organisation HA",
            ("ledger enrol --by registrar.pem --key researcher.pem --name Li --role researcher"
             " --organisation HKU --json", {"RESEARCHER": "actor_id"}),
            "sandbox init heart --key custodian.pem --purpose 'Heart failure'"
            " --scope ai-training --json",
            "sandbox import heart raw shipped:sandbox/example --key custodian.pem --json",
            ("sandbox risk heart raw safe --key custodian.pem --json --out risk",
             {"DIGEST": "report_sha256"}),
            "sandbox risk heart raw safe --sign {DIGEST} --key custodian.pem --json",
            "sandbox budget heart --grant 3 --key custodian.pem --json",
            "sandbox budget heart --grant 1 --person {RESEARCHER} --key custodian.pem --json",
            "sandbox project preapprove heart --open 0.5 --key custodian.pem --json",
            "sandbox budget heart --json",
            "sandbox status heart --json",
            "sandbox release heart 9c65 out --key custodian.pem --json",
            "sandbox project close heart --key custodian.pem --json",
            "sandbox project delete heart --key custodian.pem --json",
            "ledger verify --json",
        ),
    ),
]  # fmt: skip


def wrong(name, *lines, files=None):
    """Return a case of what must be refused; each line is asked as JSON."""
    return Case(
        name=f"wrong-{name}", steps=tuple(f"{line} --json" for line in lines), files=files or {}
    )


WRONG = [
    wrong("words", "nothing", "fleet", "fleet nothing", "study", "study harbour --no-such-option"),
    wrong("names", "study nowhere", "treasury project atlantis", "treasury finance nowhere",
          "siting cost atlantis", "fleet explain 999999 " + SWF,
          f"fleet simulate {SWF} --order nothing", f"fleet simulate {SWF} --place nothing",
          "treasury assess atlantis --rules mac-dsa", f"clinic model classify {FACTS} --fact colour=red",
          "runs show nothing", "runs show latest", "runs trace latest cost"),
    wrong("files", "study none.toml", "fleet describe --trace none.swf", "audit none.csv",
          "fleet describe --trace shipped:none", "siting place none.csv", "ledger verify",
          "clinic model evidence none.csv", "operate status --home none", "sandbox status heart",
          "clinic model live qmh"),
    wrong("values", "study harbour --what-if sites.home.power_price=5",
          "study harbour --what-if 'sites.home.power_price=5 apples'",
          "study harbour --what-if sites.nowhere.nodes=1", "study harbour --what-if funding",
          f"fleet simulate {SWF.replace('--nodes 4', '--nodes 0')}",
          "fleet simulate --trace shipped:traces/examples/log.swf --nodes many",
          "treasury fan hongkong --paths 0", "siting cost --utilisation 2",
          "siting place --hours 25", "clinic rules show --move eu.aia.art6-1=soon",
          "clinic rules show --move no.rule=2027-01-01"),
    wrong("contents", "study bad.toml", "fleet describe --trace bad.csv", "audit bad.csv",
          "clinic model evidence bad.csv", "siting place bad.csv",
          files={"bad.toml": "title = 3\n", "bad.csv": "a,b\n1,2\n"}),
]  # fmt: skip

CASES = [
    *STUDIES, *FLEET, *SITING, *TREASURY, *AUDIT, *CLINIC, *WALKS, *OPERATE, *SANDBOX, *WRONG,
]  # fmt: skip

# What has no case here, and why.
LEFT_OUT = {
    "serve, clinic serve": "they answer until they are stopped; tests/web and tests/unit hold them",
    "sandbox submit, review": "a job's isolation needs root and bubblewrap; the tutorials hold it",
    "sandbox synthesize, budget --count": "their noise is drawn from the machine, and must be",
    "sandbox prove": "attacks the machine that it runs on",
    "siting place --day-ahead": "takes half a minute; tests/unit holds it",
    "treasury assess --out": "a table of it holds lists, which CSV cannot; it fails",
    "operate meter, capture": "how long a job ran is measured",
    "treasury fan --backtest, --weo, --compare": "need tables that are not shipped",
    "clinic language examine --url": "needs a served model; tests/unit holds it",
    "fleet sweep --on ray": "needs Ray; the same bytes as --on pool, held by tests/unit",
}
