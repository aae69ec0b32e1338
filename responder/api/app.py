"""`serve` put together: the routes, and beside them the drain, the outbox and the reconciler."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from responder.api import (
    approvals,
    asking,
    codec,
    factors,
    feeds,
    handling,
    incidents,
    leases,
    messages,
    oncall,
    plans,
    watching,
    webhooks,
)
from responder.api import keys as managed_keys
from responder.api import people as people_access
from responder.api import sessions as signing_in
from responder.api.parts import Parts
from responder.api.route import Endpoint, Problem
from responder.approval.attention import Attention
from responder.approval.service import Approvals
from responder.catalogue import load_kinds, load_secrets
from responder.console import every_page as console
from responder.console.pages import stray, wants_page
from responder.crypto.jwks import PublishedKeys
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.errors import Missing, Refused
from responder.hanging import Hanging
from responder.intake.drain import Drain
from responder.intrusion.marks import Marks
from responder.intrusion.watch import Watch
from responder.keys import Keys
from responder.nudge import Nudger
from responder.outbox import Outbox
from responder.people import local_token
from responder.people.preflight import refuse_gaps
from responder.people.standing_in import in_force
from responder.people.token_keys import TokenKeys
from responder.reconcile import Reconciler
from responder.schedules import bring_up_to_date as bring_schedules_up_to_date
from responder.settings import Settings
from responder.slack import http as slack_requests
from responder.slack.running import background as slack_background
from responder.slack.running import open_slack
from responder.standing.auditor import Auditor
from responder.store import Store
from responder.store.schema import bring_up_to_date
from responder.surroundings import surroundings
from responder.telemetry import Metrics
from responder.temporal import Link, connect, prepare, until_there

log = structlog.get_logger(__name__)


async def make_parts(settings: Settings) -> Parts:
    """Open everything that `serve` needs; makes keys, tables and the local token where missing."""
    keys = Keys(settings.state)
    keys.make_missing()
    store = Store(settings.database)
    await bring_up_to_date(store)
    people, token_keys = settings.directory(), TokenKeys(keys.tokens)
    if not settings.people:
        await local_token.renew(settings.state, store, token_keys, next(iter(people)).name)
    policy = settings.policy(surroundings(settings))
    payloads, deliveries = KeyRing.load(keys.payloads), KeyRing.load(keys.store)
    marks = Marks.load(keys.marks)
    client = await connect(settings.temporal, payloads, marks, lazy=True)
    link = Link(client, settings.temporal.task_queue)
    kinds = load_kinds(settings)
    secret_store = load_secrets(settings)
    signer = Signer.at(keys.private, keys.public)
    return Parts(
        settings=settings,
        store=store,
        deliveries=deliveries,
        payloads=payloads,
        people=people,
        policy=policy,
        approvals=Approvals(
            store, signer, deliveries, policy, settings.api.origin, people, settings.approvals
        ),
        signer=signer,
        kinds=kinds,
        link=link,
        drain=Drain(store, deliveries, settings.sources, settings.triage, kinds, policy, link),
        reconciler=Reconciler(
            store,
            link,
            every=settings.temporal.reconcile_every,
            retention=settings.temporal.address is None,
        ),
        watch=Watch(store, client, marks, kinds.playbooks, every=settings.temporal.watch_every),
        metrics=Metrics(),
        secrets=secret_store,
        published=PublishedKeys(
            secret_store,
            [(k.name, k.retention_period) for k in settings.key_rotation.keys if k.type == "rsa"],
        ),
        token_keys=token_keys,
        codec_path=os.environ.get("RESPONDER_CODEC_PATH") or secrets.token_urlsafe(24),
        slack=open_slack(settings.slack),
    )


ENDPOINTS: tuple[Endpoint, ...] = tuple(
    endpoint
    for module in (
        webhooks,
        incidents,
        handling,
        leases,
        approvals,
        asking,
        factors,
        plans,
        messages,
        oncall,
        people_access,
        signing_in,
        managed_keys,
        watching,
        feeds,
        codec,
        slack_requests,
        console,
    )
    for endpoint in module.routes.declared
)


def make_app(parts: Parts) -> Starlette:
    """The application over its parts."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        work = [asyncio.create_task(one, name=name) for name, one in _background(parts).items()]
        yield
        for task in work:
            task.cancel()
        for task in work:
            with suppress(asyncio.CancelledError):
                await task
        if parts.slack is not None:
            await parts.slack.close()
        await parts.store.close()

    app = Starlette(
        routes=[endpoint.route for endpoint in ENDPOINTS],
        lifespan=lifespan,
        exception_handlers={
            Problem: _problem,
            HTTPException: _unrouted,
            Refused: _refused,
            ClientDisconnect: _left,
            Exception: _broken,
        },
    )
    app.state.parts = parts
    return app


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return JSONResponse({"detail": error.detail}, error.status)


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if wants_page(request):
        return await stray(request, error.status_code)
    return JSONResponse({"detail": error.detail}, error.status_code, error.headers)


