"""Fetch and build the private TLS library: s2n-tls on AWS-LC, as static archives (docs/adr/0001-tls-library.md says why these).

The sources come from one pinned, hash-checked source distribution. Run by CMake once per build directory:
``build_tls.py OUTPUT TOOLCHAIN CMAKE NINJA`` leaves ``OUTPUT/lib/{libs2n,libcrypto}.a`` and ``OUTPUT/include``.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from native.cmake.source_distribution import fetch, unpack

VERSION = "0.38.1"
SHA256 = "0dcebfaa70cf079133cd2352119e3d05e9b8ca1d1621736cfb54c03f3d5fef0f"
WANTED = ("crt/s2n", "crt/aws-lc")
# Large, and not needed to build the library.
UNWANTED = ("crt/s2n/tests/integration", "crt/s2n/tests/pems", "crt/aws-lc/third_party/wycheproof")
# Hidden symbols, because it lives in other people's processes. Initial-exec thread-local storage, because the dynamic kind may enter the
# dynamic loader, whose lock an application can hold while it calls CUDA.
C_FLAGS = "-fvisibility=hidden -ftls-model=initial-exec -fno-sanitize=all -ffunction-sections -fdata-sections"


def configure(cmake: str, ninja: str, toolchain: str, source: Path, build: Path, *options: str) -> None:
    """Configure one of the libraries as a static, position-independent release."""
    common = [
        f"-DCMAKE_MAKE_PROGRAM={ninja}",
        f"-DCMAKE_TOOLCHAIN_FILE={toolchain}",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_POSITION_INDEPENDENT_CODE=ON",
        "-DBUILD_SHARED_LIBS=OFF",
        "-DBUILD_TESTING=OFF",
        f"-DCMAKE_C_FLAGS={C_FLAGS}",
        "-Wno-dev",
        "-Wno-deprecated",
    ]
    run([cmake, "-S", str(source), "-B", str(build), "-G", "Ninja", *common, *options])


def build(output: Path, toolchain: str, cmake: str, ninja: str) -> None:
    """Build both archives into `output`."""
    with tempfile.TemporaryDirectory(prefix="bitfusion-tls-") as name:
        scratch = Path(name)
        crt = unpack(fetch("awscrt", VERSION, SHA256, scratch), scratch, WANTED, UNWANTED) / "crt"
        lc, s2n = scratch / "build-lc", scratch / "build-s2n"
        options = ("DISABLE_GO=ON", "DISABLE_PERL=ON", "BUILD_LIBSSL=OFF", "BUILD_TOOL=OFF", "DISABLE_CPU_JITTER_ENTROPY=ON")
        configure(cmake, ninja, toolchain, crt / "aws-lc", lc, *(f"-D{option}" for option in options))
        run([ninja, "-C", str(lc), "crypto"])
        crypto = lc / "crypto/libcrypto.a"
        places = (f"-Dcrypto_INCLUDE_DIR={crt / 'aws-lc/include'}", f"-Dcrypto_STATIC_LIBRARY={crypto}", f"-Dcrypto_LIBRARY={crypto}")
        configure(cmake, ninja, toolchain, crt / "s2n", s2n, *places, "-DS2N_STACKTRACE=OFF", "-DUNSAFE_TREAT_WARNINGS_AS_ERRORS=OFF")
        run([ninja, "-C", str(s2n), "s2n"])
        install(output, {"libcrypto.a": crypto, "libs2n.a": s2n / "lib/libs2n.a"}, (crt / "aws-lc/include", crt / "s2n/api"))


def install(output: Path, archives: dict[str, Path], headers: tuple[Path, ...]) -> None:
    """Copy what the build needs; the archives last, because CMake takes their presence for success."""
    (output / "lib").mkdir(parents=True, exist_ok=True)
    for header in headers:
        shutil.copytree(header, output / "include", dirs_exist_ok=True)
    for name, archive in archives.items():
        shutil.copy2(archive, output / "lib" / f".{name}")
        (output / "lib" / f".{name}").replace(output / "lib" / name)


def run(command: list[str]) -> None:
    """Run a step quietly; show its output when it fails."""
    result = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        sys.exit(f"building the TLS library failed: {' '.join(command)}\n{result.stdout[-4000:]}")


def recipe() -> str:
    """What decides the outcome: this file. Several build directories may share one output."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def main(output: Path, toolchain: str, cmake: str, ninja: str) -> None:
    """Build unless `output` already holds what this recipe makes."""
    stamp = output / "recipe"
    if not stamp.exists() or stamp.read_text() != recipe():
        build(output, toolchain, cmake, ninja)
        stamp.write_text(recipe())
    for archive in (output / "lib").iterdir():
        archive.touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:5])
