"""Adds trained adapters to the weights they belong to: the adapters of a titer run (PEFT's layout) and a model's folder make another
model's folder. Needs numpy and safetensors.

    python experiments/smollm2/merge.py ADAPTERS models/smollm2-135m-raised
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile

import make


def merged(weights, adapters, scale):
    """`W + scale · B A` for every weight with adapters; the others as they are."""
    made, used = dict(weights), set()
    for name, a in adapters.items():
        if not name.endswith(".lora_A.weight"):
            continue
        stem = name.removesuffix(".lora_A.weight")
        weight = f"{stem.removeprefix('base_model.model.')}.weight"
        if weight not in weights:
            raise make.Problem(f"the model has no {weight}, which the adapters change")
        b = f"{stem}.lora_B.weight"
        if b not in adapters:
            raise make.Problem(f"the adapters have {name} but no {b}")
        made[weight] = weights[weight] + scale * (adapters[b] @ a)
        used |= {name, b}
    left = sorted(adapters.keys() - used)
    if left or not used:
        raise make.Problem(f"{left[0]} is no LoRA on a linear layer" if left else "there are no adapters")
    return made


def main():
    parser = argparse.ArgumentParser(description="Add trained adapters to the weights they belong to.")
    parser.add_argument("adapters", type=pathlib.Path, help="a folder with adapter_config.json")
    parser.add_argument("out", type=pathlib.Path, help="the folder to write; it must not exist")
    parser.add_argument("--base", type=pathlib.Path, default=make.ROOT / make.OUT, help=f"the model (default: {make.OUT})")
    args = parser.parse_args()
    missing = [package for package in ("numpy", "safetensors") if not make.there(package)]
    if missing:
        raise make.Problem(f"this needs {', '.join(missing)}; python -m pip install {' '.join(missing)}")
    for path in (args.adapters / "adapter_config.json", args.adapters / "adapter_model.safetensors", args.base / "model.safetensors"):
        if not path.is_file():
            raise make.Problem(f"there is no {path}")
    if args.out.exists():
        raise make.Problem(f"{args.out} exists already; name another folder")
    from safetensors.numpy import load_file, save_file

    told = json.loads((args.adapters / "adapter_config.json").read_text(encoding="utf-8"))
    for name in ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "modules_to_save"):
        if told.get(name):
            raise make.Problem(f"the adapters have {name}, which is not merged")
    made = merged(
        load_file(args.base / "model.safetensors"),
        load_file(args.adapters / "adapter_model.safetensors"),
        told["lora_alpha"] / told["r"],
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    beside = pathlib.Path(tempfile.mkdtemp(prefix=f"{args.out.name}-", suffix=".tmp", dir=args.out.parent))
    try:
        beside.chmod(0o755)
        for name in make.FILES:
            if name != "model.safetensors":
                shutil.copy(args.base / name, beside / name)
        save_file(made, str(beside / "model.safetensors"), metadata={"format": "pt"})
        (beside / "model.safetensors").chmod(0o644)
        beside.rename(args.out)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


if __name__ == "__main__":
    make.told(main, "merge.py")