async def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 404 if isinstance(error, Missing) else 403)


async def _left(_: Request, __: Exception) -> Response:
    """Nobody reads this: the client went, or was too slow, before all of its body was here."""
    return Response(status_code=400)


async def _broken(request: Request, error: Exception) -> Response:
    log.error(
        "request_failed", path=request.url.path, error=f"{type(error).__name__}: {error}"[:500]
    )
    return JSONResponse({"detail": "the store or Temporal did not answer; nothing was lost"}, 503)


def _background(parts: Parts) -> dict[str, Coroutine[Any, Any, None]]:
    return {
        "drain": parts.drain.run(),
        "outbox": Outbox(parts.store, parts.routing).run(),
        "leases": parts.lease_delivery.run(),
        "nudger": Nudger(parts.store, parts.link, parts.kinds, parts.policy).run(),
        "hanging": Hanging(parts.store, parts.link).run(),
        "reconciler": _reconcile(parts),
        "attention": Attention(parts.store, parts.people, parts.settings.approvals).run(),
        "auditor": Auditor(parts.store).run(),
        "watch of temporal": parts.watch.run(),
        **slack_background(parts),
        **_local_token(parts),
    }


def _local_token(parts: Parts) -> dict[str, Coroutine[Any, Any, None]]:
    if parts.settings.people:
        return {}
    name, state = next(iter(parts.people)).name, parts.settings.state
    return {"local token": local_token.keep(state, parts.store, parts.token_keys, name)}


async def _reconcile(parts: Parts) -> None:
    """Prepare Temporal once it is there, then reconcile for ever."""
    while not await until_there(parts.link.client, 5):
        log.warning(
            "temporal_not_there", address=parts.settings.temporal.target, doing="taking alerts in"
        )
    while True:
        try:
            await prepare(parts.link.client, retention=parts.settings.temporal.address is None)
            await bring_schedules_up_to_date(
                parts.link.client, parts.settings.temporal.task_queue, parts.settings.planned
            )
            break
        except Exception as error:  # noqa: BLE001 - an older Temporal, or it went away again
            log.warning("temporal_not_prepared", error=str(error)[:300])
            await asyncio.sleep(1)
    await parts.reconciler.run()


async def run_serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    import uvicorn  # noqa: PLC0415 - only the server needs it

    from responder.api.listening import listening  # noqa: PLC0415 - it too

    parts = await make_parts(settings)
    async with parts.store.reading() as tx:
        overrides = await in_force(tx, parts.store.now())
    refuse_gaps(parts.reach, parts.routing, parts.store.now(), overrides)
    app = make_app(parts)
    log.info("serving", url=settings.api.url)
    server = uvicorn.Server(listening(app, settings.api))
    app.state.stopping = lambda: server.should_exit  # streams of events end then
    await server.serve()
