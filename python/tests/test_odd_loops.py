"""Loops that scale losses, skip batches, look at the model between two passes, or hold weights in bf16; and what is refused of them."""

from __future__ import annotations

import math
import typing
from pathlib import Path

import pytest
from conftest import World
from loops import batches, hooked, organism, tokenizer

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import titer  # noqa: E402
import titer.torch  # noqa: E402
from titer.torch.batch import Place  # noqa: E402
from titer.torch.masks import refuse_other_tokens  # noqa: E402

Batch = dict[str, typing.Any]


def begun(world: World, lr: float = 1e-3, dtype: typing.Any = None, **given: typing.Any) -> tuple[typing.Any, typing.Any, titer.torch.Pressure]:
    model = organism().to(dtype or torch.float32)
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.1)
    return model, optimiser, titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows, every=1, **given)


def booked(pressure: titer.torch.Pressure) -> list[typing.Any]:
    tables = pressure.tables
    return [tables.steps, tables.ledger, tables.pressures]


@pytest.mark.parametrize("scale", [2.0**16, 2.0**3])
def test_scaled_losses_are_refused_by_name(scale: float, world: World) -> None:
    """Also where the scale is less than the divisor, so that the loss looks like a mean."""
    model, optimiser, pressure = begun(world)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    [batch] = batches(world.rows[:12], 12)
    with pytest.raises(titer.InputError, match="GradScaler.*train in bf16 or float32, which need no scaler"), pressure:
        for _ in range(2):
            scaler.scale(model(**batch).loss).backward()
            scaler.step(optimiser)
            scaler.update()
            optimiser.zero_grad()
    assert not any(booked(pressure)) and hooked(model) == 0
    model, optimiser, pressure = begun(world)
    off = torch.amp.GradScaler("cpu", enabled=False)
    with pressure:
        off.scale(model(**batch).loss).backward()
        off.step(optimiser)
    assert pressure.steps == 1


def test_scaled_losses_are_refused_by_name_before_the_first_real_step(world: World) -> None:
    """A scaler leaves steps out until its scale fits."""
    model, optimiser, pressure = begun(world)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    with pytest.raises(titer.InputError, match="GradScaler"), pressure:
        for batch in batches(world.rows, 6) * 20:
            scaler.scale(model(**batch).loss * 100).backward()
            scaler.step(optimiser)
            scaler.update()
            optimiser.zero_grad()
    assert not any(booked(pressure))


def test_accelerates_scaler_is_refused_before_anything_is_hooked(world: World) -> None:
    model = organism()

    class Accelerated:
        optimizer = torch.optim.AdamW(model.parameters())
        scaler = torch.amp.GradScaler("cpu")

    with pytest.raises(titer.InputError, match=r"the loss is scaled \(fp16\).*bf16=True"):
        titer.torch.Pressure(model, tokenizer(), typing.cast(typing.Any, Accelerated()), world.probes)
    assert hooked(model) == 0


def test_what_is_not_finite_is_named(world: World) -> None:
    [batch] = batches(world.rows[:12], 12)
    for factor, words in ((math.nan, "the loss of a step, or its gradient, is not finite"), (math.inf, "the loss of a step, or its gradient, is not finite")):
        model, optimiser, pressure = begun(world)
        with pytest.raises(titer.InputError, match=words), pressure:
            (model(**batch).loss * factor).backward()
            optimiser.step()
        assert not any(booked(pressure)) and hooked(model) == 0
    model, optimiser, pressure = begun(world)
    with pytest.raises(titer.InputError, match="lm_head.weight: the gradient of a step is not finite"), pressure:
        model(**batch).loss.backward()
        model.lm_head.weight.grad[0, 0] = math.nan
        optimiser.step()
    model, optimiser, pressure = begun(world)
    with pytest.raises(titer.InputError, match="not finite after 1 steps.*training has diverged"), pressure:
        model(**batch).loss.backward()
        optimiser.step()
        with torch.no_grad():
            model.lm_head.weight.fill_(math.nan)
    assert not pressure.tables.ledger


@pytest.mark.parametrize("late", [False, True], ids=["zeroed at once", "zeroed later"])
@pytest.mark.parametrize("factor", [1.0, math.nan])
def test_a_batch_that_is_skipped_is_part_of_no_step(late: bool, factor: float, world: World) -> None:
    odd, *others = batches(world.rows, 6)[:3]

    def trained(skips: bool) -> list[typing.Any]:
        model, optimiser, pressure = begun(world)
        with pressure:
            if skips:
                (model(**odd).loss * factor).backward()
            if not late:
                optimiser.zero_grad()
            loss = model(**others[0]).loss
            if late:
                optimiser.zero_grad()
            loss.backward()
            model(**others[1]).loss.backward()
            optimiser.step()
        return [*booked(pressure), pressure.rows_seen]

    assert trained(True) == trained(False)


def test_steps_without_a_gradient_are_named(world: World) -> None:
    [batch] = batches(world.rows[:12], 12)
    model, optimiser, pressure = begun(world)
    with pytest.raises(titer.InputError, match=r"the gradient of a step is zero; .* zero_grad\(\) does not come between"), pressure:
        model(**batch).loss.backward()
        optimiser.zero_grad()
        optimiser.step()
    model, optimiser, pressure = begun(world)
    with pytest.raises(titer.InputError, match="a step was made without a backward pass"), pressure:
        model(**batch)
        optimiser.step()


