"""Whether a trainer trains the tokens of a row that titer trains."""

from __future__ import annotations

from torch import Tensor

from .._lab import InputError
from .batch import Place


def refuse_other_tokens(places: list[Place], trained: Tensor, is_sure: bool) -> None:
    """Fails where known rows are trained on other tokens than their replies; what a template writes behind the last one may be trained
    too. `trained` is `[sequences, tokens - 1]`. Unless `is_sure`, a token may seem not to be trained because its gradient is zero."""
    lines = trained.tolist()
    for place in places:
        line = lines[place.sequence]
        # What the first token of a sequence follows is not there.
        found = {at: line[at - 1] for at in place.wanted if at > place.start}
        reply = [at for at in found if place.wanted[at]]
        kept = sum(found[at] for at in reply)
        if any(found[at] for at in found if not place.wanted[at]):
            raise InputError(
                f"the trainer trains {sum(line[place.predicted[1]])} tokens of row `{place.item}`, of which {kept} are its reply, so it pushes "
                "something else than the row; set assistant_only_loss or completion_only_loss, or labels of -100 on what is no reply"
            )
        if is_sure and kept < len(reply):
            raise InputError(
                f"the trainer trains {kept} of the {len(reply)} tokens of the reply of row `{place.item}`, so it pushes something else than the "
                "row; give all of them labels (a word that ends turns has none where it is the padding word too: set another pad_token)"
            )
