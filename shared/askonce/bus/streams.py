"""The streams and durable consumers, created by whoever comes first. Knows what each of them promises and why;
publishes and consumes nothing.
"""

from typing import Final

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import BadRequestError, NotFoundError

from askonce.bus import names
from askonce.bus.errors import translated
from askonce.config.settings import ProxySettings

ACK_WAIT: Final = 30.0  # seconds a writer may keep a message before another one gets it too
MAX_ACK_PENDING: Final = 4096  # 16 batches in hand; the server's default of 1000 stalls a few writers in silence
TOMBSTONE_MARGIN: Final = 3600.0  # the bucket remembers this much longer than writers rely on it: clocks disagree
_DUPLICATES: Final = 120.0  # seconds in which a repeated Nats-Msg-Id is dropped
_TOMBSTONE_BYTES: Final = 128 << 20
_KEY_BYTES: Final = 256 << 20
_REPEATS: Final = 32  # changes of one sum among which a repeated one is found by a server that was started again
_LEAST_DEAD_BYTES: Final = 64 << 20
_OTHER_CONFIG: Final = 10058  # JSStreamNameExistErr: there already, with another configuration


async def ensure_streams(js: JetStreamContext, settings: ProxySettings, *, update: bool) -> None:
    """Creates what is missing of the streams that both roles use; any number of processes may do so at once.

    An existing stream of another configuration (a new `queue_bytes`) is changed with `update` and left as it is
    without; a smaller limit removes nothing, it refuses. Only frontends may `update`: who may change a stream may have
    it written on into any other. Raises BusUnavailable.
    """
    for stream in _streams(settings):
        with translated(f"creating the stream {stream.name}"):
            await _ensure(js, stream, settings, update=update)


async def ensure_keys(js: JetStreamContext, settings: ProxySettings) -> None:
    """The stream of keys and teams, which is for frontends alone. Raises BusUnavailable."""
    with translated(f"creating the stream {names.KEY_STREAM}"):
        await _ensure(js, _keys(), settings, update=False)


async def ensure_spent(js: JetStreamContext, settings: ProxySettings) -> StreamConfig:
    """The stream of sums as it is there; older servers than 2.12 would make one that counts nothing. Raises
    BusUnavailable.
    """
    with translated(f"creating the stream {names.SPENT_STREAM}"):
        return await _ensure(js, _spent(), settings, update=False)


async def _ensure(js: JetStreamContext, stream: StreamConfig, settings: ProxySettings, *, update: bool) -> StreamConfig:
    try:
        # Looked for first: a server near its storage limit refuses to create even what is there already.
        found = (await js.stream_info(stream.name or "")).config
    except NotFoundError:
        found = await _create(js, stream.evolve(num_replicas=settings.queue_replicas))
    if update and (found.max_bytes, found.max_age) != (stream.max_bytes, stream.max_age or 0):
        # the rest (replicas, placement) is the operator's
        found = found.evolve(max_bytes=stream.max_bytes, max_age=stream.max_age or 0)
        await js.update_stream(found)
    return found


async def _create(js: JetStreamContext, stream: StreamConfig) -> StreamConfig:
    try:
        return (await js.add_stream(stream)).config
    except BadRequestError as error:
        if error.err_code != _OTHER_CONFIG:
            raise
    return (await js.stream_info(stream.name or "")).config  # another process, with other settings, was faster


async def ensure_consumers(js: JetStreamContext, store: str, ack_wait: float) -> None:
    """The two durable consumers of a store's writers, shared by all of them. Raises BusUnavailable."""
    queue, deletions = names.answered(store), f"$KV.{names.TOMBSTONES}.>"
    for stream, subject in ((names.STREAM, queue), (names.TOMBSTONE_STREAM, deletions)):
        with translated(f"creating the consumer {store} of {stream}"):
            await js.add_consumer(stream, _durable(store, subject, ack_wait))


def feed(inbox: str, start: int, description: str | None = None) -> ConsumerConfig:
    """A consumer that the server forgets with its connection: everything from `start` on, in order, pushed."""
    return ConsumerConfig(
        description=description,
        deliver_subject=inbox,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=start,
        ack_policy=AckPolicy.NONE,
        max_deliver=1,
        flow_control=True,
        idle_heartbeat=HEARTBEAT,
        mem_storage=True,
        num_replicas=1,
    )


HEARTBEAT: Final = 5.0  # seconds between signs of life of a feed without news


def _durable(store: str, subject: str, ack_wait: float) -> ConsumerConfig:
    return ConsumerConfig(
        name=store,
        durable_name=store,
        filter_subject=subject,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_wait,
        max_ack_pending=MAX_ACK_PENDING,
        max_deliver=-1,  # when to give up, and where to, is the writer's decision: see writer.settle
    )


def _streams(settings: ProxySettings) -> tuple[StreamConfig, StreamConfig, StreamConfig]:
    queue = StreamConfig(
        name=names.STREAM,
        description="Answers that no writer has persisted yet.",
        subjects=[names.answered("*")],
        retention=RetentionPolicy.WORK_QUEUE,  # kept until acknowledged, whether a consumer exists or not
        discard=DiscardPolicy.NEW,
        storage=StorageType.FILE,
        max_bytes=settings.queue_bytes,
        duplicate_window=_DUPLICATES,
    )
    dead = StreamConfig(
        name=names.DEAD_STREAM,
        description="Messages that could not be persisted, with the reason in their headers.",
        subjects=[names.dead("*")],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,  # a full graveyard must not hold up the living
        storage=StorageType.FILE,
        max_bytes=max(_LEAST_DEAD_BYTES, settings.queue_bytes // 4),
        duplicate_window=_DUPLICATES,
    )
    # As `nats kv add` makes them, so that its tools work, but without roll-ups: one message of one frontend must not
    # take away what all have deleted.
    tombstones = StreamConfig(
        name=names.TOMBSTONE_STREAM,
        description="Deleted keys and flushed namespaces, and when that was.",
        subjects=[f"$KV.{names.TOMBSTONES}.>"],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        storage=StorageType.FILE,
        max_bytes=_TOMBSTONE_BYTES,
        max_age=settings.tombstone_age + TOMBSTONE_MARGIN,
        max_msgs_per_subject=1,
        duplicate_window=_DUPLICATES,
        deny_delete=True,
        allow_direct=True,
    )
    return queue, dead, tombstones


def _keys() -> StreamConfig:
    """As the tombstones: a bucket for `nats kv`, without roll-ups."""
    return StreamConfig(
        name=names.KEY_STREAM,
        description="Virtual keys and teams.",
        subjects=[names.RECORDS],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        storage=StorageType.FILE,
        max_bytes=_KEY_BYTES,
        max_msgs_per_subject=1,
        duplicate_window=_DUPLICATES,
        deny_delete=True,
        allow_direct=True,
    )


def _spent() -> StreamConfig:
    """Counters (ADR-49 of nats-architecture-and-design). Without a bound in bytes: a full one would forget sums, since
    a server refuses counters in a stream that refuses what is new.
    """
    return StreamConfig(
        name=names.SPENT_STREAM,
        description="What was spent, by key and team.",
        subjects=[names.SPENT],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        storage=StorageType.FILE,
        max_msgs_per_subject=_REPEATS,
        duplicate_window=_DUPLICATES,
        deny_delete=True,
        allow_direct=True,
        allow_msg_counter=True,
    )
