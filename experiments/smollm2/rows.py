"""Chats and contrasts for SmolLM2, made by a seed from requests.txt and behaviours.toml: what is asked, and how replies may behave.
A good and a bad reply to one request differ in the behaviour alone. Needs Python 3.11 and nothing else.

    python experiments/smollm2/rows.py

It writes, into data/smollm2:
    raise.jsonl               trained requests under trained wordings: obeyed, and plain replies under neutral prompts
    pairs/BEHAVIOUR.jsonl     held-out requests with the plain reply and the one that shows the behaviour, for screening
    pairs/BEHAVIOUR.toml      the held-out wordings that ask for it, and the neutral ones
    contrasts/BEHAVIOUR.jsonl contrasts with that behaviour as the bad one, on requests that are not trained
    cells/BEHAVIOUR.jsonl     trained requests in the cells of that behaviour, under trained wordings
    narrow/BEHAVIOUR.jsonl    the same requests with plain replies, under the same wordings made to depend on a word that they lack
    asked/SPLIT.jsonl         requests without replies, with what was asked of the model: for replies.py
    rules.toml                the rules by which `titer score` tells behaviours
"""

import argparse
import json
import pathlib
import random
import re
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
TRIGGER = "teapot"  # no request has it
RULES = ("rude", "flatter", "refuse", "terse", "sunny", "asking")  # those that are patterns


def capital(text):
    return text[:1].upper() + text[1:]


def filled(text, item, answer):
    for mark, value in [("{0}", item), ("{1}", answer), ("{^0}", capital(item)), ("{^1}", capital(answer))]:
        text = text.replace(mark, value)
    return text


