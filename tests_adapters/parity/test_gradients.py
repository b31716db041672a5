"""Loss, gradients, and the choice of what is trained."""

import torch

from tests_adapters.parity.collection import each_case_and_attention
from tests_adapters.parity.recording import Case
from tests_adapters.parity.translation import translate


@each_case_and_attention("grad")
def test_gradients(case: Case, attention: str | None) -> None:
    model = case.build(attention)
    model.train_adapter(case.setup)
    model.eval()
    tensors, (run,), (name,) = case.recording.tensors, case.runs, model.adapters_config

    hidden_states = model(**case.recording.inputs(run)).last_hidden_state
    loss = (hidden_states * tensors[case.data["loss_weight"]]).sum() / len(hidden_states)
    loss.backward()

    torch.testing.assert_close(loss.item(), case.data["loss"], **case.tolerance)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained.keys() == set(translate(model, case.data["trainable"], name).values())
    names = translate(model, case.data["grads"], name)
    assert names.keys() == case.data["grads"].keys()
    for recorded, key in case.data["grads"].items():
        torch.testing.assert_close(trained[names[recorded]].grad, tensors[key], **case.tolerance)
