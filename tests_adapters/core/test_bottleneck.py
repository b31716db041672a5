"""The algebra of bottleneck adapters: every order of norms and residuals, against formulas written out by hand."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generated.core.composition import Stack
from generated.core.configuration import (
    AdapterPlusConfig,
    BnConfig,
    CompacterConfig,
    DoubleSeqBnConfig,
    ParBnConfig,
    SeqBnConfig,
)
from generated.core.errors import AdapterConfigError
from generated.core.layers import AdapterLayer
from generated.core.layers.bottleneck import BottleneckAdapter, StochasticDepth
from generated.core.layers.phm import PHMLinear, SharedPHM
from generated.core.methods.bottleneck import bottleneck_width


SIZE, WIDTH = 8, 4
H, R = torch.randn(2, 2, 5, SIZE, generator=torch.Generator().manual_seed(0))


def config(**changes) -> BnConfig:
    return SeqBnConfig(reduction_factor=2, non_linearity="relu").replace(**changes)


def layer_with(*configs: BnConfig) -> AdapterLayer:
    """A slot with one random adapter for each configuration, all of them active in a Stack."""
    torch.manual_seed(1)
    layer = AdapterLayer()
    for number, configuration in enumerate(configs):
        adapter = BottleneckAdapter(SIZE, WIDTH, configuration)
        for parameter in adapter.parameters():
            nn.init.normal_(parameter, std=0.5)
        layer.adapters[f"a{number}"] = adapter.eval()
    layer.activate(Stack(*layer.adapters))
    return layer


def block(adapter: BottleneckAdapter, x: Tensor) -> Tensor:
    *before, down, _ = adapter.adapter_down
    for norm in before:
        x = norm(x)
    return adapter.adapter_up(F.relu(down(x)))


ORDERS = list(product([False, True], [False, True], [True, False, "post_add"], [False, True], [False, True]))


@pytest.mark.parametrize("has_norm", [True, False], ids=["post-norm", "pre-norm"])
@pytest.mark.parametrize(("ln_before", "before", "skip_from", "skip_first", "ln_after"), ORDERS)
def test_sequential(has_norm, ln_before, before, skip_from, skip_first, ln_after) -> None:
    layer = layer_with(
        config(
            ln_before=ln_before,
            original_ln_before=before,
            residual_before_ln=skip_from,
            adapter_residual_before_ln=skip_first,
            ln_after=ln_after,
        )
    )
    adapter, norm = layer.adapters["a0"], nn.LayerNorm(SIZE) if has_norm else None
    N = norm or (lambda x: x)

    x = N(H + R) if before else H
    skip = {True: H, False: x, "post_add": H + R if before else H}[skip_from]
    f = block(adapter, x)
    own_norm = adapter.adapter_norm_after if ln_after else lambda x: x
    inner = own_norm(f + skip) if skip_first else own_norm(f) + skip

    torch.testing.assert_close(layer.adapter_layer_forward(H, R, norm), N(inner + R))


@pytest.mark.parametrize("has_norm", [True, False], ids=["post-norm", "pre-norm"])
@pytest.mark.parametrize(("ln_before", "ln_after"), list(product([False, True], repeat=2)))
def test_parallel(has_norm, ln_before, ln_after) -> None:
    layer = layer_with(config(is_parallel=True, ln_before=ln_before, ln_after=ln_after, scaling=4.0))
    adapter, norm = layer.adapters["a0"], nn.LayerNorm(SIZE) if has_norm else None
    f = 4.0 * block(adapter, R)
    f = adapter.adapter_norm_after(f) if ln_after else f
    added = f + H + R
    torch.testing.assert_close(layer.adapter_layer_forward(H, R, norm), norm(added) if norm else added)


@pytest.mark.parametrize("is_parallel", [False, True])
def test_without_the_last_residual(is_parallel: bool) -> None:
    layer = layer_with(config(original_ln_after=False, original_ln_before=False, is_parallel=is_parallel))
    f = block(layer.adapters["a0"], R if is_parallel else H)
    torch.testing.assert_close(layer.adapter_layer_forward(H, R, nn.LayerNorm(SIZE)), f + H)


@pytest.mark.parametrize(
    ("scaling", "shape"), [(0.5, None), (2, None), ("learned", (1,)), ("channel", (SIZE,))], ids=str
)
def test_scaling(scaling, shape) -> None:
    layer = layer_with(config(scaling=scaling, original_ln_before=False))
    adapter = layer.adapters["a0"]
    assert shape is None or adapter.scaling.shape == shape
    expected = block(adapter, H) * adapter.scaling + H + R
    torch.testing.assert_close(layer.adapter_layer_forward(H, R), expected)


def test_gate_weighs_each_example() -> None:
    layer = layer_with(config(use_gating=True, original_ln_before=False))
    adapter = layer.adapters["a0"]
    gate = torch.sigmoid(H @ adapter.gate.weight.T + adapter.gate.bias).mean(1, keepdim=True)
    assert gate.shape == (2, 1, 1)
    torch.testing.assert_close(layer.adapter_layer_forward(H, R), block(adapter, H) * gate + H + R)


def test_stack_runs_in_order_and_ends_as_its_last() -> None:
    layer, norm = layer_with(config(original_ln_before=False), config(original_ln_before=False)), nn.LayerNorm(SIZE)
    first, second = layer.adapters.values()
    x = block(first, H) + H
    torch.testing.assert_close(layer.adapter_layer_forward(H, R, norm), norm(block(second, x) + x + R))


@pytest.mark.parametrize("before", [True, False])
def test_adapter_in_front_of_an_inner_norm(before) -> None:
    layer, norm = layer_with(config(original_ln_before=before)), nn.LayerNorm(SIZE)
    x = norm(H + R) if before else H
    expected = norm(block(layer.adapters["a0"], x) + H) + R
    torch.testing.assert_close(layer.adapter_layer_forward(H, R, inner_norm=norm), expected)


def test_parallel_adapter_in_front_of_an_inner_norm() -> None:
    layer, norm = layer_with(config(is_parallel=True)), nn.LayerNorm(SIZE)
    expected = norm(block(layer.adapters["a0"], R) + H) + R
    torch.testing.assert_close(layer.adapter_layer_forward(H, R, inner_norm=norm), expected)


def test_inactive_layer_is_the_residual_addition() -> None:
    layer, norm = AdapterLayer(), nn.LayerNorm(SIZE)
    assert torch.equal(layer.adapter_layer_forward(H, R, norm), norm(H + R))
    assert torch.equal(layer.adapter_layer_forward(H, R), H + R)
    assert torch.equal(layer.adapter_layer_forward(H, None), H)
    assert torch.equal(layer.adapter_layer_forward(H, R, inner_norm=norm), R + norm(H))


def test_layer_without_residual() -> None:
    """Where one addition serves two branches, the second branch has no residual of its own."""
    layer = layer_with(config())
    torch.testing.assert_close(layer.adapter_layer_forward(H, None), block(layer.adapters["a0"], H) + H)


def test_adapter_of_another_type_keeps_the_layers_type() -> None:
    layer = layer_with(config(ln_before=True))
    layer.adapters.to(torch.float32)
    norm = nn.LayerNorm(SIZE, dtype=torch.bfloat16)
    for layer_norm in (None, norm):
        output = layer.adapter_layer_forward(H.bfloat16(), R.bfloat16(), layer_norm)
        assert output.dtype == torch.bfloat16


@pytest.mark.parametrize("init_weights", ["bert", "mam_adapter", "houlsby"])
def test_initial_weights(init_weights: str) -> None:
    torch.manual_seed(0)
    adapter = BottleneckAdapter(512, 256, config(init_weights=init_weights, use_gating=True, ln_before=True))
    down, up = adapter.adapter_down[1], adapter.adapter_up
    assert not down.bias.any()
    assert not up.bias.any()
    spread = {"bert": (0.02, 0.02), "mam_adapter": (1 / (3 * 512) ** 0.5, 0.0), "houlsby": (0.0088, 0.0088)}
    for weight, expected in zip((down.weight, up.weight), spread[init_weights], strict=True):
        assert weight.std().item() == pytest.approx(expected, rel=0.05, abs=1e-9)
    if init_weights == "houlsby":
        assert max(down.weight.abs().max(), up.weight.abs().max()) <= 0.02


def test_stochastic_depth() -> None:
    torch.manual_seed(0)
    depth, x = StochasticDepth(0.25), torch.ones(4000, 2, 3)
    rows = depth(x)[:, 0, 0]
    assert sorted(rows.unique().tolist()) == pytest.approx([0.0, 4 / 3])
    assert rows.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(depth.eval()(x), x)
    assert not StochasticDepth(1.0)(x).any()


@pytest.mark.parametrize(("factor", "layer", "width"), [(16, 0, 4), (0.5, 0, 128), (100, 0, 1), ({"1": 8}, 1, 8)])
def test_width(factor, layer: int, width: int) -> None:
    assert bottleneck_width(64, factor, layer) == width
    assert bottleneck_width(64, {"default": 2, "9": 4}, 9) == 16
    assert bottleneck_width(64, {"default": 2, "9": 4}, 3) == 32


def test_width_of_a_layer_without_factor() -> None:
    with pytest.raises(AdapterConfigError, match="no value for layer 3 and no 'default'"):
        bottleneck_width(64, {"1": 8}, 3)


@pytest.mark.parametrize("unknown", [{"init_weights": "xavier"}, {"scaling": "wild"}, {"non_linearity": "wild"}])
def test_unknown_values_are_named(unknown) -> None:
    with pytest.raises(AdapterConfigError, match="|".join(unknown.values())):
        BottleneckAdapter(SIZE, WIDTH, config(**unknown))


@pytest.mark.parametrize("cls", [AdapterPlusConfig, DoubleSeqBnConfig, ParBnConfig, SeqBnConfig])
def test_published_configurations_start_near_the_identity(cls) -> None:
    """Untrained adapters hardly change a pre-norm model."""
    torch.manual_seed(0)
    layer = AdapterLayer()
    layer.adapters["a"] = BottleneckAdapter(SIZE, WIDTH, cls()).eval()
    layer.activate(Stack("a"))
    torch.testing.assert_close(layer.adapter_layer_forward(H, R), H + R, atol=0.05, rtol=0.05)


PHM = CompacterConfig(reduction_factor=2, phm_dim=2, phm_rank=3)


def kronecker_weight(linear: PHMLinear, shared: SharedPHM) -> Tensor:
    def read(name: str) -> Tensor:
        owner = linear if hasattr(linear, name) or hasattr(linear, f"{name}_left") else shared
        whole = getattr(owner, name, None)
        return whole if whole is not None else getattr(owner, f"{name}_left") @ getattr(owner, f"{name}_right")

    rules, weights = read("phm_rule"), read(linear.weight_name)
    return sum(torch.kron(rule, weight) for rule, weight in zip(rules, weights, strict=True))


SHARING = list(product([False, True], repeat=5))


@pytest.mark.parametrize(("shared_W", "shared_rule", "factor_W", "factor_rule", "bias"), SHARING)
def test_hypercomplex_projection(shared_W, shared_rule, factor_W, factor_rule, bias) -> None:
    torch.manual_seed(0)
    configuration = PHM.replace(
        shared_W_phm=shared_W,
        shared_phm_rule=shared_rule,
        factorized_phm_W=factor_W,
        factorized_phm_rule=factor_rule,
        phm_bias=bias,
        phm_init_range=1.0,
    )
    shared = SharedPHM(SIZE, WIDTH, configuration)
    for position, sizes in {"down": (SIZE, WIDTH), "up": (WIDTH, SIZE)}.items():
        linear = PHMLinear(*sizes, position, configuration, shared)
        expected = H[..., : sizes[0]] @ kronecker_weight(linear, shared)
        torch.testing.assert_close(linear(H[..., : sizes[0]]), expected)
        assert (linear.b is not None) == bias
        assert not set(dict(linear.named_parameters())) & set(dict(shared.named_parameters()))


def test_hypercomplex_sizes_must_divide() -> None:
    with pytest.raises(AdapterConfigError, match="phm_dim=3 must divide"):
        PHMLinear(8, 4, "down", PHM.replace(phm_dim=3, shared_phm_rule=False))


@pytest.mark.parametrize("unknown", [{"phm_c_init": "wild"}, {"hypercomplex_nonlinearity": "wild"}])
def test_unknown_hypercomplex_values_are_named(unknown) -> None:
    with pytest.raises(AdapterConfigError, match="wild"):
        PHMLinear(8, 4, "down", PHM.replace(shared_phm_rule=False, **unknown))
