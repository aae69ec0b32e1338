"""
pf by golden transcripts: what is asked of pfctl, word for word, and what its answers are taken for.

The answers are written from pfctl(8) and from what FreeBSD's own tests of pf tables expect; none
of this has met a live pf.
"""

from ipaddress import ip_network

import pytest

from activities.providers.pf import PfBlock
from activities.shell import Completed
from responder.errors import Unreachable
from tests.providers.pf_ground import (
    ANCHOR,
    ENABLED,
    MAIN,
    NO_TABLE,
    PFCTL,
    PfGround,
    RecordedShell,
)

TABLE = f"{PFCTL} -a responder -t responder -T"
IN_FORCE = [
    (f"{PFCTL} -s info", Completed(status=0, out=ENABLED, err="")),
    (f"{PFCTL} -s rules", Completed(status=0, out=MAIN, err="")),
    (f"{PFCTL} -a responder -s rules", Completed(status=0, out=ANCHOR, err="")),
]
KILLED = Completed(status=0, out="", err="killed 2 states from 1 sources and 0 destinations\n")


def said(err: str, *, out: str = "", status: int = 0) -> Completed:
    return Completed(status=status, out=out, err=err)


def block(shell: RecordedShell, network: str = "203.0.113.7") -> PfBlock:
    return PfBlock(
        shell,
        ip_network(network),
        point="mac1",
        anchor="responder",
        table="responder",
        pfctl=PFCTL,
    )


@pytest.mark.parametrize(
    ("network", "entry", "everywhere"),
    [
        ("203.0.113.7", "203.0.113.7/32", "0.0.0.0/0"),
        ("203.0.113.0/24", "203.0.113.0/24", "0.0.0.0/0"),
        ("2001:db8:7::/48", "2001:db8:7::/48", "::/0"),
    ],
)
async def test_a_block_checks_the_rules_adds_the_entry_and_ends_states_both_ways(
    network: str, entry: str, everywhere: str
) -> None:
    shell = RecordedShell(
        [
            *IN_FORCE,
            (f"{TABLE} add {entry}", said("1/1 addresses added.\n")),
            (f"{PFCTL} -k {entry}", KILLED),
            (f"{PFCTL} -k {everywhere} -k {entry}", KILLED),
        ]
    )
    await block(shell, network).write(True, key="step", until=None, tag="IR-1")
    assert shell.played()


async def test_an_undo_deletes_the_entry_and_nothing_else() -> None:
    shell = RecordedShell([(f"{TABLE} delete 203.0.113.7/32", said("1/1 addresses deleted.\n"))])
    await block(shell).write(False, key="undo", until=None, tag="")
    assert shell.played()


@pytest.mark.parametrize("network", ["203.0.113.7", "2001:db8:7::7", "198.51.100.0/24"])
async def test_what_the_table_shows_is_read_exactly(network: str) -> None:
    listed = "   198.51.100.0/24\n   203.0.113.7\n   2001:db8:7::7\n"
    shell = RecordedShell([(f"{TABLE} show", said("", out=listed)), *IN_FORCE])
    assert (await block(shell, network).read()).state is True
    assert shell.played()


@pytest.mark.parametrize("network", ["198.51.100.7", "198.51.100.0/25", "203.0.113.0/24"])
async def test_a_network_around_or_inside_is_another_entry(network: str) -> None:
    listed = "   198.51.100.0/24\n   203.0.113.7\n"
    shell = RecordedShell([(f"{TABLE} show", said("", out=listed))])
    assert (await block(shell, network).read()).state is False


@pytest.mark.parametrize(
    "answer",
    [
        NO_TABLE,
        said("pfctl: Anchor or Ruleset does not exist.\n", status=255),
        # What macOS puts before every answer.
        said(
            "No ALTQ support in kernel\nALTQ related functions disabled\n"
            "pfctl: Table does not exist.\n",
            status=255,
        ),
    ],
)
async def test_a_table_that_is_not_there_blocks_nothing(answer: Completed) -> None:
    assert (await block(RecordedShell([(f"{TABLE} show", answer)])).read()).state is False
    shell = RecordedShell([(f"{TABLE} delete 203.0.113.7/32", answer)])
    await block(shell).write(False, key="undo", until=None, tag="")