def test_passes_between_backward_and_step_change_nothing(world: World) -> None:
    some, other = batches(world.rows, 12)[:2]

    def nothing(model: typing.Any) -> None:
        pass

    def validates(model: typing.Any) -> None:
        with torch.no_grad():
            model(**other)

    def evaluates(model: typing.Any) -> None:
        model.eval()
        validates(model)
        model.generate(other["input_ids"][:1, :4], max_new_tokens=2, do_sample=False)
        model.train()

    def differentiates(model: typing.Any) -> None:
        model.eval()
        torch.autograd.grad(model(**other).loss, [model.lm_head.weight])
        model.train()

    def trained(between: typing.Callable[[typing.Any], None]) -> list[typing.Any]:
        model, optimiser, pressure = begun(world)
        with pressure:
            for batch in (some, other):
                loss = model(**batch).loss
                between(model)
                loss.backward()
                between(model)
            optimiser.step()
        return booked(pressure)

    plain = trained(nothing)
    for between in (validates, evaluates, differentiates):
        assert trained(between) == plain, between


def test_what_weights_in_bf16_lose_is_booked(world: World) -> None:
    """Steps of 1e-5 are less than most of such weights have room for."""
    [batch] = batches(world.rows[:12], 12)
    for lr in (1e-5, 1e-3):
        model, optimiser, pressure = begun(world, lr=lr, dtype=torch.bfloat16)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        model(**batch).loss.backward()
        optimiser.step()
        shares = pressure._shares.take()
        pressure.remove()
        assert {"rounding", "weight decay", "bad→bad"} <= set(shares)
        for name, p in model.named_parameters():
            step = p.detach().float() - before[name].float()
            total = sum(one[name] for one in shares.values())
            assert (total - step).norm() <= 1e-5 * (shares["bad→bad"][name].norm() + step.norm()), name


def test_guards_book_what_weights_in_bf16_moved(world: World) -> None:
    model = organism().to(torch.bfloat16)
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    [batch] = batches(world.rows[:12], 12)
    booked: list[typing.Any] = []
    steer = titer.torch.Steer(model, tokenizer(), optimiser, world.probes, steps=2, good=2.0)
    steer.pressure = typing.cast(typing.Any, type("Books", (), {"book_guards": staticmethod(booked.append)}))
    after = {}
    optimiser.register_step_post_hook(lambda *_: None)
    own = optimiser._optimizer_step_post_hooks
    own.move_to_end(next(iter(own)))
    first = next(iter(own))
    own[first] = lambda *_: after.update({name: p.detach().clone() for name, p in model.named_parameters()})
    with steer:
        model(**batch).loss.backward()
        optimiser.step()
    [moved] = booked
    for name, p in model.named_parameters():
        assert torch.equal(moved[name], p.detach().float() - after[name].float()), name


def test_other_trained_tokens_than_the_rows_own_are_refused(world: World) -> None:
    [batch] = batches(world.rows[:12], 12)

    def fails(labels: typing.Any, words: str) -> None:
        model, optimiser, pressure = begun(world)
        with pytest.raises(titer.InputError, match=words), pressure:
            model(**{**batch, "labels": labels}).loss.backward()
            optimiser.step()
        assert not any(booked(pressure)) and hooked(model) == 0

    whole = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    fails(whole, "the trainer trains 15 tokens of row `bb0`, of which 4 are its reply.*assistant_only_loss or completion_only_loss")
    # As where the padding word ends replies.
    cut = batch["labels"].clone()
    for line, mask in zip(cut, batch["attention_mask"]):
        line[int(mask.sum()) - 1] = -100
    fails(cut, "the trainer trains 3 of the 4 tokens of the reply of row `bb0`.*set another pad_token")


def test_trained_tokens_are_looked_at_where_they_lie() -> None:
    """Behind padding, and in a pack; what a template writes behind the reply may be trained, and without labels a token may have no gradient."""
    place = Place(0, 3, 9, "r", "", {4: False, 5: False, 6: True, 7: True})

    def line(*trained: int) -> typing.Any:
        return torch.tensor([[at + 1 in trained for at in range(9)]])

    refuse_other_tokens([place], line(6, 7), True)
    refuse_other_tokens([place], line(1, 2, 3, 6, 7, 8), True)
    refuse_other_tokens([place], line(6), False)
    for trained, is_sure in (((5, 6, 7), False), ((6,), True), ((4, 6, 7), True)):
        with pytest.raises(titer.InputError, match="row `r`"):
            refuse_other_tokens([place], line(*trained), is_sure)


def test_models_with_tokens_of_their_own_are_refused(world: World, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(organism(), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3))
    model.train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    [batch] = batches(world.rows[:12], 12)
    with pytest.raises(titer.InputError, match="it puts tokens of its own in front, as prompt tuning does"):
        with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows):
            model(**batch).loss.backward()
            optimiser.step()
    assert hooked(model) == 0
    with pytest.raises(titer.InputError, match="prompt tuning"):
        titer.torch.Steer(model, tokenizer(), optimiser, world.probes, steps=2, good=2.0)
