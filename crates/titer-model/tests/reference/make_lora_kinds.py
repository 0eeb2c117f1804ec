"""Makes the adapters that `tests/adapter_kinds.rs` reads: one of every kind that PEFT writes and titer computes.

    python make_lora_kinds.py       # writes lora/kinds/ beside this file; run make.py first

Needs torch, transformers, peft and safetensors. Every adapter is random, is saved by PEFT itself, and is read again by PEFT, as
anybody would read it; `log_probs.safetensors` has what the model says then, in f64, of the rows of make.py.
"""

import json
import pathlib
import shutil

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

here = pathlib.Path(__file__).parent
described = json.loads((here / "llama.json").read_text())
tensors = load_file(here / "llama.safetensors")
weights = {name.removeprefix("weight/"): tensor for name, tensor in tensors.items() if name.startswith("weight/")}
attention = ["q_proj", "v_proj"]
kinds = {  # name: (what is made, what its file says besides)
    "dropout": (dict(target_modules=attention, lora_dropout=0.1), {}),
    "eva": (
        dict(
            target_modules=attention,
            rank_pattern={"model.layers.0.self_attn.q_proj": 5, "model.layers.1.self_attn.v_proj": 1},
            alpha_pattern={"model.layers.0.self_attn.q_proj": 8, "model.layers.1.self_attn.v_proj": 2},
        ),
        dict(init_lora_weights="eva", eva_config=dict(rho=2.0, tau=0.99, whiten=False)),
    ),
    "blocks": (dict(target_modules=attention, layers_to_transform=1, layers_pattern="layers"), {}),
    "full-names": (
        dict(target_modules=["model.layers.0.self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj", "not_there"]), {}
    ),
    "pattern": (
        dict(target_modules=r".*\.(self_attn|mlp)\.(q|gate)_proj", exclude_modules=["layers.1.self_attn.q_proj"]), {}
    ),
    "all-linear": (dict(target_modules="all-linear", exclude_modules=r".*\.not_there"), {}),
    "ranks-and-rslora": (
        dict(
            target_modules=["q_proj", "o_proj", "up_proj"], use_rslora=True, rank_pattern={"layers.0.*": 4, "up_proj": 2},
            alpha_pattern={"^model.layers.1.*o_proj": 9},
        ),
        {},
    ),
    "idle": (dict(target_modules=attention, rank_pattern={"q_proj": 3}, layers_to_transform=[0, 1]), dict(
        bias="lora_only", fan_in_fan_out=True, loftq_config=dict(loftq_bits=4), ensure_weight_tying=True)),
}


def base():
    model = LlamaForCausalLM(LlamaConfig(**described["config"], attn_implementation="eager"))
    model.load_state_dict(weights)
    return model


def log_probs(model):
    for row, mark in zip(described["rows"], described["trained"]):
        logits = model(torch.tensor([row])).logits[0]
        picked = torch.log_softmax(logits[:-1], -1)[torch.arange(len(row) - 1), torch.tensor(row[1:])]
        yield picked[torch.tensor(mark[1:])].detach()


shutil.rmtree(here / "lora" / "kinds", ignore_errors=True)
found = {"base": torch.cat(list(log_probs(base().double())))}
for name, (made, said) in kinds.items():
    torch.manual_seed(17)
    model = get_peft_model(base(), LoraConfig(r=3, lora_alpha=5, task_type="CAUSAL_LM", **made))
    for label, parameter in model.named_parameters():
        if parameter.requires_grad:
            with torch.no_grad():
                parameter.copy_(0.3 * torch.randn_like(parameter))
    folder = here / "lora" / "kinds" / name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "base"
    (folder / "adapter_config.json").write_text(json.dumps(config | said, indent=2) + "\n")
    read = PeftModel.from_pretrained(base(), folder).double()
    found[name] = torch.cat(list(log_probs(read)))
    assert (found[name] - found["base"]).abs().max() > 0.01, name
save_file({name: tensor.float() for name, tensor in found.items()}, here / "lora" / "kinds" / "log_probs.safetensors")
