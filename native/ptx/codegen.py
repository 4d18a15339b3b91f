"""LLVM IR text -> object code for this machine."""

from __future__ import annotations

import functools

import llvmlite.binding as llvm


@functools.cache
def _target_machine() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    # Not the GNU environment: there LLVM calls sincosf, which is not in libm's standard and not among what objects are linked with.
    target = llvm.Target.from_triple("x86_64-unknown-linux")
    features = llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2, reloc="pic", codemodel="default")


def assemble(ir: str) -> bytes:
    """Optimises and compiles a module; its only external symbols are helpers and libm functions."""
    machine = _target_machine()
    module = llvm.parse_assembly(ir)
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    # NVVM has unrolled what is worth it, and checked accesses do not vectorise: both would only cost compile time.
    options.loop_unrolling = False
    options.loop_vectorization = False
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))
