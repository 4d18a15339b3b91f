"""Writes the NVML functions the simulated GPU does not have: weak definitions that refuse, one per name NVIDIA's library exports.

A strong definition in a C++ file beside this script takes a name over; nothing has to be struck from a list.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# Exported by every libnvidia-ml.so.1, declared in no header (old names of the excluded-device calls, kept as macros).
UNDECLARED = ("nvmlGetBlacklistDeviceCount", "nvmlGetBlacklistDeviceInfoByIndex")

PROLOGUE = """\
/* Generated from nvml.h by native/src/simgpu/nvml/refusals.py. */
int simgpu_nvml_refuse(const char* name) __attribute__((visibility("hidden")));
#define REFUSE(name) \\
    __attribute__((weak, visibility("default"))) int name(void); \\
    int name(void) { return simgpu_nvml_refuse(#name); }
"""


def declared_functions(header: str) -> list[str]:
    """Names of the functions nvml.h declares, in its order, each once."""
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", header, flags=re.DOTALL)
    return list(dict.fromkeys(re.findall(r"\bnvmlReturn_t\s+DECLDIR\s+(nvml\w+)\s*\(", code)))


def main(header: Path, output: Path) -> None:
    """Write the C file `output` for the functions of `header`."""
    names = [*declared_functions(header.read_text()), *UNDECLARED]
    output.write_text(PROLOGUE + "".join(f"REFUSE({name})\n" for name in names))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
