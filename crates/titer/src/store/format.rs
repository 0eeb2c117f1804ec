//! Formats: one rule for every file that says which format it is of.
//!
//! The format is asked for before anything else is read of a file, so that a newer file is called newer and not damaged.
//! A newer one is refused by name, and nothing is written over it; an older one is read, or refused with what to do.

use std::path::{Path, PathBuf};

/// The formats of one kind of file.
#[derive(Clone, Copy, Debug)]
pub struct FileFormat {
    /// The one that is written, and the newest that is read.
    pub known: u32,
    /// The oldest that is read.
    pub oldest: u32,
    /// That of a file that says none; `None` where every file says one.
    pub unsaid: Option<u32>,
    /// What to do about an older one.
    pub remedy: &'static str,
}

/// A file of a format that this titer does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} has {written}, and this titer reads {read}: {remedy}", path.display())]
pub struct FormatError {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub written: String,
    /// What is read.
    pub read: String,
    /// What to do.
    pub remedy: String,
    /// Whether a newer titer wrote it.
    pub newer: bool,
}

impl FileFormat {
    /// The format that a TOML file says in its key `format`.
    ///
    /// # Errors
    /// Where it is not one that is read.
    pub(crate) fn of_toml(&self, path: &Path, table: &toml::Table) -> Result<u32, FormatError> {
        let said = table.get("format");
        self.check(path, said.map(|said| (said.as_integer(), said.to_string())))
    }

    /// The format that a JSON file says in its key `format`.
    ///
    /// # Errors
    /// Where it is not one that is read.
    pub fn of_json(&self, path: &Path, value: &serde_json::Value) -> Result<u32, FormatError> {
        let said = value.get("format");
        self.check(path, said.map(|said| (said.as_i64(), said.to_string())))
    }

    /// Holds what a file says, as a number and as written, against what is read.
    fn check(&self, path: &Path, said: Option<(Option<i64>, String)>) -> Result<u32, FormatError> {
        let (number, written) = match said {
            Some((number, written)) => (number, format!("format {written}")),
            None => (self.unsaid.map(i64::from), "no format".to_owned()),
        };
        let version = number.and_then(|number| u32::try_from(number).ok());
        if let Some(version) = version.filter(|version| (self.oldest..=self.known).contains(version)) {
            return Ok(version);
        }
        let newer = number.is_some_and(|number| number > i64::from(self.known));
        let remedy = if newer { "a newer titer wrote it, and reads it" } else { self.remedy };
        let read = if self.oldest == self.known {
            format!("format {}", self.known)
        } else {
            format!("formats {} to {}", self.oldest, self.known)
        };
        Err(FormatError { path: path.to_owned(), written, read, remedy: remedy.to_owned(), newer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: FileFormat = FileFormat { known: 3, oldest: 2, unsaid: None, remedy: "make it again" };

    fn read(kind: FileFormat, text: &str) -> Result<u32, String> {
        let toml = kind.of_toml(Path::new("a.toml"), &text.parse().unwrap()).map_err(|error| error.to_string());
        let json = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
        let json = kind.of_json(Path::new("a.toml"), &json).map_err(|error| error.to_string());
        assert_eq!(toml, json);
        toml
    }

    #[test]
    fn known_formats_are_read_and_others_named_with_what_to_do() {
        assert_eq!(read(KIND, "format = 3"), Ok(3));
        assert_eq!(read(KIND, "format = 2"), Ok(2));
        let refused = |text| read(KIND, text).unwrap_err();
        let newer = "a.toml has format 4, and this titer reads formats 2 to 3: a newer titer wrote it, and reads it";
        assert_eq!(refused("format = 4"), newer);
        let older = "and this titer reads formats 2 to 3: make it again";
        assert_eq!(refused("format = 1"), format!("a.toml has format 1, {older}"));
        assert_eq!(refused("format = -4"), format!("a.toml has format -4, {older}"));
        assert_eq!(refused("format = \"new\""), format!("a.toml has format \"new\", {older}"));
        assert_eq!(refused("other = 1"), format!("a.toml has no format, {older}"));
    }

    #[test]
    fn a_kind_whose_first_files_say_no_format_has_them_read() {
        let kind = FileFormat { known: 2, oldest: 1, unsaid: Some(1), ..KIND };
        assert_eq!(read(kind, "other = 1"), Ok(1));
        assert!(read(kind, "format = 5000000000").unwrap_err().contains("a newer titer wrote it"));
    }
}
