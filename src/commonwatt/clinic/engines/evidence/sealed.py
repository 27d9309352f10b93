"""Third-party evaluation on items that the vendor never sees, signed by whoever did it.

    seal     evaluator → everybody   Merkle root over salted items, protocol, signature;
                                     before the model is handed over
    examine  vendor → evaluator      the model; evaluator → vendor: signed aggregate
    reveal   evaluator → auditor     single items with their proofs, if there is doubt
    confirm  anybody                 signature, seal and protocol belong together

The root binds the evaluator to the items without telling them: each leaf is salted,
so that a guess at an item cannot be tried. A protocol states how many examinations
the set may answer, because each answer tells a vendor a little; groups with too few
events are never reported. The model runs where the evaluator runs it: what it does there
with what it reads is for an isolated job to stop, not for this module.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.engines.evidence.metrics import evaluate_score_sketch
from commonwatt.clinic.engines.evidence.sketch import sketch_model_scores
from commonwatt.core.messages import Message
from commonwatt.core.strict_json import parse_strict_json
from commonwatt.ledger import Signer
from commonwatt.ledger.entries import merkle_leaf_hash
from commonwatt.ledger.keys import actor_signature_holds
from commonwatt.ledger.merkle import (
    ListedSubtreeHashes,
    inclusion_proof_holds,
    inclusion_proof_ranges,
    merkle_range_root,
    merkle_range_roots,
)

# Stands in every signed body, so that a signature over one form can never be shown as one over
# another.
FORM: Final = "commonwatt third-party evaluation v1"
_MARK: Final = b"commonwatt third-party evaluation v1, mark of an item\n"
SKETCH_MARKS: Final = 256
"""How many marks of a set are kept; a set of fewer items is known whole."""
_FEWEST_MARKS: Final = 8


class Scorer(Protocol):
    """A model as an evaluator runs it."""

    def __call__(self, facts: Mapping[str, str]) -> float:
        """Return the chance of the event, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedCase:
    """One private case: what the model is shown, what came of it, whose it is."""

    facts: Mapping[str, str]
    label: int
    group: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealTerms:
    """What was fixed before the model was seen.

    Args:
        threshold: Score from which the model advises.
        fewest: Events and non-events below which nothing is said of a group.
        most: Examinations that the set may answer.
    """

    threshold: float
    fewest: int = 10
    most: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedStatement:
    """A statement and the signature under it."""

    body: Mapping[str, Any]
    public_key: str
    signature: str

    def check_evaluator_signature(self) -> None:
        """Refuse a statement that was not signed so.

        Raises:
            EvidenceError: The signature does not belong to body and key.
        """
        try:
            key, signature = bytes.fromhex(self.public_key), bytes.fromhex(self.signature)
        except ValueError:
            key, signature = b"", b""
        if not (
            len(key) == 32
            and actor_signature_holds(key, signature, _canonical_evidence_json_bytes(self.body))
        ):
            raise EvidenceError("signature", found=Message("not one over this statement"))

    def evidence_statement_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True) + "\n"

    def evidence_statement_sha256(self) -> str:
        """Return the name of the statement."""
        return hashlib.sha256(_canonical_evidence_json_bytes(self.body)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealedCase:
    """One case revealed to an auditor, with the proof that it was in the set."""

    number: int
    item: SealedCase
    salt: str
    path: tuple[str, ...]


def seal_evidence_cases(
    items: Sequence[SealedCase], secret: bytes, terms: SealTerms, *, by: Signer
) -> SignedStatement:
    """Return the statement that binds the evaluator to these items and terms.

    Raises:
        EvidenceError: There are no items.
    """
    if not items:
        raise EvidenceError("items", wanted=Message("at least one item"))
    body = {
        "form": FORM,
        "kind": "seal",
        "root": _sealed_cases_root(_sealed_case_leaves(items, secret)).hex(),
    }
    return _sign_evidence_statement(body | {"size": len(items), "terms": asdict(terms)}, by)


def examine_model_on_sealed_cases(
    items: Sequence[SealedCase],
    secret: bytes,
    sealed: SignedStatement,
    model: Scorer,
    *,
    artefact_sha256: str,
    earlier: Sequence[str] = (),
    on: date,
    by: Signer,
) -> SignedStatement:
    """Return the signed aggregate of a model on the sealed items.

    Args:
        items: The very items that were sealed.
        secret: That salted them.
        sealed: The seal.
        model: What the vendor handed over.
        artefact_sha256: Its digest.
        earlier: Digest of every report that the set has answered before, in order, as the ledger
            has them.
        on: The day.
        by: The evaluator who sealed the set.

    Raises:
        EvidenceError: The items are not those sealed, the set has answered often enough,
            the evaluator is another, or the model gives no score.
    """
    terms = _confirmed_seal_terms(sealed, items, secret, by)
    # Each answer tells the vendor a little of the items; after enough of them the set is a training
    # set.
    if len(earlier) >= terms.most:
        count_sentence = Message("{count} examinations already", {"count": str(len(earlier))})
        raise EvidenceError("seal", found=count_sentence, wanted=Message("a fresh set of items"))
    body = {
        "form": FORM,
        "kind": "report",
        "seal": sealed.evidence_statement_sha256(),
        "root": sealed.body["root"],
        "artefact_sha256": artefact_sha256,
        "number": len(earlier) + 1,
        # Chained, so that a report that was left out shows as a gap.
        "previous": earlier[-1] if earlier else "",
        "on": on.isoformat(),
        "threshold": terms.threshold,
        "estimates": _sealed_model_estimates(items, model, terms),
    }
    return _sign_evidence_statement(body, by)


def sealed_set_similarity_marks(items: Sequence[SealedCase], by: Signer) -> list[str]:
    """Return marks of items by which a set is known again under another salt, order or seal.

    Each mark hangs on the evaluator's key, whose signature of the same bytes is always the
    same (RFC 8032, 5.1.6), so that nobody else can try a guess at an item. The smallest are kept,
    which are a fair sample of the set (Broder 1997, On the resemblance and containment of
    documents). Where most items have facts that others have, too, two fresh sets would share
    them by chance: such a set has one mark, of all of it.
    """
    facts = sorted(_canonical_evidence_json_bytes(item.facts) for item in items)
    distinct = set(facts)
    marked = [b"\n".join(facts)] if 2 * len(distinct) < len(facts) else distinct
    marks = (hashlib.sha256(by.sign(_MARK + each)).hexdigest()[:16] for each in marked)
    return sorted(marks)[:SKETCH_MARKS]


def sealed_set_marks_share_most_items(first: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether one set holds half or more of the smaller of the two.

    >>> sealed_set_marks_share_most_items(list("abcdefghij"), list("fghijklmnop"))
    True
    >>> sealed_set_marks_share_most_items(["1", "2", "3"], ["3", "4"])
    False
    """
    # Beyond the last mark that a full sketch kept, nobody knows what the set holds.
    ends = [marks[-1] for marks in (first, other) if len(marks) == SKETCH_MARKS]
    known = [{mark for mark in marks if not ends or mark <= min(ends)} for marks in (first, other)]
    fewest, shared = min(map(len, known)), len(known[0] & known[1])
    # Of fewer marks a half may be shared by chance; then only all of them say something.
    return 0 < fewest <= (2 * shared if fewest >= _FEWEST_MARKS else shared)


def check_report_belongs_to_seal(report: SignedStatement, sealed: SignedStatement) -> None:
    """Refuse a report that does not belong to its seal, or was not signed by its evaluator.

    Raises:
        EvidenceError: What does not hold is named.
    """
    report.check_evaluator_signature()
    sealed.check_evaluator_signature()
    kinds = (sealed.body.get("kind"), report.body.get("kind"))
    if kinds != ("seal", "report") or report.public_key != sealed.public_key:
        raise EvidenceError("report", wanted=Message("a report of the evaluator who sealed"))
    same = (report.body["seal"], report.body["root"]) == (
        sealed.evidence_statement_sha256(),
        sealed.body["root"],
    )
    if not same or not 1 <= report.body["number"] <= sealed.body["terms"]["most"]:
        raise EvidenceError("report", wanted=Message("a report under this seal"))


def reveal_sealed_case(items: Sequence[SealedCase], secret: bytes, number: int) -> RevealedCase:
    """Return one item for an auditor.

    Raises:
        EvidenceError: There is no such item.
    """
    if not 0 <= number < len(items):
        raise EvidenceError(f"item {number:,}", wanted=Message("the number of an item"))
    path = merkle_range_roots(
        ListedSubtreeHashes(_sealed_case_leaves(items, secret)),
        inclusion_proof_ranges(number, len(items)),
    )
    salt = _sealed_case_salt(secret, number).hex()
    return RevealedCase(
        number=number, item=items[number], salt=salt, path=tuple(h.hex() for h in path)
    )


def is_revealed_case_in_sealed_set(revealed: RevealedCase, sealed: SignedStatement) -> bool:
    """Return whether a revealed case stands in the sealed set."""
    leaf = _sealed_case_leaf(revealed.item, bytes.fromhex(revealed.salt))
    return inclusion_proof_holds(
        index=revealed.number,
        size=int(sealed.body["size"]),
        leaf=leaf,
        path=[bytes.fromhex(node) for node in revealed.path],
        root=bytes.fromhex(str(sealed.body["root"])),
    )


def _sealed_cases_root(leaves: list[bytes]) -> bytes:
    return merkle_range_root(ListedSubtreeHashes(leaves), 0, len(leaves))


def _sealed_case_leaves(items: Sequence[SealedCase], secret: bytes) -> list[bytes]:
    return [
        _sealed_case_leaf(item, _sealed_case_salt(secret, number))
        for number, item in enumerate(items)
    ]


def _sealed_case_leaf(item: SealedCase, salt: bytes) -> bytes:
    # Salt first: without it whoever guesses an item, and medical facts are few, could confirm the
    # guess against the root.
    return merkle_leaf_hash(salt + _canonical_evidence_json_bytes(asdict(item)))


def _sealed_case_salt(secret: bytes, case_number: int) -> bytes:
    # One salt an item from one secret: revealing an item to an auditor gives away its own salt and
    # no other.
    return hmac.digest(secret, f"commonwatt item {case_number}".encode(), "sha256")


def _confirmed_seal_terms(
    sealed: SignedStatement, items: Sequence[SealedCase], secret: bytes, by: Signer
) -> SealTerms:
    sealed.check_evaluator_signature()
    if sealed.public_key != by.public_key.hex():
        raise EvidenceError("seal", wanted=Message("the key of the evaluator who sealed"))
    if sealed.body["root"] != _sealed_cases_root(_sealed_case_leaves(items, secret)).hex():
        raise EvidenceError("items", found=Message("not the items that were sealed"))
    return SealTerms(**sealed.body["terms"])


def _sealed_model_estimates(
    items: Sequence[SealedCase], model: Scorer, terms: SealTerms
) -> list[dict[str, Any]]:
    scores = np.array([float(model(item.facts)) for item in items])
    labels = np.array([item.label for item in items], np.int8)
    names = sorted({item.group for item in items})
    group = np.array([names.index(item.group) for item in items], np.int32)
    sketch = sketch_model_scores(
        scores, labels, group, groups=len(names), threshold=terms.threshold
    )
    overall = evaluate_score_sketch(
        sketch.over_all_groups(), ["every item"], fewest=terms.fewest, whole_groups=True
    ).to_dicts()
    if len(names) == 1:
        return [_clinic_estimate_row_for_vendor(row, counted=True) for row in overall]
    parts = evaluate_score_sketch(sketch, names, fewest=terms.fewest, whole_groups=True).to_dicts()
    # one group left out could be counted back from the whole and the others
    counted = all(row["estimate"] is not None for row in parts)
    return [_clinic_estimate_row_for_vendor(row, counted=True) for row in overall] + [
        _clinic_estimate_row_for_vendor(row, counted=counted) for row in parts
    ]


def _clinic_estimate_row_for_vendor(
    estimate_row: Mapping[str, Any], *, counted: bool
) -> dict[str, Any]:
    """Return a row as the vendor sees it: three digits, and counts only where `counted`."""
    few = estimate_row["estimate"] is None
    # Three digits are all a reader can use; the full double would let a vendor solve for single
    # labels.
    numbers = {
        name: None if few else round(estimate_row[name], 3) for name in ("estimate", "low", "high")
    }
    counts = {
        name: estimate_row[name] if counted and not few else None for name in ("rows", "events")
    }
    labels = {
        "group": estimate_row["group"],
        "metric": estimate_row["metric"],
        "verdict": estimate_row["verdict"],
    }
    return labels | numbers | counts


def _sign_evidence_statement(body: Mapping[str, Any], by: Signer) -> SignedStatement:
    statement = SignedStatement(
        body=body,
        public_key=by.public_key.hex(),
        signature=by.sign(_canonical_evidence_json_bytes(body)).hex(),
    )
    # A signer may be a card or a server; what it returns is checked before anybody relies on it.
    statement.check_evaluator_signature()
    return statement


def _canonical_evidence_json_bytes(body: Mapping[str, Any]) -> bytes:
    # One spelling of a body, whatever order its members were written in: it is what is hashed and
    # signed.
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def load_sealed_cases(path: Path) -> list[SealedCase]:
    """Return the items in a file of JSON lines: facts, label, and a group where there is one.

    Raises:
        EvidenceError: A line is not of the form; its number is named, nothing of it.
    """
    try:
        # `-sig`: the mark that an editor puts first is no part of the first item.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError:
        raise EvidenceError(str(path), wanted=Message("a readable file")) from None
    except UnicodeDecodeError:
        raise EvidenceError(
            str(path),
            found=Message("a code page that the file does not name"),
            wanted=Message("UTF-8"),
        ) from None
    return [
        _parse_sealed_case(line, f"{path}, line {n:,}")
        for n, line in enumerate(lines, 1)
        if line.strip()
    ]


def _parse_sealed_case(line: str, where: str) -> SealedCase:
    try:
        row = cast("dict[str, Any]", parse_strict_json(line))
        facts = {str(name): str(value) for name, value in row["facts"].items()}
        label, group = row["label"], str(row.get("group", "all"))
    except (ValueError, KeyError, TypeError, AttributeError):
        # The line itself is never quoted: it is a patient's.
        label, facts, group = None, dict[str, str](), ""
    if label not in (0, 1):
        raise EvidenceError(where, wanted=Message("facts, a label 0 or 1, and perhaps a group"))
    return SealedCase(facts=facts, label=int(label), group=group)


def load_signed_model_evidence_statement(path: Path) -> SignedStatement:
    """Return a signed statement; its signature is not checked here.

    Raises:
        EvidenceError: The file holds none.
    """
    try:
        file = cast("dict[str, Any]", parse_strict_json(path.read_text(encoding="utf-8-sig")))
        return SignedStatement(
            body=dict(file["body"]),
            public_key=str(file["public_key"]),
            signature=str(file["signature"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise EvidenceError(str(path), wanted=Message("a signed statement")) from None


def revealed_case_json(revealed: RevealedCase) -> str:
    """Return an opened item as JSON."""
    return json.dumps(asdict(revealed), ensure_ascii=False, indent=1) + "\n"


def load_revealed_case(path: Path) -> RevealedCase:
    """Return an opened item.

    Raises:
        EvidenceError: The file holds none.
    """
    try:
        file = cast("dict[str, Any]", parse_strict_json(path.read_text(encoding="utf-8-sig")))
        return RevealedCase(
            number=int(file["number"]),
            item=_parse_sealed_case(json.dumps(file["item"]), str(path)),
            salt=bytes.fromhex(file["salt"]).hex(),
            path=tuple(bytes.fromhex(node).hex() for node in file["path"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise EvidenceError(str(path), wanted=Message("an item with its proof")) from None