@pytest.mark.parametrize(
    "answer",
    [
        said("pfctl: /dev/pf: Permission denied\n", status=1),
        said("sh: /sbin/pfctl: not found\n", status=127),
        said("pfctl: DIOCRGETADDRS: Device not configured\n", status=1),
    ],
)
async def test_any_other_complaint_is_unknown_and_never_absent(answer: Completed) -> None:
    with pytest.raises(Unreachable, match="pfctl could not say"):
        await block(RecordedShell([(f"{TABLE} show", answer)])).read()
    shell = RecordedShell([(f"{TABLE} delete 203.0.113.7/32", answer)])
    with pytest.raises(RuntimeError, match="could not delete"):
        await block(shell).write(False, key="undo", until=None, tag="")


@pytest.mark.parametrize(
    ("part", "text", "why"),
    [
        ("info", "Status: Disabled  Debug: Urgent\n", "expected pf to be enabled, found 'Status: "),
        ("main", "pass all flags S/SA keep state\n", r'expected `anchor "responder" all` among'),
        ("main", 'anchor "responder" in on en0 all\n', r'expected `anchor "responder" all` among'),
        (
            "main",
            'pass in quick on en0 all\nanchor "responder" all\n',
            "expected nothing to pass before .* found `pass in quick on en0 all`",
        ),
        ("anchor", "", "expected `block drop in quick from <responder> to any` .* found no rule"),
        (
            "anchor",
            "block drop in quick from <others> to any\n",
            "expected `block drop in quick from <responder> to any` first in the anchor",
        ),
        (
            "anchor",
            "block drop in quick from <responder> to any\n",
            "expected `block drop out quick from any to <responder>`",
        ),
        ("anchor", ANCHOR.replace(" quick", ""), "expected `block drop in quick"),
        ("anchor", f"pass in all\n{ANCHOR}", "first in the anchor .* found pass in all"),
    ],
)
async def test_a_table_that_nothing_blocks_by_is_refused_and_said(
    part: str, text: str, why: str
) -> None:
    ground = PfGround()
    setattr(ground.shell, part, text)
    point = ground.block(ip_network("203.0.113.7"))
    with pytest.raises(RuntimeError, match=f"{why}.*; nothing was changed"):
        await point.write(True, key="step", until=None, tag="")
    assert (ground.shell.entries, ground.shell.killed) == ([], [])
    assert (await point.read()).state is False
    await ground.place(ip_network("203.0.113.7"))
    with pytest.raises(Unreachable, match=f"listed, but nothing blocks by it: .*{why}"):
        await point.read()


@pytest.mark.parametrize(
    "rules",
    [
        ANCHOR.replace("block drop", "block return"),
        ANCHOR.replace(" quick", " log quick"),
        ANCHOR.replace(" quick", " log (all) quick"),
        ANCHOR.replace("<responder>", "<responder:12>"),
        "block drop quick from <responder> to any\nblock drop quick from any to <responder>\n",
    ],
)
async def test_rules_that_block_as_well_in_other_words_are_taken(rules: str) -> None:
    ground = PfGround()
    ground.shell.anchor = rules
    point = ground.block(ip_network("203.0.113.7"))
    await point.write(True, key="step", until=None, tag="")
    assert (await point.read()).state is True


async def test_an_entry_that_exempts_the_address_makes_it_unknown() -> None:
    ground = PfGround()
    ground.shell.entries = ["203.0.113.0/24", "!203.0.113.7"]
    with pytest.raises(Unreachable, match=r"exempts 203\.0\.113\.7/32"):
        await ground.block(ip_network("203.0.113.0/24")).read()


async def test_states_that_cannot_be_ended_are_said() -> None:
    shell = RecordedShell(
        [
            *IN_FORCE,
            (f"{TABLE} add 203.0.113.7/32", said("1/1 addresses added.\n")),
            (f"{PFCTL} -k 203.0.113.7/32", said("pfctl: DIOCKILLSTATES: EPERM\n", status=1)),
        ]
    )
    with pytest.raises(RuntimeError, match="its open states could not be ended"):
        await block(shell).write(True, key="step", until=None, tag="")
