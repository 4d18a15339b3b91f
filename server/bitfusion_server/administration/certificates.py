"""The certificates of the API: show, renew, replace. Connections that are open, and with them sessions, go on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import structlog

from bitfusion_server.administration.audit import Audit
from bitfusion_server.auth import authority
from bitfusion_server.auth.authority import TlsFiles
from bitfusion_server.auth.certificates import Certificate

_log = structlog.get_logger(__name__)


class Certificates:
    """The TLS files, and the context in which the API uses them."""

    def __init__(
        self, files: TlsFiles, context: ssl.SSLContext, names: Callable[[], Iterable[str]], audit: Audit, utc_now: Callable[[], datetime]
    ) -> None:
        self._files = files
        self._context = context
        self._names = names
        self._audit = audit
        self._utc_now = utc_now
        self._lock = asyncio.Lock()

    async def show(self) -> tuple[Certificate, ...]:
        """The certificates there are."""
        return await asyncio.to_thread(authority.describe, self._files)

    async def renew_if_needed(self) -> None:
        """Make a new certificate when the old one runs out soon or has other names."""
        async with self._lock:
            if await asyncio.to_thread(authority.prepare, self._files, set(self._names()), self._utc_now()):
                await self._use("server certificate renewed")

    async def renew(self, actor: str, *, of_authority: bool) -> None:
        """Make a new certificate now."""
        async with self._lock:
            if of_authority:
                await asyncio.to_thread(authority.renew_authority, self._files, self._utc_now())
            await self._renew_server()
        await self._audit.record(actor, "certificate.renew", "authority" if of_authority else "server")

    async def replace_authority(self, actor: str, overlap_days: int) -> None:
        """Give the authority a new key; clients that know the old one are served for so many days more."""
        async with self._lock:
            await asyncio.to_thread(authority.replace_authority, self._files, timedelta(days=overlap_days), self._utc_now())
            await self._renew_server()
        await self._audit.record(actor, "certificate.replace", "authority", None, {"overlap_days": overlap_days})

    async def _renew_server(self) -> None:
        await asyncio.to_thread(authority.renew, self._files, set(self._names()), self._utc_now())
        await self._use("server certificate renewed")

    async def install(self, actor: str, certificate: bytes, key: bytes, issuer: bytes | None) -> None:
        """Use a certificate of another authority."""
        async with self._lock:
            await asyncio.to_thread(authority.install, self._files, certificate, key, issuer, self._utc_now())
            await self._use("another server certificate installed")
        await self._audit.record(actor, "certificate.install", "server")

    async def uninstall(self, actor: str) -> None:
        """Use the server's own certificate again."""
        async with self._lock:
            await asyncio.to_thread(authority.uninstall, self._files)
            await self._use("own server certificate in use again")
        await self._audit.record(actor, "certificate.uninstall", "server")

    async def reload(self) -> None:
        """The files have been changed from outside: use them for connections that come from now on, if they can be used."""
        async with self._lock:
            try:
                await self._use("TLS files read again")
            except (ssl.SSLError, OSError) as error:
                _log.error("TLS files cannot be used; the certificate stays as it is", reason=str(error))

    async def _use(self, event: str) -> None:
        await asyncio.to_thread(authority.reload, self._context, self._files)
        _log.info(event)
