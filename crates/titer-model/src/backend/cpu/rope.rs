//! Rotary positions, see [`crate::shape::Rope`].

use crate::real::Real;

#[inline(always)]
pub(super) fn rotate<T: Real>(x: &mut [T], table: &[T], positions: &[u32], head_width: usize, inverse: bool) {
    if positions.is_empty() {
        return;
    }
    let half = head_width / 2;
    let row_width = x.len() / positions.len();
    for (row, &position) in x.chunks_exact_mut(row_width).zip(positions) {
        let (cos, sin) = table[position as usize * head_width..][..head_width].split_at(half);
        for head in row.chunks_exact_mut(head_width) {
            let (low, high) = head.split_at_mut(half);
            for ((low, high), (&cos, &sin)) in low.iter_mut().zip(high).zip(cos.iter().zip(sin)) {
                let sin = if inverse { -sin } else { sin };
                (*low, *high) = (*low * cos - *high * sin, *high * cos + *low * sin);
            }
        }
    }
}
