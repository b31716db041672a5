"""Do results of a model come from a part of it only through numbers, such as of tokens, that no gradient passes?

codes = torch.cdist(states, self.codebook).argmin(dim=-1)     what made the states learns nothing from
return CaseOutput(sound=self.decoder(self.embed(codes)))      a sound that is made of the codes
"""

from __future__ import annotations

from collections.abc import Iterator

from adaptergen.problems import Location
from adaptergen.tracing.graph import depends_on, derives_from, module_of, reached
from adaptergen.tracing.values import Call, Instance, Operation, Value, alternatives


PICKS = ("argmax", "argmin", "embedding")
EMBEDDINGS = ("torch.nn.Embedding",)
BESIDE_RESULTS = ("hidden_states", "attentions", "past_key_values", "cache")  # how these fields of outputs end


def find_pick(output: Value, part: Value) -> Location | None:
    """Where numbers are picked or looked up, if the output of a forward comes from a part of it in no other way."""
    ends = [end for result in _results(output) for end in reached(result, lambda each: each is part or _picks(each))]
    if any(end is part for end in ends):
        return None
    through = (end for end in ends if isinstance(end, Call | Operation) and depends_on(end, part))
    return next((end.at.module.at(end.at.statement) for end in through), None)


def _results(output: Value) -> Iterator[Value]:
    """What a model is run for: of a record, not what it keeps on the way."""
    for each in alternatives(output):
        if isinstance(each, Instance) and each.is_record:
            yield from each.args
            yield from (value for name, value in each.kwargs.items() if not name.endswith(BESIDE_RESULTS))
        else:
            yield each


def _picks(value: Value) -> bool:
    module = module_of(value)
    is_lookup = module is not None and derives_from(module, EMBEDDINGS)
    return is_lookup or (isinstance(value, Operation) and value.name in PICKS)
