"""
The two ceremonies of WebAuthn, without any store: what browsers are asked for, and whether the answer holds.

Importing py_webauthn takes over half a second, so this module is imported where a passkey is used.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url, parse_client_data_json
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from responder.errors import Refused

_NAME = "responder"


@dataclass(frozen=True)
class Registered:
    """What a browser registered."""

    id: str
    public_key: bytes
    sign_count: int


def creation_options(
    origin: str, principal: str, handle: bytes, challenge: bytes, milliseconds: int, have: Iterable[str]
) -> dict[str, Any]:  # fmt: skip
    """What `PublicKeyCredential.parseCreationOptionsFromJSON` reads; *have* are not registered again."""
    return options_to_json_dict(
        generate_registration_options(
            rp_id=_host(origin),
            rp_name=_NAME,
            user_name=principal,
            user_id=handle,
            challenge=challenge,
            timeout=milliseconds,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_described(have),
        )
    )


def request_options(
    origin: str, challenge: bytes, milliseconds: int, have: Iterable[str]
) -> dict[str, Any]:
    """What `PublicKeyCredential.parseRequestOptionsFromJSON` reads; one of *have* must answer."""
    return options_to_json_dict(
        generate_authentication_options(
            rp_id=_host(origin),
            challenge=challenge,
            timeout=milliseconds,
            allow_credentials=_described(have),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


def claimed(answer: dict[str, Any]) -> tuple[str, str]:
    """
    The credential's id and the challenge that *answer* says it is about; nothing is proved by that.

    Raises `Refused` for what no browser makes, and for one that was made in another site's frame.
    """
    try:
        client = parse_client_data_json(base64url_to_bytes(answer["response"]["clientDataJSON"]))
        found = str(answer["id"]), bytes_to_base64url(client.challenge)
    except Exception as error:
        raise Refused("the passkey's answer: expected what a browser gives; try again") from error
    if client.cross_origin:
        raise Refused("the passkey's answer was made inside another site; nothing was recorded")
    return found


def registered(origin: str, challenge: str, answer: dict[str, Any]) -> Registered:
    """What was registered, or `Refused`."""
    try:
        made = verify_registration_response(
            credential=answer,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=_host(origin),
            expected_origin=origin,
            require_user_verification=True,
        )
    except Exception as error:
        raise _refused(error) from error
    return Registered(
        bytes_to_base64url(made.credential_id), made.credential_public_key, made.sign_count
    )


def answered(origin: str, challenge: str, public_key: bytes, answer: dict[str, Any]) -> int:
    """
    How often the authenticator says the credential was used, once its answer holds, or `Refused`.

    The count is for the caller to compare: here it would be believed before the signature is checked.
    """
    try:
        return verify_authentication_response(
            credential=answer,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=_host(origin),
            expected_origin=origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        ).new_sign_count
    except Exception as error:
        raise _refused(error) from error


def _refused(error: Exception) -> Refused:
    """Whatever breaks in reading a stranger's CBOR proves nothing, so all of it is refused."""
    return Refused(f"the passkey's answer does not hold: {str(error)[:200]}; nothing was recorded")


def _host(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def _described(have: Iterable[str]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(one)) for one in have]
