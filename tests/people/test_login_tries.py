"""How sign-ins that fail are counted: by name, by address, and of everybody."""

import pytest

from responder.people.login_tries import (
    TooManyTries,
    bucket,
    count,
    count_callback,
    forget_callbacks,
)
from responder.people.settings import Login
from responder.store import Store
from tests.databases import ManualClock


@pytest.fixture
def database() -> str:
    return "sqlite"


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("x" * 300, "x" * 200),
    ],
)
def test_an_address_is_itself_or_its_64(address: str, whose: str) -> None:
    assert bucket(address) == whose


async def test_a_whole_64_has_the_tries_of_one(store: Store) -> None:
    for number in range(5):
        await count(store, Login(), f"n{number}", f"2001:db8:1:2:{number}::1", known=False)
    with pytest.raises(TooManyTries, match="5 sign-ins failed within 5 minutes"):
        await count(store, Login(), "other", "2001:db8:1:2:ffff::1", known=False)
    await count(store, Login(), "other", "2001:db8:1:3::1", known=False)


async def test_of_everybody_together_so_many_a_minute(store: Store, clock: ManualClock) -> None:
    login = Login(tries_a_minute=10)
    for number in range(10):
        await count(store, login, f"n{number}", f"198.51.100.{number}", known=False)
    with pytest.raises(TooManyTries, match="10 sign-ins failed here within a minute"):
        await count(store, login, "other", "203.0.113.7", known=False)
    for number in range(10):  # the other kind is counted apart
        await count_callback(store, login, f"198.51.100.{number}")
    with pytest.raises(TooManyTries, match="10 sign-ins failed here"):
        await count_callback(store, login, "203.0.113.7")
    clock.advance(minutes=1)
    await count(store, login, "other", "203.0.113.7", known=False)


async def test_answers_of_the_provider_are_counted_apart_and_forgotten_by_one_that_holds(
    store: Store,
) -> None:
    here = "2001:db8::1"
    for _ in range(5):
        await count_callback(store, Login(), here)
    with pytest.raises(TooManyTries, match="5 sign-ins failed"):
        await count_callback(store, Login(), "2001:db8::2")
    await count(store, Login(), "ana", here, known=True)
    await forget_callbacks(store, here)
    await count_callback(store, Login(), here)
