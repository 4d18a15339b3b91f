"""`python -m tests.server.dispatcher.watched …`: the dispatcher, in which a call that blocks the event loop fails instead."""

from __future__ import annotations

from blockbuster import blockbuster_ctx

from bitfusion_server.dispatcher.__main__ import main

with blockbuster_ctx("bitfusion_server") as blockbuster:
    for function in blockbuster.functions.values():
        # The frame of the main task, not of those that serve: before it listens and after the last session it may touch its few files; a traceback in the log quotes source lines.
        function.can_block_in("bitfusion_server/dispatcher/__main__.py", {"_serve"})
        function.can_block_in("bitfusion_server/dispatcher/control.py", {"start", "stop"})
        function.can_block_in("structlog/processors.py", {"__call__"})
    main()
