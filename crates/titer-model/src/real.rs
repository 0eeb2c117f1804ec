//! The two number types: f32 to work with, f64 as the oracle for central differences.

use std::{fmt::Debug, iter::Sum};

use titer_machine::Fused;

/// A floating-point type that the kernels are written over.
pub trait Real:
    faer::traits::ComplexField + num_traits::Float + num_traits::NumAssign + Sum + Debug + Default + Send + Sync + 'static
{
    /// The nearest value to `value`.
    fn of(value: f64) -> Self;

    /// This value as an f64, exactly.
    fn f64(self) -> f64;

    /// `self * factor + addend`, rounded once where that is one instruction and twice elsewhere.
    fn fma(self, fused: Fused, factor: Self, addend: Self) -> Self;

    /// `e^self` to within a few units in the last place, in a form that the compiler can vectorise.
    fn exponential(self, fused: Fused) -> Self;

    /// Little-endian f32 numbers where they lie, if they are numbers of this type that the machine can read there.
    fn in_place(bytes: &[u8]) -> Option<&[Self]>;

    /// These numbers as f32, where that is what they are.
    fn single(numbers: &[Self]) -> Option<&[f32]>;

    /// See [`Real::single`].
    fn single_mut(numbers: &mut [Self]) -> Option<&mut [f32]>;
}

impl Real for f32 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn f64(self) -> f64 {
        self.into()
    }

    #[inline(always)]
    fn fma(self, fused: Fused, factor: Self, addend: Self) -> Self {
        fused.f32(self, factor, addend)
    }

    // e^x = 2^n · e^r with n = round(x / ln 2) and |r| ≤ ln 2 / 2, where e^r is its Taylor polynomial: the first
    // term left out is r⁷/5040 ≤ 1.2e-7. The standard library's `exp` is a call that stops vectorisation.
    #[inline(always)]
    fn exponential(self, fused: Fused) -> Self {
        const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding it leaves the rounded integer in the low mantissa bits
        const LN_2_HIGH: f32 = 0.693_359_4; // ln 2 in two parts, so that n · ln 2 keeps its low bits
        const LN_2_LOW: f32 = -2.121_944_4e-4;
        let x = self.clamp(-87.0, 88.0);
        let shifted = x.fma(fused, std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = n.fma(fused, -LN_2_LOW, n.fma(fused, -LN_2_HIGH, x));
        let mut poly = 1.0 / 720.0;
        for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            poly = r.fma(fused, poly, coefficient);
        }
        let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
        poly * Self::from_bits(exponent)
    }

    fn in_place(bytes: &[u8]) -> Option<&[Self]> {
        // SAFETY: any four bytes are an f32.
        let (before, numbers, after) = unsafe { bytes.align_to() };
        (cfg!(target_endian = "little") && before.is_empty() && after.is_empty()).then_some(numbers)
    }

    fn single(numbers: &[Self]) -> Option<&[f32]> {
        Some(numbers)
    }

    fn single_mut(numbers: &mut [Self]) -> Option<&mut [f32]> {
        Some(numbers)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn fma(self, fused: Fused, factor: Self, addend: Self) -> Self {
        fused.f64(self, factor, addend)
    }

    #[inline(always)]
    fn exponential(self, _: Fused) -> Self {
        self.exp()
    }

    fn in_place(_: &[u8]) -> Option<&[Self]> {
        None
    }

    fn single(_: &[Self]) -> Option<&[f32]> {
        None
    }

    fn single_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use titer_machine::vectorized;

    use super::Real;

    #[test]
    fn the_exponential_is_accurate_over_its_whole_range() {
        for step in -8600..8700 {
            let x = step as f32 / 100.0 + 0.003;
            let exact = f64::from(x).exp();
            let relative = (f64::from(vectorized!(|fused| x.exponential(fused))) / exact - 1.0).abs();
            assert!(relative < 3e-7, "e^{x}: relative error {relative:e}");
        }
        assert_eq!(vectorized!(|fused| 0.0_f32.exponential(fused)), 1.0);
        assert!(vectorized!(|fused| (-1000.0_f32).exponential(fused)) < 1e-37);
    }
}
