"""Every page of the console, for `serve`."""

from responder.console import asks, board, events, incidents, leases, oncall, statics
from responder.console.pages import Pages

routes = Pages(
    [
        endpoint
        for module in (board, incidents, asks, leases, oncall, events, statics)
        for endpoint in module.routes.declared
    ]
)
