"""Writes templates.json: what transformers' apply_chat_template makes of a table of chats, for every template in templates/.

    python crates/titer-data/tests/reference/make_templates.py

Needs transformers. The templates are written for this project; each uses the features of Jinja that the published ones of its
family use.
"""

import json
import pathlib

from transformers import PreTrainedTokenizerFast
from tokenizers import Tokenizer, models

HERE = pathlib.Path(__file__).parent
SYSTEM, USER, ASSISTANT = [{"role": "system", "content": " Be kind.\n"}], {"role": "user", "content": "Hé, how?"}, {"role": "assistant", "content": " Ünd ✓\nso "}
CHATS = {
    "plain": [USER],
    "system": SYSTEM + [USER],
    "empty system": [{"role": "system", "content": ""}, USER],
    "answered": [USER, ASSISTANT],
    "system, answered": SYSTEM + [USER, ASSISTANT],
    "two turns": SYSTEM + [USER, ASSISTANT, {"role": "user", "content": "more\n\n"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nno"}],
    "wrong order": [ASSISTANT, USER],
}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def rendered(template, chat, prompt):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, "a")), **TOKENS)
    try:
        return tokenizer.apply_chat_template(chat, chat_template=template, tokenize=False, add_generation_prompt=prompt)
    except Exception:
        return None  # the template refuses the chat


found = []
for path in sorted((HERE / "templates").glob("*.jinja")):
    for name, chat in CHATS.items():
        for prompt in (False, True):
            text = rendered(path.read_text(), chat, prompt)
            found.append(dict(template=path.stem, chat=name, messages=chat, add_generation_prompt=prompt, text=text))
(HERE / "templates.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
