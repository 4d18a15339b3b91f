"""What is read from the build descriptions of samples, and the table that is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.samples import report
from tools.samples.recipe import Image, Recipe, recipes
from tools.samples.report import Result
from tools.samples.run import Outcome

HEAD = "project(sample LANGUAGES C CXX CUDA)\nfind_package(CUDAToolkit REQUIRED)\n"
DRIVER = """
# add_executable(sample old.cpp)
if(WIN32)
    add_executable(sample windows.cpp)
else()
    add_executable(sample main.cpp ../../../Common/shared.cpp help.h)
endif()
target_link_libraries(sample PUBLIC CUDA::cuda_driver)
set(FATBIN "${CMAKE_CURRENT_BINARY_DIR}/kernel64.fatbin")
set(KERNEL "${CMAKE_CURRENT_SOURCE_DIR}/kernel.cu")
add_custom_command(OUTPUT ${FATBIN} COMMAND ${CMAKE_CUDA_COMPILER} ${FLAGS} -o ${FATBIN} -fatbin ${KERNEL} DEPENDS ${KERNEL})
"""


def _samples(folder: Path, text: str, arguments: dict[str, object] | None = None, group: str = "0_Introduction") -> list[Recipe]:
    sample = folder / "Samples" / group / "sample"
    sample.mkdir(parents=True)
    (sample / "CMakeLists.txt").write_text(HEAD + text)
    (folder / "Samples" / "CMakeLists.txt").write_text("add_subdirectory(0_Introduction)\n")
    (folder / "test_args.json").write_text(json.dumps({"sample": arguments or {}}))
    return recipes(folder)


def test_recipe_of_driver_sample(tmp_path: Path) -> None:
    """Sources, libraries and kernels in files of their own; nothing from comments or for other systems."""
    (recipe,) = _samples(tmp_path, DRIVER, {"min_gpus": 2})
    assert recipe.sources == ("main.cpp", "../../../Common/shared.cpp")
    assert recipe.options == ("-lcuda",)
    assert recipe.images == (Image("./kernel64.fatbin", "./kernel.cu"),)
    assert (recipe.group, recipe.gpus, recipe.runs, recipe.left_out) == ("0_Introduction", 2, ((),), "")


@pytest.mark.parametrize(
    "text, arguments, reason",
    [
        ("add_executable(sample a.cu)", {}, ""),
        (
            "add_executable(sample a.cu)\ntarget_link_libraries(sample PRIVATE CUDA::cublas CUDA::nvrtc)",
            {},
            "needs cublas: code for real GPUs only",
        ),
        ("find_package(GLUT)\nadd_executable(sample a.cu)", {}, "needs a graphics window"),
        ("find_package(GLUT)\nadd_executable(sample a.cu)", {"args": ["-file=reference.ppm"]}, ""),
        ("find_package(Vulkan)\nadd_executable(sample a.cu)", {"args": ["-file=reference.ppm"]}, "needs a graphics window"),
        ("find_package(MPI)\nadd_executable(sample a.cu)", {}, "needs MPI"),
        ("add_executable(sample a.cu)", {"skip": True}, "NVIDIA's own test list skips it"),
        ("add_custom_target(sample)", {}, "has no program of its own"),
    ],
)
def test_left_out(tmp_path: Path, text: str, arguments: dict[str, object], reason: str) -> None:
    """What a machine without a GPU and a screen cannot run is left out, with the reason."""
    (recipe,) = _samples(tmp_path, text, arguments)
    assert recipe.left_out == reason


def test_several_runs(tmp_path: Path) -> None:
    """NVIDIA's list of arguments is followed."""
    (recipe,) = _samples(tmp_path, "add_executable(sample a.cu)", {"runs": [{"args": ["-x=1"]}, {"args": ["-x=2"]}]})
    assert recipe.runs == (("-x=1",), ("-x=2",))


def test_table(tmp_path: Path) -> None:
    """Every sample has a line, every failure its explanation, every one left out its reason."""
    (recipe,) = _samples(tmp_path, "add_executable(sample a.cu)")
    other = Recipe("window", recipe.folder.parent / "window", (), left_out="needs a graphics window")
    result = Result("sample", "0_Introduction", Outcome("passed"), Outcome("failed (1)"))

    table = report.render([recipe, other], {"sample": result}, {"sample": "because"})

    assert "2 samples, 1 tried. Straight on the simulated driver: 1 passed. Through the product: 1 failed." in table
    assert "| 0 sample | passed | failed (1) | because |" in table
    assert "- needs a graphics window: window" in table
