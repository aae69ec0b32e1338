"""The senders: one module each, which turns what it sends into alerts and does nothing else."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from pydantic import JsonValue

from responder.sources import alertmanager, generic, guardduty, wazuh
from responder.sources.reading import Normalised
from responder.sources.settings import Kind, SourceSettings


class Normaliser(Protocol):
    """
    What a sender's module supplies.

    Raises `Malformed` if nothing in the delivery is usable. *received* stands in for a time that
    the sender did not give or wrote in no form we know; without it such an alert is unusable.
    """

    def __call__(
        self,
        value: JsonValue,
        source: SourceSettings,
        name: str,
        received: datetime | None = None,
    ) -> Normalised: ...


NORMALISERS: Mapping[Kind, Normaliser] = {
    "wazuh": wazuh.normalise,
    "guardduty": guardduty.normalise,
    "alertmanager": alertmanager.normalise,
    "generic": generic.normalise,
}
