"""Which people of an organisation's provider may come in, and as what.

A provider knows everybody of its organisation, and whoever signed up with it. So it says who
somebody is, and this table says whether they may come in: by a group that it puts them in, or
by the domain of an e-mail address that it has verified. Whom neither lets in needs an
invitation, which is the one-time link of an account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.web.errors import NotAdmittedError
from commonwatt.web.roles import ConsoleRole

if TYPE_CHECKING:
    from commonwatt.web.settings import Settings

_ROLES: Final = {role.value: role for role in ConsoleRole}


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchedIdentity:
    """Whom a provider vouches for.

    Args:
        subject: The provider and its name for the person, which never changes hands.
        name: What the provider calls the person.
        groups: Groups or roles that it puts the person in; None where it did not say.
        email_domain: Domain of the person's e-mail address; "" where there is none.
        email_verified: Whether the provider has verified that address.
    """

    subject: str
    name: str
    groups: frozenset[str] | None
    email_domain: str = ""
    email_verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRules:
    """Who may come in without an invitation, and the roles that they have then.

    Args:
        groups: The roles of each group that may come in.
        domains: The roles of each e-mail domain that may come in, in small letters.
        claim: Where the provider names groups, for refusals.
        contact: Whom to ask; "" for whoever keeps the accounts.
    """

    groups: Mapping[str, frozenset[ConsoleRole]]
    domains: Mapping[str, frozenset[ConsoleRole]]
    claim: str
    contact: str = ""

    @classmethod
    def of(cls, settings: Settings) -> AdmissionRules:
        """Return the rules that a console was set up with.

        Raises:
            UsageError: A rule names nobody, or a role that there is not.
        """
        return cls(
            groups=_roles_by_group(settings.oidc_groups),
            domains=_roles_by_email_domain(settings.oidc_domains),
            claim=settings.oidc_roles_claim,
            contact=settings.contact,
        )

    def roles_of(self, identity: VouchedIdentity) -> frozenset[ConsoleRole]:
        """Return the roles of a person; none for whom no rule lets in.

        A group or domain that stands in no rule gives nothing.
        """
        granted = [self.groups.get(group, frozenset()) for group in identity.groups or ()]
        if identity.email_verified:
            granted.append(self.domains.get(identity.email_domain, frozenset()))
        return frozenset[ConsoleRole]().union(*granted)

    def refusal(self, identity: VouchedIdentity) -> NotAdmittedError:
        """Return the refusal of a person, which says what each rule missed.

        It repeats nothing of what the provider said of the person: it may be logged.
        """
        missed = [
            *self._missing_oidc_group_messages(identity),
            *self._missing_email_domain_messages(identity),
        ]
        return NotAdmittedError(
            "oidc",
            missed=missed or [Message("this console lets people in by invitation only")],
            contact=self.contact,
        )

    def _missing_oidc_group_messages(self, identity: VouchedIdentity) -> Iterable[Message]:
        if not self.groups:
            return
        claim = {"claim": self.claim}
        if identity.groups is None:
            yield Message("the provider sent no claim {claim}, which would name groups", claim)
        else:
            yield Message("no group in the claim {claim} may come in", claim)

    def _missing_email_domain_messages(self, identity: VouchedIdentity) -> Iterable[Message]:
        if not self.domains:
            return
        if not identity.email_domain:
            yield Message("the provider sent no e-mail address")
        elif identity.email_domain not in self.domains:
            yield Message("the domain of the e-mail address may not come in")
        else:
            yield Message("the provider has not verified the e-mail address")


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim at a path whose full stops lead inwards, or None.

    Names with full stops of their own are found, too: the whole path as it stands first, as
    some providers call a claim by an address.

    >>> claim_at({"realm_access": {"roles": ["staff"]}}, "realm_access.roles")
    ['staff']
    >>> claim_at({"https://example.org/roles": ["staff"]}, "https://example.org/roles")
    ['staff']
    """
    if path in claims:
        return claims[path]
    at = path.find(".")
    while at >= 0:
        inner = claims.get(path[:at])
        if isinstance(inner, Mapping):
            claim = claim_at(inner, path[at + 1 :])  # pyright: ignore[reportUnknownArgumentType]
            if claim is not None:
                return claim
        at = path.find(".", at + 1)
    return None


