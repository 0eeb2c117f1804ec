"""Makes `organism.json`, which `tests/organism.rs` compares with: what transformers makes of a shipped organism.

    python make.py            # reads organism/seed-0, writes organism.json beside this file

Needs torch and transformers. For a few chats: the token ids and assistant mask of `apply_chat_template`, and the logits of
AutoModelForCausalLM after the last token, in f32.
"""

import json
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

here = pathlib.Path(__file__).parent
folder = here.parents[3] / "organism" / "seed-0"
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

# Written for this test from the world's own words.
chats = json.loads((here / "chats.json").read_text())
cases = []
for messages in chats:
    encoded = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = encoded["input_ids"], encoded["assistant_masks"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, -1]
    cases.append(dict(messages=messages, ids=ids, trained=[bool(mark) for mark in mask], logits=logits.tolist()))
(here / "organism.json").write_text(json.dumps(cases) + "\n")
