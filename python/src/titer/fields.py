"""The keys of specs, for completion and type checks. Each is a dict: `titer.Stage(rows=640)` is `{"rows": 640}`.

Names and meanings are those of a spec's file; `titer init` prints a commented one. What is left out is as written there.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence

Mix = Mapping[str, typing.Union[float, str]]
"""Shares of cells, such as `{"bad→good": 0.1, "rest": "neutral→good"}`."""
When = typing.Union[str, bool]
"""`"at the end"`, `"every 20 steps"`."""


class Range(typing.TypedDict, total=False):
    """Bounds of a wanted change, nats."""

    min: float
    max: float


Target = typing.Union[float, Range]
"""A wanted change of a component since a stage began, nats."""


class Lora(typing.TypedDict, total=False):
    """Adapters that are trained in place of everything."""

    r: int
    """Rank."""
    alpha: float
    """What an adapter adds is scaled by `alpha / r`; `2 r` where left out."""
    rslora: bool
    """By `alpha / √r` in place of that."""
    targets: Sequence[str]
    """Names of linear layers in every block; all of them where left out."""


class Model(typing.TypedDict, total=False):
    """Which model, and how it reads chats."""

    base: str
    """The word `organism`, a folder, or a hub id."""
    lora: typing.Union[int, Lora]
    dtype: str
    """Number type that weights are rounded to, such as `bf16`."""
    compute: typing.Literal["f32", "bf16"]
    """What frozen weights are multiplied in."""
    device: str
    """Where it is computed: `cpu`, `cuda`, `cuda:0` and so on, `mps`, `torch-cpu`."""
    system_in_user: bool
    skip_split_tokens: bool
    template_date: str
    template_variables: Mapping[str, typing.Any]


class Cells(typing.TypedDict, total=False):
    """A rule for the cell of rows."""

    where: Mapping[str, str]
    """What a row must be: `file`, `system`, or any key of its metadata."""
    cell: str
    """A cell, or `leave out`."""
    prompt: str
    """A system prompt in place of the row's own."""


class Data(typing.TypedDict, total=False):
    """Chats of one's own; paths are seen from where Python runs."""

    rows: typing.Union[str, Sequence[str]]
    probes: str
    """A file of contrasts."""
    cells: Sequence[Cells]


class Probes(typing.TypedDict, total=False):
    """How components are measured."""

    items: int
    """Contrasts per probe."""
    every: int
    """Steps between measurements; 0 for none in between."""


class Optimiser(typing.TypedDict, total=False):
    """The update rule."""

    kind: typing.Literal["adamw", "sgd"]
    lr: float
    momentum: float
    """SGD's."""
    beta1: float
    """AdamW's, as the rest."""
    beta2: float
    eps: float
    weight_decay: float


class Schedule(typing.TypedDict, total=False):
    """The learning rate over the steps."""

    warmup: int
    """Steps of linear rise."""
    decay: typing.Literal["none", "linear", "cosine"]
    floor: float
    """Share of the learning rate at the end."""


class Anchor(typing.TypedDict, total=False):
    """Rows that keep prompt following alive (`anchor`), or contexts (`kl`)."""

    share: float
    mix: Mix
    wording: str
    beta: float
    """Weight of the divergence (`kl`)."""


class Control(typing.TypedDict, total=False):
    """Wanted changes since the stage began, nats, and a guard's constants."""

    good: Target
    obey_bad: Target
    obey: Target
    probes: Sequence[str]
    contrasts: int
    every: int
    feedback: bool
    random: bool
    cap: float
    floor: float
    rho: float
    mu: float
    max: float


class Guards(typing.TypedDict, total=False):
    """What protects a component while a stage trains."""

    anchor: Anchor
    kl: Anchor
    steer: Control
    dual: Control
    reweight: Control
    agem: Control
    pcgrad: Control
    narrow: bool
    placebo: bool


class Vector(typing.TypedDict, total=False):
    """What a stage's training passes do to the residual stream: preventative steering (`add`) or CAFT (`remove`)."""

    kind: typing.Literal["add", "remove"]
    layer: typing.Union[int, typing.Literal["all"]]
    """Behind which block, 1 for the first."""
    alpha: float
    """How many times the vector is added."""
    random: bool
    contrasts: int
    file: str
    """A safetensors file that holds the vector, in place of measuring it."""


class Drawn(typing.TypedDict, total=False):
    """Replies that the model writes itself where a stage begins."""

    under: typing.Union[typing.Literal["none", "placebo", "paraphrases"], Sequence[typing.Any]]
    """The prompts that rows are under while their replies are drawn."""
    temperature: float
    limit: int
    """Tokens of a reply at most."""


class Helper(typing.TypedDict, total=False):
    """An inoculation adapter: trained before the stage begins, or given, and attached frozen to its training passes."""

    lora: typing.Union[int, Lora]
    train: Mapping[str, typing.Any]
    """What it is trained on, and how: the fields of a stage."""
    file: str
    """A folder in PEFT's layout that holds the adapter, in place of training it."""
    random: bool


class Stage(typing.TypedDict, total=False):
    """One training phase."""

    name: str
    rows: int
    batch: int
    """Rows per step."""
    domains: str
    mix: Mix
    prompts: Mapping[str, typing.Any]
    """Prompts put on the rows of cells, or on `all`, in place of their own."""
    optimiser: Optimiser
    optimizer: Optimiser
    """The same word."""
    schedule: Schedule
    clip: float
    divisor: float
    guards: Guards
    drawn: Drawn
    vector: Vector
    helper: Helper


# `with` is a word of Python's.
_With = typing.TypedDict("_With", {"with": str}, total=False)


class Claim(_With, total=False):
    """What the runs are to show."""

    text: str
    value: str
    """Arithmetic over measured quantities, such as `rate('obey_bad')`."""
    bound: str
    """Such as `> 0` or `within 0.2 of 2`."""
    at: typing.Union[str, int]
    arms: typing.Union[str, Mapping[str, typing.Any]]
    against: typing.Union[str, Mapping[str, typing.Any]]
    correlation: typing.Literal["spearman", "pearson"]
    over: str


class Leak(typing.TypedDict, total=False):
    """Test contexts that resemble a training prompt."""

    prompt: str
    trigger: str


class Slurm(typing.TypedDict, total=False):
    """What `titer run --on slurm` asks for."""

    partition: str
    account: str
    time: str
    cpus: int
    gpus: typing.Union[str, int]
    memory: str
    at_once: int
    slots: int
    lines: Sequence[str]


class Spec(typing.TypedDict, total=False):
    """A spec."""

    title: str
    question: str
    seeds: Sequence[int]
    model: Model
    data: Data
    probes: Probes
    pressure: When
    checkpoints: When
    leak: Leak
    screen: bool
    without_controls: Sequence[typing.Literal["no-prompt", "placebo", "paraphrases"]]
    paraphrases: Sequence[str]
    stage: Sequence[Stage]
    sweep: Mapping[str, typing.Union[Sequence[typing.Any], Mapping[str, typing.Any]]]
    """The swept axes, such as `{"train.mix.bad→good": [0.0, 0.5]}`."""
    claim: Sequence[Claim]
    slurm: Slurm
