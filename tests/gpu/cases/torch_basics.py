"""PyTorch: copies both ways, a large matrix product, many small operations with the result read after each."""

import json
import time

import torch

torch.manual_seed(2)


def timed(work, repeats):  # type: ignore[no-untyped-def]
    """Seconds for one call and the last value."""
    work()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(repeats):
        value = work()
    torch.cuda.synchronize()
    return {"seconds": (time.perf_counter() - started) / repeats, "value": float(value)}


host = torch.randn(64 << 20)
pinned = host.pin_memory()
device = host.cuda()
a, b = torch.randn(4096, 4096).cuda(), torch.randn(4096, 4096).cuda()
small = torch.ones(16).cuda()
results = {
    "copy_in_256MiB": timed(lambda: host.cuda()[0], 5),
    "copy_in_pinned_256MiB": timed(lambda: pinned.cuda(non_blocking=True)[0], 5),
    "copy_out_256MiB": timed(lambda: device.cpu()[0], 5),
    "matrix_product_4096": timed(lambda: (a @ b)[0, 0], 20),
    "small_operation_and_read": timed(lambda: (small * 2).sum().item(), 500),
}
print(json.dumps(results))
