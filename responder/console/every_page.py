"""Every page of the console, for `serve`."""

from responder.console import (
    asks,
    board,
    events,
    incidents,
    leases,
    me,
    oncall,
    signing_in,
    statics,
)
from responder.console.pages import Pages

_MODULES = (board, incidents, asks, leases, oncall, me, signing_in, events, statics)
routes = Pages([endpoint for module in _MODULES for endpoint in module.routes.declared])
