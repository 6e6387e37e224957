"""The daemon's name on the network: OSCQuery and OSC as services of mDNS, so that others find it by themselves."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable

from zeroconf import Error as ZeroconfError
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from mirage_runtime.config import is_loopback

_log = logging.getLogger("mirage.mdns")

_QUERY, _OSC = "_oscjson._tcp.local.", "_osc._udp.local."


class Advertisement:
    """Advertises one daemon from `begin` to `end`. A network that will not have it is a warning, and no more."""

    def __init__(self, host: str, port: int, osc_port: Callable[[], int | None]) -> None:
        self._host = host
        self._port = port
        self._osc_port = osc_port
        self._zeroconf: AsyncZeroconf | None = None

    async def begin(self) -> None:
        """Advertise; returns when the name is known to be free."""
        loopback = is_loopback(self._host)
        try:
            interfaces = ["127.0.0.1"] if loopback else [self._host] if _is_one(self._host) else None
            self._zeroconf = (
                AsyncZeroconf(ip_version=IPVersion.V4Only)
                if interfaces is None
                else AsyncZeroconf(interfaces=interfaces, ip_version=IPVersion.V4Only)
            )
            machine = socket.gethostname().partition(".")[0]
            services = {_QUERY: self._port, _OSC: self._osc_port()}
            for kind, port in services.items():
                if port is None:
                    continue
                info = AsyncServiceInfo(
                    kind,
                    f"Mirage on {machine} {self._port}.{kind}",
                    port=port,
                    addresses=[socket.inet_aton(address) for address in self._addresses()],
                    properties={"txtvers": "1"},
                    server=f"{machine}-mirage.local.",
                )
                await self._zeroconf.async_register_service(info, allow_name_change=True)
        except (OSError, ZeroconfError, ValueError) as error:
            _log.warning("the daemon is not advertised on the network: %s", error)
            await self.end()

    async def end(self) -> None:
        """Say goodbye."""
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()

    def _addresses(self) -> list[str]:
        if _is_one(self._host):
            return [self._host]
        if is_loopback(self._host):
            return ["127.0.0.1"]
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # No packet is sent by this: it asks which of our addresses the way out begins at.
            try:
                probe.connect(("192.0.2.1", 9))
                found.add(probe.getsockname()[0])
            except OSError:
                pass
        return sorted(address for address in found if not is_loopback(address)) or sorted(found)


def _is_one(host: str) -> bool:
    """Whether ``host`` is one address of this machine, of IPv4, and not every one."""
    try:
        return isinstance(address := ipaddress.ip_address(host), ipaddress.IPv4Address) and not address.is_unspecified
    except ValueError:
        return False
