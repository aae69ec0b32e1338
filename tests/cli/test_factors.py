"""`responder people …` and `approvals approve`: what is asked of the API, and what is shown of it."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from responder.cli import remote
from responder.cli.say import DENIED, FAILED, USAGE
from tests.cli.conftest import Api, Run

FACTORS = {
    "person": "ana", "totp": True, "backup_codes_left": 7,
    "passkeys": [
        {"name": "phone", "made": "2026-03-04T12:00:00+00:00",
         "used": "2026-03-05T12:00:00+00:00", "stopped": None},
        {"name": "old [red]key", "made": "2026-03-04T12:00:00+00:00", "used": None,
         "stopped": "2026-03-06T12:00:00+00:00"},
    ],
}  # fmt: skip
ASK = {
    "id": "a1", "tier": "T3", "state": "open", "digest": "ab" * 32, "number": 42, "decisions": [],
    "expires": "2026-03-04T12:15:00+00:00",
    "needs": {"people": 2, "stepped_up": 1, "number_match": True},
    "plan": {
        "reason": "two nodes", "changes": [],
        "blast": {"hosts": 2, "networks": 0, "accounts": 0, "protected": []},
    },
}  # fmt: skip
Sent = list[tuple[str, str, Any]]


@pytest.fixture
def sent(api: Api, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What the API was asked; it still answers over HTTP."""
    asked: Sent = []
    through: Callable[..., Any] = remote.ask

    def ask(method: str, path: str, **more: Any) -> Any:
        asked.append((method, path, more.get("json")))
        return through(method, path, **more)

    monkeypatch.setattr(remote, "ask", ask)
    return asked


def test_an_authenticator_s_address_is_all_that_is_printed(run: Run, api: Api, sent: Sent) -> None:
    api.body = json.dumps({"person": "ana", "otpauth": "otpauth://totp/x"})
    said = run("people", "enrol", "ana", "--ticket", "t", "--backup-code", "0-aaaaa-bbbbb")
    assert (said.status, said.out) == (0, "otpauth://totp/x\n")
    body = {"code": "0-aaaaa-bbbbb", "ticket": "t"}
    assert sent == [("POST", "/api/people/ana/factor", body)]


def test_backup_codes_are_printed_one_a_line(run: Run, api: Api, sent: Sent) -> None:
    api.body = json.dumps({"person": "ana", "codes": ["0-aaaaa-bbbbb", "1-ccccc-ddddd"]})
    said = run("people", "backup-codes", "ana", "--code", "123456")
    assert said.out == "0-aaaaa-bbbbb\n1-ccccc-ddddd\n"
    assert "shown once; keep them on paper" in said.err
    assert sent[0][2] == {"code": "123456", "ticket": ""}


def test_a_ticket_says_whose_it_is_and_until_when(run: Run, api: Api) -> None:
    api.body = json.dumps({"person": "ana", "ticket": "T", "expires": "2026-03-04T12:15:00+00:00"})
    said = run("people", "ticket", "ana")
    assert (said.out, "give it to ana yourself" in said.err) == ("T\n", True)


def test_somebody_s_factors_are_a_table_without_secrets(run: Run, api: Api) -> None:
    api.body = json.dumps(FACTORS)
    said = run("people", "factors", "ana")
    assert "7 left" in said.out
    assert "old [red]key  stopped 2026-03-06T12:00:00 UTC: it may have been copied" in said.out
    assert json.loads(run("people", "factors", "ana", "--json").out) == FACTORS
    assert "used 2026-03-05T12:00:00 UTC" in run("people", "passkeys", "list", "ana").out


def test_a_passkey_is_removed_by_its_name(run: Run, api: Api, sent: Sent) -> None:
    api.body = json.dumps({"person": "ana", "removed": "phone"})
    said = run("people", "passkeys", "remove", "ana", "phone", "--code", "123456")
    assert "removed: phone" in said.err
    body = {"code": "123456", "ticket": "", "passkey_name": "phone"}
    assert sent == [("POST", "/api/people/ana/passkeys/remove", body)]


def test_what_the_api_refuses_is_said_in_its_words(run: Run, api: Api) -> None:
    api.status, api.body = 403, json.dumps({"detail": "ana: expected a code of your app"})
    said = run("people", "enrol", "ana")
    assert (said.status, said.err) == (DENIED, "ana: expected a code of your app\n")


def test_the_number_is_shown_with_the_plan(run: Run, api: Api) -> None:
    api.body = json.dumps(ASK)
    said = run("approvals", "show", "a1")
    assert "its number is 42" in said.err
    assert "approvals approve a1 --plan abababababab --number" in said.err
    api.body = json.dumps(ASK | {"needs": ASK["needs"] | {"number_match": False}})  # type: ignore[operator]
    assert "number" not in run("approvals", "show", "a1").err


def test_a_script_approves_only_what_it_says_it_looked_at(run: Run, api: Api, sent: Sent) -> None:
    api.body = json.dumps(ASK)
    said = run("approvals", "approve", "a1", "--code", "123456", "--number", "42")
    assert said.status == USAGE
    assert "expected --plan with the digest of what was looked at, found none" in said.err
    assert [method for method, *_ in sent] == ["GET"]


def test_code_number_and_digest_go_into_the_decision(run: Run, api: Api, sent: Sent) -> None:
    api.body = json.dumps(ASK | {"state": "open", "delivered": True})
    said = run(
        "approvals", "approve", "a1", "--plan", "ab" * 6, "--number", "42",
        "--backup-code", "0-aaaaa-bbbbb", "--reason", "seen",
    )  # fmt: skip
    assert said.status == 0, said.err
    assert sent[1] == ("POST", "/api/asks/a1/decisions", {
        "approve": True, "code": "0-aaaaa-bbbbb", "number": 42, "digest": "ab" * 6,
        "reason": "seen",
    })  # fmt: skip


def test_a_person_is_shown_the_plan_and_then_asked(
    run: Run, api: Api, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.body = json.dumps(ASK | {"delivered": True})
    lines = iter(("y\n", "42\n", "123456\n"))

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self, *_: object) -> str:
            return next(lines)

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda *_: next(lines).strip())
    said = run("approvals", "approve", "a1")
    assert said.status == 0, said.err
    assert "two nodes" in said.err
    assert sent[1][2] == {
        "approve": True, "code": "123456", "number": 42, "digest": "ab" * 32, "reason": "",
    }  # fmt: skip


def test_who_says_no_to_the_plan_sends_nothing(
    run: Run, api: Api, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.body = json.dumps(ASK)

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self, *_: object) -> str:
            return "n\n"

    monkeypatch.setattr(sys, "stdin", Terminal())
    said = run("approvals", "approve", "a1")
    assert said.status not in (0, FAILED)
    assert [method for method, *_ in sent] == ["GET"]
