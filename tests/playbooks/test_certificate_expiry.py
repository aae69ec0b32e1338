from datetime import timedelta

from activities.certificates import CertificateFacts, ExpiringCertificates, RenewCertificate
from playbooks.certificate_expiry import CertificateExpiry
from responder.testing import ImaginedWorld, RunPlaybook

DUE = CertificateFacts(name="web-tls", host="web-1", days_left=20)
LOST = CertificateFacts(name="old-tls", host="web-1", problem="there is no such file")


async def test_what_has_30_days_or_less_is_renewed_once_somebody_agrees(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.answers(ExpiringCertificates, [DUE])
    run = await run_playbook(
        CertificateExpiry, priority="P4", networks=(), hosts=(), accounts=("web-tls",)
    )
    [asked] = [one for one in world.asked if isinstance(one, ExpiringCertificates)]
    assert asked.within == timedelta(days=30)
    assert run.done == ["planned: renew the certificate web-tls with a new key"]
    assert any("renewed web-tls" in said for said in run.said)
    assert run.runs[0]["state"] == "done"


async def test_one_that_cannot_be_read_does_not_hide_the_other(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.answers(ExpiringCertificates, [DUE, LOST])
    run = await run_playbook(CertificateExpiry, priority="P4", networks=(), accounts=("web-tls",))
    assert any("renewed web-tls" in said for said in run.said)
    [told] = [m for m in run.facts["messages"] if "1 not renewed" in m["subject"]]
    assert (told["audience"], told["body"]) == (
        "Team Lead",
        "old-tls on web-1: there is no such file",
    )


async def test_a_no_and_a_silent_host_are_both_said_and_nothing_is_called_renewed(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.answers(ExpiringCertificates, [DUE])
    run = await run_playbook(
        CertificateExpiry, priority="P4", accounts=("web-tls",), says=lambda _: False
    )
    assert any("1 not renewed" in said for said in run.said)
    assert not any("renewed web-tls" in said for said in run.said)
    world.fails(RenewCertificate)
    again = await run_playbook(CertificateExpiry, priority="P4", accounts=("web-tls",))
    assert any("1 not renewed" in said for said in again.said)


async def test_what_is_not_ours_is_told_to_the_team_lead(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(CertificateExpiry, priority="P4", networks=(), hosts=())
    [told] = [m for m in run.facts["messages"] if "nothing to renew" in m["subject"]]
    assert "no certificate and no host is named" in told["body"]
    assert told["audience"] == "Team Lead"
    assert not world.written
