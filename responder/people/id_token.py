"""Whether an ID token of an OpenID Connect provider holds (OpenID Connect Core section 3.1.3.7). Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from responder.errors import Refused
from responder.people.settings import Oidc

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA", "Ed25519")
_LEEWAY = 60  # seconds that the provider's clock may differ
_FRESH = 300  # seconds since the person proved who they are


class UnknownSigner(Refused):
    """No key of the provider has that id: it may have rotated since we asked."""


@dataclass(frozen=True)
class Checked:
    """What of a token that holds is used."""

    subject: str
    claim: str
    second_factors: tuple[str, ...]


def check(token: str, keys: "KeySet", oidc: Oidc, nonce: str, now: datetime) -> Checked:
    """
    What *token* says, if it holds: signature by an allowed algorithm, and every claim.

    Raises `Refused` with what does not hold, and `UnknownSigner` for a key that is not in *keys*.
    """
    claims = _signed(token, keys)
    moment = now.timestamp()
    _expect(claims.get("iss") == oidc.issuer, "it is of another issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    _expect(isinstance(audiences, list) and oidc.client_id in audiences, "it is for somebody else")
    party = claims.get("azp", oidc.client_id if audiences == [oidc.client_id] else None)
    _expect(party == oidc.client_id, "it was issued to another client")
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    _expect(moment < expires + _LEEWAY, "it has expired")
    _expect(issued <= moment + _LEEWAY, "it is from the future")
    proved = _time(claims, "auth_time") if "auth_time" in claims else issued
    _expect(proved <= moment + _LEEWAY, "it is from the future")
    _expect(
        min(proved, issued) >= moment - _FRESH - _LEEWAY,
        "who it is about proved that longer than 5 minutes ago",
    )
    _expect(claims.get("nonce") == nonce, "it does not answer this sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:  # noqa: PLR2004 - OpenID Connect Core section 2
        raise Refused("the provider's ID token: it names nobody; nobody is signed in")
    return Checked(subject, _claim(claims, oidc), _factors(claims, oidc))


def _signed(token: str, keys: "KeySet") -> dict[str, Any]:
    from joserfc import jws, jwt  # noqa: PLC0415 - slow
    from joserfc.errors import InvalidKeyIdError, JoseError  # noqa: PLC0415

    try:
        header = jws.extract_compact(token.encode()).headers()
        _expect(
            header.get("alg") in ALGORITHMS, f"its algorithm {header.get('alg')!r} is not allowed"
        )
        for name in ("crit", "jwk", "jku", "x5u", "x5c"):
            _expect(name not in header, f"its header has {name!r}")
        return jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
    except InvalidKeyIdError as error:
        raise UnknownSigner(
            "the provider's ID token: none of its keys signed it; nobody is signed in"
        ) from error
    except (JoseError, ValueError) as error:
        raise Refused(
            f"the provider's ID token does not hold ({type(error).__name__}); nobody is signed in"
        ) from error


def _claim(claims: dict[str, Any], oidc: Oidc) -> str:
    """The configured claim, if there is one and the provider stands for it."""
    found = claims.get(oidc.claim) if oidc.claim else None
    if oidc.claim == "email" and claims.get("email_verified") is not True:
        return ""
    return found if isinstance(found, str) else ""


def _factors(claims: dict[str, Any], oidc: Oidc) -> tuple[str, ...]:
    """The values that say a second factor was asked for, of those that the settings accept."""
    said = claims.get("amr")
    values = [one for one in said if isinstance(one, str)] if isinstance(said, list) else []
    if isinstance(claims.get("acr"), str):
        values.append(claims["acr"])
    return tuple(dict.fromkeys(one for one in values if one in oidc.second_factor))


def _time(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int:
        raise Refused(f"the provider's ID token: expected {name}; nobody is signed in")
    return value


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Refused(f"the provider's ID token: {otherwise}; nobody is signed in")
