"""Trains every stage of an export by `trl sft`'s own code, and prints what it trained: `tests/elsewhere.rs` holds it against titer's mask.

    python trained_by_trl.py EXPORT

Prints JSON: for each configuration, in the order of `train.sh`, the rows in the order in which the trainer takes them, each as its token ids and
its labels, and how many steps were done.
"""

import json
import os
import pathlib
import re
import sys

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", CUDA_VISIBLE_DEVICES="")

import trl
from trl.scripts import sft

os.chdir(sys.argv[1])
script = pathlib.Path("train.sh").read_text()
found = {}


class Watched(trl.SFTTrainer):
    """Remembers the batches that it trains on."""

    def training_step(self, model, inputs, *args, **kwargs):
        for row in range(len(inputs["input_ids"])):
            held = inputs["attention_mask"][row].bool() if "attention_mask" in inputs else slice(None)
            self.seen.append([inputs["input_ids"][row][held].tolist(), inputs["labels"][row][held].tolist()])
        return super().training_step(model, inputs, *args, **kwargs)

    def train(self, *args, **kwargs):
        self.seen = []
        done = super().train(*args, **kwargs)
        found[configuration] = {"rows": self.seen, "steps": self.state.global_step}
        return done


trl.SFTTrainer = Watched
for configuration, done in re.findall(r"trl sft --config (\S+); touch (\S+);", script):
    options = sft.make_parser().parse_args_and_config(["--config", configuration, "--use_cpu", "true", "--disable_tqdm", "true"])
    sft.main(*options)
    pathlib.Path(done).touch()
print("\n" + json.dumps(found))
