"""An institution file: what one hospital's gateway runs, whom it knows, what its agents may do.

::

    institution = "qmh"
    sample_share = 0.1                    # of encounters on which the doctor is asked first
    guides = ["guides"]                   # folders of guides of one's own, beside the shipped ones

    [models."deployment/chest"]
    linear = "chest.json"                 # or python = "module:function", or url = "http://…"

    [clinicians.dr-lee]
    key = "lee.pem"                       # signs what the doctor decided
    token_sha256 = "…"                    # of the token that the doctor's client sends
    users = ["Practitioner/123"]          # as whom a record system that signs may speak

    [cds_hooks]                           # see engines/gateway/hooks/settings.py

    [pathways.chest]
    deployments = ["deployment/chest"]
    needs_human = ["deployment/chest"]
    roles = ["clinician"]
    most_calls = 10
    statement_minutes = 30                # how long a signed answer holds

The institution's one secret, 32 bytes, stands in a file of its own; what hides encounters
and what draws the lots are derived from it, so that telling the one for an audit
does not tell the other.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from commonwatt.clinic.domain.errors import AdviceRefusedError
from commonwatt.clinic.domain.registry.old_words import (
    OLD_SECRET_FILE,
    deployment_input_in_todays_words_with_notice,
)
from commonwatt.clinic.engines.gateway.agents import STATEMENT_MINUTES, Pathway
from commonwatt.clinic.engines.gateway.hooks.settings import (
    CdsHooksSettings,
    parse_cds_hooks_settings,
)
from commonwatt.clinic.engines.gateway.lottery import EncounterLottery
from commonwatt.clinic.engines.gateway.models import LoadedModel, load_medical_model
from commonwatt.clinic.io.guides import GuideLibrary, load_clinic_guide_library
from commonwatt.clinic.io.registry import Registry
from commonwatt.core.errors import InputError
from commonwatt.core.files import save_bytes
from commonwatt.core.messages import Message
from commonwatt.core.notices import send_notice_to_collector
from commonwatt.ledger import Key, Ledger, Signer, actor_id_of
from commonwatt.ledger.roles import check_known_ledger_role

_FIELDS: Final = frozenset(
    {"institution", "sample_share", "guides", "models", "clinicians", "pathways", "cds_hooks"}
)
SECRET_FILE: Final = "institution.secret"  # noqa: S105  a name, no secret
"""What the secret is called where nobody names it."""
_PATHWAY: Final[frozenset[str]] = frozenset({"deployments", "needs_human", "roles", "most_calls"})
_STATEMENT_MINUTES: Final = "statement_minutes"
_LONGEST_STATEMENT_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinician:
    """Who may send decisions, the digest of their client's token, and their names elsewhere.

    Args:
        key: Signs what they decide.
        token_sha256: Of the token that their own client sends.
        users: As record systems call them, `Practitioner/…`.
    """

    key: Key
    token_sha256: str
    users: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicInstitution:
    """What an institution file says."""

    name: str
    share: float
    models: Mapping[str, LoadedModel]
    clinicians: Mapping[str, Clinician]
    pathways: Mapping[str, Pathway]
    guides: GuideLibrary
    cds_hooks: CdsHooksSettings = field(default_factory=CdsHooksSettings)

    def clinician_of_user(self, user: str) -> Signer | None:
        """Return the key of a clinician by the name that a record system gives them."""
        return next((each.key for each in self.clinicians.values() if user in each.users), None)

    def clinician_of_actor(self, actor_id: str) -> Signer | None:
        """Return the key of a clinician by the id that stands on record."""
        keys = [each.key for each in self.clinicians.values()]
        return next((key for key in keys if actor_id_of(key.public_key) == actor_id), None)

    def clinician_signer_of_token(self, name: str, token: str) -> Signer | None:
        """Return the key of a clinician whose client sent the right token."""
        clinician = self.clinicians.get(name)
        digest = hashlib.sha256(token.encode()).hexdigest()
        # Compared in constant time: how long a refusal takes must not tell how much of a token was
        # right.
        if clinician is None or not hmac.compare_digest(digest, clinician.token_sha256):
            return None
        return clinician.key

    def agent_pathway(self, name: str) -> Pathway:
        """Return a pathway.

        Raises:
            InputError: The file has none of that name.
        """
        if name not in self.pathways:
            raise InputError(
                f"pathways.{name}", wanted=Message("a pathway of the institution file")
            )
        return self.pathways[name]

    def check_model_artefacts(self, registry: Registry) -> None:
        """Refuse a model whose weights are not those of the version on record.

        Raises:
            AdviceRefusedError: The deployment is named.
            StatusMoveError: There is no such deployment.
        """
        for deployment, loaded in self.models.items():
            version = registry.registered_record(deployment, "deployment").body["version"]
            on_record = registry.registered_record(version, "version").body["artefact_sha256"]
            # What was approved is what runs: a file that was exchanged after the committee saw it
            # stops the gate from opening at all.
            if loaded.has_artefact_digest and loaded.artefact_sha256 != on_record:
                raise AdviceRefusedError(
                    deployment, rule="gate.wrong-artefact", words=_OTHER_WEIGHTS
                )

    def check_pathway_roles(self, ledger: Ledger, where: str) -> None:
        """Refuse a pathway for a role that no rule knows and nobody on record has.

        Args:
            ledger: Who is enrolled; a chain of an older version may hold roles of its own.
            where: The institution file.

        Raises:
            InputError: Nobody could ever take its human steps; pathway and role are named.
        """
        enrolled = {actor.person.role for actor in ledger.actors()}
        for pathway in self.pathways.values():
            for role in sorted(pathway.roles - enrolled):
                check_known_ledger_role(role, f"{where}, pathways.{pathway.name}.roles")


_OTHER_WEIGHTS: Final = {
    "en": "The model's file is not the version on record.",
    "zh-Hant": "模型檔案並非紀錄在案的版本。",
}


def load_clinic_institution(path: Path) -> ClinicInstitution:
    """Return what an institution file says.

    Raises:
        InputError: It cannot be read, or a value is at fault; its place is named.
    """
    file = _read_clinic_institution_file(path)
    share = file.get("sample_share", 0.0)
    _check_institution_file_field(
        isinstance(share, int | float) and 0 <= share <= 1, path, "sample_share", _SHARE
    )
    folder = path.parent
    return ClinicInstitution(
        name=file["institution"],
        share=float(share),
        models={
            name: load_medical_model(entry, folder, f"{path}, models.{name}")
            for name, entry in _clinic_institution_file_tables(file, "models", path).items()
        },
        clinicians=_parse_institution_clinicians(file, path),
        pathways={
            name: _parse_agent_pathway(name, entry, f"{path}, pathways.{name}")
            for name, entry in _clinic_institution_file_tables(file, "pathways", path).items()
        },
        guides=_load_institution_guides(file, path),
        cds_hooks=parse_cds_hooks_settings(file.get("cds_hooks", {}), folder, f"{path}, cds_hooks"),
    )


def load_institution_name_and_guides(path: Path) -> tuple[str, GuideLibrary]:
    """Return the name in an institution file and the guides in force there, and load no model.

    Raises:
        InputError: It cannot be read, or one of the two is at fault.
    """
    file = _read_clinic_institution_file(path)
    return file["institution"], _load_institution_guides(file, path)


def _read_clinic_institution_file(path: Path) -> Mapping[str, Any]:
    """Return the tables of an institution file, all of whose keys are known.

    Raises:
        InputError: It is no TOML, a key is unknown, or it names no institution.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        raise InputError(str(path), wanted=Message("an institution file in TOML")) from None
    file = deployment_input_in_todays_words_with_notice(document, str(path))
    unknown = sorted(set(file) - _FIELDS)
    # A misspelt key is refused: `sample_shares = 0.1` would otherwise ask no doctor first, in
    # silence.
    if unknown:
        raise InputError(
            f"{path}, {unknown[0]}", wanted=_allowed_clinic_institution_fields_message(_FIELDS)
        )
    _check_institution_file_field(
        isinstance(file.get("institution"), str),
        path,
        "institution",
        Message("the name of an institution"),
    )
    return file


