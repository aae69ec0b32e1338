"""The floors: a bare workflow with one activity that does nothing, on the same server."""

import asyncio
import time
import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "floor"


@activity.defn
async def nothing() -> None:
    """Do nothing."""


@workflow.defn
class Bare:
    """One activity that does nothing."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class Empty:
    """As many activities that do nothing as it is told, one after the other."""

    @workflow.run
    async def run(self, activities: int) -> None:
        for _ in range(activities):
            await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=10))


def bare_worker(client: Client) -> Worker:
    """A worker for the floor alone."""
    return Worker(client, task_queue=QUEUE, workflows=[Bare, Empty], activities=[nothing])


async def bare(client: Client) -> float:
    """Seconds from start to end of one bare workflow."""
    began = time.perf_counter()
    await client.execute_workflow(Bare.run, id=f"floor-{uuid.uuid4()}", task_queue=QUEUE)
    return time.perf_counter() - began


async def bare_rate(client: Client, count: int, at_once: int) -> float:
    """Bare workflows a second, with *at_once* callers."""
    gate = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with gate:
            await bare(client)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    import sys

    async def main() -> None:
        """A worker in a process of its own, until it is ended."""
        client = await Client.connect(sys.argv[1], namespace=sys.argv[2])
        async with bare_worker(client):
            print("ready", flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
