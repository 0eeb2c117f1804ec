//! One assumption, and how it came out.

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// What is assumed holds.
    Pass,
    /// It is worth knowing, and titer's numbers stay right.
    Note,
    /// Numbers or training would be wrong.
    Fail,
}

impl CheckOutcome {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Note => "note",
            Self::Fail => "FAIL",
        }
    }
}

/// One assumption, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What is assumed.
    pub name: &'static str,
    /// Whether it holds.
    pub verdict: CheckOutcome,
    /// What was measured, where that is a number; its unit is in `finding`.
    pub number: Option<f64>,
    /// What was found, in a sentence.
    pub finding: String,
    /// What to do where it does not hold; empty where it does.
    pub remedy: &'static str,
}

impl Check {
    /// What is assumed and holds.
    pub(super) fn pass(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, verdict: CheckOutcome::Pass, number: None, finding: finding.into(), remedy: "" }
    }

    /// What is worth knowing.
    pub(super) fn note(name: &'static str, finding: impl Into<String>, remedy: &'static str) -> Self {
        Self { verdict: CheckOutcome::Note, remedy, ..Self::pass(name, finding) }
    }

    /// What is assumed and does not hold.
    pub(super) fn fail(name: &'static str, finding: impl Into<String>, remedy: &'static str) -> Self {
        Self { verdict: CheckOutcome::Fail, remedy, ..Self::pass(name, finding) }
    }

    /// The same with what was measured.
    pub(super) fn with_number(self, number: f64) -> Self {
        Self { number: Some(number), ..self }
    }
}