_SHARE: Final = Message("a share between 0 and 1")


def load_or_make_clinic_institution_secret(path: Path) -> bytes:
    """Return the institution's secret; a new one is made where there is no file.

    Raises:
        InputError: The file holds no 32 bytes in hexadecimal.
    """
    path = _institution_secret_file_in_use(path)
    if not path.exists():
        # With its rights from the first byte on: between a plain open and a chmod anybody on the
        # machine could read it.
        save_bytes(f"{secrets.token_hex(32)}\n".encode(), path, mode=0o600, replace=False)
    return read_clinic_institution_secret(path)


def read_clinic_institution_secret(path: Path) -> bytes:
    """Return the secret in a file.

    Raises:
        InputError: There is no file, or it holds no 32 bytes in hexadecimal.
    """
    path = _institution_secret_file_in_use(path)
    try:
        secret = bytes.fromhex(path.read_text(encoding="utf-8-sig").strip())
    except (OSError, ValueError):
        secret = b""
    if len(secret) != 32:
        raise InputError(str(path), wanted=Message("32 bytes in hexadecimal"))
    return secret


def _institution_secret_file_in_use(path: Path) -> Path:
    """Return the file of the secret, under its older name where it still bears that one."""
    # A new secret beside the old one would give every encounter a new name and break the pledge of
    # the lots, in silence.
    older = path.with_name(OLD_SECRET_FILE)
    if path.name != SECRET_FILE or path.exists() or not older.exists():
        return path
    send_notice_to_collector(
        Message("{old} is called {new} now.", {"old": f"{older}", "new": f"{path}"}),
    )
    return older


