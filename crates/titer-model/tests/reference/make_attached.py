"""Makes the reference that `tests/attached.rs` compares with: two PEFT adapters active at once on the model of `llama.safetensors`.

    python make_attached.py   # writes lora/attached.safetensors beside this file; run make.py and make_lora.py first

Needs torch, transformers, peft and safetensors. The adapter of make_lora.py is the one that is attached; `fresh` is another one that
learns beside it, and `weight` are gradients of the model's own weights where they learn instead. The loss is that of make.py, in f64.
"""

import json
import pathlib

import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

here = pathlib.Path(__file__).parent
described = json.loads((here / "llama.json").read_text())
tensors = load_file(here / "llama.safetensors")
torch.manual_seed(17)
base = LlamaForCausalLM(LlamaConfig(**described["config"], attn_implementation="eager")).double()
base.load_state_dict({name.removeprefix("weight/"): tensor.double() for name, tensor in tensors.items() if name.startswith("weight/")})
model = PeftModel.from_pretrained(base, here / "lora", adapter_name="helper").double()
model.add_adapter("fresh", LoraConfig(r=2, lora_alpha=4, lora_dropout=0.0, target_modules=["q_proj", "k_proj", "up_proj"], task_type="CAUSAL_LM"))
model.double()


def log_probs(row, mark):
    logits = model(torch.tensor([row])).logits[0]
    picked = torch.log_softmax(logits[:-1], -1)[torch.arange(len(row) - 1), torch.tensor(row[1:])]
    return picked[torch.tensor(mark[1:])]


def gradients(found, kind, trained):
    for parameter in model.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    for parameter in trained.values():
        parameter.requires_grad_(True)
    picked = [log_probs(row, mark) for row, mark in zip(described["rows"], described["trained"])]
    sum(-weight * each.sum() for weight, each in zip(described["weights"], picked)).backward()
    found |= {f"{kind}/log_probs/{at}": each.detach() for at, each in enumerate(picked)}
    found |= {f"{kind}/gradient/{name}": parameter.grad.clone() for name, parameter in trained.items()}


found = {}
named = dict(model.named_parameters())
fresh = {name.replace(".fresh", ""): parameter for name, parameter in named.items() if ".fresh." in name}
for name, parameter in fresh.items():
    with torch.no_grad():
        parameter.copy_((0.3 * torch.randn_like(parameter)).float().double())
    found[f"fresh/{name}"] = parameter.detach().clone()
model.base_model.set_adapter(["helper", "fresh"])
gradients(found, "beside", fresh)
model.base_model.set_adapter(["helper"])
own = {name.removeprefix("base_model.model.").replace(".base_layer", ""): parameter for name, parameter in named.items() if "lora_" not in name}
gradients(found, "weight", own)
save_file({name: tensor.float().contiguous() for name, tensor in found.items()}, here / "lora" / "attached.safetensors")
