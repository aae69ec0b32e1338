"""Examining a set-up: one finding a check, each with its remedy."""

import asyncio
import shutil
import stat
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal

from responder.catalogue import load_kinds, load_provision
from responder.crypto.keyring import KeyRing
from responder.errors import ResponderError
from responder.incident import Frozen, Priority
from responder.keys import Keys
from responder.notify.routing import Routing
from responder.people.person import Permission
from responder.people.preflight import gaps
from responder.people.reach import Reach
from responder.point_check import point_faults
from responder.settings import Settings
from responder.store import Store
from responder.store.schema import check_schema
from responder.surroundings import relied_on, resolved

_SECONDS = 10.0
_LEAST_FREE = 256 * 1024 * 1024  # bytes


class Finding(Frozen):
    """What one check found."""

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Run every check, each for ten seconds at most."""
    checks: dict[str, Callable[[Settings], Awaitable[Finding]]] = {
        "state folder": _state,
        "keys": _keys,
        "store": _store,
        "temporal": _temporal,
        "sources": _sources,
        "people": _people,
        "second factors": _second_factors,
        "on call": _on_call,
        "playbooks": _playbooks,
        "protected": _protected,
        "enforcement points": _points,
        "clouds": _clouds,
    }
    return [await _run(name, check, settings) for name, check in checks.items()]


async def _run(
    name: str, check: Callable[[Settings], Awaitable[Finding]], settings: Settings
) -> Finding:
    try:
        async with asyncio.timeout(_SECONDS):
            return await check(settings)
    except TimeoutError:
        return Finding(name=name, state="fail", found=f"no answer within {_SECONDS:g} s")
    except (ResponderError, OSError, ValueError) as error:
        said, _, remedy = str(getattr(error, "message", error)).partition("\n\nhint: ")
        return Finding(name=name, state="fail", found=said, remedy=remedy)


async def _state(settings: Settings) -> Finding:
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(settings.state).free
    state: Literal["ok", "fail"] = "ok" if free >= _LEAST_FREE else "fail"
    return Finding(
        name="state folder",
        state=state,
        found=f"{settings.state}, {free // 2**20} MiB free",
        remedy="" if state == "ok" else "free space on its disk",
    )


async def _keys(settings: Settings) -> Finding:
    keys = Keys(settings.state)
    missing = [
        p.name for p in (keys.payloads, keys.store, keys.private, keys.public) if not p.exists()
    ]
    if missing:
        return Finding(
            name="keys", state="fail", found=f"missing: {', '.join(missing)}", remedy="responder up"
        )
    loose = [p.name for p in keys.folder.iterdir() if stat.S_IMODE(p.stat().st_mode) & 0o077]
    if loose:
        return Finding(
            name="keys",
            state="fail",
            found=f"others may read {', '.join(sorted(loose))}",
            remedy=f"chmod 600 {keys.folder}/*",
        )
    ring = KeyRing.load(keys.payloads)
    return Finding(
        name="keys", state="ok", found=f"active {ring.active}, {len(ring.ids)} in the ring"
    )


async def _store(settings: Settings) -> Finding:
    store = Store(settings.database)
    try:
        await check_schema(store)
    finally:
        await store.close()
    return Finding(name="store", state="ok", found=store.url.get_backend_name())


async def _temporal(settings: Settings) -> Finding:
    from responder.temporal import connect, until_there  # noqa: PLC0415 - a second to import

    client = await connect(settings.temporal, KeyRing.at(Keys(settings.state).payloads), lazy=True)
    if not await until_there(client, 3):
        return Finding(
            name="temporal",
            state="fail",
            found=f"{settings.temporal.target} does not answer",
            remedy="responder up"
            if settings.temporal.address is None
            else "start it, or mend temporal.address",
        )
    if settings.temporal.address is None:
        return Finding(
            name="temporal",
            state="warn",
            found="the embedded server",
            remedy="for production set temporal.address to a cluster",
        )
    return Finding(name="temporal", state="ok", found=settings.temporal.target)


async def _sources(settings: Settings) -> Finding:
    if not settings.sources:
        return Finding(
            name="sources",
            state="warn",
            found="nobody may send alerts",
            remedy="add one under `sources:`",
        )
    return Finding(name="sources", state="ok", found=", ".join(settings.sources))


async def _people(settings: Settings) -> Finding:
    deciders = [p.name for p in settings.directory() if p.may(Permission.APPROVALS_DECIDE)]
    if len(deciders) < 2:  # noqa: PLR2004 - T3 needs two
        return Finding(
            name="people",
            state="warn",
            found=f"{len(deciders)} may approve; T3 needs two",
            remedy="name people with the role operator under `people:`",
        )
    return Finding(name="people", state="ok", found=f"{len(deciders)} may approve")


async def _second_factors(settings: Settings) -> Finding:
    """Whether everybody who may approve could: T2 and T3 take a second factor."""
    from responder.approval.enrolment import any_of  # noqa: PLC0415 - slow, and only for this

    store = Store(settings.database)
    try:
        await check_schema(store)
        async with store.reading() as tx:
            without = [
                person.name
                for person in settings.directory()
                if person.may(Permission.APPROVALS_DECIDE) and not await any_of(tx, person.name)
            ]
    finally:
        await store.close()
    if without:
        return Finding(
            name="second factors",
            state="warn",
            found=f"{', '.join(without)}: may approve, without a second factor to do it with",
            remedy=f"responder people ticket {without[0]}",
        )
    return Finding(name="second factors", state="ok", found="whoever may approve has one")


async def _on_call(settings: Settings) -> Finding:
    """Whether every level of every chain reaches somebody, by the settings alone."""
    reach = Reach(settings.directory(), settings.oncall, settings.sla)
    routing = Routing(settings.notify, settings.mail, reach)
    if found := gaps(reach, routing, datetime.now(UTC)):
        return Finding(
            name="on call",
            state="fail" if settings.oncall.rosters else "warn",
            found="; ".join(map(str, found)),
            remedy="give people these `teams:` and addresses, name channels under `notify:`, or change "
            "`sla.*.escalates_to`; then: responder oncall check",
        )
    return Finding(name="on call", state="ok", found=f"{len(reach.levels())} levels reach somebody")


async def _playbooks(settings: Settings) -> Finding:
    kinds = load_kinds(settings)
    answered = {
        (p.answers, priority) for p in kinds.playbooks.values() for priority in p.priorities
    }
    given = {category for category, _ in answered}
    holes = sorted(f"{c} at {p}" for c in given for p in Priority if (c, p) not in answered)
    return Finding(
        name="playbooks",
        state="ok",
        found=f"{len(kinds.playbooks)}" + (f"; none for {', '.join(holes)}" if holes else ""),
    )


async def _protected(settings: Settings) -> Finding:
    if settings.protect_surroundings:
        things = relied_on(settings)
        known = await asyncio.to_thread(resolved, [thing.host for thing in things])
        if lost := [f"{t.name} ({t.host})" for t in things if t.host not in known]:
            return Finding(
                name="protected",
                state="warn",
                found=f"no address was found, so nothing protects {', '.join(lost)}",
                remedy="mend the name, write the address in its place, or name it under `protected:`",
            )
    if not settings.protected and not settings.inventory.hosts:
        return Finding(
            name="protected",
            state="warn",
            found="no host and no protected network of yours is named",
            remedy="name your gateways, resolvers, partners under `protected:`, your hosts under `inventory.hosts:`",
        )
    return Finding(
        name="protected",
        state="ok",
        found=f"{len(settings.protected)} networks, {len(settings.inventory.hosts)} hosts",
    )


async def _clouds(settings: Settings) -> Finding:
    """Whether AWS answers in every account and region, to credentials of the account that is named."""
    count = len(settings.inventory.clouds)
    store = Store(settings.database)
    provision = load_provision(settings, store)
    try:
        ask = getattr(provision, "faults", None)
        faults: list[str] = await ask() if count and ask is not None else []
    finally:
        await provision.close()
        await store.close()
    if faults:
        return Finding(
            name="clouds",
            state="fail",
            found="; ".join(faults),
            remedy="mend `inventory.clouds`, or the credentials in boto3's chain",
        )
    return Finding(name="clouds", state="ok", found=f"{count} answer" if count else "none")


async def _points(settings: Settings) -> Finding:
    count = len(settings.inventory.points)
    faults = await point_faults(settings)
    if (
        any(h.access for h in settings.inventory.hosts)
        and not settings.inventory.isolation.management
    ):
        faults.append("inventory.isolation.management is empty: no host can be isolated")
    if faults or not count:
        return Finding(
            name="enforcement points",
            state="fail",
            found="; ".join(faults) or "none is configured",
            remedy="mend `inventory.points` in responder.yaml",
        )
    return Finding(name="enforcement points", state="ok", found=f"{count} answer")
