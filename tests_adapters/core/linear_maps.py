"""Linear maps with an adapter of the LoRA family, and all forms of it."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from generated.core.composition import Stack
from generated.core.configuration import DoRAConfig, DvoRAConfig, IA3Config, LoRAConfig, MTLLoRAConfig, VeraConfig
from generated.core.layers.lora import FusedParts, LoRALinearMixin, SharedVera, build_lora, features
from generated.core.swap import adapt


X = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
SINGLE = FusedParts((True,))

FAMILY = {
    "lora": LoRAConfig(r=2, alpha=6),
    "ia3": IA3Config(alpha=3),
    "dora": DoRAConfig(r=2, alpha=6),
    "dora_as_published": DoRAConfig(r=2, alpha=6, dora_as_published=True),
    "vera": VeraConfig(r=2, alpha=6),
    "vera_full": VeraConfig(r=2, alpha=6, vera_full=True),
    "dvora": DvoRAConfig(r=2, alpha=6),
    "mtl_lora": MTLLoRAConfig(r=2, alpha=6, n_up_projection=3, weights_sharpness=0.5),
    "mtl_lora_linear": MTLLoRAConfig(r=2, alpha=6, task_specific_matrix_type="linear"),
}
each_of_family = pytest.mark.parametrize("config", FAMILY.values(), ids=FAMILY)


def adapted(linear: nn.Module, parts: FusedParts, config: LoRAConfig) -> nn.Module:
    """A linear map with a random active adapter."""
    torch.manual_seed(1)
    adapt(linear.eval(), LoRALinearMixin)
    in_features, out_features = features(linear)
    shared = SharedVera(in_features, out_features // len(parts.adapted), config) if config.is_vera else None
    lora = build_lora(linear, parts, config, shared)
    for parameter in lora.parameters():
        nn.init.normal_(parameter, std=0.5)
    linear.loras["a"] = lora.eval()
    linear.activate(Stack("a"))
    return linear


def plain(linear: nn.Module) -> Tensor:
    linear.active, active = None, linear.active
    output = linear(X)
    linear.active = active
    return output


class QuantizedLinear(nn.Module):
    """Knows its widths, has integer weights, and is no nn.Linear."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.scale = nn.Buffer(linear.weight.detach().abs().max() / 127)
        codes = (linear.weight.detach() / self.scale).round().to(torch.int8)
        self.weight = nn.Parameter(codes, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.weight.to(x.dtype) * self.scale).T


class PackedLinear(ABC, nn.Module):
    """
    Two codes of four bits in each byte, with a scale for each row: the weight has another shape than the matrix. A
    class with an abstract base, as quantisers have them.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        matrix = linear.weight.detach()
        self.scale = nn.Buffer(matrix.abs().amax(dim=1, keepdim=True) / 7)
        low, high = (matrix / self.scale + 8).round().to(torch.uint8).flatten().view(-1, 2).unbind(-1)
        self.weight = nn.Parameter((low + 16 * high)[:, None], requires_grad=False)
        self.bias = linear.bias

    def unpacked(self) -> Tensor:
        """(out, in)"""
        codes = torch.cat([self.weight % 16, self.weight // 16], dim=1)
        return (codes.view(self.out_features, self.in_features).to(self.scale.dtype) - 8) * self.scale

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.unpacked().to(x.dtype), self.bias)


class KernelLinear(PackedLinear):
    """It holds nothing but buffers, makes its bias by a method, and its kernel passes no gradients on."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        packed = PackedLinear(linear)
        self.in_features, self.out_features = packed.in_features, packed.out_features
        self.scale, self.weight = packed.scale, nn.Buffer(packed.weight.detach())
        self.packed_bias = None if linear.bias is None else nn.Buffer(linear.bias.detach())

    def bias(self) -> Tensor | None:
        return self.packed_bias

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.unpacked().to(x.dtype), self.packed_bias)


def quantized(model: nn.Module, make: Callable[[nn.Linear], nn.Module]) -> nn.Module:
    """A model with another map in the place of every linear one."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, make(child))
    return model
