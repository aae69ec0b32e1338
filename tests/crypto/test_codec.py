import pytest
from structlog.testing import capture_logs
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from responder.crypto.codec import ENCODING, SealedPayloads, Unencrypted, sealed_converter
from responder.crypto.keyring import KeyRing
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


async def test_a_payload_of_a_key_that_is_missing_stays_sealed_and_no_converter_takes_it() -> None:
    (sealed,) = await sealed_converter(RING).encode(["x"])
    elsewhere = sealed_converter(KeyRing.fresh())
    assert elsewhere.payload_codec is not None
    assert await elsewhere.payload_codec.decode([sealed]) == [sealed]
    with pytest.raises(KeyError, match="Unknown payload encoding"):
        await elsewhere.decode([sealed], [str])
    assert await sealed_converter(RING).decode([sealed], [str]) == ["x"], "the key is back"


async def test_a_missing_key_is_an_error_once_and_a_strangers_names_are_not() -> None:
    codec = SealedPayloads(RING)

    def naming(key: str) -> Payload:
        metadata = {"encoding": ENCODING, "encryption-key-id": key.encode()}
        return Payload(metadata=metadata, data=b"x" * 40)

    with capture_logs() as said:
        for _ in range(3):
            await codec.decode([naming("k-20260101-abcdef"), naming("anything")])
        await codec.decode([naming(f"k-20260102-{n:06x}") for n in range(1000)])
    errors = [one["key"] for one in said if one["log_level"] == "error"]
    assert errors[0] == "k-20260101-abcdef"
    assert len(errors) == len(set(errors)) < 100
    assert {one["event"] for one in said if one["log_level"] == "warning"} == {"payload_refused"}


async def test_a_rotated_ring_still_opens_what_was_sealed_before() -> None:
    (sealed,) = await SealedPayloads(RING).encode([Payload(data=b"x")])
    (opened,) = await SealedPayloads(RING.rotated()).decode([sealed])
    assert opened.data == b"x"
