"""Who asked for what is to be decided, who may not approve it therefore, and who may."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from responder.people.approver_rights import About
from responder.people.person import Permission, Person
from responder.plan import Requester

_REQUESTERS = TypeAdapter(tuple[Requester, ...])


def asked_by(ask: Mapping[Any, Any]) -> tuple[Requester, ...]:
    """The people who asked for what *ask* is about, by its plan; none where alerts alone did."""
    try:
        return _REQUESTERS.validate_python((ask.get("plan") or {}).get("asked_by", ()))
    except ValidationError:
        return ()  # such a plan has no digest that anybody could sign


def in_words(ask: Mapping[Any, Any]) -> str:
    """Such as `ana (opened the incident) and ben (edited the plan)`; empty where nobody asked."""
    return " and ".join(str(one) for one in asked_by(ask))


def barred(ask: Mapping[Any, Any]) -> frozenset[str]:
    """
    Who may not approve *ask* because they asked for it.

    Who asked to end or extend a lease gave its first decision as they did: they have decided, and
    what is missing is missing of somebody else. Nobody else asked for that.
    """
    names = frozenset(one.name for one in asked_by(ask))
    if not needs_others(ask):
        return frozenset()
    return frozenset({ask["requester"]}) if of_lease(ask) else names | {ask["requester"]}


def never_alone(ask: Mapping[Any, Any]) -> frozenset[str]:
    """Who may not break the glass for *ask* because they asked for it."""
    of_it = {one.name for one in asked_by(ask)} if of_lease(ask) else barred(ask)
    return frozenset({ask["requester"], *of_it})


def of_lease(ask: Mapping[Any, Any]) -> bool:
    """Whether *ask* is about ending or extending leases, where who asks decides first."""
    return bool(ask.get("kind", "step") != "step")


def needs_others(ask: Mapping[Any, Any]) -> bool:
    """Whether nobody may approve *ask* who asked for it."""
    return bool((ask.get("needs") or {}).get("not_requester", True))


def may_approve(people: Iterable[Person], ask: Mapping[Any, Any], about: About) -> list[str]:
    """The names of those who may approve *ask*, as roles, teams and their part in it go."""
    return sorted(
        one.name
        for one in people
        if one.may(Permission.APPROVALS_DECIDE)
        and one.name not in barred(ask)
        and not one.may_not_approve(about)
    )


def why_barred(ask: Mapping[Any, Any], name: str, others: Iterable[str] = ()) -> str:
    """Why *name*, who asked for it, may not approve *ask*, and which of *others* may."""
    how = [str(one.how) for one in asked_by(ask) if one.name == name] or ["requested it"]
    rest = [other for other in others if other != name]
    who = ", ".join(rest) if rest else "somebody else"
    return (
        f"ask {ask['id']}: {name} {' and '.join(how)}, and nobody may approve their own request; "
        f"{who} may"
    )
