"""`bitfusion tls-certs …`: show, renew and replace the certificates of this server, while sessions go on."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitfusion_core.errors import InvalidValue
from bitfusion_server.commands import local
from bitfusion_server.commands.local import LocalManager


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = _parser().parse_args(words)

    def command() -> None:
        with local.manager(arguments.data, "tls-certs") as manager:
            arguments.do(manager, arguments)

    return local.run(command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bitfusion tls-certs", description="Show, renew or replace the TLS certificates of this server.")
    local.add_data_option(parser)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    _verb(verbs, "show", _show, "show the certificates").add_argument("--json", action="store_true", help="as JSON")
    renew = _verb(verbs, "renew", _renew, "make a new server certificate")
    renew.add_argument("--authority", action="store_true", help="renew the authority's own certificate as well; clients need nothing new")
    rotate = _verb(verbs, "replace", _replace, "make a new authority; clients follow for a while without being enabled again")
    rotate.add_argument(
        "--overlap-days", type=int, default=397, metavar="N", help="for how long (default 397); 0: enable all clients again"
    )
    install = _verb(verbs, "install", _install, "use a certificate of another authority")
    install.add_argument("--certificate", type=Path, required=True, metavar="FILE", help="the certificate, with its chain, in PEM form")
    install.add_argument("--key", type=Path, required=True, metavar="FILE", help="its key, in PEM form and without a pass phrase")
    install.add_argument("--authority", type=Path, metavar="FILE", help="what clients that are enabled from now on are to trust as well")
    _verb(verbs, "uninstall", _uninstall, "use the server's own certificate again")
    return parser


def _verb(verbs: Any, name: str, do: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text.capitalize() + ".")
    local.add_data_option(parser, again=True)
    parser.set_defaults(do=do)
    return parser


def _show(manager: LocalManager, given: argparse.Namespace) -> None:
    certificates = manager.json("GET", "/v1/certificates")["certificates"]
    if given.json:
        print(json.dumps(certificates, indent=2))
        return
    print("\n\n".join(_described(one) for one in certificates))


def _described(one: dict[str, Any]) -> str:
    fields = {
        "subject": one["subject"],
        "issuer": one["issuer"],
        "names": ", ".join(one["names"]) or "none",
        "serial": one["serial"],
        "sha256": one["sha256"],
        "valid": f"{local.moment(one['not_before'])} to {local.moment(one['not_after'])}",
    }
    title = f"{one['kind']}{'' if one['in_use'] else ' (not in use)'}"
    return "\n".join([title, *(f"  {name:8} {value}" for name, value in fields.items())])


def _renew(manager: LocalManager, given: argparse.Namespace) -> None:
    manager.json("POST", "/v1/certificates/renew", {"authority": given.authority})
    print("Renewed; open connections and sessions go on.")


def _replace(manager: LocalManager, given: argparse.Namespace) -> None:
    manager.json("POST", "/v1/certificates/authority", {"overlap_days": given.overlap_days})
    print("The authority has a new key; open connections and sessions go on.")
    if given.overlap_days:
        print(
            f"Clients that know the old authority are served for {given.overlap_days} days: give them their token files again until then."
        )
    else:
        print("Clients that know the old authority are refused from now on: give them their token files again.")


def _install(manager: LocalManager, given: argparse.Namespace) -> None:
    body = {"certificate": _read(given.certificate), "key": _read(given.key)}
    if given.authority is not None:
        body["authority"] = _read(given.authority)
    manager.json("PUT", "/v1/certificates/installed", body)
    print("Installed; open connections and sessions go on. Clients enabled before must trust its authority: give them a new token file.")


def _uninstall(manager: LocalManager, _: argparse.Namespace) -> None:
    manager.json("DELETE", "/v1/certificates/installed")
    print("The server's own certificate is in use again.")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"cannot read {path}: {error}", hint="Give a file in PEM form.") from error


if __name__ == "__main__":
    sys.exit(main())
