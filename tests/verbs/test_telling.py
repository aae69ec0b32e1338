"""What is audited and told to people alike."""

from responder.audit import Entry
from responder.verbs.telling import tell_audited
from tests.verbs.desk import Desk


async def test_the_same_key_is_one_message_and_one_entry(desk: Desk) -> None:
    await desk.open_run()
    entry = Entry(kind="stuck", actor="nudger", subject="IR-1", incident="IR-1")

    async def say(key: str) -> bool:
        async with desk.store.transaction() as tx:
            return await tell_audited(
                tx, desk.clock.now, entry, key=key, audience="security", subject="it is stuck"
            )

    assert [await say("a"), await say("a"), await say("b")] == [True, False, True]
    assert [one.incident for one in await desk.messages()] == ["IR-1", "IR-1"]
    assert len(await desk.audited("stuck")) == 2