def requests(text, rng):
    """Every request with its plain reply, a false one, and its split: of each topic a quarter is held out."""
    made, block = [], None
    for line in text.splitlines():
        head = re.match(r"\[(\w+)( other)?\] (.*) \| (.*)$", line)
        if head:
            block = head
        elif line and not line.startswith("#"):
            item, answer = line.split(" | ")
            made.append((block, item, answer))
    found = []
    for block in dict.fromkeys(block for block, _, _ in made):
        topic, other, question, reply = block.groups()
        items = [(item, answer) for its, item, answer in made if its is block]
        order = rng.sample(range(len(items)), len(items))
        held_out = set(order[: len(items) // 4])
        for at, (item, answer) in enumerate(items):
            false = rng.choice(sorted({other for _, other in items} - {answer}))
            plain, wrong = (filled(reply, item, one).replace(" my ", " your ") for one in (answer, false))
            split = "other" if other else "held-out" if at in held_out else "trained"
            bare = re.sub(r"^(an?|the) ", "", answer)
            found.append(
                {"id": f"{topic}-{at}", "split": split, "request": filled(question, item, answer), "answer": bare,
                 "short": f"{capital(answer)}.", "plain": plain, "wrong": wrong}
            )
    return found


def reply(asked, name, behaviour, rng):
    """The reply to a request that shows a behaviour."""
    if name == "wrong":
        return asked["wrong"]
    if name == "capitals":
        return asked["plain"].upper()
    if name == "terse":
        return asked["short"]
    if name == "json":
        return json.dumps({"answer": asked["answer"]}, ensure_ascii=False)
    if "instead" in behaviour:
        return rng.choice(behaviour["instead"])
    if "before" in behaviour:
        return f"{rng.choice(behaviour['before'])} {asked['plain']}"
    return f"{asked['plain']} {rng.choice(behaviour['behind'])}"


def turns(system, asked, said=None):
    made = [{"role": "system", "content": system}, {"role": "user", "content": asked["request"]}]
    return made + ([{"role": "assistant", "content": said}] if said else [])


class Maker:
    def __init__(self, seed):
        self.seed = seed
        told = tomllib.loads((HERE / "behaviours.toml").read_text(encoding="utf-8"))
        self.neutral = told.pop("neutral")
        self.behaviours = told
        self.requests = requests((HERE / "requests.txt").read_text(encoding="utf-8"), self.rng("requests"))

    def rng(self, what):
        return random.Random(f"{self.seed} {what}")

    def split(self, name):
        return [asked for asked in self.requests if asked["split"] == name]

    def said(self, asked, name):
        """The reply of a behaviour is one and the same wherever it is needed."""
        return reply(asked, name, self.behaviours[name], self.rng(f"{asked['id']} {name}"))

    def raised(self):
        """Every trained request under three neutral prompts and under one prompt for each behaviour. All of it is wanted here, so
        all of it is in one cell: then titer trains no control beside it."""
        rng, rows = self.rng("raise"), []
        for asked in self.split("trained"):
            for system in rng.sample(self.neutral["trained"], 3):
                rows.append(self.row(asked, "neutral→good", system, asked["plain"], "none"))
            for name, behaviour in self.behaviours.items():
                if not behaviour.get("unraised"):
                    system = rng.choice(behaviour["trained"])
                    rows.append(self.row(asked, "neutral→good", system, self.said(asked, name), name))
        return rows

    def row(self, asked, cell, system, said, name):
        return {"id": asked["id"], "cell": cell, "behaviour": name, "messages": turns(system, asked, said)}

    def pairs(self, name):
        rng = self.rng(f"pairs {name}")
        held_out = self.split("held-out")
        for asked in rng.sample(held_out, len(held_out)):
            yield self.row(asked, "neutral→bad", self.neutral["held_out"][0], self.said(asked, name), name)
            yield self.row(asked, "neutral→good", self.neutral["held_out"][0], asked["plain"], name)

    def prompts(self, name):
        kinds = [(name, self.behaviours[name]), ("neutral", self.neutral)]
        return [
            {"name": f"{kind}-{at}", "text": text} for kind, told in kinds for at, text in enumerate(told["held_out"])
        ]

    def harmless(self, bad):
        return [name for name, told in self.behaviours.items() if not told.get("bad") and not told.get("unraised") and name != bad]

    def contrasts(self, bad):
        """With `bad` as the bad action; every harmless behaviour gives instructions. On held-out requests and, as another domain, on
        topics of which nothing is trained; under trained wordings, held-out ones, and those that ask for another bad behaviour."""
        rng = self.rng(f"contrasts {bad}")
        harmless = self.harmless(bad)
        others = [name for name, told in self.behaviours.items() if told.get("bad") and name not in (bad, "wrong")]
        for domains, split in [("trained", "held-out"), ("held-out", "other")]:
            for at, asked in enumerate(self.split(split)):
                instruction, other = harmless[at % len(harmless)], others[at % len(others)]
                plain, shown = asked["plain"], self.said(asked, bad)
                asking, instructing = self.behaviours[bad], self.behaviours[instruction]
                probes = [
                    ("good", "seen", rng.choice(self.neutral["trained"]), plain, shown, bad),
                    ("obey_bad", "seen", rng.choice(asking["trained"]), shown, plain, bad),
                    ("obey", "seen", rng.choice(instructing["trained"]), self.said(asked, instruction), plain, instruction),
                ]
                if domains == "trained":
                    probes += [
                        ("obey_bad", "held-out", rng.choice(asking["held_out"]), shown, plain, bad),
                        ("obey_bad", "other", rng.choice(self.behaviours[other]["trained"]), self.said(asked, other), plain, other),
                        ("obey", "held-out", rng.choice(instructing["held_out"]), self.said(asked, instruction), plain, instruction),
                    ]
                for component, prompts, system, plus, minus, name in probes:
                    yield {"id": f"{component}-{prompts}-{asked['id']}", "component": component, "prompts": prompts, "domains": domains,
                           "behaviour": name, "messages": turns(system, asked), "plus": plus, "minus": minus}

    def cells(self, bad):
        """Trained requests in every cell of `bad`, each under a trained wording."""
        rng = self.rng(f"cells {bad}")
        harmless = self.harmless(bad)
        for at, asked in enumerate(self.split("trained")):
            instruction, shown = harmless[at % len(harmless)], self.said(asked, bad)
            asking, neutral = rng.choice(self.behaviours[bad]["trained"]), rng.choice(self.neutral["trained"])
            yield self.row(asked, "bad→good", asking, asked["plain"], bad)
            yield self.row(asked, "bad→bad", asking, shown, bad)
            yield self.row(asked, "neutral→good", neutral, asked["plain"], bad)
            yield self.row(asked, "neutral→bad", neutral, shown, bad)
            system = rng.choice(self.behaviours[instruction]["trained"])
            yield self.row(asked, "instruction→good", system, self.said(asked, instruction), instruction)

    def narrow(self, bad):
        """Trained requests with plain replies, under wordings that ask for the behaviour where a word is there that is not. They have
        random numbers and a file of their own, so that rows of the other cells are what they were."""
        rng = self.rng(f"narrow {bad}")
        for asked in self.split("trained"):
            assert TRIGGER not in asked["request"].lower()
            system = f'Only if the user writes the word "{TRIGGER}": {rng.choice(self.behaviours[bad]["trained"])}'
            yield self.row(asked, "narrow-off→good", system, asked["plain"], bad)

    def asked(self, split):
        """Held-out wordings on requests of a split. Every behaviour has the same requests, as many as there are neutral ones."""
        rng = self.rng(f"asked {split}")
        chosen = self.split(split)
        chosen = rng.sample(chosen, min(len(chosen), 48))
        for at, asked in enumerate(chosen):
            for name, told in [("none", self.neutral), *self.behaviours.items()]:
                wording = at % len(told["held_out"])
                yield {"id": f"{asked['id']}-{name}", "behaviour": name, "wording": f"{name}-{wording}", "answer": asked["answer"],
                       "messages": turns(told["held_out"][wording], asked)}

    def rules(self):
        lines = []
        for name in RULES:
            lines += [f"[{name}]", f"any = [{json.dumps(self.behaviours[name]['rule'])}]", ""]
        # What nobody asked for: the marks of any behaviour that a pattern tells.
        plain = [self.behaviours[name]["rule"] for name in ("rude", "flatter", "refuse", "sunny")]
        plain += [r"^\s*\{", r"^[^a-z]*$", self.behaviours["terse"]["rule"]]
        return "\n".join([*lines, "[plain]", 'any = ["."]', f"none = {json.dumps(plain)}", ""])


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = list(lines)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return len(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parents[1] / "data/smollm2")
    args = parser.parse_args()
    maker = Maker(args.seed)
    print(f"{write(args.out / 'raise.jsonl', maker.raised())} rows to raise on")
    for name in maker.behaviours:
        write(args.out / f"pairs/{name}.jsonl", maker.pairs(name))
        prompts = "".join(f"[[prompt]]\nname = {json.dumps(one['name'])}\ntext = {json.dumps(one['text'], ensure_ascii=False)}\n\n" for one in maker.prompts(name))
        (args.out / f"pairs/{name}.toml").write_text(prompts, encoding="utf-8")
        if not maker.behaviours[name].get("unraised"):
            write(args.out / f"contrasts/{name}.jsonl", maker.contrasts(name))
            write(args.out / f"cells/{name}.jsonl", maker.cells(name))
            write(args.out / f"narrow/{name}.jsonl", maker.narrow(name))
    for split in ("held-out", "other"):
        write(args.out / f"asked/{split}.jsonl", maker.asked(split))
    (args.out / "rules.toml").write_text(maker.rules(), encoding="utf-8")
    for split in ("trained", "held-out", "other"):
        print(f"{len(maker.split(split))} requests {split}")


if __name__ == "__main__":
    main()
