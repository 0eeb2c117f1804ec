"""What titer does on a device, beside the tools that do the same there: (a) training steps of LoRA adapters beside transformers + PEFT with
SDPA, at the shapes of 0.5, 1.5 and 7 billion parameters, random weights, rows of 512 tokens; (b) per-row pressure with all weights and
three directions at 0.5 and 1 billion, rows of 256 tokens, beside bergson where it is installed; (c) the same with adapters at 7 billion; (d) screening of 64 prompts on 64 rows
at 1.5 billion, beside transformers. Shares are of the rate of a large bf16 product that this device was measured to do.

    python benches/device.py [--device cuda] [--program PATH] [--small] [--only a,b,c,d] [--out TABLE.json]

bergson collects gradients of the blocks' linear layers alone, neither of embeddings nor of norms nor of the head, so it does less than titer; its side
is that of `benches/pressure.py`. Needs torch, and transformers and peft for the sides that are compared; `--program` is the bench built by
`cargo bench -p titer-model --bench device --no-run`. `--small` takes tiny shapes, to see that all of it runs. A line is printed,
and written to the table, as soon as it is known, so a run that is cut short leaves what it has.
"""

import argparse
import gc
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import torch

ROOT = pathlib.Path(__file__).parent.parent
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

# Qwen2.5's 0.5B and 1.5B, Llama 3.2's 1B, Llama 2's 7B: width, inner width, blocks, heads, key heads, words, tied head.
SHAPES = {
    "0.5B": (896, 4864, 24, 14, 2, 151936, True),
    "1B": (2048, 8192, 16, 32, 8, 128256, True),
    "1.5B": (1536, 8960, 28, 12, 2, 151936, True),
    "7B": (4096, 11008, 32, 32, 32, 32000, False),
    "tiny": (64, 160, 2, 4, 2, 512, True),
}


def config(name):
    width, inner, blocks, heads, keys, words, tied = SHAPES[name]
    return dict(
        architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=words, hidden_size=width, intermediate_size=inner, num_hidden_layers=blocks,
        num_attention_heads=heads, num_key_value_heads=keys, max_position_embeddings=2048, tie_word_embeddings=tied, rms_norm_eps=1e-6,
        rope_theta=10000.0, hidden_act="silu", attention_bias=False, mlp_bias=False, torch_dtype="bfloat16",
    )


def parameters(name):
    """Of the blocks, and of the output head: what a token is multiplied with."""
    width, inner, blocks, heads, keys, words, _ = SHAPES[name]
    head = width // heads
    return blocks * (2 * width * width + 2 * width * keys * head + 3 * width * inner) + words * width


def make(folder, name, device):
    """A folder in Hugging Face layout, its random weights made on the device, a file for each block."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config(name)))
    width, inner, blocks, heads, keys, words, tied = SHAPES[name]
    head, files = width // heads, {}
    generator = torch.Generator(device).manual_seed(0)

    def write(file, tensors):
        save_file({key: value.cpu().contiguous() for key, value in tensors.items()}, folder / file)
        files.update(dict.fromkeys(tensors, file))

    def normal(*shape):
        return (torch.randn(*shape, generator=generator, device=device) * 0.02).to(torch.bfloat16)

    ones = lambda: torch.ones(width, dtype=torch.bfloat16)
    ends = {"model.embed_tokens.weight": normal(words, width), "model.norm.weight": ones()}
    write("ends.safetensors", ends if tied else ends | {"lm_head.weight": normal(words, width)})
    for at in range(blocks):
        named = lambda part: f"model.layers.{at}.{part}.weight"
        shapes = {
            "self_attn.q_proj": (width, width), "self_attn.k_proj": (keys * head, width), "self_attn.v_proj": (keys * head, width),
            "self_attn.o_proj": (width, width), "mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width), "mlp.down_proj": (width, inner),
        }
        tensors = {named(part): normal(*shape) for part, shape in shapes.items()}
        write(f"block-{at}.safetensors", tensors | {named("input_layernorm"): ones(), named("post_attention_layernorm"): ones()})
    (folder / "model.safetensors.index.json").write_text(json.dumps(dict(metadata={}, weight_map=files)))


def kind(device):
    """`cuda` of `cuda:1`."""
    return torch.device(device).type


def synchronize(device):
    """Waits until all that was asked of the device is done; else launches are measured, not work."""
    if kind(device) == "cuda":
        torch.cuda.synchronize(device)
    elif kind(device) == "mps":
        torch.mps.synchronize()


def name_of(device):
    return {"cuda": lambda: torch.cuda.get_device_name(device), "mps": lambda: "an Apple GPU"}.get(kind(device), lambda: "the processor")()


def memory_of(device):
    """MiB that torch took of the device: the most so far where it says that, else now."""
    if kind(device) == "cuda":
        return torch.cuda.max_memory_reserved(device) >> 20
    return torch.mps.driver_allocated_memory() >> 20 if kind(device) == "mps" else None


def empty(device):
    """Gives back what torch keeps of the device's memory to use again."""
    gc.collect()
    if kind(device) == "cuda":
        torch.cuda.empty_cache()
    elif kind(device) == "mps":
        torch.mps.empty_cache()


