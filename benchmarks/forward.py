"""What does a forward cost, compared with upstream's own, and with PEFT where it has the method?

python benchmarks/forward.py --model llama --rounds 200
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import click
import torch
import transformers
from timing import median_ratio
from torch import nn

import generated


NAME = "speed"
SMALL = {"vocab_size": 512, "pad_token_id": 0}
CONFIGS: Mapping[str, Callable[[], transformers.PreTrainedConfig]] = {
    "bert": lambda: transformers.BertConfig(
        hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024, **SMALL
    ),
    "gpt2": lambda: transformers.GPT2Config(n_embd=256, n_layer=4, n_head=4, **SMALL),
    "llama": lambda: transformers.LlamaConfig(
        hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024, **SMALL
    ),
}
METHODS = ("seq_bn", "double_seq_bn", "lora", "ia3", "prefix_tuning_flat")
PEFT_TARGETS = {"bert": ["query", "value"], "gpt2": ["c_attn"], "llama": ["q_proj", "v_proj"]}


@dataclass(frozen=True)
class Comparison:
    """One thing measured: how much longer ours takes than the other."""

    what: str
    ratio: float


def forward_ratio(ours: nn.Module, other: nn.Module, inputs: torch.Tensor, rounds: int) -> float:
    return median_ratio(lambda: ours(input_ids=inputs), lambda: other(input_ids=inputs), rounds)


def comparisons(name: str, rounds: int, batch: int, length: int) -> list[Comparison]:
    config = CONFIGS[name]()
    upstream = transformers.AutoModel.from_config(config).eval()
    inputs = torch.randint(3, config.vocab_size, (batch, length))
    initialised = generated.init(copy.deepcopy(upstream))
    found = [Comparison("initialised", forward_ratio(initialised, upstream, inputs, rounds))]
    for method in METHODS:
        model = generated.init(copy.deepcopy(upstream))
        model.add_adapter(NAME, config=method)
        found.append(Comparison(f"{method}, not active", forward_ratio(model, upstream, inputs, rounds)))
        model.set_active_adapters(NAME)
        found.append(Comparison(f"{method}, active", forward_ratio(model, upstream, inputs, rounds)))
    found.append(Comparison("lora, against PEFT", _against_peft(name, upstream, inputs, rounds)))
    return found


def _against_peft(name: str, upstream: nn.Module, inputs: torch.Tensor, rounds: int) -> float:
    """The same rank on the same projections."""
    from peft import LoraConfig, get_peft_model

    roles = ["q", "k", "v"] if name == "gpt2" else ["q", "v"]  # PEFT adapts a fused projection whole
    ours = generated.init(copy.deepcopy(upstream))
    ours.add_adapter(NAME, config=generated.LoRAConfig(r=8, attn_matrices=roles), set_active=True)
    lora = LoraConfig(r=8, target_modules=PEFT_TARGETS[name], fan_in_fan_out=name == "gpt2")
    return forward_ratio(ours, get_peft_model(copy.deepcopy(upstream), lora).eval(), inputs, rounds)


@click.command()
@click.option("--model", "name", type=click.Choice(sorted(CONFIGS)), default="bert", show_default=True)
@click.option("--rounds", default=100, show_default=True, help="Forwards of each side.")
@click.option("--batch", default=4, show_default=True)
@click.option("--length", default=64, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(name: str, rounds: int, batch: int, length: int, as_json: bool) -> None:
    """How many times longer than upstream's does a forward take? (1.00 is the same.)"""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = comparisons(name, rounds, batch, length)
    if as_json:
        click.echo(json.dumps({comparison.what: round(comparison.ratio, 4) for comparison in found}, indent=2))
    else:
        for comparison in found:
            click.echo(f"{comparison.what:<32} {comparison.ratio:6.2f}")


if __name__ == "__main__":
    main()
