"""Any sender whose JSON the settings describe: paths to each fact, words for each severity."""

import re
from datetime import datetime
from functools import partial

from pydantic import JsonValue

from responder.errors import Malformed
from responder.incident import Alert, Severity
from responder.sources import reading
from responder.sources.path import select
from responder.sources.reading import Normalised, Notes, Unusable, first_of, items
from responder.sources.settings import FieldPaths, Paths, SourceSettings

_SEVERITIES = {severity.value: severity for severity in Severity}
_CATEGORY = re.compile(r"[a-z][a-z0-9_]{0,62}")


def normalise(
    value: JsonValue, source: SourceSettings, name: str, received: datetime | None = None
) -> Normalised:
    """The alerts of one delivery, found and read by the source's mapping."""
    mapping = source.mapping
    if mapping is None:
        raise Malformed(f"source {name!r} has no mapping to read a delivery by")
    elements = [value] if mapping.alerts is None else select(value, value, mapping.alerts)
    if not elements:
        raise Malformed(f"there is nothing at {mapping.alerts}")
    reader = _Reader(value, source, mapping, name, received)
    where = (mapping.alerts or "alerts").removesuffix("[]")
    return reading.each(elements, reader.alert, where)


class _Reader:
    """One delivery of one source."""

    def __init__(
        self,
        document: JsonValue,
        source: SourceSettings,
        mapping: FieldPaths,
        name: str,
        received: datetime | None,
    ) -> None:
        self._document = document
        self._source = source
        self._mapping = mapping
        self._name = name
        self._received = received

    def alert(self, element: JsonValue, notes: Notes) -> Alert:
        if not isinstance(element, dict):
            raise Unusable(f"expected an object but found {reading.quoted(element)}")
        every, one = partial(self._every, element), partial(self._one, element)
        mapping, defaults = self._mapping, self._source.defaults
        sent_id = one(mapping.id)
        rule = reading.line(one(mapping.rule), 255) or defaults.rule
        title = reading.line(one(mapping.title)) or defaults.title or rule
        return Alert(
            id=reading.key(sent_id) if _is_plain(sent_id) else reading.digest(element),
            source=self._name,
            title=title or f"an alert of {self._name}",
            rule=rule,
            severity=self._severity(one(mapping.severity)),
            occurred=reading.occurred(notes, self._received, *every(mapping.occurred)),
            techniques=reading.techniques(notes, "techniques", every(mapping.techniques)),
            category=self._category(one(mapping.category), notes),
            networks=reading.networks(notes, "networks", every(mapping.networks)),
            hosts=reading.hosts(notes, "hosts", every(mapping.hosts)),
            accounts=reading.accounts(notes, "accounts", every(mapping.accounts)),
            over=any(self._says_over(value) for value in every(mapping.over)),
        )

    def _every(self, element: JsonValue, paths: Paths) -> list[JsonValue]:
        """Everything at *paths*; an array found there is taken as its elements."""
        found = (value for path in paths for value in select(self._document, element, path))
        return [item for value in found for item in items(value)]

    def _one(self, element: JsonValue, paths: Paths) -> JsonValue:
        return first_of(
            *(value for path in paths for value in select(self._document, element, path))
        )

    def _severity(self, value: JsonValue) -> Severity:
        default = self._source.defaults.severity
        if value is None and default is not None:
            return default
        if _is_plain(value):
            word = str(value)
            if word in self._source.severity_map:
                return self._source.severity_map[word]
            if word.lower() in _SEVERITIES:
                return _SEVERITIES[word.lower()]
        known = ", ".join([*self._source.severity_map, *_SEVERITIES])
        raise Unusable(f"severity: expected one of {known} but found {reading.quoted(value)}")

    def _category(self, value: JsonValue, notes: Notes) -> str | None:
        if isinstance(value, str) and _CATEGORY.fullmatch(value):
            return value
        if value is not None:
            notes.say(f"category: {reading.quoted(value)} is not a category; left out")
        return self._source.defaults.category

    def _says_over(self, value: JsonValue) -> bool:
        return value is True or (
            isinstance(value, str) and value.lower() in self._mapping.over_values
        )


def _is_plain(value: JsonValue) -> bool:
    """Text or a number: what an id or a severity may be."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)
