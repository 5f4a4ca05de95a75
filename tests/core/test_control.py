import pytest

from askonce.core.control import NOTHING, CacheControl, read_controls
from askonce.core.errors import RequestError

LONG = 9_999_999_999.0


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        (None, None, NOTHING),
        (None, "", NOTHING),
        ({}, None, NOTHING),
        ({"ttl": 60}, None, CacheControl(ttl=60.0)),
        ({"ttl": 0}, None, CacheControl(ttl=0.0)),
        ({"ttl": 0.5}, None, CacheControl(ttl=0.5)),
        ({"ttl": None}, None, NOTHING),
        ({"ttl": 1e300}, None, CacheControl(ttl=LONG)),
        ({"s-maxage": 10}, None, CacheControl(max_age=10.0)),
        ({"s-max-age": 10}, None, CacheControl(max_age=10.0)),
        ({"s-max-age": 0, "s-maxage": 10}, None, CacheControl(max_age=0.0)),
        ({"s-max-age": None, "s-maxage": 0}, None, CacheControl(max_age=0.0)),
        ({"no-cache": True}, None, CacheControl(no_cache=True)),
        ({"no-store": True}, None, CacheControl(no_store=True)),
        ({"use-cache": True}, None, CacheControl(use_cache=True)),
        ({"no-cache": False, "no-store": None}, None, NOTHING),
        ({"similarity-threshold": 0.95}, None, CacheControl(similarity=0.95)),
        ({"similarity-threshold": 0}, None, NOTHING),
        ({"similarity-threshold": 1}, None, CacheControl(similarity=1.0)),
        ({"similarity-threshold": None}, None, NOTHING),
        ({"namespace": "a.b:c_d-1"}, None, CacheControl(namespace="a.b:c_d-1")),
        ({"namespace": "x" * 128}, None, CacheControl(namespace="x" * 128)),
        ({"namespace": None}, None, NOTHING),
        ({"unheard": object(), "max-age": "x"}, None, NOTHING),
        (None, "no-cache", CacheControl(no_cache=True)),
        (None, "No-Cache , NO-STORE", CacheControl(no_cache=True, no_store=True)),
        (None, "max-age=5", CacheControl(max_age=5.0)),
        (None, 'Max-Age="5"', CacheControl(max_age=5.0)),
        (None, "max-age=0", CacheControl(max_age=0.0)),
        (None, "max-age=00000000000005", CacheControl(max_age=5.0)),
        (None, "max-age=" + "9" * 5000, CacheControl(max_age=LONG)),
        (None, "only-if-cached", CacheControl(only_if_cached=True)),
        (None, "s-maxage=5, public, foo=bar,,", CacheControl(max_age=5.0)),
        (None, "public, foo=bar,,", NOTHING),
        (None, "s-max-age=0, ttl=60, use-cache", CacheControl(ttl=60.0, max_age=0.0, use_cache=True)),
        (None, 'namespace="a.b:c", similarity-threshold=0.9', CacheControl(namespace="a.b:c", similarity=0.9)),
        ({"namespace": "x", "ttl": 1}, "namespace=y, ttl=2", CacheControl(namespace="x", ttl=1.0)),
        (
            {"use-cache": False, "similarity-threshold": 0.5},
            "use-cache, similarity-threshold=1",
            CacheControl(similarity=1),
        ),
        ({"ttl": 1}, "namespace=y", CacheControl(namespace="y", ttl=1.0)),
        ({"namespace": None}, "namespace=y", CacheControl(namespace="y")),
        ({"namespace": "x"}, "ttl=2", CacheControl(namespace="x", ttl=2.0)),
        ({"ttl": 1}, "use-cache", CacheControl(use_cache=True, ttl=1.0)),
        ({"use-cache": None}, "use-cache", CacheControl(use_cache=True)),
        ({"ttl": 1}, "s-maxage=5", CacheControl(max_age=5.0, ttl=1.0)),
        ({"s-maxage": 5}, "ttl=1", CacheControl(max_age=5.0, ttl=1.0)),
        ({"ttl": 1}, "similarity-threshold=0.9", CacheControl(similarity=0.9, ttl=1.0)),
        ({"ttl": 1}, "no-cache, only-if-cached", CacheControl(ttl=1.0, no_cache=True, only_if_cached=True)),
        ({"no-cache": False}, "no-cache", NOTHING),
        ({"s-maxage": 3}, "max-age=5", CacheControl(max_age=3.0)),
        ({}, "no-store", CacheControl(no_store=True)),
        ({"no-cache": True}, "no-store", CacheControl(no_cache=True, no_store=True)),
    ],
)
def test_controls(body, header, expected):
    assert read_controls(body, header) == expected


@pytest.mark.parametrize(
    ("body", "header", "param"),
    [
        ([], None, "cache"),
        ("x", None, "cache"),
        (True, None, "cache"),
        (0, None, "cache"),
        ({"ttl": -1}, None, "cache.ttl"),
        ({"ttl": "60"}, None, "cache.ttl"),
        ({"ttl": True}, None, "cache.ttl"),
        ({"ttl": [1]}, None, "cache.ttl"),
        ({"s-maxage": -0.5}, None, "cache.s-maxage"),
        ({"s-max-age": "x"}, None, "cache.s-max-age"),
        ({"no-cache": 1}, None, "cache.no-cache"),
        ({"no-store": "true"}, None, "cache.no-store"),
        ({"use-cache": 0}, None, "cache.use-cache"),
        ({"similarity-threshold": 1.01}, None, "cache.similarity-threshold"),
        ({"similarity-threshold": -0.1}, None, "cache.similarity-threshold"),
        ({"similarity-threshold": True}, None, "cache.similarity-threshold"),
        ({"similarity-threshold": "0.9"}, None, "cache.similarity-threshold"),
        ({"namespace": ""}, None, "cache.namespace"),
        ({"namespace": "a b"}, None, "cache.namespace"),
        ({"namespace": "a/b"}, None, "cache.namespace"),
        ({"namespace": "a\n"}, None, "cache.namespace"),
        ({"namespace": "ä"}, None, "cache.namespace"),
        ({"namespace": "x" * 129}, None, "cache.namespace"),
        ({"namespace": 1}, None, "cache.namespace"),
        (None, "max-age", "Cache-Control"),
        (None, "max-age=-1", "Cache-Control"),
        (None, "max-age=1.5", "Cache-Control"),
        (None, "ttl=-1", "Cache-Control"),
        (None, "s-maxage", "Cache-Control"),
        (None, "namespace=a b", "Cache-Control"),
        (None, "namespace=", "Cache-Control"),
        (None, "similarity-threshold=nan", "Cache-Control"),
        (None, "similarity-threshold=1.1", "Cache-Control"),
        (None, "max-age=x", "Cache-Control"),
        (None, "max-age=٣", "Cache-Control"),
    ],
)
def test_wrong_controls_are_refused_by_name(body, header, param):
    with pytest.raises(RequestError) as caught:
        read_controls(body, header)
    assert (caught.value.status, caught.value.param) == (400, param)
