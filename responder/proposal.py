"""
What an incident teaches the settings, as a diff for a person to review. Pure; nothing applies it.

Every incident ends with the question whether the rules should change. Two answers can be drawn from
its facts: if it was real, alerts like it are judged like it from now on; if it was a mistake,
whoever was taken for an attacker is cut off only once a person agrees.
"""

import json
from difflib import unified_diff

from responder.incident import Incident

FILE = "responder.yaml"
# A rule fits any title that contains its words, so a short title would fit far too many.
_SHORTEST_TITLE = 12


def proposed(incident: Incident) -> str:
    """Both changes to the settings file, each a unified diff under the case that it is for."""
    parts = []
    if rule := _rule(incident):
        parts.append(f"If it was real, judge alerts of this title like this one:\n\n{rule}")
    if shared := _shared(incident):
        parts.append(f"If it was a mistake, ask a person before these are cut off:\n\n{shared}")
    if not parts:
        return "Nothing in this incident's facts suggests another rule."
    return "\n\n".join([*parts, f"Nothing was changed. Review, edit, and apply to {FILE} by hand."])


def _rule(incident: Incident) -> str:
    title = " ".join(incident.title.split())
    if len(title) < _SHORTEST_TITLE or title != incident.title:
        return ""
    return _diff(
        ["triage:", "  rules:"],
        [
            f"    - words: [{json.dumps(title)}]",
            f"      category: {incident.category}",
            f"      priority: {incident.priority}",
        ],
    )


def _shared(incident: Incident) -> str:
    if not incident.networks:
        return ""
    networks = ", ".join(json.dumps(str(network)) for network in incident.networks)
    return _diff(
        ["shared:"],
        [
            f"  - name: {json.dumps(f'mistaken in {incident.id}')}",
            "    kind: partner",
            f"    networks: [{networks}]",
        ],
    )


def _diff(there: list[str], added: list[str]) -> str:
    """*added* after the lines *there*: `patch` finds them, wherever in the file they stand."""
    return "\n".join(unified_diff(there, [*there, *added], f"a/{FILE}", f"b/{FILE}", lineterm=""))
