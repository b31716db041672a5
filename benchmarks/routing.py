"""What does it cost to give each example of a batch an adapter of its own?

python benchmarks/routing.py --adapters 8 --batch 16
"""

from __future__ import annotations

import copy
import json

import click
import torch
import transformers
from timing import median_ratio
from torch import nn

import generated
from generated import Route


METHODS = ("lora", "ia3", "seq_bn", "prefix_tuning_flat[prefix_length=10]")
CONFIG = transformers.LlamaConfig(
    vocab_size=512,
    hidden_size=256,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=4,
    intermediate_size=1024,
    pad_token_id=0,
)


def routed(upstream: nn.Module, method: str, names: list[str]) -> nn.Module:
    model = generated.init(copy.deepcopy(upstream))
    for name in names:
        model.add_adapter(name, config=method)
    model.set_active_adapters(Route(*names))
    return model


def comparisons(adapters: int, batch: int, length: int, rounds: int) -> dict[str, float]:
    upstream = transformers.AutoModel.from_config(CONFIG).eval()
    names = [f"task{number}" for number in range(adapters)]
    words, ids = torch.randint(3, CONFIG.vocab_size, (batch, length)), torch.randint(0, adapters, (batch,))
    found = {}
    for method in METHODS:
        model = routed(upstream, method, names)
        one = generated.init(copy.deepcopy(upstream))
        one.add_adapter("task", config=method, set_active=True)
        call = lambda model=model: model(words, adapter_ids=ids)  # noqa: E731
        found[f"{method}: routed, against no adapter"] = median_ratio(call, lambda: upstream(words), rounds)
        found[f"{method}: routed, against one for all"] = median_ratio(call, lambda one=one: one(words), rounds)
    found["lora: routed, against PEFT's mixed batch"] = _against_peft(upstream, names, words, ids, rounds)
    return found


def _against_peft(upstream: nn.Module, names: list[str], words: torch.Tensor, ids: torch.Tensor, rounds: int) -> float:
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(r=8, target_modules=["q_proj", "v_proj"])
    peers = get_peft_model(copy.deepcopy(upstream), lora, adapter_name=names[0])
    for name in names[1:]:
        peers.add_adapter(name, lora)
    peers.eval()
    ours, chosen = routed(upstream, "lora", names), [names[position] for position in ids.tolist()]
    return median_ratio(
        lambda: ours(words, adapter_ids=ids), lambda: peers(input_ids=words, adapter_names=chosen), rounds
    )


@click.command()
@click.option("--adapters", default=8, show_default=True)
@click.option("--batch", default=16, show_default=True)
@click.option("--length", default=32, show_default=True)
@click.option("--rounds", default=30, show_default=True, help="Forwards of each side.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(adapters: int, batch: int, length: int, rounds: int, as_json: bool) -> None:
    """How many times longer does a batch take in which each example has its own adapter? (1.00 is the same.)"""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = comparisons(adapters, batch, length, rounds)
    if as_json:
        click.echo(json.dumps({what: round(ratio, 4) for what, ratio in found.items()}, indent=2))
    else:
        for what, ratio in found.items():
            click.echo(f"{what:<72} {ratio:6.2f}")


if __name__ == "__main__":
    main()
