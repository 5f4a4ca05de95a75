"""The "qdrant-edge REST shim (subset)": Qdrant's own engine, in process, behind those of Qdrant's REST routes that the
store uses. It is no Qdrant server. The engine searches, filters, quantizes and keeps; what stands here is HTTP, names
of collections and the API key, and whatever is not known here is answered with 501, so that no test passes by it.

    python -m tests.qdrant_shim --port PORT --dir FOLDER [--api-key KEY]
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson
import qdrant_edge as edge
from aiohttp import web

from tests.qdrant_engine import (
    SCHEMAS,
    Json,
    Refused,
    Unsupported,
    choose,
    engine_config,
    filtered,
    only,
    searching,
    selected,
    vector_of,
)

_REQUEST_BYTES: Final = 32 << 20  # as Qdrant's service.max_request_size_mb
_NOTE: Final = "askonce-shim.json"  # beside the engine's files: what the collection was created with


class Stored:
    """One collection: a folder with the engine's files and a note of what it was created with."""

    def __init__(self, folder: Path, note: Json, shard: Any) -> None:
        self.folder, self.note, self.shard = folder, note, shard

    @classmethod
    def create(cls, folder: Path, note: Json) -> "Stored":
        config = engine_config(note)
        folder.mkdir()
        shard = edge.EdgeShard.create(str(folder), config)
        (folder / _NOTE).write_text(json.dumps(note))  # last: without it the folder is the rest of a broken start
        return cls(folder, note, shard)

    @classmethod
    def load(cls, folder: Path) -> "Stored":
        return cls(folder, json.loads((folder / _NOTE).read_text()), edge.EdgeShard.load(str(folder)))

    def drop(self) -> None:
        (self.folder / _NOTE).unlink()
        self.shard.close()
        shutil.rmtree(self.folder)

    def info(self) -> Json:
        info = self.shard.info()
        names = {kind: name for name, kind in SCHEMAS.items()}
        return {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": info.segments_count,
            "points_count": info.points_count,
            "indexed_vectors_count": info.indexed_vectors_count,
            "payload_schema": {
                field: {"data_type": next(n for k, n in names.items() if k == one.data_type), "points": one.points}
                for field, one in info.payload_schema.items()
            },
            "config": {
                "params": {"vectors": self.note["vectors"]},
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
                | (self.note.get("hnsw_config") or {}),
                "optimizer_config": {"default_segment_number": 0, "flush_interval_sec": 5},
                "quantization_config": self.note.get("quantization_config"),
            },
        }

    def index(self, body: Json) -> Json:
        only(body, "field_name", "field_schema")
        self.shard.update(
            edge.UpdateOperation.create_field_index(body["field_name"], choose(SCHEMAS, body["field_schema"]))
        )
        return {"status": "completed"}

    def upsert(self, body: Json) -> Json:
        only(body, "points")
        for one in body["points"]:
            only(one, "id", "vector", "payload")
        points = [edge.Point(one["id"], vector_of(one["vector"]), one.get("payload") or {}) for one in body["points"]]
        self.shard.update(edge.UpdateOperation.upsert_points(points))
        return {"status": "completed"}

    def delete(self, body: Json) -> Json:
        only(body, "points", "filter")
        if body.get("filter") is not None:
            self.shard.update(edge.UpdateOperation.delete_points_by_filter(filtered(body["filter"])))
        else:
            self.shard.update(edge.UpdateOperation.delete_points(body["points"]))
        return {"status": "completed"}

    def retrieve(self, body: Json) -> list[Json]:
        only(body, "ids", "with_payload", "with_vector")
        plain = bool(body.get("with_vector"))
        records = self.shard.retrieve(body["ids"], selected(body.get("with_payload"), otherwise=True), plain)
        return [record(one) for one in records]

    def scroll(self, body: Json) -> Json:
        only(body, "limit", "filter", "with_payload", "with_vector", "offset")
        points, after = self.shard.scroll(
            edge.ScrollRequest(
                offset=body.get("offset"),
                limit=body.get("limit"),
                filter=filtered(body.get("filter")),
                with_payload=selected(body.get("with_payload"), otherwise=True),
                with_vector=bool(body.get("with_vector")),
            )
        )
        return {"points": [record(one) for one in points], "next_page_offset": None if after is None else str(after)}

    def count(self, body: Json) -> Json:
        only(body, "filter", "exact")
        exact = body.get("exact") is not False
        return {"count": self.shard.count(edge.CountRequest(exact=exact, filter=filtered(body.get("filter"))))}

    def query(self, body: Json) -> Json:
        only(body, "query", "filter", "params", "limit", "with_payload", "with_vector")
        if body.get("with_vector"):
            raise Unsupported("vectors of hits")
        given = body["query"]
        if isinstance(given, dict):
            only(given, "nearest")
            given = given["nearest"]
        request = edge.QueryRequest(
            limit=10 if body.get("limit") is None else body["limit"],
            query=edge.Query.Nearest(vector_of(given)),
            filter=filtered(body.get("filter")),
            params=searching(body.get("params")),
            with_payload=selected(body.get("with_payload"), otherwise=False),
        )
        hits = self.shard.query(request)
        return {"points": [record(one) | {"version": one.version, "score": one.score} for one in hits]}


