"""From a question to its key: what changes it, and what does not."""

import tracemalloc
from typing import Any

import pytest

from askonce.calls.embeddings import EMBEDDINGS
from askonce.calls.text import TEXT
from askonce.calls.transcription import TRANSCRIPTION
from askonce.core.control import NOTHING, CacheControl
from askonce.core.errors import RequestError
from askonce.core.key import CacheKey
from askonce.core.policy import Permit, Why
from askonce.frontend.auth import Credential, Gate
from askonce.frontend.deployments import Deployments
from askonce.frontend.keys import Keys
from tests.frontend.kit import RULES, ask, deployment, place

PATH = "/chat/completions"
MESSAGES = [{"role": "user", "content": "hi"}]
BODY = {"model": "gpt-4o", "messages": MESSAGES}
OWN = deployment(api_key="sk-own")


def key(body: dict[str, Any] = BODY, *deployments: Any, namespace: str = "", gate: Any = None, **more: Any) -> str:
    return place(ask(body, **more), *(deployments or (OWN,)), namespace=namespace, gate=gate).key


PLAIN = key()


@pytest.mark.parametrize(
    "body",
    [
        {"messages": MESSAGES, "model": "gpt-4o"},
        {**BODY, "stream": True},
        {**BODY, "stream": False},
        {**BODY, "stream": True, "stream_options": {"include_usage": True}},
        {**BODY, "metadata": {"user": "someone"}},
        {**BODY, "cache": {"ttl": 5}},
        {**BODY, "timeout": 3},
        {**BODY, "temperature": None},
        {"model": "gpt-4o", "messages": [{"content": "hi", "role": "user"}]},
    ],
)
def test_the_same_question_has_the_same_key(body: dict[str, Any]) -> None:
    assert key(body) == PLAIN
    assert key({**body, "n": 1}) == key({**body, "n": 1.0}) != PLAIN


@pytest.mark.parametrize("control", [CacheControl(ttl=5), CacheControl(no_cache=True), CacheControl(max_age=0)])
def test_what_the_cache_may_do_with_an_answer_is_no_part_of_its_key(control: CacheControl) -> None:
    assert key(control=control) == PLAIN


def test_whatever_else_the_body_says_is_part_of_the_key() -> None:
    bodies = [
        BODY,
        {**BODY, "temperature": 0},
        {**BODY, "temperature": False},
        {**BODY, "temperature": "0"},
        {**BODY, "nobody_knows": None, "this": {"a": None}},
        {**BODY, "this": {}},
        {**BODY, "user": "someone"},
        {**BODY, "messages": [*MESSAGES, *MESSAGES]},
        {**BODY, "messages": [{"role": "user", "content": "hi", "stream": True}]},
    ]
    assert len({key(body) for body in bodies}) == len(bodies)


def test_each_circumstance_is_part_of_the_key() -> None:
    beta, organization = {"OpenAI-Beta": "a"}, {"OpenAI-Organization": "org"}
    passed_on = deployment()
    keys = [
        PLAIN,
        key(BODY, endpoint=TEXT),
        key({**BODY, "model": "gpt-5"}, deployment("gpt-5", api_key="sk-own")),
        key(BODY, deployment(model="gpt-4o-2024", api_key="sk-own")),
        key(BODY, deployment(provider="hosted_vllm", api_key="sk-own")),
        key(BODY, deployment(api_key="sk-own", defaults={"temperature": 0})),
        key(BODY, deployment(api_key="sk-own", defaults={"temperature": 1})),
        key(BODY, OWN, deployment(model="other", api_key="sk-own")),
        key(headers=beta),
        key(headers={"OpenAI-Beta": "b"}),
        key(BODY, passed_on),
        key(BODY, passed_on, headers={"Authorization": "Bearer a"}),
        key(BODY, passed_on, headers={"Authorization": "Bearer b"}),
        key(BODY, passed_on, headers={"Authorization": "Bearer a", **organization}),
        key(BODY, passed_on, headers={"Authorization": "Bearer a", "OpenAI-Project": "org"}),
        key(gate=Gate("master", "key"), headers={"Authorization": "Bearer master"}),
    ]
    assert len(set(keys)) == len(keys)
    digests = {CacheKey.parse(one) for one in keys}
    assert None not in digests


def test_headers_that_stay_here_are_no_part_of_the_key() -> None:
    assert key(headers={"OpenAI-Organization": "org", "Authorization": "Bearer a", "X-Other": "1"}) == PLAIN
    shared = Gate(None, "global")
    assert key(BODY, deployment(), gate=shared, headers={"Authorization": "Bearer a"}) == key(
        BODY, deployment(), gate=shared, headers={"Authorization": "Bearer b"}
    )


