"""Trains every stage of an export by axolotl's or LLaMA-Factory's own code, and prints what it trained: `tests/elsewhere.rs` holds it against
titer's mask.

    python trained_by_others.py EXPORT axolotl|llama-factory

Prints JSON: for each configuration, in the order of `train.sh`, the rows in the order in which the trainer takes them, each as its token ids and
its labels without padding, and how many steps were done.
"""

import json
import os
import pathlib
import re
import sys

os.environ.update(
    HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", CUDA_VISIBLE_DEVICES="", AXOLOTL_DO_NOT_TRACK="1", WANDB_MODE="disabled", ACCELERATE_USE_CPU="true"
)

def trained(export, trainer):
    """By configuration: rows in the order in which they were trained, and how many steps were done."""
    import transformers

    os.chdir(export)
    found = {}
    step = transformers.Trainer.training_step

    def watched(self, model, inputs, *args, **kwargs):
        seen = found[configuration]
        for row in range(len(inputs["input_ids"])):
            held = inputs["attention_mask"][row].bool()
            seen["rows"].append([inputs["input_ids"][row][held].tolist(), inputs["labels"][row][held].tolist()])
        seen["steps"] += 1
        return step(self, model, inputs, *args, **kwargs)

    transformers.Trainer.training_step = watched
    for configuration, done in re.findall(r"train (\S+\.yaml); touch (\S+);", pathlib.Path("train.sh").read_text()):
        found[configuration] = {"rows": [], "steps": 0}
        train(configuration, trainer)
        pathlib.Path(done).touch()
    return found


def train(configuration, trainer):
    """What the trainer's own command does with a configuration."""
    if trainer == "axolotl":
        from axolotl.cli.train import do_cli

        # Its kernels for adapters want a GPU, and are on by themselves.
        do_cli(configuration, **dict.fromkeys(["lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel"], False))
    else:
        import yaml
        from llamafactory.train.tuner import run_exp

        run_exp(yaml.safe_load(pathlib.Path(configuration).read_text()) | {"use_cpu": True})


# Some of them start processes that read this file again.
if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.argv = sys.argv[:1]  # they read the command line too
    print("\n" + json.dumps(trained(*arguments)))