def claimed_names(claim: Any) -> frozenset[str] | None:
    """Return the groups or roles that a claim names, in each of the forms that are in use.

    >>> sorted(claimed_names("staff planner")), claimed_names({"staff": {"id": 1}}) == {"staff"}
    (['planner', 'staff'], True)
    """
    if claim is None:
        return None
    # A text with spaces is read as OAuth reads `scope`; an object has the names as its keys.
    names: Iterable[Any] = claim.split() if isinstance(claim, str) else claim
    if not isinstance(claim, str | list | tuple | Mapping):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str))


def email_domain_of(email: Any) -> str:
    """Return the domain of an e-mail address in small letters; "" for what is none.

    >>> email_domain_of("Ada@Example.ORG"), email_domain_of('"a@evil.example"@example.org')
    ('example.org', '')
    """
    # One @ only: in a quoted local part a second one is allowed, and nobody needs it.
    if not isinstance(email, str) or email.count("@") != 1 or not email.isascii():
        return ""
    local, _, domain = email.partition("@")
    plain = local and not any(letter.isspace() for letter in email) and email.isprintable()
    return domain.lower() if plain else ""


def _roles_by_group(rules: Iterable[str]) -> dict[str, frozenset[ConsoleRole]]:
    groups: dict[str, frozenset[ConsoleRole]] = {}
    for rule in rules:
        # From the right: the names of groups in a directory hold signs of equality themselves,
        # those of our roles do not.
        group, equals, roles = rule.rpartition("=")
        # A name alone is a group that is called as a role of ours.
        group = group.strip() if equals else rule.strip()
        names = roles if equals else group
        granted = (
            _console_roles_named_in_rule("--oidc-group", rule, names)
            if group
            else frozenset[ConsoleRole]()
        )
        if not granted:
            raise _oidc_admission_rule_error(
                "--oidc-group", rule, Message("GROUP=ROLE or GROUP=ROLE,ROLE")
            )
        groups[group] = groups.get(group, frozenset()) | granted
    return groups


def _roles_by_email_domain(rules: Iterable[str]) -> dict[str, frozenset[ConsoleRole]]:
    domains: dict[str, frozenset[ConsoleRole]] = {}
    for rule in rules:
        name, equals, roles = rule.partition("=")
        domain = email_domain_of(f"somebody@{name.strip().removeprefix('@')}")
        # As an account that is made without ticks is.
        granted = _console_roles_named_in_rule(
            "--oidc-domain", rule, roles if equals else ConsoleRole.VIEWER
        )
        # A domain of one label, such as "org", is half the world or a slip.
        if not granted or "." not in domain.strip(".") or "*" in domain:
            wanted = Message("a whole e-mail domain: example.org or example.org=ROLE,ROLE")
            raise _oidc_admission_rule_error("--oidc-domain", rule, wanted)
        domains[domain] = domains.get(domain, frozenset()) | granted
    return domains


def _console_roles_named_in_rule(option: str, rule: str, names: str) -> frozenset[ConsoleRole]:
    wanted = [name.strip() for name in names.split(",")]
    if not all(name in _ROLES for name in wanted):
        roles = Message("one of the roles {roles}", {"roles": ", ".join(sorted(_ROLES))})
        raise _oidc_admission_rule_error(option, rule, roles)
    return frozenset(_ROLES[name] for name in wanted)


def _oidc_admission_rule_error(option: str, rule: str, wanted: Message) -> UsageError:
    return UsageError(option, found=repr(rule), wanted=wanted)
