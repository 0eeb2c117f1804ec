"""Nats of every row's reply under adapters, by transformers and PEFT: `tests/peft.rs` holds titer's against them.

    python adapters_in_peft.py MODEL ROWS.jsonl MAKE ADAPTER...

First lets PEFT make an adapter in the folder MAKE: rank-stabilised, on three kinds of layers, neither matrix zero. Then prints
JSON, the nats of the rows under each of MAKE and ADAPTER....
"""

import json
import pathlib
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

model, rows, make, *others = sys.argv[1:]
tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{model}/tokenizer.json")
template = (pathlib.Path(model) / "chat_template.jinja").read_text()
base = lambda: AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
ids = lambda messages, **more: tokenizer.encode(
    tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, **more), add_special_tokens=False
)

torch.manual_seed(3)
targets = ["q_proj", "o_proj", "up_proj"]
adapted = get_peft_model(base(), LoraConfig(r=5, lora_alpha=7, use_rslora=True, target_modules=targets, task_type="CAUSAL_LM"))
with torch.no_grad():
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.copy_(0.2 * torch.randn_like(parameter))
adapted.save_pretrained(make)

found = {}
for adapter in [make, *others]:
    adapted = PeftModel.from_pretrained(base(), adapter).eval()
    found[adapter] = []
    for line in pathlib.Path(rows).read_text().splitlines():
        messages = json.loads(line)["messages"]
        whole, context = ids(messages), ids(messages[:-1], add_generation_prompt=True)
        assert whole[: len(context)] == context
        with torch.no_grad():
            log_probs = torch.log_softmax(adapted(torch.tensor([whole])).logits[0], -1)
        reply = range(len(context), len(whole))
        found[adapter].append(-sum(log_probs[at - 1, whole[at]].item() for at in reply))
print(json.dumps(found))