def encounter_pseudonym_salt(institution_secret: bytes) -> bytes:
    """Return what hides the hospital's names of encounters."""
    # Derived, so that an institution keeps one secret; to reveal the lots for an audit does not
    # reveal who the encounters are.
    return hmac.digest(institution_secret, b"commonwatt encounters", "sha256")


def encounter_lottery_secret(institution_secret: bytes) -> bytes:
    """Return what draws the lots, and is disclosed when they are audited."""
    return hmac.digest(institution_secret, b"commonwatt lots", "sha256")


def encounter_lottery_of_institution(
    institution: ClinicInstitution, secret: bytes
) -> EncounterLottery:
    """Return the institution's lot."""
    return EncounterLottery(secret=encounter_lottery_secret(secret), share=institution.share)


def _clinic_institution_file_tables(
    file: Mapping[str, Any], name: str, path: Path
) -> dict[str, dict[str, Any]]:
    section: Any = file.get(name, {})
    tables: dict[str, Any] = {"": None}
    if isinstance(section, dict):
        tables = cast("dict[str, Any]", section)
    for key, entry in tables.items():
        _check_institution_file_field(
            isinstance(entry, dict), path, f"{name}.{key}", Message("named values")
        )
    return tables


def _load_institution_guides(file: Mapping[str, Any], path: Path) -> GuideLibrary:
    named: Any = file.get("guides", [])
    listed: Any = [named] if isinstance(named, str) else named
    _check_institution_file_field(
        _is_pathway_name_list(listed), path, "guides", Message("a list of folders")
    )
    # Relative to the file, like everything that it names.
    return load_clinic_guide_library([path.parent / folder for folder in listed])


def _parse_institution_clinicians(file: Mapping[str, Any], path: Path) -> dict[str, Clinician]:
    clinicians: dict[str, Clinician] = {}
    named: dict[str, str] = {}
    for name, entry in _clinic_institution_file_tables(file, "clinicians", path).items():
        where = f"{path}, clinicians.{name}"
        clinicians[name] = _parse_institution_clinician(entry, path.parent, where)
        for user in sorted(clinicians[name].users):
            # One user of two clinicians would leave it open whose signature stands.
            if named.setdefault(user, name) != name:
                wanted = Message("a user of one clinician only")
                raise InputError(f"{where}.users", found=repr(user), wanted=wanted)
    return clinicians


def _parse_institution_clinician(entry: Mapping[str, Any], folder: Path, where: str) -> Clinician:
    users = entry.get("users", [])
    if not _is_pathway_name_list(users):
        raise InputError(f"{where}.users", wanted=Message("a list such as Practitioner/123"))
    match {name: value for name, value in entry.items() if name != "users"}:
        case {"key": str(key), "token_sha256": str(token), **rest} if not rest:
            return Clinician(key=Key.load(folder / key), token_sha256=token, users=frozenset(users))
        case _:
            raise InputError(where, wanted=Message("key and token_sha256, and nothing else"))


def _parse_agent_pathway(name: str, entry: Mapping[str, Any], where: str) -> Pathway:
    names = ("deployments", "needs_human", "roles")
    minutes = entry.get(_STATEMENT_MINUTES, STATEMENT_MINUTES)
    if frozenset(entry) - {_STATEMENT_MINUTES} != _PATHWAY or not all(
        _is_pathway_name_list(entry[field]) for field in names
    ):
        raise InputError(where, wanted=_allowed_clinic_institution_fields_message(_PATHWAY))
    unlisted = sorted(set(entry["needs_human"]) - set(entry["deployments"]))
    # A misspelt name would let the real one go without its human step, in silence.
    if unlisted:
        gaps = {"values": ", ".join(sorted(entry["deployments"]))}
        wanted = Message("one of {values}", gaps)
        raise InputError(f"{where}.needs_human", found=repr(unlisted[0]), wanted=wanted)
    # `isinstance` would take `true` for one call.
    if type(entry["most_calls"]) is not int or entry["most_calls"] < 1:
        raise InputError(f"{where}.most_calls", wanted=Message("a whole number, at least 1"))
    if type(minutes) is not int or not 0 < minutes <= _LONGEST_STATEMENT_MINUTES:
        gaps = {"count": str(_LONGEST_STATEMENT_MINUTES)}
        wanted = Message("a whole number from 1 to {count}", gaps)
        raise InputError(f"{where}.{_STATEMENT_MINUTES}", wanted=wanted)
    listed: dict[str, frozenset[str]] = {field: frozenset(entry[field]) for field in names}
    return Pathway(name=name, most_calls=entry["most_calls"], statement_minutes=minutes, **listed)


def _is_pathway_name_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in cast("list[Any]", value))


def _allowed_clinic_institution_fields_message(allowed_fields: frozenset[str]) -> Message:
    return Message("one of {values}", {"values": ", ".join(sorted(allowed_fields))})


def _check_institution_file_field(holds: bool, path: Path, field: str, wanted: Message) -> None:
    if not holds:
        raise InputError(f"{path}, {field}", wanted=wanted)
