//! Programs that show what others have measured.

use std::str::FromStr;

/// Who shows finished runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// `inspect view`, and the data frames of Inspect.
    Inspect,
    /// TensorBoard.
    TensorBoard,
}

impl Viewer {
    /// Every viewer.
    pub const ALL: [Self; 2] = [Self::Inspect, Self::TensorBoard];

    /// What command lines call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
            Self::TensorBoard => "tensorboard",
        }
    }

    /// The command that shows a folder.
    pub const fn command(self) -> &'static str {
        match self {
            Self::Inspect => "inspect view --log-dir",
            Self::TensorBoard => "tensorboard --logdir",
        }
    }
}

impl FromStr for Viewer {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::word).join(", ");
        Self::ALL.into_iter().find(|viewer| viewer.word() == word).ok_or_else(|| format!("titer writes for {known}"))
    }
}
