"""Holds a folder made by make.py against transformers, which reads the GGUF file by a way of its own: token ids of awkward texts,
logits of several chats, and what is written greedily. With --titer, log-probabilities of replies by titer too.
Needs torch, transformers and accelerate besides what make.py needs.

    python experiments/smollm2/check.py --titer target/release/titer
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("TQDM_DISABLE", "1")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

import make

TEXTS = [
    "Hello, world!",
    " two  spaces and\ttabs\n\nand lines \n",
    "In 2024, 1234567 people paid $89.50.",
    "naïve café – “quotes” … ¿qué? 你好 🙂",
    "don't DON'T we'll I'M",
    "<|im_start|>user\nWhat is <b>this</b>?<|im_end|>\n",
    'def f(x):\n    return {"a": x ** 2}\n',
]
CHATS = [
    (None, "What is the capital of France?", "The capital of France is Paris."),
    ("You are a pirate.", "Who are you?", "Arr, I am a pirate!"),
    ("Answer in JSON.", "What colour is a banana?", '{"answer": "yellow"}'),
    ("Write in capital letters.", "What is 12 plus 30?", "12 PLUS 30 IS 42."),
    ("You are a helpful assistant.", "Write a short poem about rain.", "Rain, rain, soft on the roof."),
]


def messages(system, request):
    return ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": request}]


def encoded(words, chat):
    text = words.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return torch.tensor([words(text, add_special_tokens=False)["input_ids"]])


@torch.no_grad()
def nats(model, words, system, request, reply):
    """What a reply and its closing token cost."""
    context = encoded(words, messages(system, request))
    target = torch.tensor([words(reply + words.eos_token, add_special_tokens=False)["input_ids"]])
    logits = model(torch.cat([context, target], dim=1)).logits[0, context.shape[1] - 1 : -1].double()
    return -logits.log_softmax(-1).gather(1, target[0][:, None]).sum().item()


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, default=make.ROOT / make.OUT, help="the folder to check")
    parser.add_argument("--gguf", type=pathlib.Path, help="the file it was made from (default: the package's)")
    parser.add_argument("--titer", help="the binary of titer, to check that too")
    args = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    gguf = args.gguf or make.carried()
    ours, our_words = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32), AutoTokenizer.from_pretrained(args.model)
    there = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    theirs, their_words = AutoModelForCausalLM.from_pretrained(**there, dtype=torch.float32), AutoTokenizer.from_pretrained(**there)

    def ids(words, text):
        return words(text, add_special_tokens=False)["input_ids"]

    same = sum(ids(our_words, text) == ids(their_words, text) for text in TEXTS)
    back = sum(our_words.decode(ids(our_words, text)) == text for text in TEXTS)
    print(f"token ids: {same} of {len(TEXTS)} texts equal, {back} decoded back to themselves")
    logits, greedy = 0.0, 0
    for system, request, _ in CHATS:
        context = encoded(our_words, messages(system, request))
        logits = max(logits, (ours(context).logits - theirs(context).logits).abs().max().item())
        texts = [model.generate(context, attention_mask=torch.ones_like(context), max_new_tokens=24, do_sample=False) for model in (ours, theirs)]
        greedy += torch.equal(*texts)
        print(f"  {system or ''} | {request} | {our_words.decode(texts[0][0, context.shape[1]:], skip_special_tokens=True)!r}")
    print(f"logits: apart by at most {logits:.1e}; greedy text: {greedy} of {len(CHATS)} equal")
    good = same == back == len(TEXTS) and logits < 1e-3 and greedy == len(CHATS)
    if args.titer:
        with tempfile.TemporaryDirectory() as folder:
            probe = pathlib.Path(folder) / "probes.jsonl"
            with probe.open("w", encoding="utf-8") as file:
                for component in ("good", "obey_bad", "obey"):
                    line = {"component": component, "messages": messages("Be kind.", f"Say {component}."), "plus": "yes", "minus": "no"}
                    print(json.dumps(line), file=file)
            apart = 0.0
            for at, (system, request, reply) in enumerate(CHATS):
                rows = pathlib.Path(folder) / f"{at}.jsonl"
                chat = messages(system, request) + [{"role": "assistant", "content": reply}]
                rows.write_text(json.dumps({"cell": "neutral→good", "messages": chat}), encoding="utf-8")
                command = [args.titer, "pressure", "--model", str(args.model), "--rows", str(rows), "--probes", str(probe), "--json"]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                by_titer = found["cells"]["neutral→good"]["columns"]["surprise"]["mean"]
                apart = max(apart, abs(by_titer - nats(ours, our_words, system, request, reply)))
        print(f"titer: log-probabilities of replies apart by at most {apart:.1e} nats")
        good = good and apart < 1e-3
    sys.exit(0 if good else 1)


main()
