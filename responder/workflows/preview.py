"""Has a worker draw a plan that nobody carries out."""

from temporalio import workflow

from responder.errors import ActionError
from responder.plan import Plan
from responder.workflows.perform import PREVIEW, perform
from responder.workflows.refusing import RefusesUpdates
from responder.workflows.wire import SignedOrder


# Our own code: the sandbox, which guards authors, would double what it costs.
@workflow.defn(name="Preview", failure_exception_types=[ActionError], sandboxed=False)
class PreviewWorkflow(RefusesUpdates):
    """One activity: the worker has the credentials with which enforcement points are read."""

    @workflow.run
    async def run(self, order: SignedOrder) -> Plan:
        """The plan."""
        return await perform(PREVIEW, order, "preview a plan; nothing is changed")
