import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from responder.crypto.codec import ENCODING, SealedPayloads, Unencrypted, sealed_converter
from responder.crypto.keyring import KeyRing
from responder.errors import StateError
from responder.workflows.wire import Announcement

RING = KeyRing.fresh()


async def test_a_payload_comes_back_and_shows_nothing_on_the_way() -> None:
    said = Announcement(number=1, audience="canary-audience", subject="canary-subject")
    converter = sealed_converter(RING)
    (sealed,) = await converter.encode([said])
    assert b"canary" not in sealed.SerializeToString()
    assert sealed.metadata["encoding"] == ENCODING
    assert await converter.decode([sealed], [Announcement]) == [said]


def test_a_payload_in_clear_does_not_open() -> None:
    clear = Payload(metadata={"encoding": b"json/plain"}, data=b'"x"')
    with pytest.raises(Unencrypted, match="it was not read"):
        SealedPayloads(RING).open(clear)


async def test_what_a_stranger_wrote_arrives_as_nothing_and_stops_nothing() -> None:
    codec = SealedPayloads(RING)
    (sealed,) = await codec.encode([Payload(data=b"x")])
    nothing = Payload(metadata={"encoding": b"binary/null"})
    for forged in (
        Payload(metadata={"encoding": b"json/plain"}, data=b'"x"'),
        Payload(),
        *(
            Payload(metadata=sealed.metadata, data=data)
            for data in (b"", sealed.data[:5], sealed.data[:-1], sealed.data + b"\0")
        ),
    ):
        assert await codec.decode([forged, sealed]) == [nothing, Payload(data=b"x")]


async def test_a_failure_s_message_and_trace_are_sealed() -> None:
    converter, failure = sealed_converter(RING), Failure()
    await converter.encode_failure(ValueError("canary-secret"), failure)
    assert b"canary" not in failure.SerializeToString()


async def test_a_payload_of_a_key_that_is_gone_waits_until_it_is_back() -> None:
    (sealed,) = await SealedPayloads(RING).encode([Payload(data=b"x")])
    with pytest.raises(StateError, match="not in the key ring"):
        await SealedPayloads(KeyRing.fresh()).decode([sealed])


async def test_a_rotated_ring_still_opens_what_was_sealed_before() -> None:
    (sealed,) = await SealedPayloads(RING).encode([Payload(data=b"x")])
    (opened,) = await SealedPayloads(RING.rotated()).decode([sealed])
    assert opened.data == b"x"
