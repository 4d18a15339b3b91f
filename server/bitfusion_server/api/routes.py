"""Every route of the API, as rows. Router, authorization, validation, OpenAPI document and reference page come from here."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Middleware

from bitfusion_core.errors import (
    AlreadyExists,
    ClientRefused,
    Conflict,
    InvalidRequest,
    NeverFits,
    NotAccepting,
    PreconditionFailed,
    TooManyRequests,
    WrongPassword,
)
from bitfusion_server.api import (
    audit,
    certificates,
    clients,
    history,
    leases,
    measurements,
    metrics,
    openapi,
    server,
    sessions,
    settings,
    tasks,
    tokens,
    tools,
    users,
)
from bitfusion_server.api.context import SERVICES, Services
from bitfusion_server.api.fields import PageQuery
from bitfusion_server.api.middleware import problems
from bitfusion_server.api.routing import LINES, MAX_BODY_BYTES, Route, serve
from bitfusion_server.auth.access import Permission

PUBLIC, LOOK, LEASE, VIEW, OPERATE, ADMINISTER = Permission

# fmt: off
ROUTES: tuple[Route, ...] = (
    Route("GET", "/livez", server.livez, PUBLIC, "Is the process alive?", server.Status),
    Route("GET", "/readyz", server.readyz, PUBLIC, "Can leases be granted?", server.Status, also=(503,)),
    Route("GET", "/v1/openapi.json", openapi.show, LOOK, "This document", dict),

    Route("GET", "/query", server.query, LOOK, "Available GPUs", server.ServerState),
    Route("POST", "/claim_id", server.claim_id, LEASE, "Claim a client's identity", server.Claimed, server.ClaimBody, errors=(ClientRefused,)),
    Route("GET", "/v1/gpus", server.gpus, LOOK, "GPUs and their sensors", server.ServerSensed),

    Route("POST", "/v1/leases", leases.create, LEASE, "Request GPUs", leases.LeaseEvent, leases.LeaseBody, media=LINES, idempotent=False,
          errors=(ClientRefused, NeverFits, NotAccepting)),
    Route("GET", "/v1/leases", leases.index, LOOK, "Leases of the caller", leases.LeaseList),
    Route("GET", "/v1/leases/{id}", leases.show, LOOK, "One lease", leases.LeaseShown),
    Route("GET", "/v1/leases/{id}/hold", leases.hold, LEASE, "Hold a lease again", leases.LeaseEvent, media=LINES),
    Route("POST", "/v1/leases/{id}/keep", leases.keep, LEASE, "Keep a granted lease", status=204),
    Route("DELETE", "/v1/leases/{id}", leases.delete, LEASE, "End a lease", status=204),

    Route("POST", "/v1/measurements", measurements.create, LEASE, "Measure the network", measurements.Ticket, idempotent=False),
    Route("GET", "/v1/tools/{id}", tools.show, LEASE, "A program for clients", tools.ToolShown),
    Route("GET", "/v1/tools/{id}/content", tools.content, LEASE, "Fetch a program for clients", bytes, media=tools.PROGRAM),

    Route("GET", "/v1/sessions", sessions.index, VIEW, "Running sessions", sessions.SessionList),
    Route("GET", "/v1/sessions/{id}", sessions.show, VIEW, "One running session", sessions.SessionShown),
    Route("DELETE", "/v1/sessions/{id}", sessions.terminate, OPERATE, "Terminate a session", status=204),
    Route("GET", "/v1/ended-sessions", sessions.ended, VIEW, "Sessions of the past", sessions.EndedSessionPage, query=PageQuery),

    Route("GET", "/v1/clients", clients.index, VIEW, "Clients", clients.ClientPage, query=PageQuery),
    Route("GET", "/v1/clients/{id}", clients.show, VIEW, "One client", clients.ClientShown),
    Route("POST", "/v1/clients/{id}/disable", clients.disable, OPERATE, "Disable a client", clients.ClientShown, errors=(Conflict,)),
    Route("POST", "/v1/clients/{id}/enable", clients.enable, OPERATE, "Enable a client", clients.ClientShown, errors=(Conflict,)),
    Route("DELETE", "/v1/clients/{id}", clients.delete, OPERATE, "Delete a client", status=204, errors=(Conflict,)),
    Route("GET", "/v1/clients/{id}/settings", settings.show_client, VIEW, "Settings of a client", settings.SettingList, versioned=True),
    Route("PATCH", "/v1/clients/{id}/settings", settings.change_client, OPERATE, "Change settings of a client", settings.SettingList,
          settings.SettingsBody, versioned=True, errors=(Conflict, PreconditionFailed)),
    Route("POST", "/v1/client-extensions", clients.extend, OPERATE, "Extend the expiration of all clients", tasks.TaskShown, clients.ExtendBody,
          status=202, idempotent=False),

    Route("GET", "/v1/servers/{id}/settings", settings.show_server, VIEW, "Settings of a server", settings.SettingList, versioned=True),
    Route("PATCH", "/v1/servers/{id}/settings", settings.change_server, OPERATE, "Change settings of a server", settings.SettingList,
          settings.SettingsBody, versioned=True, errors=(Conflict, PreconditionFailed)),
    Route("GET", "/v1/settings", settings.show_global, VIEW, "Default settings", settings.SettingList, versioned=True),
    Route("PATCH", "/v1/settings", settings.change_global, ADMINISTER, "Change default settings", settings.SettingList, settings.SettingsBody,
          versioned=True, errors=(Conflict, PreconditionFailed)),

    Route("GET", "/v1/tokens", tokens.index, ADMINISTER, "Access tokens", tokens.TokenList),
    Route("POST", "/v1/tokens", tokens.create, ADMINISTER, "Create a token", tokens.TokenCreated, tokens.TokenBody, status=201, idempotent=False),
    Route("GET", "/v1/tokens/{id}", tokens.show, ADMINISTER, "One token", tokens.TokenShown),
    Route("PATCH", "/v1/tokens/{id}", tokens.change, ADMINISTER, "Change a token", tokens.TokenShown, tokens.TokenChange, errors=(Conflict,)),
    Route("DELETE", "/v1/tokens/{id}", tokens.delete, ADMINISTER, "Delete a token", status=204),
    Route("GET", "/v1/tokens/{id}/download", tokens.download, ADMINISTER, "Files that enable a client", bytes, media=tokens.TAR,
          errors=(InvalidRequest, Conflict)),

    Route("POST", "/v1/login", users.login, PUBLIC, "Log in", users.LoggedIn, users.LoginBody, idempotent=False,
          errors=(WrongPassword, TooManyRequests)),
    Route("POST", "/v1/logout", users.logout, LOOK, "Log out", status=204),
    Route("GET", "/v1/me", users.me, LOOK, "Who the caller is", users.Self),
    Route("PUT", "/v1/me/password", users.password, LOOK, "Change the own password", body=users.PasswordBody, status=204,
          errors=(WrongPassword, TooManyRequests, Conflict)),
    Route("GET", "/v1/users", users.index, ADMINISTER, "Users", users.UserList),
    Route("POST", "/v1/users", users.create, ADMINISTER, "Create a user", users.UserShown, users.UserBody, status=201, idempotent=False,
          errors=(AlreadyExists, TooManyRequests)),
    Route("GET", "/v1/users/{id}", users.show, ADMINISTER, "One user", users.UserShown),
    Route("PATCH", "/v1/users/{id}", users.change, ADMINISTER, "Change a user", users.UserShown, users.UserChange,
          errors=(Conflict, TooManyRequests)),
    Route("DELETE", "/v1/users/{id}", users.delete, ADMINISTER, "Delete a user", status=204, errors=(Conflict,)),

    Route("GET", "/v1/certificates", certificates.index, VIEW, "Certificates", certificates.CertificateList),
    Route("POST", "/v1/certificates/renew", certificates.renew, ADMINISTER, "Renew the certificate", certificates.CertificateList,
          certificates.RenewBody, idempotent=False),
    Route("POST", "/v1/certificates/authority", certificates.replace_authority, ADMINISTER, "Replace the authority", certificates.CertificateList,
          certificates.ReplaceBody, idempotent=False),
    Route("PUT", "/v1/certificates/installed", certificates.install, ADMINISTER, "Install another certificate", certificates.CertificateList,
          certificates.InstallBody),
    Route("DELETE", "/v1/certificates/installed", certificates.uninstall, ADMINISTER, "Use the own certificate again", status=204),

    Route("GET", "/v1/stats", metrics.stats, LOOK, "Figures of this server", metrics.StatsShown, query=history.WindowQuery),
    Route("GET", "/metrics", metrics.scrape, VIEW, "Figures for Prometheus", bytes, media=metrics.PROMETHEUS),
    Route("GET", "/v1/history/cluster", history.cluster, VIEW, "History of the cluster", history.HistoryShown, query=history.WindowQuery),
    Route("GET", "/v1/history/cluster/csv", history.cluster_csv, VIEW, "History of the cluster as CSV", bytes, query=history.WindowQuery,
          media=history.CSV),
    Route("GET", "/v1/history/servers", history.servers, VIEW, "Servers with a history", history.SubjectPage, query=PageQuery),
    Route("GET", "/v1/history/servers/{id}", history.server, VIEW, "History of a server", history.HistoryShown, query=history.WindowQuery),
    Route("GET", "/v1/history/servers/{id}/csv", history.server_csv, VIEW, "History of a server as CSV", bytes, query=history.WindowQuery,
          media=history.CSV),
    Route("GET", "/v1/history/clients", history.clients, VIEW, "Clients with a history", history.SubjectPage, query=PageQuery),
    Route("GET", "/v1/history/clients/{id}", history.client, VIEW, "History of a client", history.HistoryShown, query=history.WindowQuery),
    Route("GET", "/v1/history/clients/{id}/csv", history.client_csv, VIEW, "History of a client as CSV", bytes, query=history.WindowQuery,
          media=history.CSV),

    Route("GET", "/v1/audit", audit.index, ADMINISTER, "Audit log", audit.AuditPage, query=PageQuery),
    Route("GET", "/v1/tasks", tasks.index, VIEW, "Long work", tasks.TaskPage, query=PageQuery),
    Route("GET", "/v1/tasks/{id}", tasks.show, VIEW, "One piece of long work", tasks.TaskShown),
)
# fmt: on


def make_app(services: Services, *outer: Middleware) -> web.Application:
    """The application of the table; `outer` are middlewares around it."""
    app = web.Application(middlewares=[*outer, problems], client_max_size=MAX_BODY_BYTES)
    app[SERVICES] = services
    app[openapi.DOCUMENT] = openapi.document(ROUTES)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, serve(route))
    return app
