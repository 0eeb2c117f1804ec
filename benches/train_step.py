"""Compares one training step (forward, backward, AdamW) with PyTorch on the same rows: transformers' LlamaForCausalLM,
eager and compiled, SDPA attention, fused AdamW, the same number of threads. Interleaved: every round runs each side once,
and ratios are taken within rounds.

    python benches/train_step.py [--rounds 5] [--threads 2] [--no-compile]

Needs torch and transformers, and cargo. PyTorch pads rows to the longest, as its users do; tokens are counted without
padding on both sides. The loss is on the same target tokens.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

ROOT = pathlib.Path(__file__).parent.parent
SIZES = {
    "organism": dict(vocab_size=420, hidden_size=64, intermediate_size=192, num_hidden_layers=2, num_attention_heads=4),
    "medium": dict(vocab_size=2048, hidden_size=256, intermediate_size=768, num_hidden_layers=6, num_attention_heads=4),
}
ROWS = {
    "organism": [(12 + row * 5 % 17, 4 + row % 2) for row in range(64)],
    "medium": [(128, 127)] * 16,
}
STEPS = {"organism": 60, "medium": 8}


def pytorch_step(size, compiled):
    model = LlamaForCausalLM(LlamaConfig(**SIZES[size], max_position_embeddings=128, attn_implementation="sdpa"))
    rows, longest = ROWS[size], max(length for length, _ in ROWS[size])
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for at, (length, targets) in enumerate(rows):
        ids[at, :length] = torch.tensor([(token * 31 + at * 17) % SIZES[size]["vocab_size"] for token in range(length)])
        mask[at, :length] = 1
        labels[at, length - targets : length] = ids[at, length - targets : length]
    mask = None if mask.all() else mask
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    forward = torch.compile(model) if compiled else model

    def step():
        optimiser.zero_grad(set_to_none=True)
        forward(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss.backward()
        optimiser.step()

    return step, sum(length for length, _ in rows)


def median_seconds(step, steps):
    for _ in range(max(2, steps // 5)):
        step()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def titer(size, threads):
    command = ["cargo", "bench", "-q", "-p", "titer-model", "--bench", "train_step", "--", size, str(STEPS[size])]
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    output = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for size in SIZES:
        kinds = {"eager": pytorch_step(size, False)}
        if not options.no_compile:
            kinds["compiled"] = pytorch_step(size, True)
        ratios = {kind: [] for kind in kinds}
        for _ in range(options.rounds):
            ours = titer(size, options.threads)
            for kind, (step, tokens) in kinds.items():
                theirs = median_seconds(step, STEPS[size])
                ratios[kind].append(theirs / ours)
                print(json.dumps(dict(size=size, peer=kind, titer=round(tokens / ours), pytorch=round(tokens / theirs))), flush=True)
        for kind, values in ratios.items():
            spread = f"{min(values):.2f}–{max(values):.2f}"
            print(f"{size}: {statistics.median(values):.2f}x PyTorch {kind} ({spread}, {len(values)} rounds)", flush=True)


if __name__ == "__main__":
    main()
