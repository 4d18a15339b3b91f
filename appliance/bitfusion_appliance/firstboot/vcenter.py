"""Changes the appliance's own virtual machine through vCenter."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from bitfusion_appliance.firstboot.host import Host, StepFailed
from bitfusion_appliance.properties import SERVER, Values

_CONNECT_TIMEOUT_S = 30.0
_SHA1_LENGTH = len(":".join(["AB"] * 20))
_SERIAL = "/sys/class/dmi/id/product_serial"
KEYS = tuple(f"{SERVER}vcenter-{name}" for name in ("url", "username", "password", "thumbprint", "guid"))


@dataclass(frozen=True)
class Login:
    """Where and as whom."""

    url: str
    username: str
    password: str = field(repr=False)
    thumbprint: str | None = None
    guid: str | None = None


def login(values: Values) -> Login | None:
    """From the form; None when it does not name a vCenter, a user and a password."""
    url, username, password, thumbprint, guid = (values.get(key) for key in KEYS)
    return Login(url, username, password, thumbprint, guid) if url and username and password else None


def own_uuid(host: Host) -> UUID | None:
    """The BIOS UUID as vCenter writes it: `VMware-42 3a … -b1 …`."""
    serial = (host.read(_SERIAL) or "").strip()
    digits = serial.removeprefix("VMware-").replace(" ", "").replace("-", "")
    try:
        return UUID(hex=digits) if serial.startswith("VMware-") else None
    except ValueError:
        return None


def set_extra_config(credentials: Login, uuid: UUID, wanted: Mapping[str, str]) -> list[str]:
    """Set advanced settings of the virtual machine; returns the names of those that were different."""
    from pyVim.task import WaitForTask
    from pyVmomi import vim

    with _session(credentials) as content:
        machine = content.searchIndex.FindByUuid(None, str(uuid), True, False)
        if machine is None:
            raise StepFailed(
                f"vCenter knows no virtual machine {uuid}", "Check vcenter-url: it must be the vCenter that manages this server."
            )
        current = {option.key: option.value for option in machine.config.extraConfig}
        changes = {key: value for key, value in wanted.items() if current.get(key) != value}
        if changes:
            options = [vim.option.OptionValue(key=key, value=value) for key, value in changes.items()]
            WaitForTask(machine.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=options)))
        return sorted(changes)


@contextlib.contextmanager
def _session(credentials: Login) -> Iterator[Any]:
    """Every way it can fail is told as one of ours; the password is in none of them."""
    from pyVim.connect import Disconnect, SmartConnect
    from pyVmomi import vim, vmodl

    parts = urlsplit(credentials.url)
    try:
        connection = SmartConnect(
            host=parts.hostname,
            port=parts.port or 443,
            user=credentials.username,
            pwd=credentials.password,
            # Always given: without one, pyvmomi trusts whoever answers on this machine.
            sslContext=_trust(parts.hostname or "", parts.port or 443, credentials.thumbprint),
        )
    except vim.fault.InvalidLogin as error:
        raise StepFailed("vCenter refuses the user name or the password", "Correct vcenter-username and vcenter-password.") from error
    except (OSError, ssl.SSLError, http.client.HTTPException, vmodl.MethodFault) as error:
        raise StepFailed(
            f"cannot connect to {credentials.url}: {_reason(error)}", "Check vcenter-url, vcenter-thumbprint and the network."
        ) from error
    try:
        yield connection.RetrieveContent()
    except vmodl.MethodFault as error:
        hint = "Give this user the privilege to change the virtual machine's advanced configuration."
        raise StepFailed(f"vCenter refuses: {_reason(error)}", hint) from error
    finally:
        Disconnect(connection)


def _trust(host: str, port: int, thumbprint: str | None) -> ssl.SSLContext:
    """Trust exactly the certificate with this thumbprint, or without one the authorities that this machine knows."""
    if thumbprint is None:
        return ssl.create_default_context()
    certificate = ssl.get_server_certificate((host, port), timeout=_CONNECT_TIMEOUT_S)
    algorithm = hashlib.sha1 if len(thumbprint) == _SHA1_LENGTH else hashlib.sha256
    actual = algorithm(ssl.PEM_cert_to_DER_cert(certificate), usedforsecurity=False).hexdigest().upper()
    if actual != thumbprint.replace(":", ""):
        raise ssl.SSLError(f"its certificate has the thumbprint {':'.join(re.findall('..', actual))}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False  # the certificate itself is known
    return context


def _reason(error: Exception) -> str:
    return getattr(error, "msg", None) or str(error)
