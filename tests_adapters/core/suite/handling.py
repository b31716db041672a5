"""What is done with adapters once they are there: looked up, left out of layers, averaged, taken apart."""

from __future__ import annotations

from typing import ClassVar

import pytest

from adaptergen.verify.adapters import NAME, OTHER, add_random, parameters
from adaptergen.verify.outputs import expect_close, expect_identical, run
from adaptergen.verify.subjects import ModelCase
from tests_adapters.core.suite.forms import IN_LAYERS, first_forms_of, thorough


class HandlingTests:
    """Public methods of a base model, with one form of each method."""

    case: ClassVar[ModelCase]

    @thorough
    def test_get_adapter_has_all_of_it(self) -> None:
        for form in first_forms_of(self.case):
            model = self.case.base.initialized()
            add_random(model, self.case, form)

            found = model.get_adapter(NAME)

            modules = [module for place in found.values() for module in place.values()]
            held = {parameter for module in modules for parameter in module.parameters()}
            assert held == {*parameters(model).values()}, form.label
            assert found.keys() <= {-1, *(index for index, _ in model.iter_layers())}

    @thorough
    def test_layers_that_are_left_out(self) -> None:
        """A layer that is left out has nothing, and the others have what they had."""
        for form in first_forms_of(self.case, *IN_LAYERS):
            model = self.case.base.initialized()
            add_random(model, self.case, form)
            layers = model.get_adapter(NAME).keys() - {-1}
            left_out, config = min(layers), form.make(self.case.runtime)

            if layers == {left_out}:  # several layers may share their weights
                with pytest.raises(ValueError, match="has no place in"):
                    model.add_adapter(OTHER, config=config.replace(leave_out=[left_out]))
                continue
            model.add_adapter(OTHER, config=config.replace(leave_out=[left_out]))

            assert model.get_adapter(OTHER).keys() - {-1} == layers - {left_out}, form.label

    @thorough
    def test_mean_of_equals(self) -> None:
        for form in first_forms_of(self.case):
            model = self.case.base.initialized()
            for name in (OTHER, NAME):
                add_random(model, self.case, form, name)
            inputs = self.case.base.inputs(model, padded=True)
            alone = run(model, inputs)

            model.average_adapter("mean", [NAME, OTHER], set_active=True)

            expect_close(run(model, inputs), alone, f"{form.label}: the mean of equals")

    @thorough
    def test_prefixes_without_the_network_that_makes_them(self) -> None:
        for form in first_forms_of(self.case, "prefix_tuning"):
            model = self.case.base.initialized()
            add_random(model, self.case, form)
            inputs = self.case.base.inputs(model, padded=True)
            expected, network = run(model, inputs), parameters(model).keys()

            model.eject_prefix_tuning(NAME)

            assert parameters(model).keys().isdisjoint(network)
            expect_close(run(model, inputs), expected, "ejected")

    @thorough
    def test_seeded_weights(self) -> None:
        """An adapter of a seed starts with the same weights in each model, whatever was drawn before."""
        for form in first_forms_of(self.case, "bottleneck", "lora", "reft"):
            config = form.make(self.case.runtime).replace(init_weights_seed=5)
            first, second = self.case.base.initialized(), self.case.base.initialized()
            second.add_adapter("before", config=form.make(self.case.runtime))
            for model in (first, second):
                model.add_adapter(NAME, config=config)
            expect_identical(parameters(second), parameters(first), f"{form.label}: with the same seed")
