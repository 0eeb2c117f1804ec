//! Instructions for products of bf16 numbers with f32 sums.

use std::sync::LazyLock;

/// Instructions that multiply bf16 with bf16 and add in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bf16Instructions {
    /// AMX-BF16: tiles of 16 rows by 32 numbers, as on Sapphire Rapids and later. Linux alone is asked for them.
    Amx,
    /// AVX-512 BF16: vectors of 32 numbers, as on Zen 4, Cooper Lake and later.
    Avx512,
}

impl Bf16Instructions {
    /// All of them, the faster ones first.
    pub const ALL: [Self; 2] = [Self::Amx, Self::Avx512];

    /// Whether the processor at hand has them and the system lets this process use them; both are asked once.
    pub fn is_available(self) -> bool {
        static AVAILABLE: LazyLock<[bool; 2]> = LazyLock::new(|| [has_amx(), has_avx512()]);
        match self {
            Self::Amx => AVAILABLE[0],
            Self::Avx512 => AVAILABLE[1],
        }
    }

    /// The fastest of those that are available.
    pub fn detected() -> Option<Self> {
        Self::ALL.into_iter().find(|instructions| instructions.is_available())
    }

    /// What Linux calls them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amx => "amx_bf16",
            Self::Avx512 => "avx512_bf16",
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    macro_rules! has {
        ($($feature:tt),*) => { $(is_x86_feature_detected!($feature))&&* };
    }
    has!("avx512f", "avx512bw", "avx512vl", "avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

/// Tiles are large, so Linux hands them only to processes that ask; the permission is for all threads.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn has_amx() -> bool {
    // Ask for a part of a core's state, and for the parts that were granted: `asm/prctl.h`.
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const ARCH_GET_XCOMP_PERM: libc::c_int = 0x1022;
    // The tiles' number among the parts.
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // Leaf 7: AMX-BF16 and AMX-TILE.
    let bits = std::arch::x86_64::__cpuid_count(7, 0).edx;
    if !has_avx512() || bits & (1 << 22) == 0 || bits & (1 << 24) == 0 {
        return false;
    }
    let mut granted: libc::c_ulong = 0;
    // SAFETY: the first call takes a number, the second one writes to the place that it is given.
    let done = unsafe {
        libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0
            && libc::syscall(libc::SYS_arch_prctl, ARCH_GET_XCOMP_PERM, &raw mut granted) == 0
    };
    done && granted & (1 << XFEATURE_XTILEDATA) != 0
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn has_amx() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_available_is_among_the_flags_that_linux_names() {
        let about = fs_err::read_to_string("/proc/cpuinfo").expect("Linux has it");
        for instructions in Bf16Instructions::ALL {
            let named = about.split_whitespace().any(|flag| flag == instructions.name());
            assert!(named || !instructions.is_available(), "{}", instructions.name());
        }
    }
}
