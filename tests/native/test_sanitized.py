"""The C++ tests once more under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.native import sanitized
from tools.layout import BUILD, ROOT

WITHIN_S = 300
# The send interceptor looks at the buffer again when the call is over; by then the peer may have answered and the buffer be gone.
OPTIONS = "detect_leaks=0:intercept_send=0"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["frames", "link", "streams"])
def test_sanitized(name: str) -> None:
    """No test touches memory that is not its own, or does what the language leaves undefined."""
    program = sanitized.build(f"test_{name}", sanitized.sources(f"test_{name}", "loopback", "test_handlers"))
    environment = {
        **os.environ,
        "ASAN_OPTIONS": OPTIONS,
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "BITFUSION_FAKE_DRIVER": str(BUILD / "tests" / "libbitfusion_fake_driver.so"),
    }
    vectors = ROOT / "tests/native/hello_vectors.json"
    done = subprocess.run([program, vectors], env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stderr[-8000:]
