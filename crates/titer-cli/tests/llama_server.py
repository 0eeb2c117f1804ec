"""llama.cpp's own HTTP server with a small model: `tests/endpoint.rs` asks it for log-probabilities.

    python llama_server.py MODEL PORT

Writes the model's folder (a Llama with a vocabulary of whole words) as GGUF to a temporary file, serves it on the loopback as `organism`, prints
`ready`, and ends when its standard input does. Needs xllamacpp, gguf, numpy and safetensors.
"""

import json
import pathlib
import re
import sys
import tempfile

import gguf
import numpy
import xllamacpp
from safetensors.numpy import load_file

folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])
config = json.loads((folder / "config.json").read_text())
words = json.loads((folder / "tokenizer.json").read_text())
vocabulary = sorted(words["model"]["vocab"], key=words["model"]["vocab"].get)
special = {token["content"] for token in words["added_tokens"]}
heads, width = config["num_attention_heads"], config["hidden_size"]

NAMES = {
    "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def called(name: str) -> str:
    if name in NAMES:
        return NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"


def turned(name: str, weight: numpy.ndarray) -> numpy.ndarray:
    """Rotary pairs of queries and keys lie beside each other in GGUF, and half a head apart in Hugging Face files."""
    if not name.endswith(("q_proj.weight", "k_proj.weight")):
        return weight
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return halves.swapaxes(1, 2).reshape(weight.shape)


path = pathlib.Path(tempfile.mkdtemp()) / "model.gguf"
writer = gguf.GGUFWriter(str(path), "llama")
writer.add_context_length(config["max_position_embeddings"])
writer.add_embedding_length(width)
writer.add_block_count(config["num_hidden_layers"])
writer.add_feed_forward_length(config["intermediate_size"])
writer.add_head_count(heads)
writer.add_head_count_kv(config["num_key_value_heads"])
writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
writer.add_rope_dimension_count(width // heads)
writer.add_rope_freq_base(config["rope_theta"])
writer.add_vocab_size(config["vocab_size"])
# Viterbi over whole words: the vocabulary has no parts that words could be merged from.
writer.add_tokenizer_model("t5")
writer.add_add_space_prefix(True)
writer.add_remove_extra_whitespaces(True)
padding = [f"<unused{at}>" for at in range(config["vocab_size"] - len(vocabulary))]
writer.add_token_list([word if word in special else "\u2581" + word for word in vocabulary] + padding)
writer.add_token_scores([0.0] * config["vocab_size"])
kinds = [gguf.TokenType.CONTROL if word in special else gguf.TokenType.NORMAL for word in vocabulary]
writer.add_token_types(kinds + [gguf.TokenType.UNUSED] * len(padding))
writer.add_eos_token_id(config["eos_token_id"])
writer.add_bos_token_id(config["eos_token_id"])
writer.add_unk_token_id(words["model"]["vocab"][words["model"]["unk_token"]])
writer.add_add_bos_token(False)
writer.add_add_eos_token(False)
template = json.loads((folder / "tokenizer_config.json").read_text())["chat_template"]
writer.add_chat_template(re.sub("{%-? *(end)?generation *-?%}", "", template))  # a mark for training, which llama.cpp does not know
for name, weight in load_file(folder / "model.safetensors").items():
    writer.add_tensor(called(name), numpy.ascontiguousarray(turned(name, weight).astype(numpy.float32)))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

options = xllamacpp.CommonParams()
options.model.path = str(path)
options.model_alias = {"organism"}
options.port = port
options.n_ctx = 4 * config["max_position_embeddings"]
options.n_parallel = 4
options.use_jinja = True
options.warmup = False
options.n_gpu_layers = 0
options.cpuparams.n_threads = 1
options.cache_type_k = options.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
options.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server = xllamacpp.Server(options)
print("ready", flush=True)
sys.stdin.read()
