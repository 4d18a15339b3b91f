"""NVML's questions: any number of them in one round trip, see native/spec/nvml_model.py."""

from __future__ import annotations

from native.spec.model import CallClass, Run, bytes_in, bytes_out, product

# Questions: u32 number, then each as QuestionHeader + key. Answers in the same order: AnswerHeader + results. See native/include/bitfusion/nvml_wire.h.
ROWS = (product("NvmlAsk", CallClass.SYNC, bytes_in("questions"), bytes_out("answers"), run=Run.BLOCKING),)
