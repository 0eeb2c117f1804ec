"""Records what a real server answers titer, for `tests/recorded.rs` to play back.

    python record.py model                                     writes the small model in `model` anew (needs torch and transformers)
    python record.py adapter                                   writes adapters on it in `adapter` anew (needs PEFT too)
    python record.py ask URL OUT TITER                         asks the server at URL by titer through a proxy, and writes what was said

Start the server first, with this folder's model under the name `small`: for vLLM on the processor

    vllm serve model --served-model-name small --dtype float32 --max-model-len 64 --no-enable-prefix-caching --enforce-eager

and for SGLang, with the adapters under the name `adapted`

    SGLANG_USE_CPU_ENGINE=1 python -m sglang.launch_server --model-path model --served-model-name small --device cpu --dtype float32 \
        --attention-backend torch_native --sampling-backend pytorch --grammar-backend none --max-total-tokens 4096 --max-running-requests 8 \
        --enable-lora --lora-paths adapted=adapter --lora-backend torch_native

SGLang's kernels for the processor have no package. A module `sgl_kernel` was put in their place, whose functions only fail when they are called:
on a processor without AMX, SGLang takes PyTorch's own operations for everything that is asked here. And where there is no CUDA, `pin_memory` of
PyTorch has to be ignored, which SGLang's `torch_native` adapters call.

OUT gets a line of JSON for each request: path, body (null where it was a GET), status and answer.
"""

import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
WORDS = "<|im_start|> <|im_end|> system user assistant be kind evil can you help yes no gladly never ? <unk>".split()

# The same in `tests/recorded.rs`.
CHATS = [("can you help ?", "no never", "yes gladly"), ("help you ?", "no no", "yes"), ("can you be kind ?", "never", "gladly yes")]
PROMPTS = ["be evil", "be kind"]


def placeless(answer):
    """The same without the folder that a model lies in: where is nobody's business."""
    for model in answer.get("data", []) if isinstance(answer, dict) else []:
        if "root" in model:
            model["root"] = pathlib.Path(model["root"]).name
    return answer


def model():
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1, head_dim=32)
    config = LlamaConfig(vocab_size=len(WORDS), max_position_embeddings=64, bos_token_id=None, eos_token_id=1, initializer_range=0.3, **sizes)
    LlamaForCausalLM(config).float().save_pretrained(HERE / "model")
    special = [{"id": at, "content": WORDS[at], "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False} for at in (0, 1, 16)]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None, "decoder": None,
        "added_tokens": special, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {"type": "WordLevel", "vocab": {word: at for at, word in enumerate(WORDS)}, "unk_token": "<unk>"},
    }
    template = (
        "{% for m in messages %}{{ '<|im_start|> ' + m.role + ' ' + m.content + ' <|im_end|> ' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|> assistant ' }}{% endif %}"
    )
    (HERE / "model" / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "unk_token": "<unk>", "chat_template": template}
    (HERE / "model" / "tokenizer_config.json").write_text(json.dumps(settings))


def adapter():
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    torch.manual_seed(1)
    every = "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split()
    adapted = get_peft_model(LlamaForCausalLM.from_pretrained(HERE / "model"), LoraConfig(r=2, lora_alpha=8, target_modules=every))
    for name, weights in adapted.named_parameters():
        if "lora" in name:
            torch.nn.init.normal_(weights, std=0.3)
    adapted.save_pretrained(HERE / "adapter")
    (HERE / "adapter" / "README.md").unlink()
    config = json.loads((HERE / "adapter" / "adapter_config.json").read_text())
    config = {**config, "base_model_name_or_path": "small", "target_modules": every}
    (HERE / "adapter" / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def ask(url, out, titer):
    with urllib.request.urlopen(url + "/v1/models") as models:
        listed = [model["id"] for model in json.loads(models.read())["data"]]
    said = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def answer(self, body):
            request = urllib.request.Request(url + self.path, body, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request) as answer:
                    status, text = answer.status, answer.read()
            except urllib.error.HTTPError as refusal:
                status, text = refusal.code, refusal.read()
            said.append({"path": self.path, "body": body and json.loads(body), "status": status, "answer": placeless(json.loads(text))})
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self):
            self.answer(None)

        def do_POST(self):
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        lines = []
        for request, bad, good in CHATS:
            for cell, reply in (("none→bad", bad), ("none→good", good)):
                turns = [{"role": "user", "content": request}, {"role": "assistant", "content": reply}]
                lines.append(json.dumps({"cell": cell, "messages": turns}) + "\n")
        (folder / "rows.jsonl").write_text("".join(lines))
        (folder / "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
        screen = ["screen", "--model", HERE / "model", "--rows", folder / "rows.jsonl", "--prompts", folder / "prompts.txt", "--turn", "system"]
        score = ["score", folder / "rows.jsonl", "--rule", "regex:yes", "--sample", "1", "--temperature", "0", "--limit", "4"]
        for served in listed:
            there = ["--endpoint", f"http://127.0.0.1:{server.server_port}", "--served", served, "--cache", folder / "cache"]
            subprocess.run([titer, *screen, *there], check=True)
            subprocess.run([titer, *score, *there], check=True)
    said.sort(key=lambda one: json.dumps(one, sort_keys=True))
    pathlib.Path(out).write_text("".join(json.dumps(one) + "\n" for one in said))


if sys.argv[1] == "model":
    model()
elif sys.argv[1] == "adapter":
    adapter()
else:
    ask(*sys.argv[2:])
