"""The demo's three senders: what they say, in the true form of each, and how they prove it."""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from responder.demo.cast import HOST, SHOP, Visitor
from responder.incident import Frozen

ACCOUNT = "shop-admin"
_AWS = "111122223333"


class Delivery(Frozen):
    """One POST to a webhook, ready to be sent."""

    source: str
    headers: dict[str, str]
    body: bytes


class Senders:
    """Wazuh, Amazon GuardDuty through EventBridge, and a network sensor of one's own."""

    def __init__(self) -> None:
        self._wazuh = secrets.token_urlsafe(32)
        self._guardduty = secrets.token_urlsafe(32)
        self._sensor = secrets.token_bytes(32)

    @property
    def settings(self) -> dict[str, Any]:
        """The `sources` of responder.yaml."""
        key = base64.b64encode(self._sensor).decode()
        return {
            "wazuh": {
                "kind": "wazuh",
                "auth": {
                    "scheme": "hmac", "header": "X-Wazuh-Signature", "prefix": "sha256=",
                    "secrets": [self._wazuh],
                },
            },
            "guardduty": {
                "kind": "guardduty",
                "auth": {"scheme": "header", "name": "X-Api-Key", "values": [self._guardduty]},
            },
            "sensor": {
                "kind": "generic",
                "auth": {"scheme": "standard_webhooks", "secrets": [f"whsec_{key}"]},
                "mapping": {
                    "id": "event.id", "title": "event.text", "rule": "event.name",
                    "occurred": "event.at", "networks": "event.from",
                },
                "defaults": {"severity": "medium"},
            },
        }  # fmt: skip

    def wazuh(self, who: Visitor) -> Delivery:
        """Many wrong passwords from one address, as Wazuh's manager writes it to alerts.json."""
        now = datetime.now(UTC)
        line = (
            f"{who.address} - - [{now:%d/%b/%Y:%H:%M:%S} +0000] "
            '"POST /login HTTP/1.1" 401 0 "-" "python-requests/2.32"'
        )
        alert = {
            "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}+0000",
            "rule": {
                "level": 12, "id": "100210", "firedtimes": 1, "frequency": 40, "mail": True,
                "description": f"Shop login: 40 wrong passwords in 10 seconds from {who.address}",
                "mitre": {
                    "id": ["T1110.001"], "tactic": ["Credential Access"],
                    "technique": ["Password Guessing"],
                },
                "groups": ["local", "web", "accesslog", "authentication_failures"],
            },
            "agent": {"id": "007", "name": HOST, "ip": SHOP},
            "manager": {"name": "wazuh-manager"},
            "id": f"{now.timestamp():.0f}.{secrets.randbelow(900_000) + 100_000}",
            "full_log": line,
            "decoder": {"name": "web-accesslog"},
            "data": {
                "protocol": "POST", "srcip": who.address, "dstuser": ACCOUNT, "id": "401",
                "url": "/login",
            },
            "location": "/var/log/nginx/access.log",
        }  # fmt: skip
        return self.signed_by_wazuh(json.dumps(alert).encode())

    def signed_by_wazuh(self, body: bytes, secret: str | None = None) -> Delivery:
        """HMAC-SHA256 of the body, by *secret* or the one that is agreed on."""
        digest = hmac.digest((secret or self._wazuh).encode(), body, "sha256").hex()
        return Delivery(
            source="wazuh", headers={"X-Wazuh-Signature": f"sha256={digest}"}, body=body
        )

    def guardduty(self, who: Visitor) -> Delivery:
        """The same attacker at the shop's database, in EventBridge's envelope."""
        now = datetime.now(UTC)
        at, began = (f"{t:%Y-%m-%dT%H:%M:%S.000Z}" for t in (now, now - timedelta(minutes=4)))
        region, detector = "eu-central-1", hashlib.md5(b"demo", usedforsecurity=False).hexdigest()
        finding = hashlib.md5(at.encode(), usedforsecurity=False).hexdigest()
        login = {
            "user": ACCOUNT, "application": "psql", "failedLoginAttempts": 41,
            "successfulLoginAttempts": 0,
        }  # fmt: skip
        event = {
            "version": "0", "id": f"{finding[:8]}-0000-4000-8000-{finding[:12]}",
            "detail-type": "GuardDuty Finding", "source": "aws.guardduty", "account": _AWS,
            "time": at, "region": region, "resources": [],
            "detail": {
                "schemaVersion": "2.0", "accountId": _AWS, "region": region, "partition": "aws",
                "id": finding, "severity": 5, "createdAt": at, "updatedAt": at,
                "arn": f"arn:aws:guardduty:{region}:{_AWS}:detector/{detector}/finding/{finding}",
                "type": "CredentialAccess:RDS/MaliciousIPCaller.FailedLogin",
                "title": f"{who.address}, on a threat list, failed to sign in to database shop-db",
                "description": "41 sign-ins failed within four minutes; none succeeded.",
                "resource": {
                    "resourceType": "RDSDBInstance",
                    "rdsDbInstanceDetails": {
                        "dbInstanceIdentifier": "shop-db", "engine": "Aurora PostgreSQL",
                        "engineVersion": "16.4", "dbClusterIdentifier": "shop",
                        "dbInstanceArn": f"arn:aws:rds:{region}:{_AWS}:db:shop-db", "tags": [],
                    },
                    "rdsDbUserDetails": {
                        "user": ACCOUNT, "application": "psql", "database": "shop",
                        "ssl": "TLSv1.3", "authMethod": "password",
                    },
                },
                "service": {
                    "serviceName": "guardduty", "detectorId": detector, "resourceRole": "TARGET",
                    "count": 1, "archived": False, "eventFirstSeen": began, "eventLastSeen": at,
                    "action": {
                        "actionType": "RDS_LOGIN_ATTEMPT",
                        "rdsLoginAttemptAction": {
                            "remoteIpDetails": {
                                "ipAddressV4": who.address,
                                "organization": {"asn": "64496", "asnOrg": "Example Hosting"},
                                "country": {"countryName": "Nowhere"},
                            },
                            "loginAttributes": [login],
                        },
                    },
                },
            },
        }  # fmt: skip
        body = json.dumps(event).encode()
        return Delivery(source="guardduty", headers={"X-Api-Key": self._guardduty}, body=body)

    def sensor(self, who: Visitor) -> Delivery:
        """A scan, as a sensor says it that no vendor made: the settings say where each fact is."""
        now = datetime.now(UTC)
        number = secrets.token_hex(8)
        event = {
            "event": {
                "id": number, "name": "sweep", "from": who.address,
                "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
                "text": f"{who.address} tries every path of the shop",
            }
        }  # fmt: skip
        return self.signed_by_sensor(json.dumps(event).encode(), now)

    def signed_by_sensor(self, body: bytes, at: datetime) -> Delivery:
        """Signed as Standard Webhooks says: id, time and body."""
        number = f"msg_{hashlib.sha256(body).hexdigest()[:24]}"
        seconds = str(int(at.timestamp()))
        text = f"{number}.{seconds}.".encode() + body
        digest = base64.b64encode(hmac.digest(self._sensor, text, "sha256")).decode()
        headers = {
            "webhook-id": number, "webhook-timestamp": seconds, "webhook-signature": f"v1,{digest}",
        }  # fmt: skip
        return Delivery(source="sensor", headers=headers, body=body)
