"""API bases as people write them, made into the one form in which routes are put behind them. Knows no provider by
name, and no request.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from askonce.config.notes import Notes

V1: Final = "v1"
PREVIEW: Final = "preview"
_UNDATED: Final = {"v1": V1, "latest": PREVIEW, "preview": PREVIEW}  # these are one API, without a date
_VERSION: Final = re.compile(r"/v\d[^/]*$")
# What is behind the address of an Azure resource, where people paste the address of a deployment or of a route.
_RESOURCE: Final = re.compile(
    r"(?P<root>.*)/openai/(?:(?P<v1>v1)|deployments/(?P<name>[^/]+)|responses)(?:/.*)?|/openai", re.DOTALL
)


class Resource(NamedTuple):
    """An Azure resource. `version` is a date, V1 or PREVIEW, and None where the address says none; `deployment` is the
    one that the address names, where it does.
    """

    base: str
    version: str | None
    deployment: str | None


def tidy(base: str, notes: Notes) -> str:
    """Without slashes at the end of its path, without what follows a "#", and without a user and a password: these
    would stand beside the key, in one header.
    """
    parts = urlsplit(base)
    host = parts.netloc
    if "@" in host:
        notes.ignore("model_list[].litellm_params.api_base", "user and password in it; extra_headers can hold them")
        host = host.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), parts.query, ""))


def below(base: str, folder: str) -> str:
    """With the folder behind its path, such as "/v1", unless it ends in that or in another version."""
    parts = urlsplit(base)
    if parts.path.endswith(folder) or (_VERSION.match(folder) and _VERSION.search(parts.path)):
        return base
    return urlunsplit(parts._replace(path=parts.path + folder))


def above(base: str, *routes: str) -> str:
    """Without the first of these that its path ends in."""
    parts = urlsplit(base)
    found = next((route for route in routes if parts.path.endswith(route)), "")
    return urlunsplit(parts._replace(path=parts.path.removesuffix(found)))


def resource(base: str, version: str | None) -> Resource:
    """The resource that an address of Azure's is in. `version` is what the entry says beside it, and counts first."""
    parts = urlsplit(base)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    version = version or query.pop("api-version", None)
    query.pop("api-version", None)
    found = _RESOURCE.fullmatch(parts.path)
    root = parts.path if found is None else found["root"] or ""
    name = None if found is None else found["name"]
    if found is not None and found["v1"]:
        version = version if version in _UNDATED else V1
    base = urlunsplit(parts._replace(path=root, query=urlencode(query)))
    return Resource(base, undated(version), None if name is None else unquote(name))


def undated(version: str | None) -> str | None:
    """The version, with one name for those that are the same."""
    return None if version is None else _UNDATED.get(version, version)
