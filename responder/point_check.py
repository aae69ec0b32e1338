"""Whether the enforcement points can be reached, read, and would do what is written to them."""

import asyncio
from typing import Any, Protocol, runtime_checkable

from responder.catalogue import load_kinds, load_provision
from responder.contract import Request, Resource
from responder.errors import ActionError, ConfigurationError
from responder.points import FeedPoint
from responder.settings import Settings
from responder.store import Store

# An address that is nobody's (RFC 5737, TEST-NET-1, and RFC 3849): reading it changes nothing.
_NOBODY = ("192.0.2.1/32", "2001:db8::1/128")
_SECONDS = 8.0


@runtime_checkable
class Examined(Protocol):
    """A resource that knows of faults at its point which a reading does not show."""

    async def fault(self) -> str:
        """Why a write there would do nothing; empty if it would. Raises `Unreachable`."""
        ...


async def point_faults(settings: Settings) -> list[str]:
    """What is wrong with the points at which addresses are blocked, one line each."""
    faults = [
        f"{point.name}: no consumer polls it, so nothing is ever contained there"
        for point in settings.inventory.points
        if isinstance(point, FeedPoint) and not point.consumers
    ]
    store = Store(settings.database)
    provision = load_provision(settings, store)
    try:
        kinds = load_kinds(settings)
        resources: dict[tuple[str, str], Resource[Any]] = {}
        for network in _NOBODY:
            action = kinds.action(Request(kind="Block", params={"network": network}))
            for point, resource in provision.resolve(action).items():
                resources[point, network] = resource
        said = await asyncio.gather(*(_fault(r) for r in resources.values()))
        for (point, _), fault in zip(resources, said, strict=True):
            line = f"{point}: {fault}"
            if fault and line not in faults:
                faults.append(line)
    except (ActionError, ConfigurationError) as error:
        faults.append(str(error))
    finally:
        await provision.close()
        await store.close()
    return faults


async def _fault(resource: Resource[Any]) -> str:
    try:
        async with asyncio.timeout(_SECONDS):
            await resource.read()
            return await resource.fault() if isinstance(resource, Examined) else ""
    except TimeoutError:
        return f"no answer within {_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this point's fault alone
        return str(getattr(error, "message", "") or f"{type(error).__name__}: {error}")[:300]
