//! What weights are multiplied in.

use titer::spec::Compute;

/// What frozen weights are multiplied in; a spec says the same under [model].
#[derive(Debug, clap::Args)]
pub(crate) struct ComputeArgs {
    /// Multiply frozen weights that their file holds as bf16 in bf16, with activations rounded to it (bf16), or all in f32
    /// [default: f32, or what the spec says]
    #[arg(long, value_name = "TYPE")]
    pub compute: Option<Compute>,
}

impl ComputeArgs {
    /// What is asked for where no spec says otherwise.
    pub(crate) fn or_f32(&self) -> Compute {
        self.compute.unwrap_or_default()
    }
}
