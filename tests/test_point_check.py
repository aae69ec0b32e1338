import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from responder.access import Local
from responder.inventory import Inventory
from responder.point_check import point_faults
from responder.points import Consumer, FeedPoint, IptablesPoint, NftablesPoint, PfPoint
from responder.settings import Settings
from tests.lab.network import Lab

HERE = Local()


def settings(tmp_path: Path, *points: object) -> Settings:
    return Settings(state=tmp_path, inventory=Inventory.model_validate({"points": points}))


@pytest.mark.parametrize(
    ("point", "said"),
    [
        (NftablesPoint(name="edge1", access=HERE, nft="/nowhere/nft"), "edge1: .*not found"),
        (IptablesPoint(name="old1", access=HERE, ipset="/nowhere/ipset"), "old1: .*not found"),
        (PfPoint(name="mac1", access=HERE, pfctl="/nowhere/pfctl"), "mac1: .*/nowhere/pfctl"),
        (FeedPoint(name="list"), "list: no consumer polls it"),
    ],
)
async def test_a_point_that_cannot_be_read_is_named_with_its_fault(
    tmp_path: Path, sqlite_template: Path, point: object, said: str
) -> None:
    (tmp_path / "responder.sqlite").write_bytes(sqlite_template.read_bytes())
    faults = await point_faults(settings(tmp_path, point))
    assert any(re.search(said, fault) for fault in faults), faults


async def test_a_pf_that_would_block_nothing_is_named(
    tmp_path: Path, sqlite_template: Path
) -> None:
    (tmp_path / "responder.sqlite").write_bytes(sqlite_template.read_bytes())
    pfctl = tmp_path / "pfctl"
    pfctl.write_text('#!/bin/sh\n[ "$2" = info ] && echo "Status: Disabled"\nexit 0\n')
    pfctl.chmod(0o755)
    faults = await point_faults(
        settings(tmp_path, PfPoint(name="mac1", access=HERE, pfctl=str(pfctl)))
    )
    assert faults == ["mac1: expected pf to be enabled, found 'Status: Disabled'"]


async def test_points_that_answer_have_no_fault_and_are_left_as_they_are(
    lab: Lab, tmp_path: Path, sqlite_template: Path
) -> None:
    (tmp_path / "responder.sqlite").write_bytes(sqlite_template.read_bytes())
    before = lab.ruleset("web")
    points = (
        NftablesPoint(name="edge1", access=lab.access("web")),
        IptablesPoint(name="old1", access=lab.access("web")),
        FeedPoint(
            name="list", consumers=(Consumer(name="fw1", token=SecretStr("token-0123456789")),)
        ),
    )
    assert await point_faults(settings(tmp_path, *points)) == []
    assert lab.ruleset("web") == before
