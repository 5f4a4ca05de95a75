"""Prints what the installed LiteLLM wants for its proxy, one requirement a line, with two pins taken off.

A release pins `certifi` and `litellm-proxy-extras` to versions that a registry may not have yet. Neither is used by
a proxy that talks plain HTTP and has no database. Run it with LiteLLM's own interpreter.
"""

from importlib.metadata import requires

from pip._vendor.packaging.requirements import Requirement

LOOSENED = {"certifi", "litellm-proxy-extras"}


def main() -> None:
    for line in requires("litellm") or []:
        wanted = Requirement(line)
        if wanted.marker is not None and not any(wanted.marker.evaluate({"extra": extra}) for extra in ("", "proxy")):
            continue
        pin = "" if wanted.name.lower() in LOOSENED else str(wanted.specifier)
        extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
        print(f"{wanted.name}{extras}{pin}")


if __name__ == "__main__":
    main()
