"""JAX: a compiled training step of a small network."""

import json
import time

import jax
import jax.numpy as jnp

assert jax.devices()[0].platform == "gpu"
keys = jax.random.split(jax.random.PRNGKey(4), 4)
weights = [jax.random.normal(keys[0], (1024, 2048)) * 0.02, jax.random.normal(keys[1], (2048, 10)) * 0.02]
inputs, targets = jax.random.normal(keys[2], (512, 1024)), jax.random.normal(keys[3], (512, 10))


def loss(parameters, x, y):  # type: ignore[no-untyped-def]
    """Mean squared error."""
    return jnp.mean((jax.nn.relu(x @ parameters[0]) @ parameters[1] - y) ** 2)


@jax.jit
def step(parameters, x, y):  # type: ignore[no-untyped-def]
    """One step of gradient descent."""
    value, gradients = jax.value_and_grad(loss)(parameters, x, y)
    return [w - 0.1 * g for w, g in zip(parameters, gradients, strict=True)], value


weights, value = step(weights, inputs, targets)
value.block_until_ready()
started = time.perf_counter()
for _ in range(50):
    weights, value = step(weights, inputs, targets)
value.block_until_ready()
print(json.dumps({"network": {"seconds": (time.perf_counter() - started) / 50, "value": float(value)}}))
