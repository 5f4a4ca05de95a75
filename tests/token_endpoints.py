"""Stand-ins for the identity services of clouds: real HTTP servers on 127.0.0.1 that check what they are asked."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from secrets import token_hex
from urllib.parse import parse_qsl, quote

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from redis.credentials import CredentialProvider

from askonce.config.identities import GcpIam
from askonce.stores.redis.iam import provider


@dataclass
class Endpoint:
    """`lifetime` is that of the tokens to come, in seconds; a `status` other than 200 refuses them. `tell` hears of
    each before it is given, in a thread: a server that shall accept it.
    """

    lifetime: float = 3600.0
    status: int = 200
    base: str = ""
    tell: Callable[[str], None] | None = None
    given: list[str] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answering.set()

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """At `base`."""
        app = web.Application()
        app.add_routes(self.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            port = runner.addresses[0][1]
            self.base = f"http://127.0.0.1:{port}" if tls is None else f"https://localhost:{port}"
            yield
        finally:
            self.answering.set()
            await runner.cleanup()

    async def answer(self, token: str, told: dict[str, object]) -> web.Response:
        await self.answering.wait()
        if self.status != 200:
            return web.json_response({"error": "denied", "error_description": "as told"}, status=self.status)
        if self.tell is not None:
            await asyncio.to_thread(self.tell, token)
        self.given.append(token)
        return web.json_response(told)

    def end(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.lifetime)


_STEERING = ("GOOGLE_", "CLOUDSDK_", "GCE_", "AWS_", "AZURE_", "IDENTITY_", "MSI_")


def no_cloud(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """From here on nothing in the environment says who this process is, and nothing outside this machine is asked."""
    for name in [name for name in os.environ if name.startswith(_STEERING)]:
        monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(folder),
        "NO_GCE_CHECK": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
    }.items():
        monkeypatch.setenv(name, value)


_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Google(Endpoint):
    """Google's token service for a service account with a key, and the one that makes tokens of `account` for it."""

    account: str = "cache@project.iam.gserviceaccount.com"
    asked: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        path = "/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
        return [web.post("/token", self._source), web.post(path, self._token)]

    def key_file(self, folder: Path) -> Path:
        """What GOOGLE_APPLICATION_CREDENTIALS names."""
        pem = _KEY.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        content = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": "proxy@project.iam.gserviceaccount.com",
            "token_uri": f"{self.base}/token",
        }
        file = folder / "key.json"
        file.write_text(json.dumps(content))
        return file

    def iam(self) -> GcpIam:
        return GcpIam(service_account=f"projects/-/serviceAccounts/{self.account}", endpoint=self.base)

    def provider(self) -> CredentialProvider:
        return provider(self.iam())

    async def _source(self, request: web.Request) -> web.Response:
        self.asked.append("source")
        public = _KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        form = await request.post()
        claims = jwt.decode(form["assertion"], certs=public, audience="https://oauth2.googleapis.com/token")
        assert claims["iss"] == "proxy@project.iam.gserviceaccount.com"
        assert claims["scope"] == "https://www.googleapis.com/auth/iam"
        self.sources.append(f"source-{token_hex(16)}")
        return web.json_response({"access_token": self.sources[-1], "expires_in": 3600, "token_type": "Bearer"})

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        assert request.match_info["account"] == self.account
        if request.headers["Authorization"].removeprefix("Bearer ") not in self.sources:
            return web.json_response({"error": {"status": "UNAUTHENTICATED"}}, status=401)
        assert (await request.json())["scope"] == ["https://www.googleapis.com/auth/cloud-platform"]
        token = f"ya29.{token_hex(64)}"
        told: dict[str, object] = {"accessToken": token, "expireTime": self.end().strftime("%Y-%m-%dT%H:%M:%SZ")}
        return await self.answer(token, told)


@asynccontextmanager
async def google_here(monkeypatch: pytest.MonkeyPatch, folder: Path) -> AsyncIterator[Google]:
    """Google, and an environment with the key of an account that may make tokens of `account`."""
    no_cloud(monkeypatch, folder)
    google = Google()
    async with google.listening():
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(google.key_file(folder)))
        yield google


@dataclass
class Amazon(Endpoint):
    """What gives the containers of a task their credentials, which last `lifetime`."""

    authorization: str = "the container's own"

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/credentials", self._credentials)]

    async def _credentials(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == self.authorization
        secret = token_hex(20)
        told: dict[str, object] = {
            "AccessKeyId": f"ASIA{len(self.given)}",
            "SecretAccessKey": secret,
            "Token": "of/the+session=",
            "Expiration": self.end().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return await self.answer(secret, told)


def signed_by(secret: str, token: str, region: str) -> dict[str, str]:
    """The query of a token for ElastiCache, less its signature, once that is found to be of this secret.

    By https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, and not by botocore.
    """
    host, _, rest = token.partition("/?")
    query = dict(parse_qsl(rest, strict_parsing=True))
    signature = query.pop("X-Amz-Signature")
    sorted_query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items()))
    canonical = f"GET\n/\n{sorted_query}\nhost:{host}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    day = query["X-Amz-Date"][:8]
    scope = f"{day}/{region}/elasticache/aws4_request"
    assert query["X-Amz-Credential"].partition("/")[2] == scope
    signed = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = reduce(_hmac, scope.split("/"), f"AWS4{secret}".encode())
    assert _hmac(key, signed).hex() == signature
    return query


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


@dataclass
class Microsoft(Endpoint):
    """Entra for one application that has a secret, and an App Service's own endpoint for the machine's identity."""

    tenant: str = "11111111-2222-3333-4444-555555555555"
    client: str = "66666666-7777-8888-9999-000000000000"
    secret: str = "of-the~application"
    user: str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    header: str = "of-the-machine"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration),
            web.post("/{tenant}/oauth2/v2.0/token", self._application),
            web.get("/msi/token", self._machine),
        ]

    def _token(self) -> str:
        parts = ({"alg": "RS256", "typ": "JWT"}, {"oid": self.user, "jti": token_hex(16)})
        coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return ".".join((*coded, token_hex(32)))

    async def _configuration(self, request: web.Request) -> web.Response:
        base = f"{request.url.origin()}/{request.match_info['tenant']}"
        return web.json_response(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            }
        )

    async def _application(self, request: web.Request) -> web.Response:
        assert request.match_info["tenant"] == self.tenant
        form = await request.post()
        assert (form["client_id"], form["grant_type"]) == (self.client, "client_credentials")
        assert form["scope"] == "https://redis.azure.com/.default"
        if form["client_secret"] != self.secret:
            told = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
            return web.json_response(told, status=401)
        return await self._told(expires_in=int(self.lifetime))

    async def _machine(self, request: web.Request) -> web.Response:
        assert request.headers["X-IDENTITY-HEADER"] == self.header
        assert request.query["resource"] == "https://redis.azure.com"
        return await self._told(expires_on=str(int(self.end().timestamp())))

    async def _told(self, **more: object) -> web.Response:
        token = self._token()
        return await self.answer(token, {"access_token": token, "token_type": "Bearer", **more})
