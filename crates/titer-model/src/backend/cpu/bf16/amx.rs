//! Tiles multiplied by AMX-BF16. Stable Rust has no intrinsics for it, so this is assembly.
//!
//! `tdpbf16ps` adds up the products of even and of odd places of 32 numbers apart, in f32 and to the nearest, then both to the sum.
//! Numbers too small to be normal are taken for zeros.

use std::arch::asm;

use super::tile::{Sums, Tile};

/// How registers are cut: each of the eight holds a whole tile, 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Registers {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_a_row: [u16; 16],
    rows: [u8; 16],
}

static REGISTERS: Registers = {
    let (mut bytes_a_row, mut rows) = ([0; 16], [0; 16]);
    let mut at = 0;
    while at < 8 {
        (bytes_a_row[at], rows[at]) = (64, 16);
        at += 1;
    }
    Registers { palette: 1, start_row: 0, reserved: [0; 14], bytes_a_row, rows }
};

/// The tile registers of this thread, in use until it is dropped: saving them costs the system time.
pub(super) struct InUse(());

impl InUse {
    /// Begins to use them.
    ///
    /// # Safety
    /// AMX is available.
    pub(super) unsafe fn begin() -> Self {
        // SAFETY: the caller's; it reads the configuration.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const REGISTERS, options(nostack, readonly, preserves_flags)) };
        Self(())
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        // SAFETY: AMX is available, or there would be nothing to drop.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

/// See [`super::tile::Multiply`].
///
/// # Safety
/// This thread's tile registers are [`InUse`].
pub(super) unsafe fn multiply(left: [&[Tile]; 2], right: [&[Tile]; 2], sums: &mut Sums) {
    let steps = left[0].len();
    assert!(steps > 0 && [left[1].len(), right[0].len(), right[1].len()] == [steps; 3], "panels of one length");
    // SAFETY: it reads `steps` tiles of each panel, 1024 bytes apart, and writes all of the sums, whose rows are 128 bytes.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{upper} + {row}]",
            "tileloadd tmm6, [{near} + {row}]",
            "tileloadd tmm7, [{far} + {row}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{lower} + {row}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {upper}, 1024",
            "add {lower}, 1024",
            "add {near}, 1024",
            "add {far}, 1024",
            "dec {steps}",
            "jnz 2b",
            "add {row}, {row}",
            "tilestored [{sums} + {row}], tmm0",
            "tilestored [{sums} + {row} + 64], tmm1",
            "tilestored [{sums} + {row} + 2048], tmm2",
            "tilestored [{sums} + {row} + 2112], tmm3",
            steps = inout(reg) steps => _,
            upper = inout(reg) left[0].as_ptr() => _,
            lower = inout(reg) left[1].as_ptr() => _,
            near = inout(reg) right[0].as_ptr() => _,
            far = inout(reg) right[1].as_ptr() => _,
            row = inout(reg) 64_usize => _,
            sums = in(reg) sums.0.as_mut_ptr(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
