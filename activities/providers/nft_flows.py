"""The flows an isolated host keeps, as nft matches: by address and port alone, never by conntrack.

A general `established accept` would keep the attacker's open connections alive. So the answering end
of a TCP flow is told by its flags: what it sends is never a bare SYN (RFC 9293, section 3.5).
"""

from collections.abc import Iterable, Iterator, Sequence

from responder.policy.segments import Address, Flow, Service

_ANSWERING = "tcp flags & (syn | ack) != syn"
SSH_PORT = 22


def rules(
    flows: Iterable[Flow], *, to_host: bool, host: Sequence[Address] | None = None
) -> list[str]:
    """
    Matches for what may go to the host, or come from it.

    With *host* the host's own address must stand at its end of the packet: a filter outside the
    host cannot otherwise tell whom it speaks for. Without, its end is not looked at.
    """
    return [
        f"{match} accept" for flow in flows for match in _matches(flow, to_host=to_host, host=host)
    ]


def way_back(flows: Iterable[Flow]) -> bool:
    """Whether SSH from outside is among *flows*: without it nobody could come back in."""
    return any(flow.inbound and flow.networks and _carries_ssh(flow.service) for flow in flows)


def _carries_ssh(service: Service) -> bool:
    if service.protocol not in ("any", "tcp"):
        return False
    return service.ports is None or service.ports.first <= SSH_PORT <= service.ports.last


def _matches(flow: Flow, *, to_host: bool, host: Sequence[Address] | None) -> Iterator[str]:
    peer, own = ("saddr", "daddr") if to_host else ("daddr", "saddr")
    for network in flow.networks:
        word = "ip" if network.version == 4 else "ip6"  # noqa: PLR2004 - IP version
        ours = "" if host is None else _own(word, own, host)
        if ours is None:
            continue  # the host has no address of this IP version that could have the flow
        for talk in _talks(flow.service, word, opening=flow.inbound is to_host):
            yield " ".join(part for part in (f"{word} {peer} {network}", ours, talk) if part)


def _own(word: str, side: str, host: Sequence[Address]) -> str | None:
    same = [str(one) for one in host if (one.version == 4) is (word == "ip")]  # noqa: PLR2004 - IP version
    return f"{word} {side} {{ {', '.join(same)} }}" if same else None


def _talks(service: Service, word: str, *, opening: bool) -> tuple[str, ...]:
    """Matches for the packets of one end: of who opens, or of who answers."""
    end = "dport" if opening else "sport"
    port = f" {end} {service.ports}" if service.ports else ""
    match service.protocol:
        case "tcp":
            said = f"tcp{port}" if port else "meta l4proto tcp"
            return (said if opening else f"{said} {_ANSWERING}",)
        case "udp":
            return (f"udp{port}" if port else "meta l4proto udp",)
        case "icmp":
            kind = "icmp" if word == "ip" else "icmpv6"
            return (f"{kind} type echo-{'request' if opening else 'reply'}",)
        case "any":
            return ("",) if opening else (_ANSWERING, "meta l4proto != tcp")
