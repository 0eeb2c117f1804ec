"""Compares per-row pressure (every row's gradient with K = 3 directions, and its norm) with others on the same shapes, the
same rows and the same number of threads, in f32:

* PyTorch, one backward pass per row, on transformers' LlamaForCausalLM, rows without padding;
* torch.func, per-sample gradients by vmap(grad) over padded chunks;
* bergson, its in-memory collector of per-sample gradients over padded chunks, one matrix product with the directions. It
  collects the blocks' linear layers only: neither embeddings nor norms nor the head, so it does less than the others.

    python benches/pressure.py [--rounds 5] [--threads 2] [--sizes organism,medium]

Needs torch and transformers, cargo, and bergson (left out where it is not installed). Every round runs each side once, and
ratios are taken within rounds. Peak memory is that of a process that runs one side alone.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from train_step import ROOT, ROWS, SIZES  # noqa: E402

DIRECTIONS = 3
CHUNK = {"organism": 64, "medium": 4}  # rows whose gradients fit in memory together


def build(size):
    torch.manual_seed(0)
    config = LlamaConfig(**SIZES[size], max_position_embeddings=128, tie_word_embeddings=False, attn_implementation="eager")
    model = LlamaForCausalLM(config)
    rows = []
    for at, (length, targets) in enumerate(ROWS[size]):
        ids = torch.tensor([(token * 31 + at * 17) % config.vocab_size for token in range(length)])
        labels = ids.clone()
        labels[: length - targets] = -100
        rows.append((ids, labels))
    directions = {name: torch.randn(DIRECTIONS, *value.shape) for name, value in model.named_parameters()}
    return model, rows, directions


def nats(logits, labels):
    return torch.nn.functional.cross_entropy(logits[:-1], labels[1:], ignore_index=-100, reduction="sum")


def naive(model, rows, directions):
    flat = {name: direction.flatten(1) for name, direction in directions.items()}

    def run():
        found = []
        for ids, labels in rows:
            model.zero_grad(set_to_none=True)
            nats(model(input_ids=ids[None], use_cache=False).logits[0], labels).backward()
            sums = torch.zeros(DIRECTIONS + 1)
            for name, value in model.named_parameters():
                gradient = value.grad.flatten()
                sums[:DIRECTIONS] += flat[name] @ gradient
                sums[DIRECTIONS] += gradient @ gradient
            found.append(sums)
        return torch.stack(found)

    return run


def padded(rows):
    longest = max(len(ids) for ids, _ in rows)
    pad = lambda tensors, value: torch.stack(
        [torch.nn.functional.pad(tensor, (0, longest - len(tensor)), value=value) for tensor in tensors]
    )
    return pad([ids for ids, _ in rows], 0), pad([labels for _, labels in rows], -100)


def vmapped(model, rows, directions, size):
    ids, labels = padded(rows)
    params = {name: value.detach() for name, value in model.named_parameters()}
    flat = {name: direction.flatten(1) for name, direction in directions.items()}

    def loss(params, ids, labels):
        # Padding stands behind every target, where causal attention does not see it; so no mask is needed.
        logits = torch.func.functional_call(model, params, kwargs=dict(input_ids=ids[None], use_cache=False)).logits[0]
        return nats(logits, labels)

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))

    def run():
        found = []
        for first in range(0, len(ids), CHUNK[size]):
            chunk = gradients(params, ids[first : first + CHUNK[size]], labels[first : first + CHUNK[size]])
            sums = 0
            for name, gradient in chunk.items():
                gradient = gradient.flatten(1)
                sums = sums + torch.cat([gradient @ flat[name].T, (gradient * gradient).sum(1, keepdim=True)], 1)
            found.append(sums)
        return torch.cat(found)

    return run


def collected(model, rows, directions, size):
    from bergson import CollectorComputer, GradientProcessor, IndexConfig, InMemoryCollector
    from datasets import Dataset

    data = Dataset.from_dict({"input_ids": [ids.tolist() for ids, _ in rows], "labels": [labels.tolist() for _, labels in rows]})
    batches = [list(range(first, min(first + CHUNK[size], len(rows)))) for first in range(0, len(rows), CHUNK[size])]
    folder = tempfile.mkdtemp()
    config = IndexConfig(run_path=folder, projection_dim=0)
    pathlib.Path(config.partial_run_path).mkdir(parents=True, exist_ok=True)

    def run():
        collector = InMemoryCollector(model=model.base_model, data=data, cfg=config, processor=GradientProcessor())
        CollectorComputer(model, data, collector=collector, batches=batches, cfg=config).run_with_collector_hooks()
        sums = 0
        for name, gradient in collector.gradients.items():
            gradient = gradient.float().flatten(1)
            along = directions[f"model.{name}.weight"].flatten(1)
            sums = sums + torch.cat([gradient @ along.T, (gradient * gradient).sum(1, keepdim=True)], 1)
        return sums

    return run


def titer(size, threads, rounds):
    command = ["cargo", "bench", "-q", "-p", "titer-model", "--bench", "pressure", "--", size, str(rounds)]
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    output = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def sides(size):
    model, rows, directions = build(size)
    made = {"naive": naive(model, rows, directions), "torch.func": vmapped(model, rows, directions, size)}
    with contextlib.suppress(ImportError):
        made["bergson"] = collected(model, rows, directions, size)
    return made


def agree(made):
    """The peers compute the same: else their times say nothing."""
    reference, other = made["naive"](), made["torch.func"]()
    assert torch.allclose(reference, other, rtol=1e-3, atol=1e-3 * reference.abs().max().item()), "torch.func differs"
    if "bergson" in made:
        norms = made["bergson"]()[:, DIRECTIONS]
        assert (norms <= reference[:, DIRECTIONS] * 1.001).all() and (norms > 0).all(), "bergson's part is no part"


def peak_of_this_process():
    # Not getrusage: that also counts the process which this one was started from.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def peak(size, side):
    """Peak resident memory in MB of a process that runs one side once."""
    code = f"import sys; sys.argv = ['', '--alone', {side!r}, '--sizes', {size!r}]; import runpy; runpy.run_path({__file__!r}, run_name='__main__')"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return float(output.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", default="organism,medium")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for size in options.sizes.split(","):
        made = sides(size)
        if options.alone:
            made[options.alone]()
            print(peak_of_this_process())
            continue
        agree(made)
        ratios, seconds = {side: [] for side in made}, {side: [] for side in made}
        ours = []
        for _ in range(options.rounds):
            found = titer(size, options.threads, 40 if size == "organism" else 3)
            ours.append(found["pressure"])
            for side, run in made.items():
                start = time.perf_counter()
                run()
                seconds[side].append(time.perf_counter() - start)
                ratios[side].append(seconds[side][-1] / ours[-1])
        line = {"size": size, "titer": statistics.median(ours), "titer_peak_mb": found["peak_mb"]}
        for side in made:
            line[side] = round(statistics.median(seconds[side]), 4)
            line[f"{side}_over_titer"] = [round(value, 2) for value in (statistics.median(ratios[side]), min(ratios[side]), max(ratios[side]))]
            line[f"{side}_peak_mb"] = round(peak(size, side))
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
