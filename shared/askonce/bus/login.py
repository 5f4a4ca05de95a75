"""Who a process says it is to NATS, where the servers' addresses do not say it. Knows no connection."""

from typing import TypedDict

from askonce.config.settings import ProxySettings


class Login(TypedDict, total=False):
    """As nats-py's `connect` takes it; empty where an address tells, or nobody asks. Never to be logged."""

    user: str
    password: str


def login(url: str, settings: ProxySettings) -> Login:
    """`url` may list several servers with commas. One with a login of its own is believed: `askonce up` gives each role
    one for the server that it runs, whatever the settings say of another.
    """
    if settings.nats_user is None or settings.nats_password is None or "@" in url:
        return Login()
    return Login(user=settings.nats_user, password=settings.nats_password.get_secret_value())
