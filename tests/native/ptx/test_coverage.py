"""Every instruction of the PTX ISA is supported, or refused by its name."""

from __future__ import annotations

import pytest

from native.ptx import kernel
from native.ptx.errors import Unsupported
from native.ptx.kernel import KernelCompiler
from native.ptx.linker import Program
from native.ptx.table import REAL_OPCODES, TABLE

# Opcodes of the PTX ISA 9.x, by the chapters of "Instruction Set".
ISA = {
    "integer": "add sub mul mad mul24 mad24 sad div rem abs neg min max popc clz bfind fns brev bfe bfi szext bmsk dp4a dp2a",
    "extended": "addc subc madc",
    "floating": "testp copysign fma rcp sqrt rsqrt sin cos lg2 ex2 tanh",
    "comparison": "set setp selp slct",
    "logic": "and or xor not cnot lop3 shf shl shr",
    "movement": "mov shfl prmt ld ldu st multimem prefetch prefetchu applypriority discard createpolicy isspacep cvta cvt mapa getctarank cp",
    "tensors": "tensormap",
    "textures": "tex tld4 txq istypep",
    "surfaces": "suld sust sured suq",
    "control": "bra brx call ret exit",
    "parallel": "bar barrier membar fence atom red vote match activemask redux griddepcontrol elect mbarrier clusterlaunchcontrol",
    "matrices": "wmma mma ldmatrix stmatrix movmatrix wgmma tcgen05",
    "stack": "stacksave stackrestore alloca",
    "video": "vadd vsub vabsdiff vmin vmax vshl vshr vmad vset vadd2 vadd4 vsub2 vsub4 vavrg2 vavrg4 vabsdiff2 vabsdiff4 vmin2 vmin4 vmax2 vmax4 vset2 vset4",
    "miscellaneous": "brkpt nanosleep pmevent trap setmaxnreg",
}
OPCODES = [opcode for chapter in ISA.values() for opcode in chapter.split()]
# What the simulated GPU does not run; each is refused by name.
REFUSED = {"clusterlaunchcontrol", "istypep", "multimem", "sured", "tcgen05", "tensormap", "vmad", "vshl", "vshr", "wgmma"}


def test_every_instruction_is_run_or_refused() -> None:
    """The table has it, or compiling it is an error that names it, not one that calls the text broken."""
    assert kernel.TABLES
    assert set(OPCODES) - set(TABLE) == REFUSED
    for opcode in sorted(REFUSED):
        text = f".version 9.0\n.target sm_120\n.address_size 64\n.visible .entry k() {{ {opcode}.something; ret; }}"
        program = Program([text])
        with pytest.raises(Unsupported, match=opcode):
            KernelCompiler(program, program.entries[0]).compile()


def test_only_real_instructions_are_in_the_table() -> None:
    """Every row is an instruction of the ISA, and every refused one is known to the compiler."""
    assert set(TABLE) <= set(OPCODES)
    assert REFUSED <= REAL_OPCODES
