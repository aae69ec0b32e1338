from activities.certificates import CertificateFacts, ExpiringCertificates, RenewCertificate
from playbooks.certificate_rotation import CertificateRotation
from responder.testing import ImaginedWorld, RunPlaybook

DUE = CertificateFacts(name="web-tls", host="web-1", days_left=20)
LOST = CertificateFacts(name="old-tls", host="web-1", problem="there is no such file")


async def test_what_is_due_is_renewed_and_what_cannot_be_read_is_told_loudly(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.answers(ExpiringCertificates, [DUE, LOST])
    run = await run_playbook(CertificateRotation, priority="P4", networks=(), accounts=("web-tls",))
    assert run.done == ["planned: renew the certificate web-tls with a new key"]
    assert any("web-tls renewed" in said for said in run.said)
    [told] = [m for m in run.facts["messages"] if "1 not renewed" in m["subject"]]
    assert told["loud"]
    assert told["body"] == "old-tls on web-1: there is no such file"
    assert run.runs[0]["state"] == "done"


async def test_a_silent_host_is_not_called_renewed(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.answers(ExpiringCertificates, [DUE])
    world.fails(RenewCertificate)
    run = await run_playbook(CertificateRotation, priority="P4", networks=(), accounts=("web-tls",))
    assert not any("web-tls renewed" in said for said in run.said)
    [told] = [m for m in run.facts["messages"] if "1 not renewed" in m["subject"]]
    assert "connection refused" in told["body"]


async def test_nothing_due_is_nothing_said(world: ImaginedWorld, run_playbook: RunPlaybook) -> None:
    run = await run_playbook(CertificateRotation, priority="P4", networks=(), hosts=())
    assert not world.written
    assert not any("renewed" in said for said in run.said)
    assert run.runs[0]["state"] == "done"
