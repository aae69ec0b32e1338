"""Nothing happened, and everybody is called: whether people can be reached is found out on a good day."""

from temporalio import workflow

from responder import Incident, Playbook

CHAIN = ("Security Team", "CISO")


@workflow.defn
class Drill(Playbook, answers="drill"):
    """Page the chain, one role after the other, all marked DRILL; say who came and when. Changes nothing."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        title = f"DRILL: {incident.title}"
        await self.announce(title, "This is a drill: nothing will be changed.", loud=True)
        lines = []
        for role in CHAIN:
            asked = workflow.now()
            by = await self.escalate(role, title, "This is a drill: take the page, do no more.")
            took = f"{(workflow.now() - asked).total_seconds() / 60:.0f} minutes"
            lines.append(f"{role}: {by} after {took}" if by else f"{role}: nobody within {took}")
        await self.announce(f"{title}: over", "\n".join(lines))
