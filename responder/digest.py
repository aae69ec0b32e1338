"""
The digest that people approve: SHA-256 over canonical JSON (RFC 8785) of material fields.

Fields marked `Volatile` are left out: they may differ between two plans of the same change
without making them two changes.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated, Any

import rfc8785
from pydantic import BaseModel, Field, JsonValue

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Volatile:
    """Marks a field that an approval does not depend on."""


Volatile = _Volatile()


def material(value: Any, *, without: Collection[str] = ()) -> JsonValue:  # noqa: ANN401 - any JSON-able value
    """*value* as plain JSON, without the fields that are marked `Volatile`, or of its own are named."""
    match value:
        case BaseModel():
            kept = {
                name: getattr(value, name)
                for name, field in type(value).model_fields.items()
                if name not in without
                and not any(isinstance(mark, _Volatile) for mark in field.metadata)
            }
            return {name: material(item) for name, item in kept.items()}
        case dict():
            return {str(key): material(item) for key, item in value.items()}
        case list() | tuple():
            return [material(item) for item in value]
        case timedelta():
            return value // timedelta(microseconds=1)
        case datetime():
            return value.isoformat()
        case None | bool() | int() | float() | str():
            return value
    return str(value)


def digest_of(value: JsonValue) -> str:
    """SHA-256 over RFC 8785 canonical JSON, in hex."""
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()
