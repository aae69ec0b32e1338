"""The steps of a live response: how volatile each is, which profile has it, what none can cover."""

from enum import StrEnum

from responder.evidence.volatility import Step, Volatility, Waiver


class StepName(StrEnum):
    """The steps of a live response, each waivable by its name."""

    NETWORK = "network"
    PROCESSES = "processes"
    MEMORY = "memory"
    TEMPORARY_TIMES = "temporary-times"
    TEMPORARY_FILES = "temporary-files"
    DISK_TIMES = "disk-times"
    EXECUTABLES = "executables"
    ACCOUNTS = "accounts"
    PERSISTENCE = "persistence"
    LOGS = "logs"
    PACKAGES = "packages"
    CONTAINERS = "containers"


_RANKS = {
    StepName.NETWORK: Volatility.KERNEL_TABLES,
    StepName.PROCESSES: Volatility.PROCESS_TABLE,
    StepName.MEMORY: Volatility.MEMORY,
    StepName.TEMPORARY_TIMES: Volatility.TEMPORARY_TIMES,
    StepName.TEMPORARY_FILES: Volatility.TEMPORARY_FILES,
    StepName.DISK_TIMES: Volatility.DISK_TIMES,
    StepName.EXECUTABLES: Volatility.DISK_FILES,
    StepName.ACCOUNTS: Volatility.DISK_FILES,
    StepName.PERSISTENCE: Volatility.DISK_FILES,
    StepName.LOGS: Volatility.DISK_FILES,
    StepName.PACKAGES: Volatility.DISK_FILES,
    StepName.CONTAINERS: Volatility.DISK_FILES,
}
_RUNNER = "runner"
NOT_OVER_SSH = (
    Waiver(step="registers", reason="registers and caches cannot be read from a shell", by=_RUNNER),
    Waiver(
        step="memory-image",
        reason="an image of all memory needs a kernel module or a tool brought to the host; "
        "neither is brought: only memory of single processes is read",
        by=_RUNNER,
    ),
    Waiver(step="disk-image", reason="contents of disks are not imaged over SSH", by=_RUNNER),
    Waiver(
        step="remote-logs", reason="exported from their own services, not from here", by=_RUNNER
    ),
    Waiver(step="topology", reason="physical configuration cannot be seen from a host", by=_RUNNER),
    Waiver(step="archives", reason="backups are left where they are", by=_RUNNER),
)
STEPS = (
    *(Step(name=name.value, volatility=rank) for name, rank in _RANKS.items()),
    Step(name="registers", volatility=Volatility.REGISTERS),
    Step(name="memory-image", volatility=Volatility.MEMORY),
    Step(name="disk-image", volatility=Volatility.DISK_FILES),
    Step(name="remote-logs", volatility=Volatility.REMOTE_LOGS),
    Step(name="topology", volatility=Volatility.TOPOLOGY),
    Step(name="archives", volatility=Volatility.ARCHIVES),
)


class Profile(StrEnum):
    """How much is taken."""

    TRIAGE = "triage"
    FULL = "full"


LEFT_OUT = {
    Profile.TRIAGE: tuple(
        Waiver(step=step.value, reason="not part of the profile triage", by=_RUNNER)
        for step in (StepName.TEMPORARY_FILES, StepName.PACKAGES, StepName.CONTAINERS)
    ),
    Profile.FULL: (),
}
