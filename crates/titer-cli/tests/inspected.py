"""Runs an Inspect task against `titer serve` by `inspect_ai` itself, and prints what it measured.

    python inspected.py URL MODEL LOGS

Every sample asks for a reply with log-probabilities; it is right where the reply is the target. Prints JSON: accuracy, and for each
sample the reply and the log-probability of its tokens together.
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
[log] = eval(task, model=f"openai-api/titer/{model}", log_dir=logs, display="none")
assert log.status == "success", log.error


def replied(sample):
    choice = sample.output.choices[0]
    tokens = choice.logprobs.content
    assert all(len(token.top_logprobs) == 2 and token.top_logprobs[0].logprob == token.logprob for token in tokens)
    return {"said": choice.message.text, "stop": choice.stop_reason, "log_prob": sum(token.logprob for token in tokens)}


print(json.dumps({"accuracy": log.results.scores[0].metrics["mean"].value, "replies": [replied(sample) for sample in log.samples]}))
