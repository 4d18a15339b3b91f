"""Every error a user or an API client can see, in one tree.

A class is a row: `code` is stable and machine-readable, `title` says what failed, `hint` what to do next, `http_status` and `exit_code` how
each edge reports it. The instance adds why (`detail`) and named fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

# Exit codes of `run` and `client`, whose own codes must not be mistaken for those of the command they run.
EXIT_WAIT_TIMED_OUT = 124
EXIT_NOT_STARTED = 125
EXIT_CANNOT_EXECUTE = 126
EXIT_COMMAND_NOT_FOUND = 127
EXIT_SIGNAL_BASE = 128


class BitfusionError(Exception):
    """Root of the tree; raised as such only for a defect of ours."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    hint: ClassVar[str] = "Report it with the request id and the log of the server."
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, detail: str = "", *, hint: str | None = None, **fields: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.advice = self.hint if hint is None else hint
        self.fields = fields

    def problem(self, request_id: str = "") -> dict[str, Any]:
        """The body of an RFC 9457 answer."""
        return {
            **self.fields,
            "type": f"about:blank#{self.code}",
            "title": self.title,
            "status": self.http_status,
            "detail": self.detail,
            "code": self.code,
            "hint": self.advice,
            "request_id": request_id,
        }


class InvalidRequest(BitfusionError):
    code = "invalid_request"
    title = "The request is not valid"
    hint = "Correct the value named in the message."
    http_status = 400
    exit_code = 2


class InvalidValue(InvalidRequest):
    code = "invalid_value"
    title = "A value cannot be used"


class UnknownFilterKey(InvalidRequest):
    code = "unknown_filter_key"
    title = "A filter names an unknown key"


class InvalidSetting(InvalidRequest):
    code = "invalid_setting"
    title = "A setting cannot be used"
    hint = "See the settings reference for names, types and ranges."


class RequestTooLarge(InvalidRequest):
    code = "request_too_large"
    title = "The request is too large"
    http_status = 413


class Unauthenticated(BitfusionError):
    code = "unauthenticated"
    title = "The access token is missing or wrong"
    hint = "Enable this client again: ask the administrator for a token."
    http_status = 401
    exit_code = 11


class TokenExpired(Unauthenticated):
    code = "token_expired"
    title = "The access token has expired"
    hint = "Ask the administrator to extend the expiration of this client."


class WrongPassword(Unauthenticated):
    code = "wrong_password"
    title = "The user name or the password is wrong"
    hint = "Try again, or ask an administrator to set a new password."


class Forbidden(BitfusionError):
    code = "forbidden"
    title = "Not allowed"
    hint = "Ask an administrator."
    http_status = 403
    exit_code = 11


class ClientRefused(Forbidden):
    code = "client_refused"
    title = "This client may not use the servers"
    hint = "The client was disabled or deleted; ask the administrator to enable it."


class NotFound(BitfusionError):
    code = "not_found"
    title = "Not found"
    hint = "Check the name; it may have been removed."
    http_status = 404


class MethodNotAllowed(BitfusionError):
    code = "method_not_allowed"
    title = "The method is not allowed here"
    hint = "See the API reference."
    http_status = 405
    exit_code = 2


class Conflict(BitfusionError):
    code = "conflict"
    title = "The object has changed meanwhile"
    hint = "Read it again and repeat the change."
    http_status = 409


class PreconditionFailed(Conflict):
    code = "precondition_failed"
    http_status = 412


class AlreadyExists(Conflict):
    code = "already_exists"
    title = "There is one of this name already"
    hint = "Choose another name, or change the one that exists."


class TooManyRequests(BitfusionError):
    code = "too_many_requests"
    title = "Too many failed attempts"
    hint = "Wait a minute, then try again with the right token or password."
    http_status = 429
    exit_code = 11


class NoCapacity(BitfusionError):
    code = "no_capacity"
    title = "The GPUs cannot be had"
    hint = "Look at the free GPUs with 'bitfusion list_gpus'."
    http_status = 409
    exit_code = 10


class NeverFits(NoCapacity):
    code = "never_fits"
    title = "The request can never be satisfied"
    hint = "Ask for fewer GPUs, less memory or other filters; 'bitfusion list_gpus' shows what exists."


class QuotaExceeded(NeverFits):
    code = "quota_exceeded"
    title = "The request is larger than the client's GPU quota"
    hint = "Ask for fewer GPUs or a smaller part of them, or ask the administrator for a larger quota."


class WaitTimedOut(NoCapacity):
    code = "wait_timed_out"
    title = "The GPUs did not become free in time"
    hint = "Try again later or wait longer with --timeout."


class QueueFull(NoCapacity):
    code = "queue_full"
    title = "Too many requests are waiting"
    hint = "Try again later."
    http_status = 503


class NotAccepting(NoCapacity):
    code = "not_accepting"
    title = "The server takes no new applications"
    hint = "Use another server, or ask the administrator to allow new client connections."
    http_status = 503


class ServerUnavailable(BitfusionError):
    code = "server_unavailable"
    title = "A part of the server is not running"
    hint = "Look at 'journalctl -u bitfusion-manager.service' on the server."
    http_status = 503
    exit_code = 12


class Interrupted(ServerUnavailable):
    code = "interrupted"
    title = "The work was broken off before its end"
    hint = "See the audit log for what has been done, and begin it again if something is missing."


class ManagerUnreachable(BitfusionError):
    code = "manager_unreachable"
    title = "No server could be reached"
    hint = "Check the addresses in servers.conf, the network, and that the server runs."
    http_status = 502
    exit_code = 12


class UntrustedServer(ManagerUnreachable):
    code = "untrusted_server"
    title = "The server's certificate cannot be trusted"
    hint = "Enable this client again, so that it receives the certificate of the servers it is to use."


class VersionMismatch(BitfusionError):
    code = "version_mismatch"
    title = "Client and server versions do not work together"
    hint = "Install the client that belongs to the server's version."
    http_status = 426
    exit_code = 13


class Unhealthy(BitfusionError):
    code = "unhealthy"
    title = "The server is not healthy"
    hint = "Run 'bitfusion health'."
    http_status = 503
    exit_code = 14


def _tree(root: type[BitfusionError]) -> Iterator[type[BitfusionError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def by_code() -> dict[str, type[BitfusionError]]:
    """All errors by their stable code."""
    return {error.code: error for error in _tree(BitfusionError)}


def from_problem(problem: Mapping[str, Any]) -> BitfusionError:
    """Turn an API answer back into the error it came from; an unknown code becomes the root error and keeps its text."""
    error = by_code().get(str(problem.get("code")), BitfusionError)
    detail = str(problem.get("detail") or problem.get("title") or "the server gave no reason")
    return error(detail, hint=str(problem.get("hint") or error.hint), request_id=str(problem.get("request_id") or ""))
