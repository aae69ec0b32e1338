"""The enforcement points of AWS at which addresses are blocked, as settings describe them."""

from typing import Literal, Self

from pydantic import Field, model_validator

from responder.incident import Frozen, Name


class Named(Frozen):
    """A thing of WAF, which is known by its name and its id together."""

    name: Name = Field(description="Its name.")
    id: str = Field(pattern=r"^[0-9a-f-]{36}$", description="Its id.")


class WafPoint(Frozen):
    """Two IP sets of AWS WAF, one for each family, that a web ACL blocks."""

    kind: Literal["waf"] = Field(default="waf", description="IP sets of AWS WAF.")
    name: Name = Field(description="The point's name, as shown in plans.")
    cloud: Name = Field(description="The name of its account and region.")
    scope: Literal["REGIONAL", "CLOUDFRONT"] = Field(
        default="REGIONAL",
        description="`CLOUDFRONT` sets live in us-east-1, wherever the cloud is.",
    )
    v4: Named = Field(description="The IP set of IPv4 networks.")
    v6: Named = Field(description="The IP set of IPv6 networks.")
    web_acl: Named = Field(
        description="The web ACL with a rule that blocks what is in the sets; without one they "
        "stop nothing, so it is looked at on every reading."
    )


class NetworkAclPoint(Frozen):
    """A network ACL of a VPC: deny entries, both ways, in a range of numbers that is ours."""

    kind: Literal["network-acl"] = Field(
        default="network-acl", description="A network ACL of a VPC."
    )
    name: Name = Field(description="The point's name, as shown in plans.")
    cloud: Name = Field(description="The name of its account and region.")
    acl: str = Field(pattern=r"^acl-[0-9a-f]{8,17}$", description="Its id.")
    first: int = Field(default=1, ge=1, le=32766, description="The first rule number of ours.")
    last: int = Field(
        default=99,
        ge=1,
        le=32766,
        description="The last rule number of ours. Nobody else may use these: an entry has no tag "
        "that would say whose it is.",
    )
    quota: int = Field(
        default=20, ge=1, le=40, description="How many entries each direction may have here."
    )

    @model_validator(mode="after")
    def _a_range(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"{self.name}: last ({self.last}) is before first ({self.first})")
        return self


class SecurityGroupPoint(Frozen):
    """A security group: the ingress rules that let a network in are revoked."""

    kind: Literal["security-group"] = Field(
        default="security-group", description="A security group of a VPC."
    )
    name: Name = Field(description="The point's name, as shown in plans.")
    cloud: Name = Field(description="The name of its account and region.")
    group: str = Field(pattern=r"^sg-[0-9a-f]{8,17}$", description="Its id.")
