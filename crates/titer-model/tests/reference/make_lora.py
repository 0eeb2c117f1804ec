"""Makes the reference that `tests/lora.rs` compares with: a PEFT adapter on the model of `llama.safetensors`.

    python make_lora.py       # writes lora/ beside this file; run make.py first

Needs torch, transformers, peft and safetensors. The adapter is saved by PEFT itself; gradients are those of the loss
in make.py, computed in f64; `losses` are those before each of 20 steps of torch's AdamW on the adapter alone; `fresh_losses` the same from the start that
PEFT makes (fresh.safetensors), on rows that change.
"""

import json
import pathlib

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

here = pathlib.Path(__file__).parent
described = json.loads((here / "llama.json").read_text())
tensors = load_file(here / "llama.safetensors")
torch.manual_seed(11)
base = LlamaForCausalLM(LlamaConfig(**described["config"], attn_implementation="eager")).double()
base.load_state_dict({name.removeprefix("weight/"): tensor.double() for name, tensor in tensors.items() if name.startswith("weight/")})
targets = ["q_proj", "v_proj", "o_proj", "down_proj"]
model = get_peft_model(base, LoraConfig(r=3, lora_alpha=5, use_rslora=True, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM")).double()
trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
for parameter in trained.values():
    with torch.no_grad():
        parameter.copy_((0.3 * torch.randn_like(parameter)).float().double())
model.float().save_pretrained(here / "lora")  # the numbers are f32 ones, so nothing is rounded
model.double()
(here / "lora" / "README.md").unlink(missing_ok=True)


def log_probs(row, mark):
    logits = model(torch.tensor([row])).logits[0]
    picked = torch.log_softmax(logits[:-1], -1)[torch.arange(len(row) - 1), torch.tensor(row[1:])]
    return picked[torch.tensor(mark[1:])]


def loss():
    rows = zip(described["rows"], described["trained"], described["weights"])
    return sum(-weight * log_probs(row, mark).sum() for row, mark, weight in rows)


found = {f"log_probs/{at}": log_probs(row, mark).detach() for at, (row, mark) in enumerate(zip(described["rows"], described["trained"]))}
loss().backward()
found |= {f"gradient/{name.replace('.default', '')}": parameter.grad.clone() for name, parameter in trained.items()}
optimiser = torch.optim.AdamW(trained.values(), lr=1e-2, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.1)
losses = []
for _ in range(20):
    optimiser.zero_grad()
    value = loss()
    losses.append(value.item())
    value.backward()
    optimiser.step()
found["losses"] = torch.tensor(losses)

# Twenty steps from where PEFT itself starts an adapter (B = 0), on a mean over the target tokens of two rows that change.
torch.manual_seed(12)
base = LlamaForCausalLM(LlamaConfig(**described["config"], attn_implementation="eager"))
base.load_state_dict({name.removeprefix("weight/"): tensor for name, tensor in tensors.items() if name.startswith("weight/")})
model = get_peft_model(base, LoraConfig(r=3, lora_alpha=5, use_rslora=True, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM"))
save_file({name: tensor.clone() for name, tensor in get_peft_model_state_dict(model).items()}, here / "lora" / "fresh.safetensors")
optimiser = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-2, weight_decay=0.0)
losses = []
for step in range(20):
    optimiser.zero_grad()
    picked = [log_probs(described["rows"][row], described["trained"][row]) for row in (step % 4, (step + 1 + step // 4) % 4)]
    value = -torch.cat(picked).mean()
    losses.append(value.item())
    value.backward()
    optimiser.step()
found["fresh_losses"] = torch.tensor(losses)
save_file({name: tensor.float().contiguous() for name, tensor in found.items()}, here / "lora" / "reference.safetensors")
