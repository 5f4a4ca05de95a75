"""`/key/…`: how virtual keys are made, looked at, changed and revoked. Shapes and words are LiteLLM's (version 1.109:
`key_management_endpoints.py` of its proxy).
"""

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from askonce.core.errors import RequestError, bad_request
from askonce.frontend import respond
from askonce.frontend.access.caller import Caller
from askonce.frontend.access.records import KeyRecord, key_record
from askonce.frontend.admin.durations import expiry
from askonce.frontend.admin.fields import OF_KEYS, Said, read_fields, text, texts
from askonce.frontend.admin.issuing import Issuing, token_of
from askonce.frontend.admin.listing import chosen, page, read_wanted
from askonce.frontend.admin.shown import shown_key
from askonce.frontend.admin.writing import doing, looking
from askonce.frontend.ask import read_body, read_json

_MOST_KEYS: Final = 1000
_MADE: Final = frozenset({"key", "duration", "spend"})
_CHANGED: Final = frozenset({"key", "duration", "spend"})
_RENEWED: Final = frozenset({"key", "new_key", "duration", "spend"})


@dataclass(frozen=True, slots=True)
class Keys:
    """Bodies are JSON objects. A key is named by itself or by its hash. A RequestError is 400 for what cannot be read,
    404 for a key that is not there, and 503 where NATS does not answer or does not confirm.
    """

    issuing: Issuing

    async def generate(self, request: web.BaseRequest) -> web.StreamResponse:
        """The key itself is in this answer and in no other."""
        body = await read_object(request)
        said = read_fields(body, OF_KEYS, _MADE)
        _only_zero(body)
        expires = self._expires(body).get("expires")
        with doing():
            key, record = await self.issuing.issue(said, expires, body.get("key"))
        return respond.json_response(_told(key, record))

    async def info(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        """Of `?key=`, else of the key that asks. A virtual key may look at itself only."""
        asked = request.query.get("key")
        token = caller.name if asked is None else token_of(asked)
        if not caller.admin and token != caller.name:
            raise RequestError(403, "You are not allowed to access this key's info.", "auth_error", code="403")
        with looking():
            if not token:
                said = "Give ?key=…: the master key has no record."
                raise RequestError(404, said, "not_found_error", param="key", code="404")
            record = await self.issuing.look(token)
        spend = await self.issuing.spent.of_key(token)
        return respond.json_response({"key": token, "info": shown_key(record, spend)})

    async def update(self, request: web.BaseRequest) -> web.StreamResponse:
        """What is not in the body stays; null takes a setting away. `spend: 0` begins to count anew."""
        body = await read_object(request)
        token = token_of(text(body, "key"))
        said = read_fields(body, OF_KEYS, _CHANGED)
        anew = _only_zero(body)
        more = self._expires(body)
        with doing():
            await self.issuing.look(token)
            record = await self.issuing.change(token, said, **more)
            if anew:
                await self.issuing.spent.tally.reset(key_record(token))
        return respond.json_response({"key": token, **shown_key(record, await self.issuing.spent.of_key(token))})

    async def delete(self, request: web.BaseRequest) -> web.StreamResponse:
        """By `keys` or `key_aliases`. Those of them that are not there are left out of the answer."""
        body = await read_object(request)
        keys, aliases = texts(body, "keys"), texts(body, "key_aliases")
        if not keys and not aliases:
            raise bad_request("At least one of keys and key_aliases must be given.", "keys")
        if len(keys or ()) + len(aliases or ()) > _MOST_KEYS:
            raise bad_request(f"At most {_MOST_KEYS} keys can be deleted at once.", "keys")
        with doing():
            named = {word: token_of(word) for word in keys or ()}
            for alias in aliases or ():
                token = await self.issuing.aliases.token(alias)
                if token is not None:
                    named[alias] = token
            plain = [token for token in dict.fromkeys(named.values()) if token.isascii() and token.isalnum()]
            gone = set(await self.issuing.revoke(plain))
        deleted = [word for word, token in named.items() if token in gone]
        if not deleted:
            raise RequestError(404, "No keys found", "not_found_error", param="keys", code="404")
        return respond.json_response({"deleted_keys": deleted})

    async def block(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._blocked(request, blocked=True)

    async def unblock(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._blocked(request, blocked=False)

    async def regenerate(self, request: web.BaseRequest) -> web.StreamResponse:
        """Another key with the same settings, but for those in the body; the old one is refused from then on."""
        body = await read_object(request)
        token = token_of(text(body, "key"))
        said = read_fields(body, OF_KEYS, _RENEWED)
        _only_zero(body)
        with doing():
            await self.issuing.look(token)
            key, record = await self.issuing.reissue(token, said, self._expires(body), body.get("new_key"))
        return respond.json_response(_told(key, record))

    async def list(self, request: web.BaseRequest) -> web.StreamResponse:
        """Hashes, or with `return_full_object=true` what is known of each."""
        wanted = read_wanted(request.query)
        with looking():
            found = chosen(await self.issuing.everybody(), wanted)
        shown, told = page(found, wanted)
        keys: list[Any] = [one.token for one in shown]
        if wanted.whole:
            spends = await self.issuing.spent.of_keys(keys)
            keys = [{"token": one.token, **shown_key(one, spend)} for one, spend in zip(shown, spends, strict=True)]
        return respond.json_response({"keys": keys, **told})

    async def _blocked(self, request: web.BaseRequest, *, blocked: bool) -> web.StreamResponse:
        token = token_of(text(await read_object(request), "key"))
        with doing():
            await self.issuing.look(token)
            record = await self.issuing.change(token, Said({"blocked": blocked}, {}))
        spend = await self.issuing.spent.of_key(token)
        return respond.json_response({"token": token, **shown_key(record, spend)})

    def _expires(self, body: dict[str, Any]) -> dict[str, float | None]:
        """Nothing where the body says nothing of it. Raises RequestError (400)."""
        if "duration" not in body:
            return {}
        duration = body["duration"]
        if duration is None:
            return {"expires": None}
        try:
            return {"expires": expiry(duration if isinstance(duration, str) else "", self.issuing.clock())}
        except ValueError as error:
            raise bad_request(f"duration must be {error}.", "duration") from None


async def read_object(request: web.BaseRequest) -> dict[str, Any]:
    """The body, in which nothing at all is an empty object. Raises RequestError (400)."""
    data = await read_body(request)
    return read_json(data) if data.strip() else {}


def _only_zero(body: dict[str, Any]) -> bool:
    """Whether `spend` is given: sums are added up, and can only begin anew. Raises RequestError (400)."""
    spend = body.get("spend")
    if spend is None:
        return False
    if isinstance(spend, bool) or spend != 0:
        raise bad_request("spend can only be set to 0.", "spend")
    return True


def _told(key: str, record: KeyRecord) -> dict[str, Any]:
    return {**shown_key(record, 0.0), "key": key, "token": record.token, "token_id": record.token}
