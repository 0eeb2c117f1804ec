"""What titer does on a device, beside the tools that do the same there: (a) training steps of LoRA adapters beside transformers + PEFT with
SDPA, at the shapes of 0.5, 1.5 and 7 billion parameters, random weights, rows of 512 tokens; (b) per-row pressure with all weights and
three directions at 0.5 and 1 billion, rows of 256 tokens; (c) the same with adapters at 7 billion; (d) screening of 64 prompts on 64 rows
at 1.5 billion, beside transformers. Shares are of the rate of a large bf16 product that this device was measured to do.

    python benches/device.py [--device cuda] [--program PATH] [--small] [--only a,b,c,d] [--out TABLE.json]

Needs torch, and transformers and peft for the sides that are compared; `--program` is the bench built by
`cargo bench -p titer-model --bench device --no-run`. `--small` takes tiny shapes, to see that all of it runs. A line is printed as soon as it is
known, so a run that is cut short leaves what it has.
"""

import argparse
import gc
import json
import os
import pathlib
import shutil
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


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


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
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return dict(failed=(done.stderr or done.stdout).strip().splitlines()[-1][:300])
    return json.loads(done.stdout.strip().splitlines()[-1])


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
    return dict(seconds=seconds, memory_mb=torch.cuda.max_memory_reserved() >> 20 if device == "cuda" else None)


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

    return dict(seconds=median_of(device, steps, score), memory_mb=torch.cuda.max_memory_reserved() >> 20 if device == "cuda" else None)


def alone(work, folder, device, *numbers):
    """One of the other side's measurements in a process of its own, so that its memory is its own."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'benches')!r}); import json, device; print(json.dumps(device.{work}({str(folder)!r}, {device!r}, *{list(numbers)!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    return json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else dict(failed=done.stderr.strip().splitlines()[-1][:300])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--program", required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", default="a,b,c,d")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=330, help="begin nothing more after this long")
    parser.add_argument("--out")
    options = parser.parse_args()
    began, device, small = time.perf_counter(), options.device, options.small
    name = torch.cuda.get_device_name() if device == "cuda" else "the processor"
    top = ceiling(device, small)
    lines = [dict(device=name, torch=torch.__version__, bf16_product_tflops=round(top / 1e12, 1))]
    print(json.dumps(lines[0]), flush=True)
    own = device if device != "cpu" else "torch-cpu"
    shape = lambda wanted: "tiny" if small else wanted
    rows, short, long = (4, 16, 32) if small else (16, 256, 512)
    # Work, model, titer's work, options, operations a token and parameter, the other side.
    training = [("a", model, "train", dict(rows=rows, length=long), 4, ("their_training", rows, long)) for model in ("0.5B", "1.5B", "7B")]
    pressure = [("b", model, "pressure", dict(rows=rows, length=short), 6 + 6, None) for model in ("0.5B", "1B")]
    adapters = [("c", "7B", "pressure-lora", dict(rows=rows, length=short), 4, None)]
    screening = [("d", "1.5B", "screen", dict(rows=rows if small else 64, prompts=4 if small else 64), 2, ("their_screening", 4 if small else 64, rows if small else 64))]
    wanted = [line for line in training[:2] + pressure + screening + training[2:] + adapters if line[0] in options.only.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        made = {}
        for part, model, work, sizes, operations, other in wanted:
            if time.perf_counter() - began > options.seconds:
                print(json.dumps(dict(part=part, model=model, left_out="no time left")), flush=True)
                continue
            model = shape(model)
            if model not in made:
                for folder in made.values():
                    shutil.rmtree(folder)
                made = {model: pathlib.Path(temporary) / model}
                make(made[model], model, device)
                gc.collect()
                if device == "cuda":
                    torch.cuda.empty_cache()
            ours = titer(options.program, made[model], work, own, "f32" if work == "pressure" else "bf16", steps=options.steps, **sizes)
            line = dict(part=part, model=model, work=work, **{f"titer_{key}": value for key, value in ours.items() if key != "work"})
            if "seconds" in ours:
                line["share_of_ceiling"] = round(operations * parameters(model) * ours["tokens"] / ours["seconds"] / top, 3)
            if other:
                theirs = alone(other[0], made[model], device, *other[1:], options.steps)
                line |= {f"other_{key}": value for key, value in theirs.items()}
                if "seconds" in ours and "seconds" in theirs:
                    line["times_as_fast"] = round(theirs["seconds"] / ours["seconds"], 2)
            print(json.dumps(line), flush=True)
            lines.append(line)
    if options.out:
        pathlib.Path(options.out).write_text("".join(json.dumps(line) + "\n" for line in lines))
    # Exit code 1: a number is missing because a program failed.
    return int(any("titer_failed" in line or "other_failed" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
