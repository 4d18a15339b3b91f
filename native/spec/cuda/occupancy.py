"""Occupancy calls."""

from __future__ import annotations

from native.spec.model import FUNCTION, CallClass, call, code, handle, out, struct_in, value

SYNC = CallClass.SYNC


ROWS = (
    call(
        "cuOccupancyMaxActiveBlocksPerMultiprocessor",
        6050,
        SYNC,
        out("numBlocks", "int"),
        handle("func", FUNCTION),
        value("blockSize", "int"),
        value("dynamicSMemSize", "size_t"),
        via="OccupancyBlocks",
    ),
    call(
        "cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags",
        7000,
        SYNC,
        out("numBlocks", "int"),
        handle("func", FUNCTION),
        value("blockSize", "int"),
        value("dynamicSMemSize", "size_t"),
        value("flags", "unsigned int"),
        via="OccupancyBlocks",
    ),
    call(
        "cuOccupancyMaxPotentialBlockSize",
        6050,
        SYNC,
        out("minGridSize", "int"),
        out("blockSize", "int"),
        handle("func", FUNCTION),
        code("blockSizeToDynamicSMemSize", "CUoccupancyB2DSize"),
        value("dynamicSMemSize", "size_t"),
        value("blockSizeLimit", "int"),
        via="OccupancyBlocks",
    ),
    call(
        "cuOccupancyMaxPotentialBlockSizeWithFlags",
        7000,
        SYNC,
        out("minGridSize", "int"),
        out("blockSize", "int"),
        handle("func", FUNCTION),
        code("blockSizeToDynamicSMemSize", "CUoccupancyB2DSize"),
        value("dynamicSMemSize", "size_t"),
        value("blockSizeLimit", "int"),
        value("flags", "unsigned int"),
        via="OccupancyBlocks",
    ),
    call(
        "cuOccupancyAvailableDynamicSMemPerBlock",
        10020,
        SYNC,
        out("dynamicSmemSize", "size_t"),
        handle("func", FUNCTION),
        value("numBlocks", "int"),
        value("blockSize", "int"),
        via="OccupancyDynamicMemory",
    ),
    call(
        "cuOccupancyMaxPotentialClusterSize",
        11070,
        SYNC,
        out("clusterSize", "int"),
        handle("func", FUNCTION),
        struct_in("config", "CUlaunchConfig"),
        via="OccupancyClusters",
    ),
    call(
        "cuOccupancyMaxActiveClusters",
        11070,
        SYNC,
        out("numClusters", "int"),
        handle("func", FUNCTION),
        struct_in("config", "CUlaunchConfig"),
        via="OccupancyClusters",
    ),
)
