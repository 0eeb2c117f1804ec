"""Compares scoring a good and a bad reply of every row under every prompt with transformers doing the same job: every pair of
context and reply as a row of padded batches, LlamaForCausalLM in f32 without gradients, SDPA attention, logits at the replies
alone, the same number of threads. Interleaved: every round runs each side once, and ratios are taken within rounds.

    python benches/screen.py [--rounds 5] [--threads 2] [--sizes organism,medium,answers,dialogues]

Needs torch and transformers, and cargo. `batches` and `one_by_one` are titer without sharing, see crates/titer-model/benches/screen.rs.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from train_step import ROOT, SIZES

# Tokens of a prompt, a request and a reply, prompts and rows, as in the bench of titer.
JOBS = {"organism": (8, 5, 4, 32, 128), "medium": (40, 24, 24, 16, 16), "answers": (40, 24, 4, 32, 32), "dialogues": (20, 52, 64, 8, 8)}
BATCH = {"organism": 512, "medium": 32, "answers": 64, "dialogues": 16}  # the fastest of the powers of two beside it


def job(size, vocabulary, batch):
    prompt, request, reply, prompts, rows = JOBS[size]
    words = lambda length, of: [(at * 31 + of * 17 + 7) % vocabulary for at in range(length)]
    pairs = [
        words(prompt, p) + words(request, 100 + row) + words(reply, 1000 + 2 * row + action)
        for p in range(prompts)
        for row in range(rows)
        for action in range(2)
    ]
    # All rows are equally long, so padding costs nothing here; of real chats it would.
    return [torch.tensor(pairs[first : first + batch]) for first in range(0, len(pairs), batch)], reply


def transformers_side(size, batch):
    shape = SIZES.get(size, SIZES["medium"])
    torch.manual_seed(0)
    config = LlamaConfig(**shape, max_position_embeddings=256, tie_word_embeddings=False, attn_implementation="sdpa")
    model = LlamaForCausalLM(config).eval()
    batches, reply = job(size, config.vocab_size, batch)

    @torch.inference_mode()
    def run():
        found = []
        for ids in batches:
            logits = model(input_ids=ids, use_cache=False, logits_to_keep=reply + 1).logits[:, :-1]
            log_probs = torch.log_softmax(logits, -1).gather(-1, ids[:, -reply:, None])
            found.append(log_probs.sum((1, 2)))
        return torch.cat(found)

    return run


def titer(size, threads):
    command = ["cargo", "bench", "-q", "-p", "titer-model", "--bench", "screen", "--", size, "3"]
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    output = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", default=",".join(JOBS))
    parser.add_argument("--batch", type=int, help="rows of a batch of transformers")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for size in options.sizes.split(","):
        run = transformers_side(size, options.batch or BATCH[size])
        run()
        rounds, seconds = [], []
        for _ in range(options.rounds):
            rounds.append(titer(size, options.threads))
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        spread = lambda values: [round(value, 2) for value in (statistics.median(values), min(values), max(values))]
        line = {"size": size, "tree": statistics.median(one["tree"] for one in rounds), "transformers": round(statistics.median(seconds), 4)}
        line["transformers_over_tree"] = spread([second / one["tree"] for second, one in zip(seconds, rounds)])
        for key in ("batches_over_tree", "one_by_one_over_tree", "uncached_over_cached"):
            line[key] = spread([one[key] for one in rounds])
        line["floor"] = rounds[0]["floor"]
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
