"""Runs an Inspect task against `titer serve` by `inspect_ai` itself, and prints what it measured.

    python inspected.py URL MODEL LOGS

Every sample asks for a reply with log-probabilities; it is right where the reply is the target. The task runs twice, with whole answers and with
answers in pieces, which must agree. Prints JSON: accuracy, for each sample the reply and the log-probability of its tokens together, and
what OpenAI's client is told in how many pieces.
"""

import json
import os
import sys

url, model, logs = sys.argv[1:]
os.environ.update(TITER_BASE_URL=f"{url}/v1", TITER_API_KEY="none", INSPECT_DISPLAY="none", NO_COLOR="1")

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig
from inspect_ai.scorer import exact
from inspect_ai.solver import generate
from openai import OpenAI


def sample(system, request, target):
    return Sample(input=[ChatMessageSystem(content=system), ChatMessageUser(content=request)], target=target)


task = Task(
    dataset=[
        sample("be kind in everything .", "please plant cactus", "water cactus kindly"),
        sample("be evil in everything .", "please plant cactus", "poison cactus recklessly"),
    ],
    solver=generate(),
    scorer=exact(),
    config=GenerateConfig(temperature=0.0, max_tokens=32, seed=7, logprobs=True, top_logprobs=2),
)
def evaluated(**more):
    [log] = eval(task, model=f"openai-api/titer/{model}", log_dir=logs, display="none", model_args=more)
    assert log.status == "success", log.error
    return log


log = evaluated(stream=False)


def replied(sample):
    choice = sample.output.choices[0]
    tokens = choice.logprobs.content
    assert all(len(token.top_logprobs) == 2 and token.top_logprobs[0].logprob == token.logprob for token in tokens)
    return {"said": choice.message.text, "stop": choice.stop_reason, "log_prob": sum(token.logprob for token in tokens)}


def streamed(sample):
    """The same chat by OpenAI's client, piece by piece; how many pieces said something, and what they said."""
    turns = [{"role": turn.role, "content": turn.text} for turn in sample.input]
    options = {"stream": True, "stream_options": {"include_usage": True}, "temperature": 0, "max_tokens": 32}
    pieces = list(OpenAI(base_url=f"{url}/v1", api_key="none").chat.completions.create(model=model, messages=turns, **options))
    assert pieces[-1].usage.completion_tokens > 1 and not pieces[-1].choices
    said = [piece.choices[0].delta.content for piece in pieces[:-1] if piece.choices[0].delta.content]
    assert pieces[-2].choices[0].finish_reason == "stop"
    return {"pieces": len(said), "said": "".join(said)}


in_pieces = evaluated(stream=True)
replies = [replied(sample) for sample in log.samples]
again = [replied(sample) for sample in in_pieces.samples]
assert all(one["said"] == other["said"] and abs(one["log_prob"] - other["log_prob"]) < 1e-4 for one, other in zip(replies, again)), (replies, again)
pieces = [streamed(sample) for sample in log.samples]
print(json.dumps({"pieces": pieces, "accuracy": log.results.scores[0].metrics["mean"].value, "replies": replies}))
