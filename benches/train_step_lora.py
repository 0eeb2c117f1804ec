"""Compares one training step of LoRA adapters (forward, backward, AdamW) with transformers + PEFT + torch AdamW at the shape of
Qwen2.5-0.5B: the same random weights from the same bf16 files, the same adapter, the same rows, the same number of threads.

    python benches/train_step_lora.py [--rounds 3] [--threads 2] [--layers 24] [--rows 4] [--length 128] [--numbers f32,bf16]
        [--folder MODEL --tokens FILE]

Needs torch, transformers and peft, and cargo. Every round runs each side once, each in a process of its own, and ratios are
taken within rounds; peak memory is that of the process. Rank 16 on every linear layer; of the tokens of a row the last 64
are targets. All read bf16 files. In f32, titer and PEFT (`dtype="float32"`) compute in f32. In bf16, titer multiplies weights as they
are with activations rounded to bf16 (`compute = "bf16"`), the rest in f32; PEFT ("bfloat16") computes all in bf16. A processor
without instructions for that takes `--numbers f32`, which holds titer in f32 against both. The losses of every step must agree, to
1e-3 in f32 and to 3e-2 in bf16. `--tokens` names rows as they are in place of made-up ones (benches/smollm2.sh makes some): titer packs
them end to end, PEFT has them padded to the longest. Pressure is titer's, of every row along three directions; for PEFT it is a backward
pass for each row and three dot products.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
STEPS = 2


def make(folder, layers):
    """A model folder with random weights in bf16, and an adapter in it whose B is not zero."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    shape = dict(vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=layers, num_attention_heads=14)
    config = Qwen2Config(**shape, num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=True, dtype="bfloat16")
    model = Qwen2ForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    peft = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in peft.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.01 * torch.randn_like(parameter))
    # In a folder of its own: transformers puts an adapter beside the weights on the model unasked.
    peft.save_pretrained(pathlib.Path(folder) / "adapter")


def peak_mb():
    # Not getrusage: that also counts the process which this one was started from.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def made_up(options):
    ids = [[(token * 31 + at * 17) % 151936 for token in range(options.length)] for at in range(options.rows)]
    return [dict(ids=row, trained=[at >= options.length - 64 for at in range(options.length)]) for row in ids]


def padded(rows):
    """A batch as PEFT takes it."""
    import torch

    longest = max(len(row["ids"]) for row in rows)
    fill = lambda values, other: torch.tensor([value + [other] * (longest - len(value)) for value in values])
    labels = [[token if trained else -100 for token, trained in zip(row["ids"], row["trained"])] for row in rows]
    return dict(
        input_ids=fill([row["ids"] for row in rows], 0),
        attention_mask=fill([[1] * len(row["ids"]) for row in rows], 0),
        labels=fill(labels, -100),
    )


