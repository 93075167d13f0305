"""Proxies of the environment, and whether a host can be reached through them.

Libraries read HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in upper or lower case, whenever they make a client. A
proxy that cannot be used fails there, even before a request that would have gone past it.
"""

from __future__ import annotations

import json
import logging
import os
import re
from ipaddress import ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from unlearn.errors import first_line

LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # the last two are loopback when they are called
PROBE_TIMEOUT_S = 5.0  # of the one request that tells whether the network can be reached at all
NOWHERE = "http://127.0.0.1:1"  # in place of a proxy that cannot be used; nothing may go past it unnoticed
REPLACED = "UNLEARN_REPLACED_PROXIES"  # what stood there, for messages; read by worker processes, too
_SCHEMES = ("http", "https", "all")
_HOST_PATTERN = re.compile(r"\*|([a-z]+://)?\*?\.?[\w-]+(\.[\w-]+)*\.?(:\d{1,5})?", re.ASCII)

log = logging.getLogger(__name__)


def settle_proxies(*hosts: str) -> None:
    """Change the proxies in this process's environment so that clients can be made, and none is used for loopback.

    A proxy that cannot be used is replaced by an address where nothing listens: what should have gone through it fails
    and never goes out directly. `why_unreachable` names the proxy that stood there.

    Args:
        hosts: further names and addresses that are this machine.
    """
    names = [name for name in os.environ if name.lower() in {f"{scheme}_proxy" for scheme in _SCHEMES} and os.environ[name]]
    if not names:
        return
    replaced: dict[str, str] = {}
    for name in names:
        value = os.environ[name].strip()
        if value and (reason := _why_unusable(_with_scheme(value))):
            replaced[name.lower().removesuffix("_proxy")] = f"{_shown(value)}: {reason}"
            log.warning("%s cannot be used (%s): %s. Other hosts cannot be reached.", name, _shown(value), reason)
            value = NOWHERE
        os.environ[name] = value
    if replaced:
        os.environ[REPLACED] = json.dumps({**_replaced(), **replaced})
    no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    direct = dict.fromkeys([*_direct_hosts(no_proxy), *LOOPBACK, *(host.strip("[]") for host in hosts if host)])
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(direct)


def why_unreachable(endpoint: str) -> str | None:
    """Why a host cannot be reached, as words that fit behind it; None: it answers. Within seconds, with one request."""
    import httpx

    settle_proxies()
    try:
        httpx.head(endpoint, timeout=PROBE_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:  # a certificate file is read, too
        scheme = urlsplit(endpoint).scheme
        used = next((key for key in (scheme, "all") if key in getproxies_environment()), None)
        if used is None:
            return f"cannot be reached ({first_line(error)})"
        proxy = _replaced().get(used) or f"{_shown(getproxies_environment()[used])}: {first_line(error)}"
        return f"cannot be reached (proxy {proxy})"
    return None


def _replaced() -> dict[str, str]:
    replaced: dict[str, str] = json.loads(os.environ.get(REPLACED) or "{}")
    return replaced


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _why_unusable(proxy: str) -> str | None:
    """What a client would fail with while it is made; None: nothing."""
    import httpx

    try:
        url = httpx.URL(proxy)
        if not url.host or not 0 < (url.port or 80) < 2**16:
            return "it names no host or no possible port; write http://host:port"
        httpx.HTTPTransport(verify=False, proxy=proxy).close()
    except ImportError:
        return "for SOCKS the package socksio is needed, which is not installed"
    except (httpx.InvalidURL, ValueError):
        return "it is no address of an http, https or socks5 proxy; write http://host:port"
    return None


def _shown(proxy: str) -> str:
    """The proxy without the name and the password that may stand in it."""
    scheme, mark, rest = proxy.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _direct_hosts(no_proxy: str) -> list[str]:
    """The entries of NO_PROXY that a client can be made with; brackets are taken off, others are left out with a warning."""
    hosts = []
    for entry in filter(None, (part.strip() for part in no_proxy.split(","))):
        if entry.startswith("[") and entry.endswith("]"):
            entry = entry[1:-1]
        if _HOST_PATTERN.fullmatch(entry) or _is_network(entry):
            hosts.append(entry)
        else:
            log.warning("NO_PROXY holds %r, which is no host; it is left out.", entry)
    return hosts


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry, strict=False)
    except ValueError:
        return False
    return ":" not in entry or "/" not in entry  # a client cannot be made with a range of IPv6 addresses
