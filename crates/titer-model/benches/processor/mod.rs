//! What the benches compute on.

use titer_machine::Bf16Instructions;
use titer_model::backend::Cpu;

/// The processor, products of bf16 weights in f32 or in `bf16`.
pub(crate) fn cpu(bf16: bool) -> Cpu<f32> {
    match bf16 {
        false => Cpu::new(),
        true => Cpu::new().with_bf16(Bf16Instructions::detected().expect("a processor with instructions for bf16")),
    }
}
