"""
What can go wrong between us and Slack.

* SlackError
  x SlackUnreachable   no answer, or "later": the same call may be made again
  x SlackRefused       Slack answered no; the same call would be answered no again
"""

from responder.errors import ResponderError


class SlackError(ResponderError):
    """A call of Slack's API did not do what it was to do."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class SlackUnreachable(SlackError):
    """
    Slack did not answer, or asked to be left alone for *wait* seconds.

    *undone*: it is known that nothing was done there. Otherwise it may have been.
    """

    def __init__(self, said: str, *, undone: bool, wait: float | None = None) -> None:
        super().__init__(said)
        self.undone = undone
        self.wait = wait


class SlackRefused(SlackError):
    """Slack said no; *error* is its code, such as `channel_not_found`."""

    def __init__(self, method: str, error: str, detail: str = "") -> None:
        super().__init__(f"{method}: {error}" + (f" ({detail})" if detail else ""))
        self.error = error
