"""The table of all commands: names, aliases, groups and one-line summaries. Help, completion and dispatch read it."""

from __future__ import annotations

from typing import NamedTuple

GENERAL, CLIENT, SERVER = "", "Client Commands:", "Server Commands:"
GROUPS = (GENERAL, CLIENT, SERVER)


class Row(NamedTuple):
    """One command. `built` is false for a name that is reserved for a later release; `launches` for one whose exit code is the application's."""

    name: str
    group: str
    summary: str
    alias: str = ""
    built: bool = False
    launches: bool = False

    @property
    def title(self) -> str:
        """Name and alias, as the help screen shows them."""
        return f"{self.name}, {self.alias}" if self.alias else self.name


# In the order of the help screen.
ROWS: tuple[Row, ...] = (
    Row("tls-certs", GENERAL, "Manage the server's TLS certificates (as root)", "TC"),
    Row("version", GENERAL, "Print the version", "v", built=True),
    Row("localhealth", GENERAL, "Check the health of this machine", "LH"),
    Row("dealloc", GENERAL, "Give a licence back: this product needs none"),
    Row("crashreport", GENERAL, "Send a crash report: nothing is sent anywhere"),
    Row("license", GENERAL, "Show the licence"),
    Row("list_gpus", GENERAL, "List the GPUs of all servers and their free memory", built=True),
    Row("initdb", GENERAL, "Set up the database"),
    Row("token", GENERAL, "Manage access tokens"),
    Row("register", GENERAL, "Register a server as the plug-in"),
    Row("unregister", GENERAL, "Remove the registration of the plug-in"),
    Row("removenode", GENERAL, "Remove servers that are gone"),
    Row("user", GENERAL, "Manage users"),
    Row("help", GENERAL, "List the commands, or explain one", "h", built=True),
    Row("client", CLIENT, "Run an application on GPUs reserved by request_gpus", "c", built=True, launches=True),
    Row("health", CLIENT, "Check the health of all servers and of this machine", "H"),
    Row("request_gpus", CLIENT, "Reserve GPUs for several applications", built=True),
    Row("release_gpus", CLIENT, "Give back GPUs reserved by request_gpus, with the same options", built=True),
    Row("run", CLIENT, "Reserve GPUs, run an application on them, give them back", built=True, launches=True),
    Row("stats", CLIENT, "Show statistics of all servers"),
    Row("smi", CLIENT, "Show the GPUs of all servers in the manner of nvidia-smi", built=True),
    Row("local", CLIENT, "Run a CUDA application on this machine's own GPUs"),
    Row("net_perf", CLIENT, "Measure latency and bandwidth to all servers"),
    Row("server", SERVER, "Run the dispatcher, which accepts applications", "s"),
    Row("resource_scheduler", SERVER, "Run the resource scheduler (SRS) of a GPU server", "srs"),
    Row("analytics", SERVER, "Run the analytics server"),
    Row("manager", SERVER, "Run the manager"),
)
BY_NAME: dict[str, Row] = {name: row for row in ROWS for name in (row.name, row.alias) if name}
