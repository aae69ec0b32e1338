# ruff: noqa: S608 - the statements are an attacker's

import re

import pytest
from sqlalchemy import text

from responder.audit import verify
from responder.audit.log import link
from responder.store import Store
from tests.audit.tampering import disarm, entry, write

_COLUMNS = "seq, at, kind, actor, incident, subject, data, previous, digest"


async def _attack(store: Store, *statements: str) -> None:
    async with store.transaction() as tx:
        await disarm(tx, store)
        for statement in statements:
            await tx.execute(text(statement))


@pytest.mark.parametrize(
    ("attack", "seq", "why"),
    [
        pytest.param(["UPDATE audit SET actor = 'ana' WHERE seq = 7"], 7, "changed", id="actor"),
        pytest.param(["UPDATE audit SET at = at + 1 WHERE seq = 7"], 7, "changed", id="time"),
        pytest.param(["UPDATE audit SET kind = 'intent' WHERE seq = 7"], 7, "changed", id="kind"),
        pytest.param(["UPDATE audit SET subject = 'x' WHERE seq = 1"], 1, "changed", id="subject"),
        pytest.param(
            ["UPDATE audit SET incident = NULL WHERE seq = 7"], 7, "changed", id="incident"
        ),
        pytest.param(
            ["""UPDATE audit SET data = '{"number": 8, "share": 0.1}' WHERE seq = 7"""],
            7, "changed", id="data",
        ),
        pytest.param(
            ["UPDATE audit SET digest = previous WHERE seq = 7"], 7, "changed", id="digest"
        ),
        pytest.param(
            ["UPDATE audit SET previous = digest WHERE seq = 7"], 7, "does not follow",
            id="previous",
        ),
        pytest.param(["DELETE FROM audit WHERE seq = 7"], 7, "is missing; entry 8", id="middle"),
        pytest.param(["DELETE FROM audit WHERE seq = 1"], 1, "is missing; entry 2", id="first"),
        pytest.param(
            ["DELETE FROM audit WHERE seq > 17"], 18, "should end with entry 20", id="tail"
        ),
        pytest.param(["DELETE FROM audit"], 1, "should end with entry 20", id="all"),
        pytest.param(
            [
                "UPDATE audit SET seq = -7 WHERE seq = 7",
                "UPDATE audit SET seq = 7 WHERE seq = 8",
                "UPDATE audit SET seq = 8 WHERE seq = -7",
            ],
            7, "does not follow", id="reordered",
        ),
        pytest.param(
            [
                "UPDATE audit SET seq = seq + 100 WHERE seq >= 7",
                "UPDATE audit SET seq = seq - 99 WHERE seq >= 100",
                (f"INSERT INTO audit ({_COLUMNS}) SELECT 7, at, kind, actor, incident, subject,"
                " data, previous, digest FROM audit WHERE seq = 6"),
            ],
            7, "does not follow", id="inserted",
        ),
        pytest.param(
            [
                (f"INSERT INTO audit ({_COLUMNS}) SELECT 21, at, kind, actor, incident, subject,"
                " data, digest, digest FROM audit WHERE seq = 20"),
            ],
            21, "changed", id="added",
        ),
        pytest.param(
            ["UPDATE audit_head SET seq = 12"], 20, r"log should end \(12\)", id="head-back"
        ),
        pytest.param(["UPDATE audit_head SET seq = 30"], 21, "end with entry 30", id="head-on"),
        pytest.param(
            [f"UPDATE audit_head SET digest = '{'0' * 64}'"], 20, "log should end", id="head-digest"
        ),
        pytest.param(["DELETE FROM audit_head"], 20, r"log should end \(0\)", id="no-head"),
        pytest.param(
            ["INSERT INTO audit_head (id, seq, digest) VALUES (2, 1, 'x')"], 20, "followed by 2 heads",
            id="second-head",
        ),
    ],
)  # fmt: skip
async def test_tampering_is_found_and_named_by_its_entry(
    store: Store, attack: list[str], seq: int, why: str
) -> None:
    await write(store, 20, at_once=5)
    assert await verify(store) == (20, None)

    await _attack(store, *attack)

    held, fault = await verify(store)
    assert fault is not None
    assert fault.seq == seq
    assert held == (seq if seq == 20 else seq - 1)
    assert re.search(why, fault.why)


async def test_a_tail_that_was_cut_and_whose_head_was_rewritten_is_not_found(store: Store) -> None:
    """Only a checkpoint kept where the attacker is not could show this; the log has none yet."""
    await write(store, 20)

    await _attack(
        store,
        "UPDATE audit_head SET seq = 17, digest = (SELECT digest FROM audit WHERE seq = 17)",
        "DELETE FROM audit WHERE seq > 17",
    )

    assert await verify(store) == (17, None)


async def test_a_log_that_was_written_anew_as_a_whole_is_not_found(store: Store) -> None:
    """As above: the links have no secret in them, so that anybody can check them, or make them."""
    await write(store, 20)
    await _attack(store, "DELETE FROM audit", "DELETE FROM audit_head")

    await write(store, 3)

    assert await verify(store) == (3, None)


async def test_an_entry_rewritten_with_a_fitting_digest_is_found_at_the_next(store: Store) -> None:
    await write(store, 20)
    async with store.reading() as tx:
        before = (await tx.execute(text("SELECT previous FROM audit WHERE seq = 7"))).scalar_one()
    forged = entry(7).model_copy(update={"actor": "ana"})
    digest = link(7, store.now(), forged, before)

    await _attack(store, f"UPDATE audit SET actor = 'ana', digest = '{digest}' WHERE seq = 7")

    held, fault = await verify(store)
    assert (held, fault and fault.seq) == (7, 8)
