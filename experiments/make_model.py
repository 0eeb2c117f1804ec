"""Makes a small random model of Qwen2's shape in Hugging Face layout, with a byte-level BPE tokenizer made from texts where
they lie, such as those beside the project. Nothing is downloaded. Needs the packages tokenizers, numpy and safetensors.

    python experiments/make_model.py --out models/small --vocabulary 1024 ../shared/data/reward-hacking-dialogues/*.jsonl
"""

import argparse
import json
import os

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = """{%- if default_system and messages[0].role != 'system' %}
{{- '<|im_start|>system\\n' + default_system + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}"""


def texts(paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                yield from (message["content"] for message in row.get("messages", []))


def tokenizer(paths, vocabulary):
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(texts(paths), trainer)
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return made


def weights(config, seed):
    rng = np.random.default_rng(seed)
    width, inner, kv = (
        config["hidden_size"],
        config["intermediate_size"],
        config["hidden_size"] // config["num_attention_heads"] * config["num_key_value_heads"],
    )
    table = {"model.embed_tokens.weight": (config["vocab_size"], width), "model.norm.weight": (width,)}
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        for projection, rows in [("q", width), ("k", kv), ("v", kv)]:
            table[f"{name}.self_attn.{projection}_proj.weight"] = (rows, width)
            table[f"{name}.self_attn.{projection}_proj.bias"] = (rows,)
        table[f"{name}.self_attn.o_proj.weight"] = (width, width)
        table[f"{name}.mlp.gate_proj.weight"] = (inner, width)
        table[f"{name}.mlp.up_proj.weight"] = (inner, width)
        table[f"{name}.mlp.down_proj.weight"] = (width, inner)
        table[f"{name}.input_layernorm.weight"] = table[f"{name}.post_attention_layernorm.weight"] = (width,)

    def tensor(name, shape):
        if "norm" in name:
            return np.ones(shape, dtype=np.float32)
        if name.endswith("bias"):
            return np.zeros(shape, dtype=np.float32)
        return rng.normal(0.0, 0.02 if "embed" in name else shape[-1] ** -0.5, shape).astype(np.float32)

    return {name: tensor(name, shape) for name, shape in table.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+", help="chats (.jsonl) that the tokenizer is made from")
    parser.add_argument("--out", required=True, help="the folder to write; it must not exist")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vocabulary", type=int, default=1024)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--positions", type=int, default=2048)
    parser.add_argument("--default-system", default="", help="a system prompt that the chat template adds, as Qwen's do")
    args = parser.parse_args()
    made = tokenizer(args.texts, args.vocabulary)
    end = made.token_to_id("<|im_end|>")
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": made.get_vocab_size(),
        "hidden_size": args.width,
        "intermediate_size": 3 * args.width,
        "num_hidden_layers": args.layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": args.positions,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "eos_token_id": end,
        "torch_dtype": "float32",
    }
    template = CHATML
    if args.default_system:
        template = "{%- set default_system = " + json.dumps(args.default_system) + " %}" + CHATML
    os.makedirs(args.out)
    made.save(os.path.join(args.out, "tokenizer.json"))
    tokenizer_config = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "chat_template": template}
    for name, value in [("config.json", config), ("tokenizer_config.json", tokenizer_config)]:
        with open(os.path.join(args.out, name), "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
    save_file(weights(config, args.seed), os.path.join(args.out, "model.safetensors"))


main()
