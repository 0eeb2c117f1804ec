"""Makes the model folders that `tests/families.rs` compares with: one tiny random model of every decoder family.

    python make_families.py            # writes families/ beside this file
    python make_families.py olmo3      # or only this one of them

Needs torch, transformers and safetensors. Each folder is transformers' own, in the type named here, and has beside it
`reference.safetensors`: logits of four rows of different lengths, run one by one (no padding), and the gradients of every
parameter of the sum of `weight[row] * (-log p)` over the marked tokens. Both are computed in f64 from the numbers in the
file. Windows are shorter than rows, bounds of scores and logits are tight, norms and biases are random: all of it matters.
"""

import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent / "families"
shape = dict(
    vocab_size=64, hidden_size=32, intermediate_size=36, num_attention_heads=4, num_key_value_heads=2,
    num_hidden_layers=2, max_position_embeddings=64, pad_token_id=None, bos_token_id=None, eos_token_id=None,
)
plain = dict(rope_type="default", rope_theta=100.0)
gemma = dict(
    head_dim=12, query_pre_attn_scalar=20, sliding_window=4, final_logit_softcapping=3.0, tie_word_embeddings=True,
)
llama3 = dict(
    rope_type="llama3", rope_theta=50.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=32,
)
yarn = dict(rope_type="yarn", rope_theta=60.0, factor=4.0, beta_fast=3.0, original_max_position_embeddings=16)
longrope = dict(
    rope_type="longrope", rope_theta=60.0, short_factor=[1.0, 1.5, 2.0, 3.0], long_factor=[2.0, 3.0, 5.0, 9.0],
    original_max_position_embeddings=32,
)
families = {  # name: (class, type in the file, what departs from the shape)
    "llama": ("Llama", torch.float32, dict(
        rope_parameters=llama3, attention_bias=True, mlp_bias=True, tie_word_embeddings=False)),
    "mistral": ("Mistral", torch.bfloat16, dict(rope_parameters=plain, sliding_window=4, tie_word_embeddings=False)),
    "qwen2": ("Qwen2", torch.float16, dict(
        rope_parameters=plain, use_sliding_window=True, sliding_window=5, max_window_layers=1, tie_word_embeddings=True)),
    "qwen3": ("Qwen3", torch.bfloat16, dict(rope_parameters=plain, head_dim=10, tie_word_embeddings=True)),
    "smollm3": ("SmolLM3", torch.bfloat16, dict(
        rope_parameters=plain, num_hidden_layers=3, no_rope_layer_interval=2, use_sliding_window=True, sliding_window=6,
        tie_word_embeddings=True)),
    "gemma2": ("Gemma2", torch.bfloat16, dict(rope_parameters=plain, attn_logit_softcapping=2.0, **gemma)),
    "gemma3": ("Gemma3", torch.bfloat16, dict(
        rope_parameters=dict(
            full_attention=dict(rope_type="linear", factor=4.0, rope_theta=1000.0), sliding_attention=plain),
        num_hidden_layers=3, layer_types=["sliding_attention", "full_attention", "sliding_attention"], **gemma)),
    "olmo2": ("Olmo2", torch.bfloat16, dict(rope_parameters=plain, tie_word_embeddings=False)),
    "olmo3": ("Olmo3", torch.bfloat16, dict(
        rope_parameters=dict(full_attention=yarn, sliding_attention=plain), sliding_window=4, num_hidden_layers=3,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"], tie_word_embeddings=False)),
    "gemma": ("Gemma", torch.bfloat16, dict(rope_parameters=plain, head_dim=12, tie_word_embeddings=True)),
    "granite": ("Granite", torch.bfloat16, dict(
        rope_parameters=plain, attention_bias=True, embedding_multiplier=6.0, attention_multiplier=0.6,
        residual_multiplier=0.4, logits_scaling=3.0, tie_word_embeddings=True)),
    "phi3": ("Phi3", torch.bfloat16, dict(
        rope_parameters=longrope, original_max_position_embeddings=32, sliding_window=6, tie_word_embeddings=False)),
    "llama_yarn": ("Llama", torch.bfloat16, dict(rope_parameters=yarn, tie_word_embeddings=True)),
    "llama_dynamic": ("Llama", torch.bfloat16, dict(
        rope_parameters=plain | dict(rope_type="dynamic", factor=4.0), tie_word_embeddings=True)),
    "llama_longrope": ("Llama", torch.bfloat16, dict(rope_parameters=longrope, tie_word_embeddings=True)),
}
lengths, weights = [5, 11, 17, 3], [1.0, 0.5, -0.75, 2.0]
generator = torch.Generator().manual_seed(5)
rows = [torch.randint(0, 64, (length,), generator=generator).tolist() for length in lengths]
marks = [[at > 0 and (at * 7 + row) % 3 != 0 for at in range(length)] for row, length in enumerate(lengths)]


def parts(config, label, tensor):
    """The layers that a tensor of Phi 3 holds, by the names that they would have as tensors of their own."""
    heads = config.hidden_size // config.num_attention_heads
    queries, keys = config.num_attention_heads * heads, config.num_key_value_heads * heads
    for fused, rows in [("qkv_proj", dict(q_proj=queries, k_proj=keys, v_proj=keys)),
                        ("gate_up_proj", dict(gate_proj=config.intermediate_size, up_proj=config.intermediate_size))]:
        if fused in label:
            split = tensor.split(list(rows.values()))
            return {label.replace(fused, name): part.clone() for name, part in zip(rows, split)}
    return {label: tensor.clone()}


def make(name, family, dtype, departures):
    torch.manual_seed(11)
    config = getattr(transformers, "Gemma3TextConfig" if family == "Gemma3" else f"{family}Config")
    model = getattr(transformers, f"{family}ForCausalLM")
    model = model(config(**(shape | departures), attn_implementation="eager")).double()
    for label, parameter in model.named_parameters():
        scale = 0.3 if parameter.dim() == 1 else 0.25
        offset = 1.0 if "norm" in label and not family.startswith("Gemma") else 0.0
        with torch.no_grad():
            parameter.copy_((offset + scale * torch.randn_like(parameter)).to(dtype).double())

    loss, tensors = 0, {}
    for at, (row, mark, weight) in enumerate(zip(rows, marks, weights)):
        logits = model(torch.tensor([row])).logits[0]
        tensors[f"logits/{at}"] = logits.detach().clone()
        picked = torch.log_softmax(logits[:-1], -1)[torch.arange(len(row) - 1), torch.tensor(row[1:])]
        loss = loss - weight * picked[torch.tensor(mark[1:])].sum()
    loss.backward()
    for label, parameter in model.named_parameters():
        tensors |= {f"gradient/{part}": grad for part, grad in parts(model.config, label, parameter.grad).items()}

    folder = here / name
    shutil.rmtree(folder, ignore_errors=True)
    # One of them in shards.
    model.to(dtype).save_pretrained(folder, **(dict(max_shard_size="20KB") if name == "qwen3" else {}))
    (folder / "generation_config.json").unlink()
    save_file({label: tensor.float().contiguous() for label, tensor in tensors.items()}, folder / "reference.safetensors")


for name in sys.argv[1:] or families:
    make(name, *families[name])
(here / "rows.json").write_text(json.dumps(dict(rows=rows, trained=marks, weights=weights)) + "\n")
