"""PTX compiler of the simulated GPU: PTX text -> LLVM IR -> x86-64 object code.

Read in this order: ``module`` (slices a PTX text into declarations), ``body`` (parses one function), ``builder`` (writes
LLVM IR for one function), ``ops_*`` (the instruction table), ``kernel`` (one entry and all it reaches), ``codegen``
(LLVM), ``service`` (the process that the simulated driver talks to).
"""
