"""PyTorch: training steps of a small convolutional network and of a transformer of GPT-2 small's width."""

import json
import time

import torch
from torch import nn

torch.manual_seed(1)
STEPS = 20


def convolutional() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A network and one batch for it."""
    layers: list[nn.Module] = []
    channels = 3
    for width in (64, 128, 256):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 8 * 8, 10))
    return model, torch.randn(64, 3, 64, 64), torch.randint(10, (64,))


def transformer() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Six layers of width 768 over 256 tokens."""
    layer = nn.TransformerEncoderLayer(768, 12, 3072, dropout=0.0, batch_first=True, norm_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 6, enable_nested_tensor=False), nn.Linear(768, 1000))
    return model, torch.randn(8, 256, 768), torch.randint(1000, (8, 256))


def train(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    """Loss after some steps, and seconds a step."""
    model, inputs, targets = model.cuda(), inputs.cuda(), targets.cuda()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    loss_of = nn.CrossEntropyLoss()
    started = 0.0
    for step in range(STEPS + 5):
        if step == 5:
            torch.cuda.synchronize()
            started = time.perf_counter()
        optimiser.zero_grad()
        outputs = model(inputs)
        loss = loss_of(outputs.flatten(0, -2), targets.flatten())
        loss.backward()
        optimiser.step()
    torch.cuda.synchronize()
    return {"seconds": (time.perf_counter() - started) / STEPS, "value": float(loss)}


print(json.dumps({name.__name__: train(*name()) for name in (convolutional, transformer)}))
