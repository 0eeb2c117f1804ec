//! The numbers of one weight in the bytes of a file.

use std::{fmt, ops::Range, sync::Arc};

use half::{bf16, f16, slice::HalfFloatSliceExt as _};

use super::Dtype;
use crate::real::Real;

/// The numbers of one weight, little-endian, somewhere in the bytes of a file.
#[derive(Clone)]
pub struct Stored {
    file: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
    dtype: Dtype,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({} × {})", self.len(), self.dtype.word())
    }
}

impl Stored {
    /// The numbers in this range of a file's bytes.
    pub fn new(file: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>, dtype: Dtype) -> Self {
        assert!((*file).as_ref().get(range.clone()).is_some_and(|bytes| bytes.len().is_multiple_of(dtype.size())));
        Self { file, range, dtype }
    }

    /// Their type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.range.len() / self.dtype.size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Those of a range alone.
    pub fn part(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len());
        let size = self.dtype.size();
        let range = self.range.start + range.start * size..self.range.start + range.end * size;
        Self { range, ..self.clone() }
    }

    /// All of them as they lie.
    pub fn bytes(&self) -> &[u8] {
        &(*self.file).as_ref()[self.range.clone()]
    }

    /// The numbers of a range, exactly, into as many places.
    #[inline(always)]
    pub fn decode<T: Real>(&self, range: Range<usize>, out: &mut [T]) {
        assert_eq!(range.len(), out.len(), "a place for each number");
        let size = self.dtype.size();
        let bytes = &self.bytes()[range.start * size..range.end * size];
        match self.dtype {
            Dtype::F32 => {
                for (to, quad) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *to = T::of(f32::from_le_bytes(*quad).into());
                }
            }
            Dtype::Bf16 => {
                for (to, pair) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *to = T::of(f32::from_bits(u32::from(u16::from_le_bytes(*pair)) << 16).into());
                }
            }
            Dtype::F16 => {
                const BLOCK: usize = 64; // so many are converted by the machine's own instruction at a time
                let (mut halves, mut wide) = ([f16::ZERO; BLOCK], [0.0; BLOCK]);
                for (to, pairs) in out.chunks_mut(BLOCK).zip(bytes.as_chunks::<2>().0.chunks(BLOCK)) {
                    halves.iter_mut().zip(pairs).for_each(|(half, pair)| *half = f16::from_le_bytes(*pair));
                    halves.convert_to_f32_slice(&mut wide);
                    to.iter_mut().zip(&wide).for_each(|(to, &from)| *to = T::of(from.into()));
                }
            }
        }
    }

    /// All of the numbers, exactly.
    pub fn numbers<T: Real>(&self) -> Vec<T> {
        let mut numbers = vec![T::of(0.0); self.len()];
        self.decode(0..self.len(), &mut numbers);
        numbers
    }

    /// The numbers where they lie, if they can be read there as they are.
    pub fn in_place<T: Real>(&self) -> Option<&[T]> {
        if self.dtype == Dtype::F32 { T::in_place(self.bytes()) } else { None }
    }

    /// The same numbers rounded to the nearest of another type, to even where two are as near.
    pub fn rounded(&self, dtype: Dtype) -> Self {
        if dtype == self.dtype {
            return self.clone();
        }
        let numbers = self.numbers::<f32>();
        let bytes: Vec<u8> = match dtype {
            Dtype::F32 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Dtype::Bf16 => numbers.iter().flat_map(|&number| bf16::from_f32(number).to_le_bytes()).collect(),
            Dtype::F16 => numbers.iter().flat_map(|&number| f16::from_f32(number).to_le_bytes()).collect(),
        };
        let range = 0..bytes.len();
        Self { file: Arc::new(bytes), range, dtype }
    }

    /// The first number that is infinite or none, by its index.
    pub(crate) fn not_finite(&self) -> Option<(usize, f32)> {
        const BLOCK: usize = 4096;
        let mut block = [0.0_f32; BLOCK];
        (0..self.len()).step_by(BLOCK).find_map(|start| {
            let block = &mut block[..BLOCK.min(self.len() - start)];
            self.decode(start..start + block.len(), block);
            // Times 0 it is 0 or not a number; a sum has no early way out, so the compiler vectorises it.
            let sound = block.iter().map(|number| number * 0.0).sum::<f32>() == 0.0;
            let at = if sound { None } else { block.iter().position(|number| !number.is_finite()) };
            at.map(|at| (start + at, block[at]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(numbers: &[f32]) -> Stored {
        // One byte off, so that nothing may rely on where a file's numbers begin.
        let bytes: Vec<u8> = [0].into_iter().chain(numbers.iter().flat_map(|number| number.to_le_bytes())).collect();
        let range = 1..bytes.len();
        Stored::new(Arc::new(bytes), range, Dtype::F32)
    }

    #[test]
    fn numbers_are_those_of_their_type() {
        let wanted: Vec<f32> = (0..200).map(|at| (at as f32 - 100.0) * 1.001).collect();
        let single = stored(&wanted);
        assert_eq!(single.numbers::<f32>(), wanted);
        let brain: Vec<f32> = wanted.iter().map(|&number| bf16::from_f32(number).to_f32()).collect();
        assert_eq!(single.rounded(Dtype::Bf16).numbers::<f32>(), brain);
        let half: Vec<f64> = wanted.iter().map(|&number| f16::from_f32(number).to_f64()).collect();
        assert_eq!(single.rounded(Dtype::F16).numbers::<f64>(), half);
        let mut part = [0.0_f64; 7];
        single.rounded(Dtype::F16).decode(90..97, &mut part);
        assert_eq!(part, half[90..97]);
        assert_eq!(single.rounded(Dtype::Bf16).rounded(Dtype::F32).numbers::<f32>(), brain);
    }

    #[test]
    fn a_part_is_a_weight_of_its_own() {
        let wanted: Vec<f32> = (0..50).map(|at| at as f32).collect();
        let part = stored(&wanted).rounded(Dtype::F16).part(10..30);
        assert_eq!(part.numbers::<f32>(), wanted[10..30]);
        assert_eq!(part.part(5..7).numbers::<f32>(), wanted[15..17]);
    }

    #[test]
    fn what_is_not_finite_is_found() {
        let mut numbers = vec![f32::MAX; 5000];
        assert_eq!(stored(&numbers).not_finite(), None);
        assert_eq!(stored(&numbers).rounded(Dtype::F16).not_finite(), Some((0, f32::INFINITY)));
        numbers[4999] = f32::NEG_INFINITY;
        assert_eq!(stored(&numbers).not_finite(), Some((4999, f32::NEG_INFINITY)));
        numbers[17] = f32::NAN;
        assert_eq!(stored(&numbers).not_finite().map(|(at, _)| at), Some(17));
    }
}
