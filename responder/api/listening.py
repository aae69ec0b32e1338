"""How uvicorn serves the application: its limits, whom it believes, and the files that this takes."""

import math
import resource
from typing import Any, Final

import structlog
import uvicorn

from responder.api.connections import guarded
from responder.process_settings import Api, Connections

log = structlog.get_logger(__name__)

_BACKLOG: Final = 512  # connections that asyncio takes in at once, before any of them is judged
_OTHER_FILES: Final = 256  # the store, Temporal, providers, logs
_LARGEST_HEAD: Final = 64 * 1024


def listening(app: Any, api: Api) -> uvicorn.Config:  # noqa: ANN401 - any ASGI application
    """What uvicorn needs to serve *app* as the settings say."""
    limits = within_open_files(api.connections)
    return uvicorn.Config(
        app,
        host=api.host,
        port=api.port,
        http=guarded(limits, api.proxies),
        ws="none",
        backlog=_BACKLOG,
        forwarded_allow_ips=[str(one) for one in api.proxies],
        timeout_keep_alive=math.ceil(limits.idle.total_seconds()),
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
    )


def within_open_files(limits: Connections) -> Connections:
    """Let this process have files enough; returns *limits* with the connections there can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = limits.most + _BACKLOG + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return limits
    got = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (got, hard))
    if got == needed:
        return limits
    most = max(got // 4, got - _BACKLOG - _OTHER_FILES)
    log.warning("few_open_files", hard_limit=hard, needed=needed, connections=most)
    return limits.model_copy(update={"most": most})
