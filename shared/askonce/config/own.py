"""askonce's own settings: the `askonce:` section, and the environment over it; who guards the door, and where it is."""

from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource

from askonce.config.files import SECRETS_DIR
from askonce.config.rules import read_rules
from askonce.config.section import Section
from askonce.config.settings import ProxySettings
from askonce.config.values import Unset, line, place, resolve
from askonce.core.errors import ConfigError

PREFIX: Final = "ASKONCE_"
MASTER_KEY: Final = "ASKONCE_MASTER_KEY"
_LITELLM_MASTER_KEY: Final = "LITELLM_MASTER_KEY"
LOOPBACK: Final = "127.0.0.1"
# Those that stand in LiteLLM's documentation and in ours: whoever has read it has them.
PUBLIC_KEYS: Final = frozenset({"sk-1234"})
_MAKE_ONE: Final = 'make one of your own: echo "sk-$(openssl rand -hex 32)"'
_NOT_EMPTY: Final = "must be text that is not empty (put it in quotes)"


def read_own(section: Section, cwd: Path) -> ProxySettings:
    """The settings in force, with paths seen from `cwd`. After a wrong value, which is noted, the defaults."""
    given = _from_file(section)
    outer = _from_variables(section)
    try:
        settings = ProxySettings(**(given | outer))
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(problem["loc"][0])
            expected = "no such setting" if problem["type"] == "extra_forbidden" else problem["msg"]
            if name in outer:
                section.notes.wrong_variable(PREFIX + name.upper(), expected)
            else:
                section.notes.wrong(section.key(name), expected)
        settings = ProxySettings()
    _check_login(settings, section, outer)
    paths = {"data_dir": settings.data_dir, "semantic_rules": settings.semantic_rules}
    seen = {name: place(path, cwd, section.variables) for name, path in paths.items() if path is not None}
    if "semantic_rules" in seen:
        try:
            read_rules(seen["semantic_rules"])  # read again by whoever matches; here only to be told what is wrong
        except ConfigError as error:
            section.notes.add(error)
    return settings.model_copy(update=seen)


def read_master_key(general: Section) -> SecretStr | None:
    """ASKONCE_MASTER_KEY, else the file's, else LITELLM_MASTER_KEY. One that the file names and leaves empty stops the
    start unless a variable gives the key: the proxy would be open to everyone. So does a reference to nothing.
    """
    in_file = general.get("master_key", line)
    variables = general.variables
    key = variables.get(MASTER_KEY) or in_file or variables.get(_LITELLM_MASTER_KEY)
    if not key and (in_file == "" or general.values.get("master_key", "absent") in ("", None)):  # "" was blanks
        general.notes.wrong(general.key("master_key"), _NOT_EMPTY)
    return SecretStr(key) if key else None


def read_host(proxy: ProxySettings, master_key: SecretStr | None, general: Section) -> str:
    """Where to listen. Without a master key nobody is asked who he is, so only this machine is let in; with one that
    everybody knows too, and any other address is then noted as wrong.
    """
    public = master_key is not None and master_key.get_secret_value() in PUBLIC_KEYS
    if not public:
        return proxy.host or (LOOPBACK if master_key is None else "0.0.0.0")
    host = proxy.host or LOOPBACK
    known = "stands in public documentation, so that everybody has it"
    if is_loopback(host):
        general.notes.warn(f"the master key {known}: good for trying things on this machine only; {_MAKE_ONE}")
    else:
        expected = f"{known}: {_MAKE_ONE}, or let askonce.host be {LOOPBACK}"
        name = next((name for name in (MASTER_KEY,) if name in general.variables), None)
        if name is None and not general.values.get("master_key"):
            name = _LITELLM_MASTER_KEY
        if name is None:
            general.notes.wrong(general.key("master_key"), expected)
        else:
            general.notes.wrong_variable(name, expected)
    return host


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can come in there."""
    with suppress(ValueError):
        return ip_address(host.strip("[]")).is_loopback
    return host.lower() == "localhost"


def _check_login(settings: ProxySettings, section: Section, outer: Mapping[str, Any]) -> None:
    """Notes half a login, and a second one. Each is told where what it goes with stands."""

    def wrong(name: str, beside: str, expected: str) -> None:
        if beside in outer:
            section.notes.wrong_variable(PREFIX + name.upper(), expected)
        else:
            section.notes.wrong(section.key(name), expected)

    user, password = settings.nats_user is not None, settings.nats_password is not None
    if user and not password:
        wrong("nats_password", "nats_user", "must be set where nats_user is")
    elif password and not user:
        wrong("nats_user", "nats_password", "must be set where nats_password is")
    elif user and settings.nats_url is not None and "@" in settings.nats_url.get_secret_value():
        wrong("nats_user", "nats_user", "must not be set where nats_url has a login of its own")


def _from_file(section: Section) -> dict[str, Any]:
    found = {}
    for name, value in section.values.items():
        try:
            found[name] = resolve(value, section.variables)
        except Unset as unset:
            section.notes.wrong(section.key(name), str(unset))
        if isinstance(value, bool):  # pydantic would take it for 0 or 1, and no setting is a switch
            section.notes.wrong(section.key(name), "must be a number or text")
            found[name] = None
    return {name: value for name, value in found.items() if value is not None}


def _from_variables(section: Section) -> dict[str, Any]:
    source = EnvSettingsSource(ProxySettings)
    source.env_vars = {name.lower(): value for name, value in _own(section).items()}  # not the process's own
    return source()


def _own(section: Section) -> Mapping[str, str]:
    """The variables that are ours. Kubernetes sets ASKONCE_PORT and more for a service that is called askonce."""
    found = {}
    for name, value in section.variables.items():
        if not name.startswith(PREFIX) or name == MASTER_KEY:
            continue
        if name == SECRETS_DIR:
            section.notes.ignore(name, "counts in the process's own environment only")
            continue
        setting = name.removeprefix(PREFIX).lower()
        if setting == "port" and "://" in value:
            section.notes.ignore(name, "is an address, as Kubernetes sets it for a service called askonce")
        elif setting in ProxySettings.model_fields:
            found[name] = value
        elif not setting.startswith(("port_", "service_")):
            section.notes.ignore(name, "not known")
    return found
