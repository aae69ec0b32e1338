"""The story from its first chapter to its last, and the certain end of everything it started."""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path

from responder.demo import arrival, ending, forgery, isolation, recovery
from responder.demo.setting_up import command
from responder.demo.stage import Mode, Stage
from responder.demo.teller import Teller, line, open_console

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def tell_story(
    *,
    yes: bool,
    picture: Path | None = None,
    keep: bool = False,
    mode: Mode = "auto",
    began: float | None = None,
) -> None:
    """
    Tell it, and end everything that was started.

    Raises `Untrue` if something that it claims is not so; its files are kept then. *yes* decides
    without a person, *keep* lets all of it run until Ctrl-C, *picture* is where an SVG of it goes.
    """
    teller, stage = Teller(open_console(), began=began), Stage()
    loop, telling = asyncio.get_running_loop(), asyncio.current_task()
    assert telling is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, telling.cancel)
    try:
        first = await _tell(stage, teller, mode, yes=yes)
        _show_the_way(stage, teller, first, goes_on=keep or not yes)
        if picture is not None:
            teller.save(picture)
        await _stay(teller, keep=keep, yes=yes)
    except OSError:  # nobody reads this any more
        raise
    except Exception:
        stage.keeps_files = True
        where = f"{stage.files.folder}, the logs in {stage.files.logs}"
        teller.say(f"its files are kept in {where}", "red")
        raise
    finally:
        # From here on another Ctrl-C must not stop the stopping.
        for number in _SIGNALS:
            loop.add_signal_handler(number, lambda: None)
        with suppress(OSError):
            if teller.live:
                teller.say("ending everything …", "dim")
        await stage.close()
    took = f"{teller.seconds:.0f} s after the start"
    teller.say(f"everything that was started has ended, {took}", "dim")


async def _tell(stage: Stage, teller: Teller, mode: Mode, *, yes: bool) -> str:
    """The chapters; returns the number of the first incident."""
    await arrival.come_up(stage, teller, mode)
    first = await arrival.be_told(stage, teller)
    await arrival.shut_out(stage, teller, first)
    await isolation.be_asked(stage, teller, first, yes=yes)
    second = await recovery.be_killed(stage, teller)
    await forgery.lie(stage, teller, second)
    await ending.let_go(stage, teller)
    await ending.be_proved(stage, teller)
    return first


def _show_the_way(stage: Stage, teller: Teller, incident: str, *, goes_on: bool) -> None:
    """Where everything is, and what to type next."""
    temporal = stage.supervisor.temporal
    teller.chapter(f"{teller.claims} claims, all of them checked")
    teller.rows(
        ("Temporal UI", temporal.ui if temporal else stage.settings.temporal.target),
        ("API", stage.settings.api.url),
        ("files", str(stage.files.folder)),
    )
    words: tuple[tuple[str, ...], ...]
    if goes_on:
        words = (("incidents", "show", incident), ("leases", "list"), ("audit", "tail"))
        teller.say("next, in another terminal:", "bold")
        teller.quote(f"export RESPONDER_CONFIG={stage.files.settings}")
    else:
        words = (("demo", "--keep"), ("config", "show"), ("up",))
        teller.say("all of it ends now; next:", "bold")
    for one in words:
        teller.quote(command(*one))


async def _stay(teller: Teller, *, keep: bool, yes: bool) -> None:
    """Let a person look around."""
    if keep:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, stop.set)
        teller.say("it goes on until Ctrl-C", "bold yellow")
        await stop.wait()
    elif not yes and sys.stdin.isatty():
        teller.say("it goes on until you press Enter", "bold yellow")
        await line()
