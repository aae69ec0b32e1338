"""
Calls to AWS: boto3 in threads, every answer a plain mapping, every failure told apart.

What cannot be known (network, throttling, 5xx, refused credentials, a permission that is missing)
is `Unreachable`; what AWS understood and refused is `AwsError` with its code.
"""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from responder.cloud import Cloud
from responder.errors import Unreachable

if TYPE_CHECKING:
    import boto3
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

Answer = dict[str, Any]

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 10.0
_ATTEMPTS = 3
_MOST_SECONDS = 42.0  # of one call with its retries; an undo's claim is 45 s
_THREADS = 8  # for each account and region, so that a dead one holds up nobody else
_SESSION_SECONDS = 3600  # the longest that a role reached from another role may be assumed for

# The standard retry mode's list (AWS SDKs and Tools Reference Guide, "Retry behavior"), without
# LimitExceededException: for IAM that is a quota, and asking again does not help.
_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_NOT_BELIEVED = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_SERVER_FAULT = 500
# How IAM calls a service, where boto3 calls it something else (Service Authorization Reference).
_PREFIXES = {"elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing"}


class AwsError(Exception):
    """AWS understood a request and refused it."""

    def __init__(self, where: str, code: str, message: str) -> None:
        super().__init__(f"{where}: {code}: {message}")
        self.code = code


