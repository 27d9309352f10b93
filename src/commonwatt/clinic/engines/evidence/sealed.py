"""Third-party evaluation on items that the vendor never sees, signed by whoever did it.

    seal     evaluator → everybody   Merkle root over salted items, protocol, signature;
                                     before the model is handed over
    examine  vendor → evaluator      the model; evaluator → vendor: signed aggregate
    reveal   evaluator → auditor     single items with their proofs, if there is doubt
    confirm  anybody                 signature, seal and protocol belong together

The root binds the evaluator to the items without telling them: each leaf is salted,
so that a guess at an item cannot be tried. A protocol states how many examinations
the set may answer, because each answer tells a vendor a little; groups with too few
events are never told. The model runs where the evaluator runs it: what it does there
with what it reads is for a cage to stop, not for this module.
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
from commonwatt.clinic.engines.evidence.metrics import evaluate
from commonwatt.clinic.engines.evidence.sketch import sketch_of
from commonwatt.core.messages import Message
from commonwatt.ledger import Signer
from commonwatt.ledger.entries import leaf_hash
from commonwatt.ledger.keys import signature_holds
from commonwatt.ledger.merkle import (
    ListedSubtreeHashes,
    inclusion_holds,
    inclusion_ranges,
    range_root,
    roots,
)

FORM: Final = "commonwatt third-party evaluation v1"


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

    def check(self) -> None:
        """Refuse a statement that was not signed so.

        Raises:
            EvidenceError: The signature does not belong to body and key.
        """
        try:
            key, signature = bytes.fromhex(self.public_key), bytes.fromhex(self.signature)
        except ValueError:
            key, signature = b"", b""
        if not (len(key) == 32 and signature_holds(key, signature, _bytes(self.body))):
            raise EvidenceError("signature", found=Message("not one over this statement"))

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True) + "\n"

    def digest(self) -> str:
        """Return the name of the statement."""
        return hashlib.sha256(_bytes(self.body)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealedCase:
    """One item told to an auditor, with the proof that it was in the set."""

    number: int
    item: SealedCase
    salt: str
    path: tuple[str, ...]


def seal(
    items: Sequence[SealedCase], secret: bytes, terms: SealTerms, *, by: Signer
) -> SignedStatement:
    """Return the statement that binds the evaluator to these items and terms.

    Raises:
        EvidenceError: There are no items.
    """
    if not items:
        raise EvidenceError("items", wanted=Message("at least one item"))
    body = {"form": FORM, "kind": "seal", "root": _root(_leaves(items, secret)).hex()}
    return _sign(body | {"size": len(items), "terms": asdict(terms)}, by)


def examine(
    items: Sequence[SealedCase],
    secret: bytes,
    sealed: SignedStatement,
    model: Scorer,
    *,
    artefact_sha256: str,
    earlier: Sequence[SignedStatement] = (),
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
        earlier: Every report that the set has answered before, in order.
        on: The day.
        by: The evaluator who sealed the set.

    Raises:
        EvidenceError: The items are not those sealed, the set has answered often enough,
            the evaluator is another, or the model gives no score.
    """
    terms = _terms_of(sealed, items, secret, by)
    for report in earlier:
        confirm_report(report, sealed)
    if len(earlier) >= terms.most:
        found = Message("{count} examinations already", {"count": str(len(earlier))})
        raise EvidenceError("seal", found=found, wanted=Message("a fresh set of items"))
    body = {
        "form": FORM,
        "kind": "report",
        "seal": sealed.digest(),
        "root": sealed.body["root"],
        "artefact_sha256": artefact_sha256,
        "number": len(earlier) + 1,
        "previous": earlier[-1].digest() if earlier else "",
        "on": on.isoformat(),
        "estimates": _estimates(items, model, terms),
    }
    return _sign(body, by)


def confirm_report(report: SignedStatement, sealed: SignedStatement) -> None:
    """Refuse a report that does not belong to its seal, or was not signed by its evaluator.

    Raises:
        EvidenceError: What does not hold is named.
    """
    report.check()
    sealed.check()
    kinds = (sealed.body.get("kind"), report.body.get("kind"))
    if kinds != ("seal", "report") or report.public_key != sealed.public_key:
        raise EvidenceError("report", wanted=Message("a report of the evaluator who sealed"))
    same = (report.body["seal"], report.body["root"]) == (sealed.digest(), sealed.body["root"])
    if not same or not 1 <= report.body["number"] <= sealed.body["terms"]["most"]:
        raise EvidenceError("report", wanted=Message("a report under this seal"))


def reveal_case(items: Sequence[SealedCase], secret: bytes, number: int) -> RevealedCase:
    """Return one item for an auditor.

    Raises:
        EvidenceError: There is no such item.
    """
    if not 0 <= number < len(items):
        raise EvidenceError(f"item {number:,}", wanted=Message("the number of an item"))
    path = roots(ListedSubtreeHashes(_leaves(items, secret)), inclusion_ranges(number, len(items)))
    salt = _salt(secret, number).hex()
    return RevealedCase(
        number=number, item=items[number], salt=salt, path=tuple(h.hex() for h in path)
    )