def test_namespaces_nest_and_are_sealed_in_the_digest() -> None:
    inner = CacheControl(namespace="request")
    keys = {
        "": key(),
        "config:": key(namespace="config"),
        "request:": key(control=inner),
        "config:request:": key(namespace="config", control=inner),
    }
    for prefix, written in keys.items():
        assert written[:-64] == prefix
    assert len({written[-64:] for written in keys.values()}) == 4
    other_proxy = key(namespace="config:request")
    assert other_proxy[:-64] == "config:request:"
    assert other_proxy != keys["config:request:"], "the configured name of another proxy is not this one's request"


def test_one_keyring_tells_circumstances_apart_however_often_it_is_asked() -> None:
    keys, route = Keys("ns"), Deployments([OWN]).route("gpt-4o", PATH)
    given = [(NOTHING, {}, ""), (CacheControl(namespace="x"), {}, ""), (NOTHING, {"a": "b"}, ""), (NOTHING, {}, "t")]
    first = [keys.lookups(ask(BODY, control=c), route, h, t, [BODY])[0] for c, h, t in given]
    again = [keys.lookups(ask(BODY, control=c), route, h, t, [BODY])[0] for c, h, t in given]
    assert first == again
    assert len(set(first)) == 4
    assert [Keys("ns").lookups(ask(BODY), route, h, t, [BODY])[0] for c, h, t in given if c is NOTHING] == [
        first[0], first[2], first[3]
    ]  # fmt: skip


def test_every_embedded_item_has_a_key_of_its_own_whatever_stands_beside_it() -> None:
    def keys(given: Any) -> list[str]:
        question = place(ask({"model": "gpt-4o", "input": given}, endpoint=EMBEDDINGS), OWN)
        return [str(lookup.key) for lookup in question.lookups]

    a, b, again = keys(["a", "b", "a"])
    assert a == again != b
    assert keys(["b"]) == keys("b") == [b]
    assert keys([[1, 2], [3]]) == [*keys([1, 2]), *keys([3])]


def test_a_transcription_is_keyed_by_its_file() -> None:
    def of(**fields: str) -> str:
        return key({"model": "gpt-4o", "file": "a" * 64, **fields}, endpoint=TRANSCRIPTION)

    assert of() == of() == of(stream="true")
    assert len({of(), of(file="b" * 64), of(language="de"), of(response_format="srt")}) == 4


def test_text_that_is_not_unicode_is_the_clients_fault_wherever_it_stands() -> None:
    for body in ({**BODY, "user": "\ud800"}, {**BODY, "model": "\ud800"}):
        with pytest.raises(RequestError) as refused:
            key(body, deployment("*", "*", api_key="sk-own"))
        assert refused.value.status == 400


def test_what_is_written_down_once_takes_bounded_memory() -> None:
    keys, route = Keys(""), Deployments([deployment("*", "*")]).route("any", PATH)
    tracemalloc.start()
    try:
        for n in range(300):
            name = f"{n}" + "x" * 100_000
            keys.lookups(ask({"model": name}), route, {}, "", [])
        assert tracemalloc.get_traced_memory()[0] < 4 << 20
    finally:
        tracemalloc.stop()


def test_the_credential_goes_along_only_where_it_pays() -> None:
    given = {"Authorization": "Bearer sk-client"}
    assert place(ask(headers=given), deployment()).credential == Credential("sk-client", bearer=True)
    assert place(ask(), deployment()).credential is None
    assert place(ask(headers=given), OWN).credential is None
    assert place(ask(headers=given), OWN, deployment(model="b")).credential == Credential("sk-client", bearer=True)
    assert place(ask(headers=given), deployment(), gate=Gate("sk-client", None)).credential is None


def test_a_question_knows_what_the_cache_may_do_and_which_form_it_wants() -> None:
    assert place(ask()).allowed == Permit(read=True, write=True)
    denied = place(ask(control=CacheControl(no_store=True)))
    assert (denied.allowed.read, denied.allowed.write, denied.allowed.why) == (True, False, Why.NO_STORE)
    assert place(ask(endpoint=TEXT)).allowed.why is None
    assert RULES.call_types >= {"completion"}
    streamed = {**BODY, "stream": True}
    assert place(ask()).form() == "plain"
    assert place(ask(streamed)).form() == "stream"
    counting = {**streamed, "stream_options": {"include_usage": True}}
    assert place(ask(counting)).form() == "stream+usage"
    assert place(ask(streamed)).body_for([0])["stream_options"] == {"include_usage": True}
    unkept = place(ask(streamed, control=CacheControl(no_store=True)))
    assert unkept.body_for([0])["stream_options"] == {"include_usage": True}, "what is not kept is paid for too"
    assert (unkept.form(), unkept.wants_usage) == ("stream", False)
    assert place(ask()).body_for([0]) == BODY
    embedding = place(ask({"model": "gpt-4o", "input": ["a", "b", "c"]}, endpoint=EMBEDDINGS))
    assert embedding.body_for([0, 2])["input"] == ["a", "c"]
