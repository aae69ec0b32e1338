"""
An OpenID Connect provider on loopback: Authlib's server side over Flask, with discovery and JWKS.

It is honest unless a test bends it: `bend` changes the claims of the next ID tokens, `header` and
`key` how they are signed.
"""

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, jsonify, request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "responder", "a-client-secret-for-tests-only"


@dataclass
class Client(ClientMixin):  # type: ignore[misc]
    """The one client."""

    redirect: str
    public: bool = False

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return self.redirect

    def get_allowed_scope(self, scope: str) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == ("none" if self.public else "client_secret_basic")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code(AuthorizationCodeMixin):  # type: ignore[misc]
    """An authorization code, good once."""

    code: str
    user: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str
    auth_time: int = field(default_factory=lambda: int(time.time()))

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> str:
        return ""

    def get_amr(self) -> list[str]:
        return ["pwd", "otp", "mfa"]


class Provider:
    """What a test holds of it."""

    def __init__(self, redirect: str) -> None:
        self.client = Client(redirect)
        self.user = "subject-of-ana"
        self.profile: dict[str, Any] = {}
        self.bend: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.key: Any = None
        self.raw: str | None = None
        self.keys = {"k1": RSAKey.generate_key(2048, {"kid": "k1"})}
        self.signs = "k1"
        self.codes: dict[str, Code] = {}
        self.asked: list[str] = []
        self.discovery: dict[str, Any] = {}
        self.url = ""

    def signed(self, honest: str) -> str:
        """The ID token as the test bent it."""
        if self.raw is not None:
            return self.raw
        public = KeySet(list(self.keys.values()))
        claims = jwt.decode(honest, public, algorithms=["RS256"]).claims | self.bend
        claims = {name: value for name, value in claims.items() if value is not ...}
        header = {"alg": "RS256", "kid": self.signs} | self.header
        header = {name: value for name, value in header.items() if value is not ...}
        if header["alg"] == "none":
            return _unsigned(header, claims)
        key = self.key or self.keys[self.signs]
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])


def _unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    import base64  # noqa: PLC0415 - beside its one use
    import json  # noqa: PLC0415

    parts = (
        base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in (header, claims)
    )
    return b".".join(parts).decode() + "."


def _grant(provider: Provider) -> type[AuthorizationCodeGrant]:
    class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "none"]  # noqa: RUF012 - Authlib's

        def save_authorization_code(self, code: str, request: Any) -> None:
            sent = request.payload.data
            provider.codes[code] = Code(
                code, request.user, request.payload.redirect_uri, request.payload.scope,
                sent.get("nonce", ""), sent.get("code_challenge", ""),
                sent.get("code_challenge_method", ""),
            )  # fmt: skip

        def query_authorization_code(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, code: str, client: Client
        ) -> Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            del provider.codes[authorization_code.code]

        def authenticate_user(self, authorization_code: Code) -> str:
            return authorization_code.user

    return Grant


def _id_tokens(provider: Provider) -> type[OpenIDCode]:
    class IdTokens(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def resolve_client_private_key(self, client: Client) -> RSAKey:
            return provider.keys[provider.signs]

        def get_client_claims(self, client: Client) -> dict[str, Any]:
            return {"iss": provider.url, "aud": [CLIENT]}

        def get_client_algorithm(self, client: Client) -> str:
            return "RS256"

        def get_encode_header(self, client: Client) -> dict[str, str]:
            return {"alg": "RS256", "kid": provider.signs}

        def generate_user_info(self, user: str, scope: str) -> UserInfo:
            return UserInfo(sub=user, **provider.profile)

        def encode_id_token(self, token: Any, request: Any) -> str:
            return provider.signed(super().encode_id_token(token, request))  # pyright: ignore[reportAttributeAccessIssue]

    return IdTokens


def _app(provider: Provider) -> Flask:
    app = Flask(__name__)
    server = AuthorizationServer(app, lambda _: provider.client, lambda *_: None)
    server.register_grant(
        _grant(provider), [CodeChallenge(required=True), _id_tokens(provider)(require_nonce=True)]
    )

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        provider.asked.append("discovery")
        url = provider.url
        return jsonify(
            {
                "issuer": url,
                "authorization_endpoint": f"{url}/authorize",
                "token_endpoint": f"{url}/token",
                "jwks_uri": f"{url}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
            | provider.discovery
        )

    @app.get("/jwks")
    def jwks() -> Response:
        provider.asked.append("jwks")
        return jsonify({"keys": [key.as_dict(private=False) for key in provider.keys.values()]})

    @app.get("/authorize")
    def authorize() -> Any:
        assert request.args["code_challenge_method"] == "S256"
        grant = server.get_consent_grant(end_user=provider.user)
        return server.create_authorization_response(grant_user=provider.user, grant=grant)

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()

    return app


@contextmanager
def running(redirect: str) -> Iterator[Provider]:
    """A provider that answers over HTTP until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    provider = Provider(redirect)
    server = make_server("127.0.0.1", 0, _app(provider), threaded=False)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name=f"oidc {secrets.token_hex(2)}")
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
