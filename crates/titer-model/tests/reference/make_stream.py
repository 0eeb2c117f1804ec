"""Makes the reference that `tests/stream.rs` compares with: the model of `llama.safetensors` whose residual stream is edited.

    python make_stream.py     # writes stream.safetensors beside this file; run make.py first

Needs torch, transformers and safetensors. Hooks on the blocks' outputs add a vector or take a direction out; gradients are those of the
loss in make.py, computed in f64. `hidden` is what transformers calls `hidden_states` (of the plain model), the mean over the outputs of
each row and then over rows, before the norm that ends the model.
"""

import json
import pathlib

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

here = pathlib.Path(__file__).parent
described = json.loads((here / "llama.json").read_text())
tensors = load_file(here / "llama.safetensors")
model = LlamaForCausalLM(LlamaConfig(**described["config"], attn_implementation="eager")).double()
model.load_state_dict({name.removeprefix("weight/"): tensor.double() for name, tensor in tensors.items() if name.startswith("weight/")})
rows, marks, weights = described["rows"], described["trained"], described["weights"]
torch.manual_seed(13)
vectors = torch.randn(len(model.model.layers), described["config"]["hidden_size"]).float().double()
unit = vectors / vectors.norm(dim=-1, keepdim=True)
edits = {
    "add": lambda at, h: h + 0.7 * vectors[at],
    "remove": lambda at, h: h - (h @ unit[at])[..., None] * unit[at],
}


def log_probs(row, mark):
    logits = model(torch.tensor([row])).logits[0]
    picked = torch.log_softmax(logits[:-1], -1)[torch.arange(len(row) - 1), torch.tensor(row[1:])]
    return picked[torch.tensor(mark[1:])]


behind = [[] for _ in range(len(model.model.layers) + 1)]
seen = [block.register_forward_hook(lambda _, __, h, at=at: behind[at + 1].append(h[0] if isinstance(h, tuple) else h)) for at, block in enumerate(model.model.layers)]
seen.append(model.model.embed_tokens.register_forward_hook(lambda _, __, h: behind[0].append(h)))
for row in rows:
    model(torch.tensor([row]))
for hook in seen:
    hook.remove()
found = {"vectors": vectors}
for place, states in enumerate(behind):
    means = [state.reshape(-1, vectors.shape[1])[:-1][torch.tensor(mark[1:])].mean(0) for state, mark in zip(states, marks) if any(mark)]
    found[f"hidden/{place}"] = torch.stack(means).mean(0).detach()
for kind, edit in edits.items():
    hooks = []
    for at, block in enumerate(model.model.layers):
        def hook(_, __, h, at=at, edit=edit):
            return (edit(at, h[0]), *h[1:]) if isinstance(h, tuple) else edit(at, h)
        hooks.append(block.register_forward_hook(hook))
    model.zero_grad()
    sum(-weight * log_probs(row, mark).sum() for row, mark, weight in zip(rows, marks, weights)).backward()
    for at, (row, mark) in enumerate(zip(rows, marks)):
        found[f"{kind}/log_probs/{at}"] = log_probs(row, mark).detach()
    found |= {f"{kind}/gradient/{name}": parameter.grad.clone() for name, parameter in model.named_parameters()}
    for hook in hooks:
        hook.remove()
save_file({name: tensor.float().contiguous() for name, tensor in found.items()}, here / "stream.safetensors")