def record(one: Any) -> Json:
    return {"id": one.id if isinstance(one.id, int) else str(one.id), "payload": one.payload, "vector": one.vector}


_ON_POINTS: Final[dict[tuple[str, str], tuple[Callable[[Stored, Json], Any], Collection[str]]]] = {
    ("PUT", "index"): (Stored.index, ("wait",)),
    ("PUT", "points"): (Stored.upsert, ("wait",)),
    ("POST", "points"): (Stored.retrieve, ()),
    ("POST", "points/query"): (Stored.query, ()),
    ("POST", "points/scroll"): (Stored.scroll, ()),
    ("POST", "points/count"): (Stored.count, ()),
    ("POST", "points/delete"): (Stored.delete, ("wait",)),
}


class Shim:
    def __init__(self, folder: Path, api_key: str | None) -> None:
        self._folder, self._api_key = folder, api_key
        self._stored: dict[str, Stored] = {}

    def open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for folder in self._folder.iterdir():
            if (folder / _NOTE).exists():
                self._stored[unquote(folder.name)] = Stored.load(folder)
            else:
                shutil.rmtree(folder)

    async def close(self, _app: web.Application) -> None:
        for one in self._stored.values():
            one.shard.close()

    async def answer(self, request: web.Request) -> web.Response:
        begun = time.perf_counter()
        try:
            result = await self._result(request)
        except Unsupported as error:
            return _failure(501, f"the shim knows nothing of {error}")
        except Refused as error:
            return _failure(error.status, str(error))
        except web.HTTPRequestEntityTooLarge:  # as Qdrant says it
            return _failure(400, "JSON payload has exceeded limit")
        body = {"result": result, "status": "ok", "time": time.perf_counter() - begun}
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    async def _result(self, request: web.Request) -> Any:
        if self._api_key is not None and request.headers.get("api-key") != self._api_key:
            raise Refused(401, "Must provide an API key or an Authorization bearer token")
        match [unquote(part) for part in request.raw_path.partition("?")[0].split("/")[1:]]:
            case ["collections"] if request.method == "GET":
                return {"collections": [{"name": name} for name in self._stored]}
            case ["collections", name]:
                return await self._collection(name, request)
            case ["collections", name, *rest] if (request.method, "/".join(rest)) in _ON_POINTS:
                work, parameters = _ON_POINTS[request.method, "/".join(rest)]
                only(request.query, *parameters)
                body = await request.json(loads=orjson.loads)
                return self._engine(work, self._there(name), body)
        raise Unsupported(f"{request.method} {request.path}")

    async def _collection(self, name: str, request: web.Request) -> Any:
        only(request.query, "timeout")
        match request.method:
            case "GET":
                return self._there(name).info()
            case "DELETE":
                self._there(name).drop()
                del self._stored[name]
                return True
            case "PUT":
                body = await request.json(loads=orjson.loads)
                if name in self._stored:
                    raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
                self._stored[name] = Stored.create(self._folder / quote(name, safe=""), body)
                return True
        raise Unsupported(f"{request.method} of a collection")

    def _there(self, name: str) -> Stored:
        if name not in self._stored:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return self._stored[name]

    def _engine(self, work: Callable[[Stored, Json], Any], stored: Stored, body: Json) -> Any:
        try:
            return work(stored, body)
        except (Unsupported, Refused):
            raise
        except Exception as error:
            raise Refused(400, f"Wrong input: {error}") from None


def _failure(status: int, words: str) -> web.Response:
    return web.json_response({"status": {"error": words}, "time": 0.0}, status=status)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="qdrant-edge REST shim (subset)")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--api-key")
    options = parser.parse_args(arguments)
    shim = Shim(options.dir, options.api_key)
    shim.open()
    app = web.Application(client_max_size=_REQUEST_BYTES)
    app.router.add_route("*", "/{path:.*}", shim.answer)
    app.on_cleanup.append(shim.close)
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
