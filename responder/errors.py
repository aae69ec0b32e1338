"""
What can go wrong, by who can put it right.

* ResponderError
  x ActionError           an action did not happen             (crosses the activity boundary)
    + Refused             policy or a person said no           nobody; asking again will not help
      - Missing           what was named is not there          whoever named it            -> 404
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

from typing import ClassVar


class ResponderError(Exception):
    """Base of every error this package raises on purpose."""


class ActionError(ResponderError):
    """
    An action did not happen, or cannot be shown to have happened.

    Crossing an activity's boundary it becomes an `ApplicationError` whose type is the class's name;
    `workflows.perform` makes it this again, and tells Temporal which of them are worth a retry.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Refused(ActionError):
    """Policy or a person said no."""


class Missing(Refused):
    """What was named is not there, or not any more; raised where people ask, never by a verb."""


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
