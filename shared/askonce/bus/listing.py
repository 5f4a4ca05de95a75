"""The last message of each subject of a stream. Knows nothing of what they say."""

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import DeliverPolicy
from nats.js.errors import NotFoundError

from askonce.bus.feed import answer_control, control, unsubscribe
from askonce.bus.kept import Ensure
from askonce.bus.link import ASKING, Link
from askonce.bus.streams import feed
from askonce.core.errors import BusUnavailable


async def latest(link: Link, stream: str, subjects: str, ensure: Ensure) -> dict[str, Msg]:
    """By subject, in the order of writing. The server sends no more at a time than is taken, and other tasks have
    their turns in between. `ensure` makes the stream where it is not there. Raises BusUnavailable, also when the
    connection is lost half-way.
    """
    doing = f"listing {stream}"
    async with link.asking(doing) as js:
        inbox = link.client.new_inbox()
        subscription = await link.client.subscribe(inbox)
        config = feed(inbox, 1).evolve(
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT, opt_start_seq=None, filter_subject=subjects
        )
        try:
            consumer = await js.add_consumer(stream, config)
            return await _all(link, subscription, doing) if consumer.num_pending else {}
        except NotFoundError:
            await ensure()
            return {}
        finally:
            await unsubscribe(subscription)


async def _all(link: Link, subscription: Subscription, doing: str) -> dict[str, Msg]:
    found: dict[str, Msg] = {}
    taken = 0
    while True:
        message = await subscription.next_msg(timeout=ASKING)
        headers = control(message)
        if headers is not None:
            await answer_control(link, message, headers)
            continue
        place, taken = message.metadata, taken + 1
        if place.sequence.consumer != taken:
            raise BusUnavailable(f"{doing}: a message was lost")
        found.pop(message.subject, None)
        found[message.subject] = message
        if not place.num_pending:
            return found
