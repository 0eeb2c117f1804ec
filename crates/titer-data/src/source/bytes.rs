//! What was in a user's files, read once: what is hashed is what is parsed.

use std::{io, path::Path};

use bytes::Bytes;

use super::DataFiles;
use crate::{chat::SYSTEM_PROMPT, formats::read_data};

/// Raised whenever the same files would give other rows, tokens or splits than before, so that what was measured on them is not
/// taken for what would be measured now.
const READING: u32 = 3;

/// The bytes of every file that [`DataFiles`] name.
#[derive(Clone, Debug)]
pub struct DataBytes {
    files: DataFiles,
    /// Of each file of rows, in order.
    rows: Vec<Bytes>,
    probes: Option<Bytes>,
}

impl DataBytes {
    /// Reads each file once.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn read(files: &DataFiles) -> io::Result<Self> {
        Self::read_with(files, read_data)
    }

    /// The same with `read` in place of the file system.
    ///
    /// # Errors
    /// Where `read` fails.
    pub fn read_with(files: &DataFiles, read: impl Fn(&Path) -> io::Result<Bytes>) -> io::Result<Self> {
        let rows = files.rows.iter().map(|path| read(path)).collect::<io::Result<_>>()?;
        let probes = files.probes.as_deref().map(read).transpose()?;
        Ok(Self { files: files.clone(), rows, probes })
    }

    /// The files and the rules.
    pub fn files(&self) -> &DataFiles {
        &self.files
    }

    /// The bytes of each file of rows, in order.
    pub(super) fn rows(&self) -> &[Bytes] {
        &self.rows
    }

    /// The bytes of the file of contrasts.
    pub(super) fn probes(&self) -> Option<&Bytes> {
        self.probes.as_ref()
    }

    /// A BLAKE3 hash, in hexadecimal digits, of all that files say of rows and contrasts: their bytes in order, which of them
    /// holds contrasts, and their names where rules ask for them; and of how files are read. The rules themselves are not in it.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(&READING.to_le_bytes());
        // What rows call so was once no prompt of theirs; files without it are read as ever.
        let says_prompt =
            |bytes: &Bytes| bytes.windows(SYSTEM_PROMPT.len()).any(|word| word == SYSTEM_PROMPT.as_bytes());
        if self.rows.iter().chain(&self.probes).any(says_prompt) {
            add(SYSTEM_PROMPT.as_bytes());
        }
        for (path, bytes) in self.files.rows.iter().zip(&self.rows) {
            add(b"rows");
            add(self.files.name_in_rules(path).unwrap_or_default().as_bytes());
            add(bytes);
        }
        if let Some(bytes) = &self.probes {
            add(b"contrasts");
            add(bytes);
        }
        hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(dir: &tempfile::TempDir, data: &str) -> String {
        let files: DataFiles = toml::from_str(data).unwrap();
        let in_dir = |path: &std::path::PathBuf| dir.path().join(path);
        let files = DataFiles {
            rows: files.rows.iter().map(in_dir).collect(),
            probes: files.probes.as_ref().map(in_dir),
            ..files
        };
        DataBytes::read(&files).unwrap().hash()
    }

    #[test]
    fn names_decide_where_rules_ask_for_them_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("a", "one"), ("b", "two"), ("c", "one"), ("d", "two")] {
            fs_err::write(dir.path().join(name), text).unwrap();
        }
        let [plain, moved] = ["a", "c"].map(|first| hash(&dir, &format!(r#"rows = ["{first}", "b"]"#)));
        assert_eq!(plain, moved, "no rule asks for a name");
        assert_ne!(plain, hash(&dir, "rows = \"a\"\nprobes = \"b\""), "contrasts are no rows");
        assert_ne!(plain, hash(&dir, r#"rows = ["b", "a"]"#), "the order of rows decides");
        let ruled = |rows: &str| {
            hash(&dir, &format!("rows = {rows}\n[[cells]]\nwhere = {{ file = \"a\" }}\ncell = \"bad→bad\""))
        };
        let named = ruled(r#"["a", "b"]"#);
        assert_ne!(named, ruled(r#"["c", "b"]"#), "a rule asks for `a`");
        assert_eq!(named, ruled(r#"["a", "d"]"#), "no rule asks for `b` or `d`");
        // The two files with exchanged names, in the old order of what is in them.
        fs_err::write(dir.path().join("a"), "two").unwrap();
        fs_err::write(dir.path().join("b"), "one").unwrap();
        assert_ne!(named, ruled(r#"["b", "a"]"#));
    }
}
