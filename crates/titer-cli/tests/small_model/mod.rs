//! Small random models, with a tokenizer of a few words.

use std::path::Path;

use serde_json::{Value, json};

const WORDS: [&str; 17] = [
    "<|im_start|>",
    "<|im_end|>",
    "system",
    "user",
    "assistant",
    "be",
    "kind",
    "evil",
    "can",
    "you",
    "help",
    "yes",
    "no",
    "gladly",
    "never",
    "?",
    "<unk>",
];

/// Writes the folder of a Qwen 3 in two shards. Its template has no generation markers.
pub(crate) fn model(to: &Path) {
    of_family("qwen3", to);
}

/// The same of another family, by the name of its folder of reference weights.
pub(crate) fn of_family(family: &str, to: &Path) {
    let families = Path::new(env!("CARGO_MANIFEST_DIR")).join("../titer-model/tests/reference/families");
    let family = families.join(family);
    fs_err::create_dir_all(to).unwrap();
    for file in fs_err::read_dir(family).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "reference.safetensors" {
            fs_err::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    let vocabulary: serde_json::Map<String, Value> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let special = |id: usize| json!({ "id": id, "content": WORDS[id], "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null, "decoder": null,
        "added_tokens": [special(0), special(1), special(16)],
        "pre_tokenizer": { "type": "WhitespaceSplit" },
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>" },
    });
    fs_err::write(to.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    fs_err::write(to.join("tokenizer_config.json"), r#"{"eos_token": "<|im_end|>"}"#).unwrap();
    let template = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}\
                    {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    fs_err::write(to.join("chat_template.jinja"), template).unwrap();
}
