"""What an approval is given for: both directions, over every field of a plan."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue

from responder.contract import Request
from responder.digest import _Volatile, digest_of, material
from responder.incident import Indicators
from responder.plan import Blast, Change, How, Plan, PointPlan, Requester
from responder.policy.tiers import Ruling, Tier

# Each example of these changes every field of a plan in its turn.
MATERIAL = settings(max_examples=45, deadline=None, derandomize=True)
VOLATILE = settings(max_examples=90, deadline=None, derandomize=True)
# A thousand plans, each with one field changed; Hypothesis chooses which.
A_THOUSAND = settings(max_examples=1_000, deadline=None)
_NAMES = st.text("abcdefgh-é", min_size=1, max_size=8)
_SAFE = 2**53 - 200  # JSON holds integers exactly up to 2**53; a test adds up to 100
_JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-_SAFE, _SAFE) | _NAMES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=2),
    max_leaves=3,
)
_TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone
_SPANS = st.timedeltas(timedelta(0), timedelta(days=30))
_POINTS = st.builds(
    PointPlan, point=_NAMES, resource=_NAMES, known=st.booleans(), before=_JSON,
    expires=st.none() | _TIMES, after=_JSON, changes=st.booleans(),
)  # fmt: skip
_REQUESTS = st.builds(
    Request, kind=_NAMES, params=st.dictionaries(_NAMES, _JSON, min_size=1, max_size=2)
)
_CHANGES = st.builds(
    Change, request=_REQUESTS, summary=_NAMES,
    points=st.lists(_POINTS, min_size=1, max_size=2).map(tuple), lasts=st.none() | _SPANS,
    reversible=st.booleans(), tier=st.sampled_from(Tier), ruling=st.sampled_from(Ruling),
    reason=_NAMES,
)  # fmt: skip
_NETWORKS = st.ip_addresses().map(lambda a: f"{a}")
_INDICATORS = st.builds(
    lambda n, h, a: Indicators.model_validate({"networks": n, "hosts": h, "accounts": a}),
    st.lists(_NETWORKS, max_size=2), st.lists(_NAMES, max_size=2), st.lists(_NAMES, max_size=2),
)  # fmt: skip
_BLASTS = st.builds(
    Blast, hosts=st.integers(0, 9), networks=st.integers(0, 9), accounts=st.integers(0, 9),
    protected=st.lists(_NAMES, max_size=2).map(tuple),
)  # fmt: skip
_REQUESTERS = st.lists(st.builds(Requester, name=_NAMES, how=st.sampled_from(How)), max_size=2).map(
    tuple
)
PLANS = st.builds(
    Plan, incident=_NAMES, run=_NAMES, step=st.integers(1, 99), playbook=_NAMES, code=_NAMES,
    asked_by=_REQUESTERS,
    changes=st.lists(_CHANGES, min_size=1, max_size=2).map(tuple), touches=_INDICATORS,
    blast=_BLASTS, tier=st.sampled_from(Tier), ruling=st.sampled_from(Ruling), reason=_NAMES,
    policy=_NAMES, at=_TIMES,
)  # fmt: skip

Path = tuple[str | int, ...]


def fields(model: BaseModel, path: Path = ()) -> Iterator[tuple[Path, bool, Any]]:
    """Every field inside *model*: where it is, whether it is volatile, and its value."""
    for name, field in type(model).model_fields.items():
        volatile = any(isinstance(mark, _Volatile) for mark in field.metadata)
        value = getattr(model, name)
        yield (*path, name), volatile, value
        for index, item in enumerate(value if isinstance(value, tuple) else (value,)):
            if isinstance(item, BaseModel):
                step = (name, index) if isinstance(value, tuple) else (name,)
                yield from fields(item, (*path, *step))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """A copy of *value* with *new* at *path*."""
    if not path:
        return new
    head, *rest = path
    if isinstance(value, tuple):
        assert isinstance(head, int)
        return (*value[:head], replaced(value[head], tuple(rest), new), *value[head + 1 :])
    inner = replaced(getattr(value, str(head)), tuple(rest), new)
    return value.model_copy(update={str(head): inner})


def another(value: Any, data: st.DataObject) -> Any:  # noqa: C901, PLR0911 - one case a type
    """A value of the same kind that is not *value*."""
    match value:
        case Tier():
            return data.draw(st.sampled_from([t for t in Tier if t is not value]))
        case Ruling():
            return data.draw(st.sampled_from([r for r in Ruling if r is not value]))
        case bool():
            return not value
        case int():
            return value + data.draw(st.sampled_from([1, 2, 100]))
        case str():
            return data.draw(
                st.sampled_from([value + "x", "x" + value, value + " ", value.upper() + "y"])
            )
        case timedelta():
            return value + data.draw(
                st.sampled_from([timedelta(microseconds=1), timedelta(days=1)])
            )
        case datetime():
            return value + timedelta(microseconds=data.draw(st.sampled_from([1, 10**9])))
        case None:
            return data.draw(st.sampled_from([timedelta(1), "x"]))
        case tuple():
            ways = [value[:-1], value[1:], value[::-1], (*value, *value[:1])]
            return data.draw(st.sampled_from([w for w in ways if w != value] or [("x",)]))
        case dict():
            key = data.draw(st.sampled_from(sorted(value))) if value else "x"
            return {**value, key: [value.get(key)]}
        case list():
            return [*value, 1]
        case _:
            return "x"


def test_any_single_material_change_is_another_digest() -> None:
    tried = 0

    @MATERIAL
    @given(PLANS, st.data())
    def every_field_of(plan: Plan, data: st.DataObject) -> None:
        nonlocal tried
        found = list(fields(plan))
        volatile = {path for path, marked, _ in found if marked}
        for path, marked, value in found:
            if marked or isinstance(value, BaseModel) or any(path[: len(v)] == v for v in volatile):
                continue
            changed = replaced(plan, path, another(value, data))
            assert changed.digest != plan.digest, path
            tried += 1

    every_field_of()
    assert tried >= 1_000


def test_any_volatile_change_keeps_the_digest_alone_and_all_at_once() -> None:
    tried = 0

    @VOLATILE
    @given(PLANS, st.data())
    def every_field_of(plan: Plan, data: st.DataObject) -> None:
        nonlocal tried
        all_at_once = plan
        for path, marked, value in list(fields(plan)):
            if marked:
                new = another(value, data)
                alone, all_at_once = replaced(plan, path, new), replaced(all_at_once, path, new)
                assert alone.digest == plan.digest, path
                tried += 1
        assert all_at_once != plan
        assert all_at_once.digest == plan.digest

    every_field_of()
    assert tried >= 1_000


def one_of(plan: Plan, data: st.DataObject, *, volatile: bool) -> tuple[Path, Any]:
    """One field inside *plan* of that sort, and its value."""
    found = list(fields(plan))
    marks = {path for path, marked, _ in found if marked}
    wanted = [
        (path, value)
        for path, marked, value in found
        if (marked if volatile else not any(path[: len(m)] == m for m in marks))
        and not isinstance(value, BaseModel)
    ]
    chosen: tuple[Path, Any] = data.draw(st.sampled_from(wanted))
    return chosen


def test_of_a_thousand_plans_none_keeps_its_digest_when_one_material_field_is_another() -> None:
    tried = 0

    @A_THOUSAND
    @given(PLANS, st.data())
    def one_field(plan: Plan, data: st.DataObject) -> None:
        nonlocal tried
        path, value = one_of(plan, data, volatile=False)
        assert replaced(plan, path, another(value, data)).digest != plan.digest, path
        tried += 1

    one_field()
    assert tried >= 1_000


def test_of_a_thousand_plans_each_keeps_its_digest_when_volatile_fields_are_others() -> None:
    tried = 0

    @A_THOUSAND
    @given(PLANS, st.data(), st.integers(1, 5))
    def some_fields(plan: Plan, data: st.DataObject, count: int) -> None:
        nonlocal tried
        changed = plan
        for _ in range(count):
            path, value = one_of(changed, data, volatile=True)
            changed = replaced(changed, path, another(value, data))
        assert changed.digest == plan.digest
        tried += 1

    some_fields()
    assert tried >= 1_000


@settings(max_examples=40, deadline=None)
@given(PLANS)
def test_a_plan_that_was_written_down_and_read_again_has_its_digest(plan: Plan) -> None:
    """As the store keeps it, and as JSON with its keys in another order."""
    kept = json.loads(json.dumps(plan.model_dump(mode="json")))
    assert Plan.model_validate(kept).digest == plan.digest
    turned = json.loads(
        json.dumps(kept, sort_keys=True), object_pairs_hook=lambda p: dict(reversed(p))
    )
    assert Plan.model_validate(turned).digest == plan.digest


@settings(max_examples=40, deadline=None)
@given(PLANS)
def test_a_plan_that_nobody_asked_for_has_the_digest_of_before_plans_said_who_asked(
    plan: Plan,
) -> None:
    """What was approved and is held under such a digest is believed after an upgrade."""
    nobodys = plan.model_copy(update={"asked_by": ()})
    before = material(nobodys)
    assert isinstance(before, dict)
    del before["asked_by"]
    assert nobodys.digest == digest_of(before)


def test_what_is_volatile_is_a_list_that_people_agreed_to() -> None:
    volatile = {
        f"{model.__name__}.{name}"
        for model in (Plan, Requester, Change, PointPlan, Blast, Request, Indicators)
        for name, field in model.model_fields.items()
        if any(isinstance(mark, _Volatile) for mark in field.metadata)
    }
    assert volatile == {
        "PointPlan.known", "PointPlan.expires", "PointPlan.changes", "Change.summary",
        "Change.ruling", "Change.reason", "Plan.ruling", "Plan.reason", "Plan.at",
    }  # fmt: skip


def test_a_number_that_json_cannot_hold_exactly_has_no_digest() -> None:
    for value in (2**53, float("nan"), float("inf"), "\ud800"):
        with pytest.raises(ValueError):  # noqa: PT011 - refused is what matters
            digest_of(material({"x": value}))


def test_the_digest_is_the_one_that_others_compute() -> None:
    """RFC 8785: sorted keys, no spaces, UTF-8; then SHA-256. Anybody can check it with jcs."""
    said = digest_of({"b": [1, True, None], "a": "é", "A": 1.0})
    assert said == hashlib.sha256('{"A":1,"a":"é","b":[1,true,null]}'.encode()).hexdigest()
