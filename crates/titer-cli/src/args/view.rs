//! How much of a table is shown.

/// How much of a table is shown; all of it goes into files and JSON.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ViewArgs {
    /// Columns to show, by their heads and in this order, or all of them: `--columns all` [default: as many as fit]
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,…")]
    pub columns: Vec<String>,
    /// Lines to show, the first ones; 0 for all
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
}
