"""Every page of the console, for `serve`."""

from responder.console import (
    acting,
    asks,
    board,
    deciding,
    events,
    evidence,
    incidents,
    leases,
    me,
    needs,
    oncall,
    runner,
    signing_in,
    statics,
)
from responder.console.pages import Pages

_MODULES = (
    board, needs, incidents, evidence, acting, asks, deciding, leases, oncall, runner, me, signing_in, events, statics,
)  # fmt: skip
routes = Pages([endpoint for module in _MODULES for endpoint in module.routes.declared])