class Aws:
    """One account and region: its clients, made when first needed and kept."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"aws-{cloud.name}")
        self._making = threading.Lock()
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = (
            WeakKeyDictionary()
        )
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[str, str, int], BaseClient] = {}

    async def call(
        self,
        service: str,
        operation: str,
        *,
        region: str = "",
        once: bool = False,
        **params: Any,  # noqa: ANN401 - as AWS names them
    ) -> Answer:
        """
        The answer to one request, retried by boto3's standard mode unless *once*.

        *once* is for requests that make a thing without a token that AWS would know them by: after
        a lost answer it is looked up what there is now, and never asked again blindly.
        """
        attempts = 1 if once else _ATTEMPTS
        return await self._in_thread(self._call, service, operation, region, attempts, params)

    async def pages(
        self,
        service: str,
        operation: str,
        key: str,
        **params: Any,  # noqa: ANN401 - as AWS names them
    ) -> list[Answer]:
        """Every item under *key*, from all pages of an answer."""
        answer: Answer = await self._in_thread(
            self._pages, service, operation, "", _ATTEMPTS, params
        )
        found: list[Answer] = answer.get(key, [])
        return found

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 has no types of its own
        """A client for work that streams. It blocks, as making it does: for threads."""
        try:
            return self._client(service, self.cloud.region, _ATTEMPTS)
        except Exception as error:  # whatever it was, nothing is known
            raise Unreachable(f"{self._where}: {service}: {error}") from error

    def turn(self, name: str) -> asyncio.Lock:
        """Whose turn it is to change *name*: ours do not race each other, only other people's."""
        mine = self._turns.setdefault(asyncio.get_running_loop(), {})
        return mine.setdefault(name, asyncio.Lock())

    async def identity(self) -> str:
        """The account that the credentials are of."""
        answer = await self.call("sts", "get_caller_identity")
        return str(answer["Account"])

    async def close(self) -> None:
        """Let go of every connection."""
        clients, self._clients, self._session = self._clients, {}, None
        for client in clients.values():
            client.close()
        self._threads.shutdown(wait=False)

    async def _in_thread(self, what: Any, *words: Any) -> Answer:  # noqa: ANN401 - boto3 has no types of its own
        name = f"{words[0]} {words[1]}"
        waiting = asyncio.get_running_loop().run_in_executor(self._threads, what, *words)
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                answer: Answer = await waiting
                return answer
        except TimeoutError as error:
            said = f"{self._where}: {name}: no answer within {_MOST_SECONDS:g} s"
            raise Unreachable(said) from error

    def _call(
        self, service: str, operation: str, region: str, attempts: int, params: Mapping[str, Any]
    ) -> Answer:
        return self._guarded(service, operation, region, attempts, params, paged=False)

    def _pages(
        self, service: str, operation: str, region: str, attempts: int, params: Mapping[str, Any]
    ) -> Answer:
        return self._guarded(service, operation, region, attempts, params, paged=True)

    def _guarded(
        self,
        service: str,
        operation: str,
        region: str,
        attempts: int,
        params: Mapping[str, Any],
        *,
        paged: bool,
    ) -> Answer:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow to import
        from botocore.parsers import ResponseParserError  # noqa: PLC0415

        what = f"{self._where}: {service} {operation}"
        try:
            client = self._client(service, region or self.cloud.region, attempts)
            if paged and client.can_paginate(operation):
                pages = client.get_paginator(operation).paginate(**params)
                return dict(pages.build_full_result())
            answer = dict(getattr(client, operation)(**params))
            # A body that streams is read here, not on the event loop.
            return {k: v.read() if hasattr(v, "read") else v for k, v in answer.items()}
        except ClientError as error:
            raise self._told(error, service, what) from error
        except (
            BotoCoreError,
            ResponseParserError,
        ) as error:  # network, credentials, an answer that is no answer
            raise Unreachable(f"{what}: {type(error).__name__}: {error}") from error

    def _told(self, error: "ClientError", service: str, what: str) -> Exception:
        said: Mapping[str, Any] = error.response
        code = str(said.get("Error", {}).get("Code", ""))
        message = str(said.get("Error", {}).get("Message") or "no word why")[:300]
        status = said.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _DENIED:
            permission = f"{_PREFIXES.get(service, service)}:{error.operation_name}"
            return Unreachable(f"{what}: the permission {permission} is missing ({message})")
        if code in _NOT_BELIEVED:
            return Unreachable(f"{what}: AWS does not accept the credentials: {code}: {message}")
        if code in _THROTTLED or status >= _SERVER_FAULT:
            return Unreachable(f"{what}: {code or status}: {message}")
        return AwsError(what, code, message)

    @property
    def _where(self) -> str:
        return f"{self.cloud.name} ({self.cloud.account}, {self.cloud.region})"

    def _client(self, service: str, region: str, attempts: int) -> "BaseClient":
        with self._making:  # sessions are not for several threads; clients are
            key = (service, region, attempts)
            if key not in self._clients:
                session = self._checked_session()
                self._clients[key] = self._make(session, service, region, attempts)
            return self._clients[key]

    def _make(
        self, session: "boto3.Session", service: str, region: str, attempts: int
    ) -> "BaseClient":
        from botocore.config import Config  # noqa: PLC0415 - slow to import

        config = Config(
            region_name=region,
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=_THREADS,
            user_agent_extra="responder",
        )
        # `Any`: the stubs want the service's name as a literal.
        maker: Any = session.client
        made: BaseClient = maker(
            service, region_name=region, endpoint_url=self.cloud.endpoint_url, config=config
        )
        return made

    def _checked_session(self) -> "boto3.Session":
        """The session, made once; it is of the account that was named, or it is not used."""
        if self._session is None:
            session = self._open()
            sts: Any = self._make(session, "sts", self.cloud.region, _ATTEMPTS)
            account = str(sts.get_caller_identity()["Account"])
            sts.close()
            if account != self.cloud.account:
                raise Unreachable(
                    f"{self.cloud.name}: expected credentials of account {self.cloud.account}, "
                    f"found those of {account}; nothing was asked or changed"
                )
            self._session = session
        return self._session

    def _open(self) -> "boto3.Session":
        import boto3  # noqa: PLC0415 - a third of a second to import, and only needed with AWS
        from botocore.credentials import DeferredRefreshableCredentials  # noqa: PLC0415
        from botocore.session import get_session  # noqa: PLC0415

        if self.cloud.role_arn is None:
            return boto3.Session(region_name=self.cloud.region)
        sts: Any = self._make(boto3.Session(), "sts", self.cloud.region, _ATTEMPTS)
        asked = {"RoleArn": self.cloud.role_arn, "RoleSessionName": "responder"}
        if self.cloud.external_id:
            asked["ExternalId"] = self.cloud.external_id

        def assume() -> dict[str, str]:
            given = sts.assume_role(**asked, DurationSeconds=_SESSION_SECONDS)["Credentials"]
            return {
                "access_key": given["AccessKeyId"],
                "secret_key": given["SecretAccessKey"],
                "token": given["SessionToken"],
                "expiry_time": given["Expiration"].isoformat(),
            }

        inner: Any = get_session()
        inner._credentials = DeferredRefreshableCredentials(assume, "sts-assume-role")  # noqa: SLF001 - botocore offers no other way to set them
        return boto3.Session(botocore_session=inner, region_name=self.cloud.region)


class Clouds:
    """The accounts and regions of an inventory, each opened when first needed."""

    def __init__(self, clouds: tuple[Cloud, ...]) -> None:
        self._clouds = {cloud.name: cloud for cloud in clouds}
        self._kept: dict[str, Aws] = {}

    def open(self, name: str) -> Aws:
        """The account and region of this name; the inventory has checked that there is one."""
        if name not in self._kept:
            self._kept[name] = Aws(self._clouds[name])
        return self._kept[name]

    async def faults(self) -> list[str]:
        """Why clouds cannot be used, a line for each; empty if all answer."""

        async def ask(name: str) -> str:
            try:
                await self.open(name).identity()
            except (Unreachable, AwsError) as error:
                return str(error)
            return ""

        said = await asyncio.gather(*(ask(name) for name in self._clouds))
        return [line for line in said if line]

    async def close(self) -> None:
        """Let go of every connection."""
        kept, self._kept = self._kept, {}
        for aws in kept.values():
            await aws.close()
