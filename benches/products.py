"""Compares the products of linear layers with those of PyTorch (MKL and oneDNN on Intel): a product's rate on one thread, and on all at
once, each thread with a product of its own; in f32, and in bf16 where the processor has instructions for it. Interleaved: every round
runs each side once a shape, and ratios are taken within rounds.

    python benches/products.py [--rounds 3] [--numbers f32,bf16]

Needs torch, and cargo. In bf16, titer's activations and results are f32 in memory, as in training; PyTorch's are bf16.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import threading
import time

import torch

ROOT = pathlib.Path(__file__).parent.parent


SHAPES = 8


def titer(threads, shape, numbers):
    command = ["cargo", "bench", "-q", "-p", "titer-model", "--bench", "train_step", "--", "products", str(shape)]
    command += ["bf16"] if numbers == "bf16" else []
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"RAYON_NUM_THREADS": str(threads)}, check=True, capture_output=True, text=True
    )
    lines = list(map(json.loads, done.stdout.splitlines()))
    return {(line["product"], tuple(line["shape"])): line["gflops"] for line in lines}, lines[0]["instructions"]


def torch_rate(kind, shape, threads, numbers):
    tokens, inputs, outputs = shape
    repeats = -(-1_000_000_000 // (tokens * inputs * outputs))
    rates = [0.0] * threads
    ready = threading.Barrier(threads)

    def work(at):
        dtype = torch.bfloat16 if numbers == "bf16" else torch.float32
        full = lambda rows, columns, value: torch.full((rows, columns), value, dtype=dtype)
        x, w, dy = full(tokens, inputs, 0.5), full(outputs, inputs, 0.25), full(tokens, outputs, 0.125)
        a, b = {"x·Wᵀ": (x, w.T), "dy·W": (dy, w), "dyᵀ·x": (dy.T, x)}[kind]
        out = a @ b
        ready.wait()
        start = time.perf_counter()
        for _ in range(repeats):
            torch.mm(a, b, out=out)
        rates[at] = 2 * repeats * tokens * inputs * outputs / (time.perf_counter() - start) / 1e9

    workers = [threading.Thread(target=work, args=(at,)) for at in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(rates)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--numbers", default="f32,bf16")
    options = parser.parse_args()
    rounds = options.rounds
    torch.set_num_threads(1)
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    cores = len(os.sched_getaffinity(0))
    titer(1, 0, "f32")  # builds it
    for numbers in options.numbers.split(","):
        capability = torch.backends.cpu.get_cpu_capability()
        print(f"{processor}; {numbers}; titer by {titer(1, 0, numbers)[1]}, torch {torch.__version__} ({capability})")
        print(f"{'threads':>7} {'product':8} {'tokens, inputs, outputs':24} {'titer':>7} {'torch':>7} {'titer / torch':>20}  GFLOP/s; ratio (range)")
        for threads in sorted({1, cores}):
            seen = {}
            for _ in range(rounds):
                for at in range(SHAPES):
                    for (kind, shape), rate in titer(threads, at, numbers)[0].items():
                        seen.setdefault((kind, shape), []).append((rate, torch_rate(kind, shape, threads, numbers)))
            for (kind, shape), pairs in seen.items():
                own, theirs = (statistics.median(side) for side in zip(*pairs))
                ratios = sorted(a / b for a, b in pairs)
                ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
                print(f"{threads:>7} {kind:8} {', '.join(map(str, shape)):24} {own:>7.0f} {theirs:>7.0f} {ratio:>20}", flush=True)


if __name__ == "__main__":
    main()
