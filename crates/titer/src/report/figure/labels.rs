//! Names at the ends of lines, moved apart where lines end close to each other.

/// Where each label goes: as near to where it wants to be as a distance of `gap` between neighbours allows, all of
/// them between `top` and `bottom` if there is room. Labels keep the order of what they want; ties keep their order.
pub(super) fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&left, &right| wanted[left].total_cmp(&wanted[right]));
    let mut placed = vec![0.0; wanted.len()];
    let mut floor = top;
    for &label in &order {
        placed[label] = wanted[label].max(floor);
        floor = placed[label] + gap;
    }
    let mut ceiling = bottom;
    for &label in order.iter().rev() {
        placed[label] = placed[label].min(ceiling);
        ceiling = placed[label] - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_move_only_where_they_must() {
        assert_eq!(spread(&[10.0, 50.0, 52.0], 10.0, 0.0, 100.0), [10.0, 50.0, 60.0]);
        assert_eq!(spread(&[99.0, 98.0], 10.0, 0.0, 100.0), [100.0, 90.0]);
    }

    proptest! {
        #[test]
        fn labels_that_fit_do_not_touch(wanted in prop::collection::vec(0.0..100.0f64, 0..8)) {
            let mut placed = spread(&wanted, 10.0, 0.0, 100.0);
            prop_assert!(placed.iter().all(|at| (-1e-9..=100.0 + 1e-9).contains(at)));
            placed.sort_by(f64::total_cmp);
            prop_assert!(placed.windows(2).all(|pair| pair[1] - pair[0] > 10.0 - 1e-9));
        }
    }
}
