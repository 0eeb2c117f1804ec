"""Writes configs.json: what transformers makes of rotary positions that a config.json says in old words, in new ones, or in both.

    python crates/titer-model/tests/reference/make_configs.py

Needs transformers. `read` is its `rope_parameters` once all is in its place; `None` where transformers refuses the config.
"""

import itertools
import json
import pathlib

import transformers

transformers.logging.set_verbosity_error()
full, sliding = "full_attention", "sliding_attention"
shape = dict(
    vocab_size=512, hidden_size=64, intermediate_size=96, num_hidden_layers=12, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=128,
)
linear, yarn = dict(rope_type="linear", factor=2.0), dict(type="yarn", factor=4.0, truncate=False)
llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
flat = [None, dict(rope_type="default", rope_theta=700.0), dict(linear, rope_theta=700.0), yarn, llama3]
layered = [
    None,
    {full: dict(linear, rope_theta=700.0), sliding: dict(rope_type="default", rope_theta=90.0)},
    {full: dict(rope_type="linear", factor=8.0)},
    {full: dict(yarn, rope_type="yarn"), sliding: dict(rope_type="default", rope_theta=90.0)},
]
families = dict(Llama=flat, Mistral=flat, Qwen3=flat, SmolLM3=flat, Phi3=flat[:3], Gemma3Text=layered, Olmo3=layered)


def read(family, keys):
    try:
        config = getattr(transformers, f"{family}Config")(**shape, **json.loads(json.dumps(keys)))
        config.standardize_rope_params()
    except Exception:
        return None
    return config.rope_parameters


cases = []
for family, parameters in families.items():
    scalings = [None, {}, linear, dict(factor=3.0), dict(linear, rope_theta=400.0)] + [yarn] * (family != "Phi3")
    for new, old, theta, original in itertools.product(parameters, scalings, [None, 300.0], [None, 64]):
        keys = dict(rope_parameters=new, rope_scaling=old, rope_theta=theta, original_max_position_embeddings=original)
        keys = {key: value for key, value in keys.items() if value is not None}
        cases.append(dict(architecture=family.replace("Text", "") + "ForCausalLM", keys=keys, read=read(family, keys)))
lines = ",\n".join(json.dumps(case) for case in cases)
(pathlib.Path(__file__).parent / "configs.json").write_text(f"[\n{lines}\n]\n")
