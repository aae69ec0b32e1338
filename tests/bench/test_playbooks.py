"""The figures of `make bench` are of what they say: whole incidents, beside floors of the same size."""

from playbooks.authentication_attack import AuthenticationAttack
from playbooks.policy_violation import PolicyViolation
from tests.bench.playbooks import whole_incident


async def test_an_incident_costs_more_than_its_floor_and_a_longer_playbook_more_than_a_short_one() -> (
    None
):
    short, floor = await whole_incident(PolicyViolation)
    assert (short.activities, floor.activities) == (0, 1)
    long, empty = await whole_incident(AuthenticationAttack)
    assert long.activities == empty.activities > 1
    assert floor.events < empty.events < long.events
    assert short.events < long.events
    assert empty.size < long.size
    assert long.first > 0
