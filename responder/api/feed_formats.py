"""
How a blocklist is written for whoever polls it, by what each vendor documents. Pure.

* PAN-OS, "Formatting Guidelines for an External Dynamic List": one entry a line, then a space and a
  comment if any; a comment must stand on its entry's line.
* FortiGate, "Threat feeds": one address, range or subnet a line; comments are not mentioned.
* Cisco, "Custom Security Intelligence Lists" and "Formatting and Corrupt Feed Data": lines that
  begin with `#` are comments; a feed without any address is taken for corrupt, and the old one kept.
* HAProxy, "Configuration Manual", ACLs: one pattern a line; lines that begin with `#` are ignored.
* nginx, "Module ngx_http_access_module": `deny address | CIDR;`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

# Never routed (RFC 5737, TEST-NET-1): what keeps the last block from outliving its end on a firewall
# that does not take an empty list.
NOBODY = "192.0.2.1"
_PLAIN = re.compile(r"[^A-Za-z0-9_.:/-]")


class Format(StrEnum):
    """Who reads the list."""

    PLAIN = "plain"
    PALOALTO = "paloalto"
    CISCO = "cisco"
    HAPROXY = "haproxy"
    NGINX = "nginx"


@dataclass(frozen=True)
class Entry:
    """One network on the list; *until* is None for one without an end."""

    network: str
    until: datetime | None
    incident: str

    @property
    def why(self) -> str:
        """Until when it is there, and for which incident, in one line whatever the incident says."""
        ends = self.until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if self.until else "undone"
        incident = _PLAIN.sub("_", self.incident)
        return f"until {ends}" + (f" incident {incident}" if incident else "")


def written(entries: Iterable[Entry], form: Format) -> str:
    """The list as *form* is written."""
    lines = [line for entry in entries for line in _lines(entry, form)]
    if form is Format.CISCO and not lines:
        lines = ["# nobody is blocked: this address is nobody's (RFC 5737)", NOBODY]
    return "".join(f"{line}\n" for line in lines)


def _lines(entry: Entry, form: Format) -> tuple[str, ...]:
    match form:
        case Format.PLAIN:
            return (entry.network,)
        case Format.PALOALTO:
            return (f"{entry.network} {entry.why}",)
        case Format.CISCO | Format.HAPROXY:
            return (f"# {entry.why}", entry.network)
        case Format.NGINX:
            return (f"deny {entry.network}; # {entry.why}",)
