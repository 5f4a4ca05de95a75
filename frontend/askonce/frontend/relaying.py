"""What is not cached, passed on: a request to the provider that it is for, and its answer back, both as they come.

Nothing is retried, joined or kept. What such a request does at a provider (a file, a batch, a thread) is there and
nowhere else, so that the same name always leads to the same deployment.
"""

from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from askonce.calls.messages import MESSAGES
from askonce.config.settings import Deployment
from askonce.core.entry import JSON, SSE
from askonce.core.errors import RequestError, UpstreamError
from askonce.core.policy import Why
from askonce.frontend import respond
from askonce.frontend.access.caller import Caller
from askonce.frontend.auth import Gate, credential
from askonce.frontend.cargo import Cargo, take, take_strictly
from askonce.frontend.deployments import Deployments, Target
from askonce.frontend.dialects import Way, speaks_anthropic, unserved, way
from askonce.frontend.limits import Limiter
from askonce.frontend.observe import PASSED_THROUGH, Observed, Observer, Result
from askonce.frontend.onward import onward_headers, onward_url, text
from askonce.frontend.paths import Aim
from askonce.frontend.reply import CACHE_NAME
from askonce.frontend.there import unheard, while_there
from askonce.frontend.upstream import Upstream, UpstreamAnswer
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

STATUS: Final = f"{CACHE_NAME}; fwd=bypass; detail={Why.ROUTE}"
_MODEL_HEADER: Final = "x-litellm-model"
# What is sent there as a form is a file and words about it, in OpenAI's API and Anthropic's: no model among them.
_WITHOUT_MODELS: Final = frozenset({"files", "uploads", "containers", "vector_stores", "skills"})
_COSTLESS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_DELETE, hdrs.METH_OPTIONS})


class Relay:
    """Answers whatever has no route of its own."""

    def __init__(  # noqa: PLR0913 - the composition root hands down what a request touches
        self,
        *,
        gate: Gate,
        limiter: Limiter,
        deployments: Deployments,
        upstream: Upstream,
        observer: Observer,
        metrics: Metrics,
        log: Log,
        timer: Callable[[], float],
    ) -> None:
        self._gate = gate
        self._limiter = limiter
        self._deployments = deployments
        self._upstream = upstream
        self._observer = observer
        self._metrics = metrics
        self._log = log
        self._timer = timer

    async def answer(self, request: web.BaseRequest, aim: Aim) -> web.StreamResponse:
        observed = self._observer.begin(PASSED_THROUGH)
        observed.result = Result.BYPASS
        shape = MESSAGES.refusal if aim.anthropic else respond.as_openai
        try:
            caller = await self._gate.admit(request.headers)
            observed.team = caller.team
            return await while_there(request, self._pass_on(request, aim, observed, caller))
        except RequestError as error:
            observed.result = Result.REFUSED
            return respond.refusal(request, error, shape)
        except UpstreamError as error:
            observed.result = Result.ERROR
            self._log.warning("upstream_failed", reason=str(error))
            return respond.upstream_failure(error, STATUS, shape)
        except ConnectionError:
            return unheard()
        except Exception as bug:  # noqa: BLE001 - the one outermost guard: a bug costs one answer, not the process
            observed.result = Result.ERROR
            self._observer.bug(bug)
            return respond.broken(shape)
        finally:
            self._observer.end(observed)

    async def _pass_on(
        self, request: web.BaseRequest, aim: Aim, observed: Observed, caller: Caller
    ) -> web.StreamResponse:
        if caller.controls(None, ", ".join(request.headers.getall("Cache-Control", ()))).only_if_cached:
            raise RequestError(504, "This route is not cached, and only-if-cached was asked.", "not_cached")
        _check_counted(request, caller)
        cargo = await (take_strictly(request, form=_without_models(aim)) if caller.restricted else take(request))
        try:
            asked = aim.named or request.headers.get(_MODEL_HEADER) or request.query.get("model") or cargo.model
            target = self._target(aim, asked)
            if asked is not None:
                observed.model = target.deployment.pattern
            names = _names(request, aim, cargo)
            for name in names if asked is not None else names | {target.deployment.pattern}:
                caller.require(name)
            admission = await self._limiter.admit(caller, asked or "", *(names if caller.model_limits else ()))
            try:
                return await self._send(request, aim, observed, cargo, target, asked)
            finally:
                admission.end()
        finally:
            await cargo.stop()

    async def _send(
        self,
        request: web.BaseRequest,
        aim: Aim,
        observed: Observed,
        cargo: Cargo,
        target: Target,
        asked: str | None,
    ) -> web.StreamResponse:
        cargo.rename(asked, target.model, insist=aim.named is not None)
        there, theirs = self._way(request, aim, target)
        headers = onward_headers(request, target, there, theirs=theirs)
        if cargo.is_object:
            headers["Content-Type"] = JSON  # whatever the client said of it
        if cargo.strict:
            headers.popall("Content-Encoding", None)  # it is written as it is
        if cargo.length is not None:
            headers["Content-Length"] = str(cargo.length)
        url = onward_url(there, request.rel_url.raw_query_string, asked, target.model)
        try:
            return await self._exchange(request, url, headers, cargo, observed)
        except UpstreamError:
            if cargo.failed is not None:
                raise cargo.failed from None  # it was the client that broke off
            raise

    def _target(self, aim: Aim, asked: str | None) -> Target:
        """Raises RequestError: 404 for a name that nothing answers to, or where nobody serves the route."""
        if asked is not None:
            return self._deployments.route(asked, aim.collection).first
        deployment = default(self._deployments.entries, aim)
        if deployment is None:
            whose = "an Anthropic deployment" if aim.anthropic else "a deployment"
            raise RequestError(404, f"This route needs {whose} in the proxy's model_list, and there is none.")
        return Target(deployment, deployment.model)

    def _way(self, request: web.BaseRequest, aim: Aim, target: Target) -> tuple[Way, bool]:
        """The way there, and whether it is the client's own credential that goes along."""
        theirs = target.deployment.api_key is None and not self._gate.closed
        own = credential(request.headers) if theirs else None
        if own is not None:
            text("Authorization", own.value)
        return way(target.deployment, target.model, aim.path, own), theirs

    async def _exchange(
        self, request: web.BaseRequest, url: URL, headers: CIMultiDict[str], cargo: Cargo, observed: Observed
    ) -> web.StreamResponse:
        status, started = "error", self._timer()
        try:
            async with self._upstream.sending(request.method, url, headers=headers, data=cargo.data) as answer:
                response = await _hand_on(request, answer, observed)
                status = f"{answer.status // 100}xx"
        finally:
            self._metrics.histogram("askonce_upstream_seconds", PASSED_THROUGH, status).observe(self._timer() - started)
        return response


