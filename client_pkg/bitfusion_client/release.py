"""What this release calls itself. Imports next to nothing: `bitfusion --version` has no other cost than starting Python."""

from __future__ import annotations

from bitfusion_core import __version__

TEXT = f"Bitfusion version: {__version__} release"
