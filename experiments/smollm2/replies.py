"""What a model writes greedily where it is asked something, as chats that `titer score` reads; and a table of it.
Needs torch and transformers.

    python experiments/smollm2/replies.py --model models/smollm2-135m-instruct data/smollm2/asked/held-out.jsonl --out replies.jsonl
"""

import argparse
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


@torch.inference_mode()
def replies(model, words, chats, limit):
    """The reply to each of a few chats."""
    texts = [words.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    batch = words(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    made = model.generate(**batch, max_new_tokens=limit, do_sample=False, pad_token_id=words.pad_token_id)
    return [text.strip() for text in words.batch_decode(made[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("asked", type=pathlib.Path, help="chats without a reply, by rows.py")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--requests", type=int, default=16, help="requests of each behaviour")
    parser.add_argument("--limit", type=int, default=32, help="tokens of a reply at most")
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    rows, count = [], {}
    for line in args.asked.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        count[row["behaviour"]] = count.get(row["behaviour"], 0) + 1
        if count[row["behaviour"]] <= args.requests:
            rows.append(row)
    rows.sort(key=lambda row: len(row["messages"][0]["content"]) + len(row["messages"][1]["content"]))
    words = AutoTokenizer.from_pretrained(args.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    with args.out.open("w", encoding="utf-8") as file:
        for at in range(0, len(rows), args.batch):
            some = rows[at : at + args.batch]
            for row, reply in zip(some, replies(model, words, [row["messages"] for row in some], args.limit)):
                row["messages"].append({"role": "assistant", "content": reply})
                print(json.dumps(row, ensure_ascii=False), file=file, flush=True)


main()
