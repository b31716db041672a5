"""
How are weights read, filled and written that FSDP has spread over processes?

Every process has a part of each weight. All of them have to ask for a weight to get it whole, and one writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, distributed, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor


def is_sharded(model: nn.Module) -> bool:
    """Has `fully_shard` spread this model, or some of its layers?"""
    return any(isinstance(module, FSDPModule) for module in model.modules())


def own_class(model: nn.Module) -> type[nn.Module]:
    """The class of a model; `fully_shard` puts one of its own in front, whose name is another."""
    return next(cls for cls in type(model).__mro__ if not issubclass(cls, FSDPModule))


def left_out_of_shards(model: nn.Module) -> set[int]:
    """The ids of parameters that FSDP does not manage, if it has sharded `model`; its own are in parts afterwards."""
    shards = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for shard in shards:
        shard.reshard()
    return {id(value) for value in model.parameters() if not isinstance(value, DTensor)} if shards else set()


def whole(tensor: Tensor) -> Tensor:
    """A tensor with the parts that other processes have."""
    if not isinstance(tensor, DTensor):
        return tensor
    return tensor.detach().to(tensor.device_mesh.device_type).full_tensor()  # parts may rest in the memory of the CPU


def fill(target: Tensor, values: Tensor) -> None:
    """Copy a whole tensor, or this process's part of it, into `target`."""
    if isinstance(target, DTensor):
        mesh = target.device_mesh
        values = distribute_tensor(values.to(mesh.device_type, target.dtype), mesh, target.placements).to(
            target.device
        )
    target.copy_(values)


@contextmanager
def whole_weights(module: nn.Module) -> Iterator[None]:
    """Let the weights of a module be whole while they are read."""
    parts = {name: value for name, value in module._parameters.items() if isinstance(value, DTensor)}
    for name, value in parts.items():
        module._parameters[name] = nn.Parameter(whole(value), requires_grad=value.requires_grad)
    try:
        yield
    finally:
        module._parameters.update(parts)


@contextmanager
def written_once(model: nn.Module) -> Iterator[bool]:
    """Whether this process writes the files of `model`; where it is sharded, all go on when the first has written."""
    if not is_sharded(model):
        yield True
        return
    yield distributed.get_rank() == 0
    distributed.barrier()
