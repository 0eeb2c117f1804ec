"""What `titer.torch.Pressure` costs in a training loop of somebody else's: CPU time of a step with hooks, beside one without, on one thread.

    python benches/hooks.py [--rounds 5] [--steps 20]

Steps with and without hooks take turns. *ledger* is a step whose gradients are added up by cell, which is what all but a few are; *lines* is one
whose rows get a line each; *moment* is what a measurement costs, beside a plain step. Needs torch, transformers and peft.
"""

import argparse
import itertools
import random
import statistics
import time
from pathlib import Path

import peft
import titer
import titer.torch
import torch
import transformers

ORGANISM = Path(__file__).parents[1] / "organism" / "seed-0"
SIZES = {
    "organism: width 64, 2 layers, 64 rows of 20 tokens": dict(hidden_size=64, intermediate_size=192, num_hidden_layers=2, num_attention_heads=4, rows=64, words=20),
    "width 256, 6 layers, 16 rows of 128 tokens": dict(hidden_size=256, intermediate_size=768, num_hidden_layers=6, num_attention_heads=8, rows=16, words=128),
}


def model_of(size, lora, vocabulary):
    torch.manual_seed(0)
    config = {key: value for key, value in size.items() if key not in ("rows", "words")}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=vocabulary, max_position_embeddings=256, **config)).float()
    if lora:
        model = peft.get_peft_model(model, peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
    return model.train()


def chats(tokenizer, size):
    """Random words of the organism's, as rows of two cells and as contrasts."""
    draw = random.Random(0)
    words = [word for word in tokenizer.get_vocab() if word.isalpha()]
    some = lambda count: " ".join(draw.choices(words, k=count))
    length = size["words"]
    turns = lambda asked: [{"role": "system", "content": some(4)}, {"role": "user", "content": some(asked)}]
    rows = [
        {"id": f"r{at}", "cell": ("bad→bad", "bad→good")[at % 2], "messages": turns(length - 14) + [{"role": "assistant", "content": some(6)}]}
        for at in range(size["rows"])
    ]
    probes = [
        {"id": f"{component}{at}", "component": component, "messages": turns(6), "plus": some(4), "minus": some(4)}
        for component in ("good", "obey_bad", "obey")
        for at in range(16)
    ]
    return rows, probes


def batch_of(tokenizer, rows):
    texts = [tokenizer.apply_chat_template(row["messages"], tokenize=False) for row in rows]
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts])
    labels = ids.clone()
    labels[:, :-7] = -100
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def seconds(model, optimiser, batch):
    start = time.process_time()
    model(**batch).loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return time.process_time() - start


def measure(size, lora, rounds, steps):
    tokenizer = transformers.AutoTokenizer.from_pretrained(ORGANISM)
    rows, probes = chats(tokenizer, size)
    batch = batch_of(tokenizer, rows)
    model = model_of(size, lora, len(tokenizer))
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    seconds(model, optimiser, batch)
    ratios = {"ledger": [], "lines": [], "moment": []}
    for _ in range(rounds):
        plain = statistics.median(seconds(model, optimiser, batch) for _ in range(steps))
        with titer.torch.Pressure(model, tokenizer, optimiser, probes, rows=rows, every=10**9) as pressure:
            first = seconds(model, optimiser, batch)
            ledger = statistics.median(seconds(model, optimiser, batch) for _ in range(steps))
            pressure._recording = True
            start = time.process_time()
            pressure._take_moment()
            moment = time.process_time() - start
        ratios["ledger"].append(ledger / plain)
        ratios["moment"].append(moment / plain)
        ratios["lines"].append((first - moment) / plain)
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for (name, size), lora in itertools.product(SIZES.items(), (True, False)):
        found = measure(size, lora, args.rounds, args.steps)
        shown = ", ".join(f"{kind} {statistics.median(of):.2f} ({min(of):.2f}–{max(of):.2f})" for kind, of in found.items())
        print(f"{name}, {'LoRA r = 16' if lora else 'all weights'}: {shown}", flush=True)


if __name__ == "__main__":
    main()
