from pathlib import Path

import pytest

from responder import doctor
from responder.approval import totp
from responder.crypto.keyring import KeyRing
from responder.settings import Settings
from responder.store import Store


@pytest.fixture
def database() -> str:
    return "sqlite"


async def test_the_doctor_names_who_may_approve_and_could_not(store: Store, tmp_path: Path) -> None:
    people = [
        {"name": "ana", "roles": ["operator"]},
        {"name": "ben", "roles": ["operator"]},
        {"name": "vic"},
        {"name": "gone", "roles": ["admin"], "active": False},
    ]
    settings = Settings.model_validate({"state": tmp_path, "people": people})
    async with store.transaction() as tx:
        await totp.enrol(tx, KeyRing.fresh(), "ana")

    found = await doctor._run("second factors", doctor._second_factors, settings)

    assert (found.state, found.remedy) == ("warn", "responder people ticket ben")
    assert found.found == "ben: may approve, without a second factor to do it with"
    async with store.transaction() as tx:
        await totp.enrol(tx, KeyRing.fresh(), "ben")
    found = await doctor._run("second factors", doctor._second_factors, settings)
    assert found.state == "ok"
