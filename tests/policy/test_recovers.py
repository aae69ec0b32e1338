"""What cannot be undone needs two people, unless whoever it hits puts it right alone."""

from datetime import UTC, datetime

from activities.accounts import RevokeSessions
from activities.ssh_keys import RevokeSshKey
from responder.verbs.planning import case_of


def test_ended_sessions_are_no_reason_for_two_people_and_a_revoked_key_is() -> None:
    ended = RevokeSessions(account="ana", before=datetime(2026, 11, 21, tzinfo=UTC))
    assert case_of(ended).reversible
    assert not ended.reversible
    assert RevokeSshKey.reversible is RevokeSshKey.recovers is False