def default(deployments: Sequence[Deployment], aim: Aim) -> Deployment | None:
    """Whose the requests are that name no model: the first deployment that serves them, and before the others one for
    whatever model.
    """
    able = [
        one for one in deployments if speaks_anthropic(one) == aim.anthropic and unserved(one, aim.collection) is None
    ]
    return min(able, key=lambda one: one.pattern not in {"*", "openai/*"}, default=None)


def _names(request: web.BaseRequest, aim: Aim, cargo: Cargo) -> set[str]:
    """Every model that a request names: whichever of them the provider would heed must be allowed."""
    found = {aim.named, request.headers.get(_MODEL_HEADER), *cargo.models, *request.query.getall("model", ())}
    return {name for name in found if name}


def _without_models(aim: Aim) -> bool:
    return aim.path.split("/", 2)[1] in _WITHOUT_MODELS


def _check_counted(request: web.BaseRequest, caller: Caller) -> None:
    """Raises RequestError (403) for what may cost something: how much is never told, and a limit must hold it."""
    limit = None if request.method in _COSTLESS else caller.counted
    if limit is not None:
        said = (
            f"This key or its team has a {limit}, which cannot be held on routes that are passed through: "
            "there it may send GET, HEAD and DELETE only."
        )
        raise RequestError(403, said, "passed_through_not_counted", code="403")


async def _hand_on(request: web.BaseRequest, answer: UpstreamAnswer, observed: Observed) -> web.StreamResponse:
    if answer.status >= 400:
        observed.result = Result.ERROR
    response = web.StreamResponse(status=answer.status, headers=[*answer.headers, ("Cache-Status", STATUS)])
    if answer.length is not None and answer.media_type != SSE:
        response.content_length = answer.length
    if not await respond.pass_on(request, response, answer.chunks()):
        observed.result = Result.ERROR
    return response