def is_in_seal(revealed: RevealedCase, sealed: SignedStatement) -> bool:
    """Return whether an item that was told stands in the sealed set."""
    leaf = _leaf(revealed.item, bytes.fromhex(revealed.salt))
    return inclusion_holds(
        index=revealed.number,
        size=int(sealed.body["size"]),
        leaf=leaf,
        path=[bytes.fromhex(node) for node in revealed.path],
        root=bytes.fromhex(str(sealed.body["root"])),
    )


def _root(leaves: list[bytes]) -> bytes:
    return range_root(ListedSubtreeHashes(leaves), 0, len(leaves))


def _leaves(items: Sequence[SealedCase], secret: bytes) -> list[bytes]:
    return [_leaf(item, _salt(secret, number)) for number, item in enumerate(items)]


def _leaf(item: SealedCase, salt: bytes) -> bytes:
    return leaf_hash(salt + _bytes(asdict(item)))


def _salt(secret: bytes, number: int) -> bytes:
    return hmac.digest(secret, f"commonwatt item {number}".encode(), "sha256")


def _terms_of(
    sealed: SignedStatement, items: Sequence[SealedCase], secret: bytes, by: Signer
) -> SealTerms:
    sealed.check()
    if sealed.public_key != by.public_key.hex():
        raise EvidenceError("seal", wanted=Message("the key of the evaluator who sealed"))
    if sealed.body["root"] != _root(_leaves(items, secret)).hex():
        raise EvidenceError("items", found=Message("not the items that were sealed"))
    return SealTerms(**sealed.body["terms"])


def _estimates(
    items: Sequence[SealedCase], model: Scorer, terms: SealTerms
) -> list[dict[str, Any]]:
    scores = np.array([float(model(item.facts)) for item in items])
    labels = np.array([item.label for item in items], np.int8)
    names = sorted({item.group for item in items})
    group = np.array([names.index(item.group) for item in items], np.int32)
    made = sketch_of(scores, labels, group, groups=len(names), threshold=terms.threshold)
    whole = evaluate(made.total(), ["every item"], fewest=terms.fewest).to_dicts()
    if len(names) == 1:
        return [_told(row, counted=True) for row in whole]
    parts = evaluate(made, names, fewest=terms.fewest).to_dicts()
    # one group left out could be counted back from the whole and the others
    counted = all(row["estimate"] is not None for row in parts)
    return [_told(row, counted=True) for row in whole] + [
        _told(row, counted=counted) for row in parts
    ]


def _told(row: Mapping[str, Any], *, counted: bool) -> dict[str, Any]:
    """Return a row as the vendor sees it: three digits, and counts only where `counted`."""
    few = row["estimate"] is None
    numbers = {name: None if few else round(row[name], 3) for name in ("estimate", "low", "high")}
    counts = {name: row[name] if counted and not few else None for name in ("rows", "events")}
    said = {"group": row["group"], "metric": row["metric"], "verdict": row["verdict"]}
    return said | numbers | counts


def _sign(body: Mapping[str, Any], by: Signer) -> SignedStatement:
    made = SignedStatement(
        body=body, public_key=by.public_key.hex(), signature=by.sign(_bytes(body)).hex()
    )
    made.check()
    return made


def _bytes(body: Mapping[str, Any]) -> bytes:
    plain = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return plain.encode()


def load_cases(path: Path) -> list[SealedCase]:
    """Return the items in a file of JSON lines: facts, label, and a group where there is one.

    Raises:
        EvidenceError: A line is not of the form; its number is named, nothing of it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceError(str(path), found=type(error).__name__) from None
    return [_item(line, f"{path}, line {n:,}") for n, line in enumerate(lines, 1) if line.strip()]


def _item(line: str, where: str) -> SealedCase:
    try:
        row = cast("dict[str, Any]", json.loads(line))
        facts = {str(name): str(value) for name, value in row["facts"].items()}
        label, group = row["label"], str(row.get("group", "all"))
    except (ValueError, KeyError, TypeError, AttributeError):
        label, facts, group = None, dict[str, str](), ""
    if label not in (0, 1):
        raise EvidenceError(where, wanted=Message("facts, a label 0 or 1, and perhaps a group"))
    return SealedCase(facts=facts, label=int(label), group=group)


def load_signed(path: Path) -> SignedStatement:
    """Return a signed statement; its signature is not checked here.

    Raises:
        EvidenceError: The file holds none.
    """
    try:
        file = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        return SignedStatement(
            body=dict(file["body"]),
            public_key=str(file["public_key"]),
            signature=str(file["signature"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise EvidenceError(str(path), wanted=Message("a signed statement")) from None


def revealed_case_text(revealed: RevealedCase) -> str:
    """Return an opened item as JSON."""
    return json.dumps(asdict(revealed), ensure_ascii=False, indent=1) + "\n"


def load_revealed_case(path: Path) -> RevealedCase:
    """Return an opened item.

    Raises:
        EvidenceError: The file holds none.
    """
    try:
        file = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        return RevealedCase(
            number=int(file["number"]),
            item=_item(json.dumps(file["item"]), str(path)),
            salt=bytes.fromhex(file["salt"]).hex(),
            path=tuple(bytes.fromhex(node).hex() for node in file["path"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise EvidenceError(str(path), wanted=Message("an item with its proof")) from None
