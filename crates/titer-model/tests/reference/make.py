"""Makes the reference tensors that `tests/reference.rs` compares with: transformers' Llama on a tiny random model.

    python make.py            # writes llama.safetensors and llama.json beside this file

Needs torch, transformers and safetensors. Everything is computed in f64 from f32 weights; gradients of every parameter
are those of the sum of `weight[row] * (-log p)` over the target tokens of four rows of different lengths, run one by one
(no padding). Optimiser steps are torch's own, three on the same gradient of the moving weights.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

here = pathlib.Path(__file__).parent
torch.manual_seed(7)
shape = dict(
    vocab_size=37, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=32, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False,
)
model = LlamaForCausalLM(LlamaConfig(**shape, attn_implementation="eager")).double()
for name, parameter in model.named_parameters():
    scale = 0.3 if "norm" in name else 0.25
    offset = 1.0 if "norm" in name else 0.0
    with torch.no_grad():
        parameter.copy_((offset + scale * torch.randn_like(parameter)).float().double())

lengths, weights = [5, 11, 17, 3], [1.0, 0.5, -0.75, 2.0]
rows = [torch.randint(0, 37, (length,)).tolist() for length in lengths]
marks = [[at > 0 and (at * 7 + row) % 3 != 0 for at in range(length)] for row, length in enumerate(lengths)]


def log_probs(row, mark):
    logits = model(torch.tensor([row])).logits[0]
    picked = torch.log_softmax(logits[:-1], -1)[torch.arange(len(row) - 1), torch.tensor(row[1:])]
    return picked[torch.tensor(mark[1:])]


def loss():
    return sum(-weight * log_probs(row, mark).sum() for row, mark, weight in zip(rows, marks, weights))


tensors = {f"weight/{name}": parameter.detach().clone() for name, parameter in model.named_parameters()}
for at, (row, mark) in enumerate(zip(rows, marks)):
    tensors[f"log_probs/{at}"] = log_probs(row, mark).detach()
    tensors[f"logits/{at}"] = model(torch.tensor([row])).logits[0].detach()
loss().backward()
tensors |= {f"gradient/{name}": parameter.grad.clone() for name, parameter in model.named_parameters()}

start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
decayed = [parameter for parameter in model.parameters() if parameter.dim() == 2 and parameter is not model.model.embed_tokens.weight]
others = [parameter for parameter in model.parameters() if all(parameter is not one for one in decayed)]
optimisers = {
    "adamw": lambda: torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=1e-2, betas=(0.9, 0.98), eps=1e-8),
    "sgd": lambda: torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.5),
}
for kind, make in optimisers.items():
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(start[name])
    optimiser = make()
    for _ in range(3):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    tensors |= {f"{kind}/{name}": parameter.detach().clone() for name, parameter in model.named_parameters()}

save_file({name: tensor.float().contiguous() for name, tensor in tensors.items()}, here / "llama.safetensors")
described = dict(config=shape, rows=rows, trained=marks, weights=weights)
(here / "llama.json").write_text(json.dumps(described) + "\n")
