"""What is proven of an architecture: every check, in the order in which a reader would ask."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from adaptergen.plan import METHODS
from adaptergen.verify.adapters import AdapterForm
from adaptergen.verify.checks import (
    attention,
    composition,
    copies,
    files,
    heads,
    merging,
    roles,
    sites,
    textbook,
    training,
    unchanged,
    writing,
)
from adaptergen.verify.subjects import Subject


def _always(subject: Subject) -> bool:
    return True


class AdapterCheck(Struct, frozen=True):
    """A promise that a model with an adapter keeps, for the methods and models that it is about."""

    run: Callable[[Subject, AdapterForm], None]
    applies: Callable[[Subject], bool] = _always
    methods: tuple[str, ...] = ()  # all, unless some are named
    word_by_word: bool = False  # not kept by adapters that read the whole input
    chained: bool = False  # not kept by adapters that all read the same input in a stack
    slow: bool = False

    @property
    def name(self) -> str:
        return self.run.__name__

    def is_about(self, form: AdapterForm) -> bool:
        kept = not (self.word_by_word and form.reads_all) and not (self.chained and form.parallel)
        return kept and (not self.methods or form.method in self.methods)


_OF_ROWS = tuple(method for method in METHODS if method != "prompt_tuning")

MODEL_CHECKS = (unchanged.equals_upstream, heads.flexible_head_equals_fixed_head)

ADAPTER_CHECKS = (
    AdapterCheck(unchanged.idle_adapter_changes_nothing),
    AdapterCheck(unchanged.neutral_adapter_changes_nothing, methods=("bottleneck", "lora", "ia3")),
    AdapterCheck(unchanged.deleting_leaves_no_trace),
    AdapterCheck(sites.every_site_is_reached),
    AdapterCheck(sites.every_layer_uses_its_own_norm, methods=("bottleneck",)),
    AdapterCheck(roles.additions_take_their_sublayer, methods=("bottleneck",)),
    AdapterCheck(roles.projections_play_their_roles, methods=("lora",)),
    AdapterCheck(training.adapter_has_an_effect),
    AdapterCheck(training.gradients_reach_the_adapter_alone),
    AdapterCheck(training.checkpointing_equals_plain, training.supports_checkpointing),
    AdapterCheck(files.saved_adapter_loads),
    AdapterCheck(attention.eager_equals_sdpa, attention.has_two_attentions),
    AdapterCheck(attention.padding_is_not_seen, attention.reads_text, word_by_word=True),
    AdapterCheck(attention.future_is_not_seen, attention.shows_text, word_by_word=True),
    AdapterCheck(attention.prefix_is_seen_everywhere, attention.shows_states, methods=("prefix_tuning",)),
    AdapterCheck(
        textbook.prefix_does_what_the_formula_says,
        textbook.reads_by_the_textbook,
        methods=("prefix_tuning",),
        word_by_word=True,
    ),
    AdapterCheck(writing.idle_adapter_writes_the_same, writing.generates),
    AdapterCheck(writing.cache_equals_recompute, writing.caches, word_by_word=True),
    AdapterCheck(writing.adapter_acts_while_writing, writing.generates),
    AdapterCheck(composition.stack_of_one_is_that_one, methods=("bottleneck", "lora", "ia3", "prefix_tuning")),
    AdapterCheck(composition.stack_runs_all_of_it, methods=("bottleneck", "ia3", "prefix_tuning"), chained=True),
    AdapterCheck(composition.each_row_has_its_own_adapter, composition.keeps_rows, methods=_OF_ROWS),
    AdapterCheck(composition.equals_mix_to_one, methods=("bottleneck", "lora", "ia3")),
    AdapterCheck(composition.fusion_mixes, methods=("bottleneck",), chained=True),
    AdapterCheck(merging.merged_weights_do_the_same, merging.owns_its_maps, methods=("lora", "ia3")),
    AdapterCheck(copies.copies_are_equal),
    AdapterCheck(copies.runs_in_bfloat16, copies.can_be_cast),
    AdapterCheck(copies.compiles_to_one_graph, copies.can_be_compiled, slow=True),
)
