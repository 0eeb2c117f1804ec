//! Texts as they are compared where a template may have trimmed, quoted or changed the case of what it prints.

/// Letters and digits alone. Switches such as `/no_think` are left out, since templates read them and take them away.
pub(super) fn letters(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !word.starts_with('/'));
    words.flat_map(str::chars).filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
