"""The table of all commands: names, aliases, groups and one-line summaries. Help, completion and dispatch read it."""

from __future__ import annotations

from typing import NamedTuple

GENERAL, CLIENT, SERVER = "", "Client Commands:", "Server Commands:"
GROUPS = (GENERAL, CLIENT, SERVER)


class Row(NamedTuple):
    """One command.

    `launches`: its exit code is the application's; `server`: the server package carries it out; `root`: only root may use it.
    """

    name: str
    group: str
    summary: str
    alias: str = ""
    launches: bool = False
    server: bool = False
    root: bool = False

    @property
    def title(self) -> str:
        """Name and alias, as the help screen shows them."""
        return f"{self.name}, {self.alias}" if self.alias else self.name


# In the order of the help screen.
ROWS: tuple[Row, ...] = (
    Row("tls-certs", GENERAL, "Show, renew or replace the server's TLS certificates (as root)", "TC", server=True, root=True),
    Row("version", GENERAL, "Print the version", "v"),
    Row("localhealth", GENERAL, "Check the health of this machine only", "LH"),
    Row("dealloc", GENERAL, "Give a licence back: there is none to give back (as root)", root=True),
    Row("crashreport", GENERAL, "Send a crash report: nothing is sent anywhere"),
    Row("license", GENERAL, "Show the licence"),
    Row("list_gpus", GENERAL, "List the GPUs of all servers and their free memory"),
    Row("initdb", GENERAL, "Set up or migrate the server's database", server=True),
    Row("token", GENERAL, "Enable this client with a token; manage tokens on a server"),
    Row("register", GENERAL, "Register a server as the plug-in of vCenter", server=True),
    Row("unregister", GENERAL, "Remove the plug-in's registration from vCenter", server=True),
    Row("removenode", GENERAL, "Remove servers that are gone from the cluster", server=True),
    Row("user", GENERAL, "Manage the users of a server", server=True),
    Row("help", GENERAL, "List the commands, or explain one", "h"),
    Row("config", GENERAL, "Show the configuration and where each value comes from"),
    Row("client", CLIENT, "Run an application on GPUs reserved by request_gpus", "c", launches=True),
    Row("health", CLIENT, "Check the health of all servers and of this machine", "H"),
    Row("request_gpus", CLIENT, "Reserve GPUs for several applications"),
    Row("release_gpus", CLIENT, "Give back GPUs reserved by request_gpus, with the same options"),
    Row("run", CLIENT, "Reserve GPUs, run an application on them, give them back", launches=True),
    Row("stats", CLIENT, "Show statistics of all servers, now and over a time"),
    Row("smi", CLIENT, "Show the GPUs of all servers in the manner of nvidia-smi"),
    Row("local", CLIENT, "Run a CUDA application on this machine's own GPUs", launches=True),
    Row("net_perf", CLIENT, "Measure latency and bandwidth to all servers"),
    Row("cdi", CLIENT, "Write a CDI specification, with which containers use GPUs of the network"),
    Row("server", SERVER, "Run the dispatcher, which accepts applications", "s", server=True),
    Row("resource_scheduler", SERVER, "Run the resource scheduler (SRS) of a GPU server", "srs", server=True),
    Row("analytics", SERVER, "Run the analytics server", server=True),
    Row("manager", SERVER, "Run the manager", server=True),
)
BY_NAME: dict[str, Row] = {name: row for row in ROWS for name in (row.name, row.alias) if name}
