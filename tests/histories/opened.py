"""A history with its payloads opened, so that replaying it needs no key."""

import json
import re
from base64 import b64decode, b64encode
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory

from responder.crypto.codec import ENCODING, SealedPayloads

_SEALED = b64encode(ENCODING).decode()
_FOLDER = re.compile(rb"/(?:tmp|work|home|root|var|usr)/[^\s\"\\]*/")


def opened(history: WorkflowHistory, codec: SealedPayloads) -> str:
    """
    *history* as JSON, every sealed payload replaced by what is in it.

    Nothing of the machine stays: no name of a worker, and no folder of the test's.
    """
    return json.dumps(_open(json.loads(history.to_json()), codec), indent=1, sort_keys=True) + "\n"


def _open(value: Any, codec: SealedPayloads) -> Any:
    if isinstance(value, list):
        return [_open(item, codec) for item in value]
    if not isinstance(value, dict):
        return value
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and metadata.get("encoding") == _SEALED:
        sealed = Payload(
            metadata={k: b64decode(v) for k, v in metadata.items()},
            data=b64decode(value.get("data", "")),
        )
        clear = codec.open(sealed)
        return {
            "metadata": {k: b64encode(v).decode() for k, v in clear.metadata.items()},
            "data": b64encode(_FOLDER.sub(b"/srv/", clear.data)).decode(),
        }
    return {
        key: "worker" if key == "identity" else _open(item, codec) for key, item in value.items()
    }
