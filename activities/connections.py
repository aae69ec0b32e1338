"""Who a machine is talking to at this moment: the most volatile thing worth writing down."""

from pydantic import Field

from responder.contract import Lookup
from responder.incident import Frozen, Name


class Connection(Frozen):
    """One TCP connection as the kernel sees it."""

    state: str
    local: str
    remote: str


class Connections(Lookup[list[Connection] | None]):
    """The TCP connections of one host, as `ss` lists them; None if nothing here can look into it."""

    host: Name = Field(description="The host's name in the inventory.")

    def __str__(self) -> str:
        return f"connections of {self.host}"
