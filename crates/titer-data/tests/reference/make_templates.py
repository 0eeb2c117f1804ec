"""Writes templates.json: what transformers' apply_chat_template makes of a table of chats, for every template in templates/, and
what it takes for the assistant's where the template marks that.

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
HALVES = [{"type": "text", "text": " one \n"}, {"type": "text", "text": "\ntwo "}]
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
    "parts": [USER | {"content": HALVES}, ASSISTANT | {"content": HALVES}],
    "joined": [USER | {"content": " one \n\ntwo "}, ASSISTANT | {"content": " one \n\ntwo "}],
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


def marked(template, chat, prompt, variables):
    """The texts that the template marks; `None` where it marks none or refuses the chat."""
    try:
        tools, rest = variables.get("tools"), {name: value for name, value in variables.items() if name != "tools"}
        texts, spans = chat_templates.render_jinja_template(
            [chat], tools=tools, chat_template=template, return_assistant_tokens_mask=True, add_generation_prompt=prompt, **TOKENS, **rest)
        return [texts[0][start:end] for start, end in spans[0]] if "{% generation" in template.replace("{%-", "{%") else None
    except Exception:
        return None


found = []
for path in sorted((HERE / "templates").glob("*.jinja")):
    for name, chat in CHATS.items():
        for given, variables in VARIABLES.items():
            for prompt in (False, True):
                text = rendered(path.read_text(), chat, prompt, variables)
                case = dict(template=path.stem, chat=name, messages=chat, variables=variables, add_generation_prompt=prompt, text=text)
                spans = marked(path.read_text(), chat, prompt, variables)
                case |= {} if spans is None else dict(spans=spans)
                # A template that prints the same with and without them says nothing new.
                if not given or text != rendered(path.read_text(), chat, prompt, {}):
                    found.append(case)
(HERE / "templates.json").write_text("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in found) + "\n]\n")
