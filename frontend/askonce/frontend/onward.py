"""What of a request's head goes on to a provider that it is passed on to, and where. Knows no body and no cache.

Everything goes that is not named here: what an API means by a header is between the client and the provider.
"""

from typing import Final
from urllib.parse import quote, unquote_plus, urlsplit

from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from askonce.core.errors import bad_request
from askonce.frontend.ask import WITH_CREDENTIAL
from askonce.frontend.auth import KEY_HEADERS
from askonce.frontend.cargo import DECODED
from askonce.frontend.deployments import Target
from askonce.frontend.dialects import Way
from askonce.frontend.paths import stay

_HELD_BACK: Final = frozenset(
    {
        *("connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),  # of this hop
        *("content-length", "accept-encoding"),  # what we frame and code ourselves
        *("authorization", *KEY_HEADERS, "cookie"),  # a credential goes only where `dialects.way` puts it
        *("host", "forwarded", "via", "x-real-ip", "origin", "referer"),  # who asks, and from where
        *("cache-control", "pragma"),  # said to this cache
        *(name.lower() for name in WITH_CREDENTIAL),
    }
)
_HELD_BACK_KINDS: Final = ("x-litellm-", "x-forwarded-", "proxy-", "sec-")
_OF_AZURE: Final = "api-version"  # a provider of Azure's is given the deployment's own


def onward_headers(request: web.BaseRequest, target: Target, there: Way, *, theirs: bool) -> CIMultiDict[str]:
    """What is sent. `theirs`: the client's own credential lets us in, so that its account may be named.

    Raises RequestError (400) for a header that is not text.
    """
    named = ",".join(request.headers.getall(hdrs.CONNECTION, ())).lower()  # RFC 9110 7.6.1: for this hop only
    held_back = _HELD_BACK.union(name.strip() for name in named.split(","))
    if theirs:
        held_back = held_back.difference(name.lower() for name in WITH_CREDENTIAL)
    if len(request.headers.getall(hdrs.CONTENT_ENCODING, ())) > 1:
        raise bad_request("A body that is packed more than once is not passed on.", hdrs.CONTENT_ENCODING)
    if request.headers.get(hdrs.CONTENT_ENCODING, "").lower() in DECODED:
        held_back = held_back.union({"content-encoding"})
    headers = CIMultiDict[str]()
    for name, value in request.headers.items():
        if name.lower() not in held_back and not name.lower().startswith(_HELD_BACK_KINDS):
            headers.add(name, text(name, value))
    said = CIMultiDict({name: value for name, value in there.headers.items() if name not in headers})
    said.extend(headers)
    if target.deployment.organization is not None:
        said["openai-organization"] = target.deployment.organization
    said.update(target.deployment.extra_headers)
    return said


def onward_url(there: Way, query: str, asked: str | None, model: str) -> URL:
    """The address, its path and `query` encoded as they came; `asked`, where the query says so, is `model` there.

    Raises RequestError (400) for a model's name that leads the path astray.
    """
    url, parts = URL(there.url), urlsplit(there.url)
    stay(parts.path)
    own = parts.query.split("&") if parts.query else []
    taken = {one.partition("=")[0] for one in own} | {_OF_AZURE}
    said = (one for one in query.split("&") if unquote_plus(one.partition("=")[0]) not in taken)
    theirs = [_renamed(one, asked, model) for one in said]
    whole = "&".join((*own, *theirs)) if query else parts.query
    return URL(f"{url.with_path(_ascii(parts.path), encoded=True)}{whole and '?'}{_ascii(whole)}", encoded=True)


def _renamed(said: str, asked: str | None, model: str) -> str:
    name, _, value = said.partition("=")
    return f"model={quote(model, safe='')}" if name == "model" and unquote_plus(value) == asked != model else said


def _ascii(text: str) -> str:
    """With what should have been percent-encoded, and was not."""
    return quote(text.encode(errors="surrogateescape"), safe="".join(map(chr, range(0x21, 0x7F))))


def text(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise bad_request(f"The header {name} is not text.", name) from None
    return value
