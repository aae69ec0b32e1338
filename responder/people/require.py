"""`require_permission`: what the code behind Slack, the console and the command line asks first."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from responder.people.permissions import matching
from responder.people.person import Person

P = ParamSpec("P")
R = TypeVar("R")


def require_permission(
    pattern: str,
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """
    Let a coroutine function run only for a `person` who may do what *pattern* names, all of it.

    The function must have a parameter called `person`. Raises `ValueError` for a pattern that
    matches nothing and `TypeError` for a function without that parameter, both on import; calling
    it raises `Refused`. Routes state their permission where they are declared and do not need it.

        @require_permission("leases:write")
        async def end_lease(person: Person, resource: str) -> None: ...
    """
    needed = sorted(matching(pattern))

    def guard(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        signature = inspect.signature(function)
        if "person" not in signature.parameters:
            raise TypeError(f"{function.__qualname__}: expected a parameter `person`")

        @functools.wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            person = signature.bind(*args, **kwargs).arguments.get("person")
            if not isinstance(person, Person):
                raise TypeError(f"{function.__qualname__}: expected a Person, found {person!r}")
            for permission in needed:
                person.must(permission)
            return await function(*args, **kwargs)

        return guarded

    return guard
