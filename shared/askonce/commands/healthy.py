"""The health check of the container image, `python -m askonce.commands.healthy [PORT]`: is what runs here well?

It knows nothing of the rest and reads no settings but three variables, for it is started every few seconds. There are
two questions. Where ASKONCE_METRICS_PORT is set, which writers alone listen on, it asks there for `/health/liveliness`;
where it is not set, or nobody listens there (a frontend that was given the same variables), it asks for
`/health/readiness` at PORT, else ASKONCE_PORT, else 4000. A frontend that is told to leave is alive, and not ready.

It asks 127.0.0.1, or the one address that ASKONCE_HOST names. Exit code 0 for HTTP 200, else 1; one line on stderr.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final

_WITHIN: Final = 2.0  # seconds for each step; a container waits three for all of it
_SHOWN: Final = 200  # characters of an answer
_USUAL_PORT: Final = 4000
_EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}

Door = tuple[str, int, str]


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    words = ""
    for host, port, path in doors(arguments, environ):
        where = f"{host} {port}{path}"
        try:
            status, said = _ask(host, port, path)
        except ConnectionRefusedError:
            words = f"{where}: nobody listens"
            continue
        except OSError as error:
            words = f"{where}: {error.strerror or 'no answer in time'}"
            break
        if status == 200:
            print(f"healthy: {where}", file=sys.stderr)
            return 0
        words = f"{where}: HTTP {status} {said}"
        break
    print(f"unhealthy: {words}", file=sys.stderr)
    return 1


def doors(arguments: Sequence[str], environ: Mapping[str, str]) -> list[Door]:
    """Address, port and path of what is asked; the next one only where nobody listens."""
    given = environ.get("ASKONCE_HOST", "").strip("[]")
    host = _EVERYWHERE.get(given, given)
    metrics = _number(environ.get("ASKONCE_METRICS_PORT"))
    port = _number(*arguments[:1]) or _number(environ.get("ASKONCE_PORT")) or _USUAL_PORT
    ready = (host, port, "/health/readiness")
    if metrics is None or arguments:
        return [ready]
    return [(host, metrics, "/health/liveliness"), ready]


def _number(text: str | None = None) -> int | None:
    """None for what is no port: Kubernetes sets ASKONCE_PORT to an address where a service is called askonce."""
    return int(text) if text and text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536 else None


def _ask(host: str, port: int, path: str) -> tuple[int, str]:
    """Status and the first of the body. Raises OSError; status 0 stands for what is no HTTP."""
    request = f"GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, port), timeout=_WITHIN) as link:
        link.sendall(request.encode())
        answer = b""
        while piece := link.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    status = int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit() else 0
    return status, " ".join(body.decode(errors="replace").split())[:_SHOWN]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
