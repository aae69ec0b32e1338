"""The style sheet, the scripts and the icon: named by their content, kept by browsers for ever."""

from starlette.responses import RedirectResponse, Response

from responder.api.route import PUBLIC, Call, Problem
from responder.console.pages import Pages
from responder.console.rendering import files, static

routes = Pages()


@routes.get("/static/{file}", PUBLIC)
async def static_file(call: Call) -> Response:
    """One file of the console, immutable under its name."""
    found = files().get(call.path("file"))
    if found is None:
        raise Problem(
            404, "there is no such file; the page that named it is older than this server"
        )
    content, kind = found
    keeping = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(content, media_type=kind, headers=keeping)


@routes.get("/favicon.ico", PUBLIC)
async def favicon(_: Call) -> Response:
    """Where browsers look without being told."""
    return RedirectResponse(static("icon.svg"), 308)
