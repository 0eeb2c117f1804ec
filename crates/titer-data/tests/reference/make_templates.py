"""Writes templates.json: what transformers' apply_chat_template makes of a table of chats, for every template in templates/.

    python crates/titer-data/tests/reference/make_templates.py

Needs transformers. The templates are written for this project; each uses the features of Jinja that the published ones of its
family use.
"""

import datetime
import json
import pathlib

import transformers.utils.chat_template_utils as chat_templates
from transformers import PreTrainedTokenizerFast
from tokenizers import Tokenizer, models

HERE = pathlib.Path(__file__).parent


class Fixed(datetime.datetime):
    """The day that titer takes for today."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


chat_templates.datetime = Fixed

SYSTEM, USER, ASSISTANT = [{"role": "system", "content": " Be kind.\n"}], {"role": "user", "content": "Hé, how?"}, {"role": "assistant", "content": " Ünd ✓\nso "}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "look", "arguments": {"at": "<é & 'x'>", "n": 2}}}]}
TOOLS = [{"type": "function", "function": {"name": "look", "description": "It's <b>", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}}]
CHATS = {
    "plain": [USER],
    "system": SYSTEM + [USER],
    "empty system": [{"role": "system", "content": ""}, USER],
    "answered": [USER, ASSISTANT],
    "system, answered": SYSTEM + [USER, ASSISTANT],
    "two turns": SYSTEM + [USER, ASSISTANT, {"role": "user", "content": "more\n\n"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nno"}],
    "wrong order": [ASSISTANT, USER],
    "thoughts": [USER, ASSISTANT | {"reasoning_content": "two <and> two"}],
    "thinking": [USER, ASSISTANT | {"thinking": "two <and> two"}],
    "called": [USER, CALL, {"role": "tool", "content": "{\"x\": \"<&'>\"}"}, ASSISTANT],
}
# What the template may read besides the chat.
VARIABLES = {"": {}, "tools": {"tools": TOOLS}, "no thoughts": {"enable_thinking": False}}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def rendered(template, chat, prompt, variables):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, "a")), **TOKENS)
    try:
        return tokenizer.apply_chat_template(chat, chat_template=template, tokenize=False, add_generation_prompt=prompt, **variables)
    except Exception:
        return None  # the template refuses the chat


found = []
for path in sorted((HERE / "templates").glob("*.jinja")):
    for name, chat in CHATS.items():
        for given, variables in VARIABLES.items():
            for prompt in (False, True):
                text = rendered(path.read_text(), chat, prompt, variables)
                case = dict(template=path.stem, chat=name, messages=chat, variables=variables, add_generation_prompt=prompt, text=text)
                # A template that prints the same with and without them says nothing new.
                if not given or text != rendered(path.read_text(), chat, prompt, {}):
                    found.append(case)
(HERE / "templates.json").write_text("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in found) + "\n]\n")
