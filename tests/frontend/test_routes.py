"""What an address asks for: the same route by other names, a provider's own, or nothing."""

from string import ascii_lowercase
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.core.errors import RequestError
from askonce.frontend.paths import COLLECTIONS, Aim, aim

PLAIN = {
    "/v1/files": "/files",
    "/v1/files/file-1/content": "/files/file-1/content",
    "/v1/anything/at%20all/": "/anything/at%20all/",
    "/files": "/files",
    "/files/file%2F1": "/files/file%2F1",
    "/batches/b-1/cancel": "/batches/b-1/cancel",
    "/images/edits": "/images/edits",
    "/audio/translations": "/audio/translations",
    "/chat/completions/c-1": "/chat/completions/c-1",
    "/openai/v1/responses/r-1": "/responses/r-1",
    "/openai/responses": "/responses",
    "/openai/files": "/files",
    "/openai/models": "/models",
    "/v1/files/a..b/...": "/files/a..b/...",
}


@pytest.mark.parametrize("raw", PLAIN)
def test_a_path_of_openais_api_has_three_places(raw: str) -> None:
    assert aim(raw) == Aim(PLAIN[raw])


NAMED = {
    "/openai/deployments/gpt/chat/completions": ("gpt", "/chat/completions"),
    "/openai/deployments/a%2Fb/embeddings": ("a/b", "/embeddings"),
    "/openai/deployments/a/b/c/embeddings": ("a/b/c", "/embeddings"),
    "/openai/deployments/%C3%A9/audio/speech": ("é", "/audio/speech"),
    "/openai/deployments/dalle/images/generations": ("dalle", "/images/generations"),
    "/openai/deployments/x.y:z/images/edits": ("x.y:z", "/images/edits"),
    "/engines/gpt/completions": ("gpt", "/completions"),
    "/engines/a/b/chat/completions": ("a/b", "/chat/completions"),
    "/v1/engines/gpt/embeddings": ("gpt", "/embeddings"),
}


@pytest.mark.parametrize("raw", NAMED)
def test_a_path_may_name_the_model(raw: str) -> None:
    name, path = NAMED[raw]
    assert aim(raw) == Aim(path, name)


@given(st.text(min_size=1, max_size=512), st.sampled_from(sorted(COLLECTIONS)))
def test_an_encoded_name_is_read_back_whatever_it_is(name: str, collection: str) -> None:
    try:
        encoded = quote(name, safe="")
    except UnicodeEncodeError:  # half of a surrogate pair
        return
    if name in {".", ".."} or any(part in {".", ".."} for part in name.replace("\\", "/").replace(";", "/").split("/")):
        with pytest.raises(RequestError):
            aim(f"/engines/{encoded}/{collection}/x")
    else:
        assert aim(f"/engines/{encoded}/{collection}/x") == Aim(f"/{collection}/x", name)


@pytest.mark.parametrize("name", ["", "%FF", "%C3", "a" * 513, "%C3%A9" * 513])
def test_a_name_that_is_none_is_400(name: str) -> None:
    with pytest.raises(RequestError) as refused:
        aim(f"/openai/deployments/{name}/chat/completions")
    assert (refused.value.status, refused.value.param) == (400, "model")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/v1/messages/count_tokens", "/messages/count_tokens"),
        ("/v1/messages/batches/b-1", "/messages/batches/b-1"),
        ("/v1/messages", "/messages"),
        ("/anthropic/v1/messages", "/messages"),
        ("/anthropic/v1/files", "/files"),
    ],
)
def test_some_paths_are_anthropics(raw: str, path: str) -> None:
    assert aim(raw) == Aim(path, anthropic=True)


@pytest.mark.parametrize(
    "raw",
    [
        *(
            "/",
            "",
            "/v1",
            "/v2/files",
            "/v1files",
            "/filesystem",
            "/key/generate",
            "/health",
            "//v1/files",
            "/V1/files",
        ),
        *("/cache/ping", "/anthropic/messages", "/anthropic", "/anthropicv1/messages", "/openai", "/openai/key/info"),
        *("/openai/deployments", "/openai/deployments/gpt", "/openai/deployments/gpt/nothing", "/engines/gpt"),
        *("/messages", "/%76%31/files", "*", "/openaiv1/files", "/model/info", "/v1%2Ffiles"),
    ],
)
def test_what_is_nobodys_is_nothing(raw: str) -> None:
    assert aim(raw) is None


@pytest.mark.parametrize(
    "place", ["/v1/files/{}/x", "/files/{}", "/anthropic/v1/{}/x", "/openai/deployments/m/images/{}"]
)
@pytest.mark.parametrize(
    "dots", ["..", ".", "%2e%2e", "%2E%2e", ".%2e", "..%2f..", "..%5c", "a%5C..%5Cb", "..;x", "..%3B", "a\\b", "%2e;"]
)
def test_no_path_leads_out_of_its_place(place: str, dots: str) -> None:
    with pytest.raises(RequestError) as refused:
        aim(place.format(dots))
    assert refused.value.status == 400


@given(st.text(ascii_lowercase + "/", max_size=40))
def test_of_collections_there_are_few(path: str) -> None:
    found = aim(f"/v1/{path}")
    assert found is not None
    assert found.collection in {"/", "/messages", *(f"/{name}" for name in COLLECTIONS)}
    assert found.row == f"/v1/{path}"
