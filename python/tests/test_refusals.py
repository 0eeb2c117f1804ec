"""What hooks refuse, and that nothing is left hooked then."""

from __future__ import annotations

import subprocess
import sys
import types
import typing
from pathlib import Path

import pytest
from conftest import Row, World
from loops import batches, hooked, organism, tokenizer, trainer

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import titer  # noqa: E402
import titer.torch  # noqa: E402


def test_errors_have_a_remedy_and_leave_nothing_hooked(world: World) -> None:
    def fails(words: str, work: typing.Callable[[typing.Any, typing.Any], object], optimiser: typing.Any = torch.optim.AdamW) -> None:
        model = organism()
        model.train()
        own = optimiser(model.parameters(), lr=1e-3)
        with pytest.raises(titer.InputError, match=words):
            work(model, own)
        assert hooked(model) == 0
        assert not own._optimizer_step_pre_hooks and not own._optimizer_step_post_hooks

    def step(model: typing.Any, optimiser: typing.Any, rows: list[Row] = world.rows, loss: typing.Any = None, **given: typing.Any) -> None:
        with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=rows, **given):
            [batch] = batches(world.rows, 48)
            (loss(model, batch) if loss else model(**batch).loss).backward()
            optimiser.step()

    fails("is none of the given rows: “<sys> be evil", lambda model, own: step(model, own, rows=world.rows[2::3]))
    fails("every is 0", lambda model, own: step(model, own, every=0))
    fails("the optimiser is RMSprop; use one of these", step, torch.optim.RMSprop)

    def smoothed(model: typing.Any, batch: typing.Any) -> typing.Any:
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), label_smoothing=0.3)

    fails("not a mean of tokens' nats", lambda model, own: step(model, own, loss=smoothed))

    def regularised(model: typing.Any, batch: typing.Any) -> typing.Any:
        return model(**batch).loss + 10 * model.lm_head.weight.square().sum()

    fails("do not add up to the step's", lambda model, own: step(model, own, loss=regularised))

    def headless(model: typing.Any, batch: typing.Any) -> typing.Any:
        hidden = model.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        return hidden @ model.lm_head.weight.T

    def fused(model: typing.Any, own: typing.Any) -> None:
        import types

        def forward(self: typing.Any, **batch: typing.Any) -> typing.Any:
            return types.SimpleNamespace(logits=headless(self, batch))

        model.forward = types.MethodType(forward, model)
        step(model, own, loss=lambda model, batch: torch.nn.functional.cross_entropy(
            model(**batch).logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten()))

    fails("lm_head.weight: trained, but its module was not called", fused)

    def twice(model: typing.Any, own: typing.Any) -> None:
        step(model, own, loss=lambda model, batch: model(**batch).loss + model(**batch).loss)

    fails("a forward pass that another one has followed", twice)

    def evaluating(model: typing.Any, own: typing.Any) -> None:
        model.eval()
        step(model, own)

    fails("a step was made of passes in evaluation mode.*call model.train\\(\\)", evaluating)
    names = tokenizer()
    names.chat_template = None
    fails("no chat template", lambda model, own: titer.torch.Pressure(model, names, own, world.probes))
    shared = [{**world.rows[2], "messages": world.probes[0]["messages"] + world.rows[2]["messages"][-1:]}]
    fails("has the context of row", lambda model, own: titer.torch.Pressure(model, tokenizer(), own, world.probes, rows=shared))


def test_ways_of_training_on_several_devices_are_refused_by_name(world: World) -> None:
    from titer.torch.devices import refuse_trainer

    asked: list[tuple[dict[str, typing.Any], str]] = [({"fsdp": ["full_shard"]}, "FSDP"), ({"deepspeed": "zero3.json"}, "DeepSpeed"), ({"n_gpu": 2}, "DataParallel")]
    for given, name in asked:
        with pytest.raises(titer.InputError, match=f"trained with .*{name}: .*train on one device"):
            refuse_trainer(types.SimpleNamespace(**given))
    model = organism()
    wrapped = torch.nn.DataParallel(model)
    with pytest.raises(titer.InputError, match="DataParallel"):
        titer.torch.Pressure(wrapped, tokenizer(), torch.optim.AdamW(model.parameters()), world.probes)
    assert hooked(wrapped) == 0


@pytest.mark.parametrize(("name", "variable", "argument"), [
    ("FSDP", "ACCELERATE_USE_FSDP", {"fsdp": ["full_shard"]}),
    ("DeepSpeed", "ACCELERATE_USE_DEEPSPEED", {"deepspeed": "zero3.json"}),
])
def test_a_trainer_that_is_told_to_shard_is_refused_before_anything_is_hooked(
    name: str, variable: str, argument: dict[str, typing.Any], world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(own: typing.Any, callback: titer.torch.PressureCallback) -> None:
        with pytest.raises(titer.InputError) as found:
            own.train()
        assert str(found.value) == (
            f"the model is trained with {name}: no process sees whole rows and whole gradients there; train on one device, without it"
        )
        step = getattr(own.optimizer, "optimizer", own.optimizer)
        assert hooked(own.model) == 0 and not step._optimizer_step_pre_hooks and not step._optimizer_step_post_hooks
        assert callback.hooked is None

    def made() -> tuple[typing.Any, titer.torch.PressureCallback]:
        callback = titer.torch.PressureCallback(world.probes, rows=world.rows)
        return trainer(world.rows, tmp_path / "out", [callback]), callback

    # As `accelerate launch` says it, and as the trainer's own arguments do.
    own, callback = made()
    with monkeypatch.context() as environment:
        environment.setenv(variable, "true")
        refuses(own, callback)
    own, callback = made()
    own.args.__dict__.update(argument)
    refuses(own, callback)
    own, callback = made()
    own.train()
    assert callback.pressure.steps > 0 and hooked(own.model) == 0


def test_a_model_that_fsdp_has_sharded_is_refused(world: World) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        model = organism()
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        with pytest.raises(titer.InputError, match="FSDP"):
            titer.torch.Pressure(model, tokenizer(), torch.optim.AdamW(model.parameters()), world.probes)
    finally:
        torch.distributed.destroy_process_group()


def test_a_torch_that_is_too_old_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("__version__ = '2.3.1+cpu'\n")
    package = str(Path(titer.__file__).parents[1])
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {package!r}]; import titer.torch"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 1
    assert "InputError: titer.torch needs torch 2.4 or later, and this is 2.3.1+cpu: pip install --upgrade torch" in found.stderr


def test_adapters_with_magnitudes_are_refused_by_name(world: World) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", use_dora=True)
    model = peft.get_peft_model(organism(), config)
    own = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    with pytest.raises(titer.InputError, match="not a trained `DoraLinearLayer` with a `weight`.*without DoRA"):
        titer.torch.Pressure(model, tokenizer(), own, world.probes)
    assert hooked(model) == 0