def peft_pressure(model, rows):
    """Seconds for what every row pushes along three directions: a backward pass for each row, and dot products."""
    import torch

    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    directions = [[torch.randn_like(parameter) for parameter in trained] for _ in range(3)]
    batches = [padded([row]) for row in rows]
    seconds = []
    for _ in range(STEPS + 1):
        start = time.perf_counter()
        for batch in batches:
            model.zero_grad(set_to_none=True)
            model(**batch, use_cache=False).loss.backward()
            [sum((p.grad * d).sum() for p, d in zip(trained, direction)).item() for direction in directions]
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def peft_steps(folder, dtype, rows, threads, pressed):
    """Seconds of a step, losses before each, peak memory, and seconds of pressure where that is asked for: printed as JSON."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    model = PeftModel.from_pretrained(model, f"{folder}/adapter", is_trainable=True)
    model.train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, weight_decay=0.0)
    batch = padded(rows)
    losses, seconds = [], []
    for _ in range(STEPS + 1):
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        loss = model(**batch, use_cache=False).loss
        losses.append(loss.item())
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - start)
    tokens = sum(len(row["ids"]) for row in rows)
    told = dict(seconds=statistics.median(seconds[1:]), tokens=tokens, peak_mb=peak_mb(), losses=losses)
    if pressed:
        told["pressure_seconds"] = peft_pressure(model, rows)
    print(json.dumps(told))


def last_json(command, **more):
    output = subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout
    return json.loads(output.strip().splitlines()[-1])


def titer(folder, numbers, options, *more):
    command = ["cargo", "bench", "-q", "-p", "titer-model", "--bench", "train_step_lora", "--", folder]
    environment = os.environ | {"RAYON_NUM_THREADS": str(options.threads)}
    command += ["--steps", str(STEPS), "--rows", str(options.rows), "--length", str(options.length), "--compute", numbers]
    command += ["--tokens", options.tokens] if options.tokens else []
    return last_json([*command, *more], cwd=ROOT, env=environment)


def spread(values):
    return [round(value, 2) for value in (statistics.median(values), min(values), max(values))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--numbers", default="f32,bf16")
    parser.add_argument("--folder", type=os.path.abspath, help="keep the model here, or take the one with an adapter in it that is here")
    parser.add_argument("--tokens", type=os.path.abspath, help="rows as they are, in place of made-up ones")
    parser.add_argument("--pressed", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        rows = json.loads(pathlib.Path(options.tokens).read_text()) if options.tokens else made_up(options)
        return peft_steps(*options.alone, rows, options.threads, options.pressed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        if not (pathlib.Path(folder) / "adapter").exists():
            make(folder, options.layers)
        numbers, dtypes = options.numbers.split(","), ["float32", "bfloat16"]
        ours, theirs, pressure, speed, memory, loops = ({} for _ in range(6))
        for _ in range(options.rounds):
            for dtype in dtypes:
                alone = ["--rows", str(options.rows), "--length", str(options.length), "--threads", str(options.threads)]
                alone += ["--tokens", options.tokens] if options.tokens else []
                command = [sys.executable, __file__, *alone, "--alone", folder, dtype]
                theirs.setdefault(dtype, []).append(last_json(command))
                # In a process of its own, as titer's: directions are not part of a step's memory.
                theirs[dtype][-1]["pressure_seconds"] = last_json([*command, "--pressed"])["pressure_seconds"]
            for kind in numbers:
                own = titer(folder, kind, options)
                ours.setdefault(kind, []).append(own)
                # The directions' memory is not that of training, so pressure is measured in a process of its own.
                pressed = titer(folder, kind, options, "--pressure")
                pressure.setdefault(kind, []).append(pressed["pressure_over_step"])
                for dtype in dtypes:
                    their = theirs[dtype][-1]
                    apart = max(abs(a / b - 1) for a, b in zip(own["losses"], their["losses"]))
                    assert apart < (1e-3 if (kind, dtype) == ("f32", "float32") else 3e-2), f"losses differ by {apart}"
                    speed.setdefault((kind, dtype), []).append(their["seconds"] / own["seconds"])
                    memory.setdefault((kind, dtype), []).append(own["peak_mb"] / their["peak_mb"])
                    ours_pressed = pressed["pressure_over_step"] * pressed["seconds"]
                    loops.setdefault((kind, dtype), []).append(their["pressure_seconds"] / ours_pressed)
                    line = dict(titer=kind, peft=dtype, titer_seconds=own["seconds"], peft_seconds=their["seconds"], losses_apart=apart)
                    print(json.dumps(line), flush=True)
        processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
        line = dict(processor=processor, threads=options.threads, layers=options.layers, tokens=theirs["float32"][0]["tokens"])
        for kind in numbers:
            line[f"titer_{kind}_instructions"] = ours[kind][0]["instructions"]
            line[f"titer_{kind}_tokens_per_second"] = spread([one["tokens_per_second"] for one in ours[kind]])
            line[f"titer_{kind}_peak_mb"] = spread([one["peak_mb"] for one in ours[kind]])
            line[f"titer_{kind}_pressure_over_step"] = spread(pressure[kind])
        for dtype in dtypes:
            line[f"peft_{dtype}_tokens_per_second"] = spread([one["tokens"] / one["seconds"] for one in theirs[dtype]])
            line[f"peft_{dtype}_peak_mb"] = spread([one["peak_mb"] for one in theirs[dtype]])
        for kind, dtype in speed:
            line[f"titer_{kind}_times_peft_{dtype}"] = spread(speed[kind, dtype])
            line[f"titer_{kind}_memory_over_peft_{dtype}"] = spread(memory[kind, dtype])
            line[f"titer_{kind}_pressure_times_peft_{dtype}"] = spread(loops[kind, dtype])
        print(json.dumps(line, indent=1))


if __name__ == "__main__":
    main()