def ceiling(device, small):
    """Floating-point operations a second of a large bf16 product."""
    size = 512 if small else 8192
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    rates = []
    for _ in range(5):
        synchronize(device)
        start = time.perf_counter()
        for _ in range(4):
            a @ b
        synchronize(device)
        rates.append(4 * 2 * size**3 / (time.perf_counter() - start))
    return statistics.median(rates)


def titer(program, folder, work, device, numbers, **options):
    command = [program, str(folder), work, "--device", device, "--compute", numbers]
    command += [word for key, value in options.items() for word in (f"--{key}", str(value))]
    environment = os.environ | {"TITER_TORCH": str(pathlib.Path(torch.__file__).parent / "lib")}
    return told(command, environment)


def told(command, environment):
    """The JSON on the last line of what a program prints; where there is none, why."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except OSError as error:
        return dict(failed=str(error)[:300])
    last = lambda text: text.strip().splitlines()[-1].strip() if text.strip() else ""
    if done.returncode == 0:
        try:
            return json.loads(last(done.stdout))
        except ValueError:
            return dict(failed=f"it printed no numbers: {last(done.stdout)!r}"[:300])
    if done.returncode < 0:
        number = -done.returncode
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        why = ", as where main memory runs out" if name == "SIGKILL" else ""
        return dict(failed=f"it was ended by {name}{why}: {last(done.stderr)}"[:300].rstrip(": "))
    said = last(done.stderr) or last(done.stdout) or "it said nothing"
    return dict(failed=f"exit code {done.returncode}: {said}"[:300])


def median_of(device, steps, work):
    seconds = []
    for _ in range(steps + 1):
        synchronize(device)
        start = time.perf_counter()
        work()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def their_training(folder, device, rows, length, steps):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa").to(device)
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM"))
    model.train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, weight_decay=0.0)
    words = model.config.vocab_size
    ids = torch.tensor([[(at * 31 + row * 17) % words for at in range(length)] for row in range(rows)], device=device)
    labels = ids.clone()
    labels[:, : length * 3 // 4] = -100

    def step():
        optimiser.zero_grad(set_to_none=True)
        model(input_ids=ids, labels=labels, use_cache=False).loss.backward()
        optimiser.step()

    seconds = median_of(device, steps, step)
    return dict(seconds=seconds, memory_mb=memory_of(device))


def their_screening(folder, device, prompts, rows, steps):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa").to(device)
    words = model.config.vocab_size
    reply = [(at * 11 + 5) % words for at in range(12)]
    context = lambda prompt, row: [(at * 29 + prompt * 7919) % words for at in range(48)] + [(at * 37 + row * 104729) % words for at in range(24)]
    all_rows = [context(prompt, row) + reply for prompt in range(prompts) for row in range(rows)]
    batches = [torch.tensor(all_rows[at : at + 128], device=device) for at in range(0, len(all_rows), 128)]

    @torch.no_grad()
    def score():
        for ids in batches:
            logits = model(input_ids=ids[:, :-1], logits_to_keep=12).logits.float()
            torch.log_softmax(logits, -1).gather(-1, ids[:, -12:, None]).sum().item()

    return dict(seconds=median_of(device, steps, score), memory_mb=memory_of(device))


def their_pressure(folder, device, rows, length, steps):
    """bergson's gradients of each row, held against as many directions as titer's."""
    from transformers import AutoModelForCausalLM

    from pressure import DIRECTIONS, collected

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").to(device)
    words = model.config.vocab_size
    ids = [torch.tensor([(at * 31 + row * 17) % words for at in range(length)], device=device) for row in range(rows)]
    labels = [row.clone() for row in ids]
    for row in labels:
        row[: length * 3 // 4] = -100
    linear = {f"{name}.weight": part for name, part in model.named_modules() if isinstance(part, torch.nn.Linear) and name.startswith("model.")}
    directions = {name: torch.randn(DIRECTIONS, *part.weight.shape, device=device) for name, part in linear.items()}
    # Four rows at a time, as `benches/pressure.py` takes them at its larger size.
    return dict(seconds=median_of(device, steps, collected(model, list(zip(ids, labels)), directions, "medium")), memory_mb=memory_of(device))


def alone(work, folder, device, *numbers):
    """One of the other side's measurements in a process of its own, so that its memory is its own."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'benches')!r}); import json, device; print(json.dumps(device.{work}({str(folder)!r}, {device!r}, *{list(numbers)!r})))"
    return told([sys.executable, "-c", code], os.environ | {"HF_HUB_OFFLINE": "1"})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--program", required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", default="a,b,c,d")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=240, help="begin nothing more after this long")
    parser.add_argument("--out")
    options = parser.parse_args()
    began, device, small = time.perf_counter(), options.device, options.small
    top = ceiling(device, small)
    lines = []

    def known(line):
        """Prints a line, and writes the file anew, so that what is cut short leaves what it has."""
        lines.append(line)
        print(json.dumps(line), flush=True)
        if options.out:
            pathlib.Path(options.out).write_text("".join(json.dumps(line) + "\n" for line in lines))

    known(dict(device=name_of(device), torch=torch.__version__, bf16_product_tflops=round(top / 1e12, 1)))
    own = device if device != "cpu" else "torch-cpu"
    shape = lambda wanted: "tiny" if small else wanted
    rows, short, long = (4, 16, 32) if small else (16, 256, 512)
    # Work, model, titer's work, options, operations a token and parameter, the other side.
    training = [("a", model, "train", dict(rows=rows, length=long), 4, ("their_training", rows, long)) for model in ("0.5B", "1.5B", "7B")]
    pressure = [("b", model, "pressure", dict(rows=rows, length=short), 6 + 6, ("their_pressure", rows, short)) for model in ("0.5B", "1B")]
    adapters = [("c", "7B", "pressure-lora", dict(rows=rows, length=short), 4, None)]
    screening = [("d", "1.5B", "screen", dict(rows=rows if small else 64, prompts=4 if small else 64), 2, ("their_screening", 4 if small else 64, rows if small else 64))]
    wanted = [line for line in training[:2] + pressure + screening + training[2:] + adapters if line[0] in options.only.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        made = {}
        for part, model, work, sizes, operations, other in wanted:
            if time.perf_counter() - began > options.seconds:
                known(dict(part=part, model=model, left_out="no time left"))
                continue
            model = shape(model)
            if model not in made:
                for folder in made.values():
                    shutil.rmtree(folder)
                made = {model: pathlib.Path(temporary) / model}
                make(made[model], model, device)
                empty(device)
            ours = titer(options.program, made[model], work, own, "f32" if work == "pressure" else "bf16", steps=options.steps, **sizes)
            line = dict(part=part, model=model, work=work, **{f"titer_{key}": value for key, value in ours.items() if key != "work"})
            if "seconds" in ours:
                line["share_of_ceiling"] = round(operations * parameters(model) * ours["tokens"] / ours["seconds"] / top, 3)
            if work == "pressure" and not importlib.util.find_spec("bergson"):
                line["other_left_out"] = "bergson is not installed"
            elif other:
                theirs = alone(other[0], made[model], device, *other[1:], options.steps)
                line |= {f"other_{key}": value for key, value in theirs.items()}
                if "seconds" in ours and "seconds" in theirs:
                    line["times_as_fast"] = round(theirs["seconds"] / ours["seconds"], 2)
            known(line)
    # Exit code 1: a number is missing because a program failed.
    return int(any("titer_failed" in line or "other_failed" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
