//! Every backend computes what the processor computes in f64: every operation on odd shapes.
//!
//! Torch is looked for as `torch/mod.rs` says.

mod torch;

use titer_model::backend::{
    Backend, Cpu, Device, Heads, KernelUse, Operation, TorchDevice, TorchError, Trial, error_of,
};

use torch::torches;

/// Batches that backends have trouble with: one row, rows of one length, of unlike ones, contrasts, a tree.
fn trials() -> Vec<Trial> {
    let rows = [vec![2], vec![6, 6, 6], vec![3, 17, 5, 2, 9]].map(|lengths| Trial::of_rows(&lengths));
    let mut capped = Trial::of_rows(&[5, 11]);
    capped.heads = Heads { queries: 3, keys: 1, width: 4, scale: 1.7, softcap: Some(0.8) };
    (capped.directions, capped.width) = (1, 1);
    let mut alone = Trial::of_rows(&[4, 3]);
    alone.directions = 0;
    let mut contrasts = Trial::of_rows(&[]);
    let replies: [&[u32]; 3] = [&[4, 5, 6], &[7], &[4, 4]];
    contrasts.packed.push_contrast(&[1, 2, 3], replies);
    contrasts.packed.push_contrast(&[9], [&[8, 1][..], &[2, 30, 1, 1]]);
    let mut tree = Trial::of_rows(&[]);
    let contexts: [(&[u32], &[u32]); 4] =
        [(&[1, 2, 3], &[4, 9]), (&[1, 2, 3], &[5, 9]), (&[1, 2, 6], &[4, 8]), (&[1, 7, 6], &[4, 9])];
    tree.packed.push_tree(contexts);
    // Heads as kernels on GPUs want them, rows longer than their blocks.
    let mut wide = Trial::of_rows(&[70, 9, 133]);
    wide.heads = Heads { queries: 4, keys: 2, width: 16, scale: 0.25, softcap: None };
    rows.into_iter().chain([capped, alone, contrasts, tree, wide]).collect()
}

fn conforms<B: Backend>(backend: &B, what: &str, allowed: f64) {
    for (at, trial) in trials().iter().enumerate() {
        for operation in Operation::ALL {
            let off = error_of(backend, operation, trial);
            assert!(off <= allowed, "{what}, batch {at}: {} off by {off:.1e}", operation.word());
        }
    }
}

#[test]
fn the_processor_in_f32_conforms() {
    conforms(&Cpu::<f32>::new(), "the processor in f32", 2e-5);
    conforms(&Device::default(), "the lab's processor", 2e-5);
}

#[test]
fn torch_in_f64_conforms() {
    for torch in torches::<f64>().into_iter().filter(|torch| torch.device() != TorchDevice::Mps) {
        conforms(&torch, &format!("f64 on {}", torch.device()), 1e-11);
        conforms(&torch.with_kernels(KernelUse::Without), &format!("f64 on {} without kernels", torch.device()), 1e-11);
    }
}

#[test]
fn torch_in_f32_conforms() {
    for torch in torches::<f32>() {
        conforms(&torch, &format!("f32 on {}", torch.device()), 2e-5);
        conforms(&torch.with_kernels(KernelUse::Without), &format!("f32 on {} without kernels", torch.device()), 2e-5);
        conforms(&Device::torch(torch), "the lab's torch", 2e-5);
    }
}

#[test]
fn what_is_off_is_seen() {
    let trial = Trial::of_rows(&[3, 17, 5]);
    for torch in torches::<f32>() {
        for operation in
            [Operation::Products, Operation::AttentionBackward, Operation::ContractLinear, Operation::FrozenHead]
        {
            let off = error_of(&torch.with_bf16(), operation, &trial);
            assert!(off > 1e-3, "bf16's rounding is not seen in {}: {off:.1e}", operation.word());
        }
    }
}

#[test]
fn what_fails_is_an_error_of_one_sentence() {
    for torch in torches::<f32>() {
        let error = TorchError::caught(|| torch.zeros(1 << 50)).unwrap_err().to_string();
        // Before 2.13 torch says nothing of what went wrong.
        let says = !error.contains("does not say why");
        assert!(error.contains("memory ran out") && (error.contains("compute = \"bf16\"") || !says), "{error}");
        let shapes = || torch.multiply(&mut torch.zeros(6), &torch.zeros(4));
        assert!(std::panic::catch_unwind(shapes).is_err(), "sizes that do not fit are the lab's own mistake");
        let words = (torch.place(&[9]), torch.upload(vec![1.0; 6]));
        let error = TorchError::caught(|| torch.gather(&mut Default::default(), &words.1, &words.0, 3))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("torch failed in `index_select`") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn torch_with_activations_in_bf16_is_close() {
    for torch in torches::<f32>() {
        for used in KernelUse::ALL {
            let what = format!("bf16 on {} {}", torch.device(), used.words());
            conforms(&torch.with_bf16().with_kernels(used), &what, 0.04);
        }
    }
}
