"""Which models there are, as OpenAI lists them and as LiteLLM describes them."""

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from askonce.config.settings import Deployment
from askonce.core.errors import RequestError, bad_request
from askonce.frontend import respond
from askonce.frontend.access.caller import Caller
from askonce.frontend.admin.listed import Listed, litellm_params
from askonce.frontend.deployments import Deployments, unknown
from askonce.frontend.routing.ids import with_ids

_CREATED: Final = 1677610602  # LiteLLM's constant in /v1/models: a model_list says no date


@dataclass(frozen=True, slots=True)
class Models:
    """A caller is shown the models that it may ask."""

    names: Deployments
    listed: Listed

    async def listing(self, _request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        told = [_model(name) for name in self.names.names if _may(caller, name)]
        return respond.json_response({"data": told, "object": "list"})

    async def one(self, _request: web.BaseRequest, caller: Caller, name: str) -> web.StreamResponse:
        """A model that can be asked for, under a star too. Raises RequestError (404, for one that the caller may not
        ask too).
        """
        if not (self.names.servable(name) and _may(caller, name)):
            raise unknown(name)
        return respond.json_response(_model(name))

    async def info(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        """`?litellm_model_id=` picks one entry. Raises RequestError (400, as LiteLLM) where there is none."""
        wanted = request.query.get("litellm_model_id")
        entries = [(known, one) for known, one in with_ids(self.listed.entries) if _may(caller, one.pattern)]
        data = [_described(known, one) for known, one in entries if wanted in {None, known}]
        if wanted is not None and not data:
            raise bad_request(f"No model has the id {wanted[:200]}", "litellm_model_id")
        return respond.json_response({"data": data})


def _may(caller: Caller, name: str) -> bool:
    try:
        caller.require(name)
    except RequestError:
        return False
    return True


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "openai"}


def _described(known: str, deployment: Deployment) -> dict[str, Any]:
    return {
        "model_name": deployment.pattern,
        "litellm_params": litellm_params(deployment),
        "model_info": {**deployment.model_info, "id": known, "db_model": False},
    }
