"""
What can go wrong, by who can put it right.

* ResponderError
  x ActionError           an action did not happen             (crosses the activity boundary)
    + Refused             policy or a person said no           nobody; asking again will not help
    + Drifted             the world changed since the plan     plan again
    + Unverified          done, but reading back disagrees     a person, now
    + Unreachable         the provider did not answer          retried for us
  x AlertError            this alert cannot be used            the sender
    + Unauthentic         the signature does not match         -> 401
    + Malformed           not what this source sends           -> 400 or 422
    + Unwelcome           the source is not configured         -> 404
  x Unanswered            no playbook answers this kind        the operator
  x ConfigurationError    wrong before anything started        the operator -> exit 2, all faults at once
  x StateError            the state folder cannot be used      the operator -> exit 1
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from temporalio.exceptions import ActivityError, ApplicationError


class ResponderError(Exception):
    """Base of every error this package raises on purpose."""


class ActionError(ApplicationError, ResponderError):
    """An action did not happen, or cannot be shown to have happened."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message, type=type(self).__name__, non_retryable=not self.retryable)


class Refused(ActionError):
    """Policy or a person said no."""


class Drifted(ActionError):
    """The resource is no longer in the state the plan was made against."""


class Unverified(ActionError):
    """The provider accepted the change, but reading it back shows something else."""


class Unreachable(ActionError):
    """The provider did not answer: what it holds is unknown, never absent."""

    retryable = True


class AlertError(ResponderError):
    """What arrived cannot be used; only its sender can put that right."""


class Unauthentic(AlertError):
    """The signature, its time or its key does not hold."""


class Malformed(AlertError):
    """The body is not what this source sends."""


class Unwelcome(AlertError):
    """No source of this name is configured."""


class Unanswered(ResponderError):
    """No playbook answers this category and priority."""


class ConfigurationError(ResponderError):
    """Something is wrong in the settings; the message lists every fault at once."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class StateError(ResponderError):
    """The state folder, its database or its keys cannot be used as they are."""


@contextmanager
def errors_as_raised() -> Iterator[None]:
    """
    Give a playbook the error that an activity raised, not Temporal's envelope around it.

    Without this, `except Drifted` in a playbook would never match: Temporal hands back an
    `ActivityError` whose cause is a plain `ApplicationError` that remembers only the type's name.
    """
    try:
        yield
    except ActivityError as envelope:
        match envelope.cause:
            case ApplicationError(type=kind, message=message):
                for error in ActionError.__subclasses__():
                    if error.__name__ == kind:
                        raise error(message) from envelope
        raise
