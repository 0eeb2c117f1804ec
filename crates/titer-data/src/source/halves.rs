//! Which contrasts of a user's own are differentiated and which measure: all that share a request are on one side.

use std::collections::BTreeMap;

use crate::{
    chat::Message,
    probe::{Contrast, Probe},
    request::{Request, root},
    stream::hash,
};

/// A user's contrasts by their use.
#[derive(Debug)]
pub(super) struct Halves {
    pub differentiated: Vec<Probe>,
    pub measured: Vec<Probe>,
    /// Whether it mattered that contrasts share requests or contexts: where none do, every second one measures.
    pub shared: bool,
}

impl Halves {
    /// Of a probe that pressures are taken on, half of the contrasts is differentiated and half measures; others measure whole. Contrasts of a
    /// probe on one request are on one side, and so are contrasts of different ones that share a context, which a probe that measures whole leaves
    /// out where it is differentiated. In each half the first contrasts are of different requests, so that a few are no many replies to one.
    pub(super) fn of(probes: Vec<Probe>) -> Self {
        let mixed: Vec<Mixed<'_>> = probes.iter().map(Mixed::of).collect();
        let sides = sides(&probes, &mixed);
        let (mut differentiated, mut measured, mut shared) = (Vec::new(), Vec::new(), false);
        for ((probe, mixed), sides) in probes.iter().zip(&mixed).zip(&sides) {
            let half =
                |side: Side| -> Vec<usize> { mixed.by_turns.iter().copied().filter(|&at| sides[at] == side).collect() };
            let [first, second] = [Side::Differentiated, Side::Measured].map(half);
            let every_second = |first: usize| mixed.order.iter().copied().skip(first).step_by(2);
            shared |= if probe.is_differentiated() {
                !first.iter().copied().eq(every_second(0)) || !second.iter().copied().eq(every_second(1))
            } else {
                second != mixed.order
            };
            let of = |places: Vec<usize>| {
                let contrasts = places.into_iter().map(|at| probe.contrasts[at].clone()).collect();
                Probe { contrasts, ..*probe }
            };
            if probe.is_differentiated() {
                differentiated.push(of(first));
            }
            measured.push(of(second));
        }
        Self { differentiated, measured, shared }
    }
}

/// What is differentiated of a user's probes, and what measures: half and half where pressures are taken on a margin, elsewhere all measures.
/// Contrasts that share a request or a context have one use.
pub fn uses(probes: Vec<Probe>) -> (Vec<Probe>, Vec<Probe>) {
    let halves = Halves::of(probes);
    (halves.differentiated, halves.measured)
}

/// What a contrast is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Differentiated,
    Measured,
}

/// The contrasts of a probe by their places.
struct Mixed<'a> {
    /// In an order by their ids that mixes what stands together in a file.
    order: Vec<usize>,
    /// The same, where the first contrast of every request comes before any second one.
    by_turns: Vec<usize>,
    /// What each asks, by its place.
    requests: Vec<Request>,
    contrasts: &'a [Contrast],
}

impl<'a> Mixed<'a> {
    fn of(probe: &'a Probe) -> Self {
        let contrasts = probe.contrasts.as_slice();
        let requests: Vec<Request> = contrasts.iter().map(|contrast| Request::in_context(&contrast.context)).collect();
        let mut order: Vec<usize> = (0..contrasts.len()).collect();
        order.sort_by_key(|&at| (hash([contrasts[at].id.as_str()]), &contrasts[at].id));
        let mut seen: BTreeMap<&Request, usize> = BTreeMap::new();
        let mut by_turns: Vec<(usize, usize)> = order
            .iter()
            .map(|&at| {
                let turn = seen.entry(&requests[at]).or_default();
                *turn += 1;
                (*turn, at)
            })
            .collect();
        by_turns.sort_by_key(|(turn, _)| *turn);
        let by_turns = by_turns.into_iter().map(|(_, at)| at).collect();
        Self { order, by_turns, requests, contrasts }
    }
}

/// The side of every contrast of every probe, by its place.
fn sides(probes: &[Probe], mixed: &[Mixed<'_>]) -> Vec<Vec<Side>> {
    let blocks = blocks(probes, mixed);
    let mut of_block: BTreeMap<usize, Side> = BTreeMap::new();
    // Probes with few contrasts come first: those with many can still be halved by what is left.
    let mut turns: Vec<usize> = (0..probes.len()).filter(|&probe| probes[probe].is_differentiated()).collect();
    turns.sort_by_key(|&probe| probes[probe].contrasts.len());
    for probe in turns {
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        blocks[probe].iter().for_each(|block| *sizes.entry(*block).or_default() += 1);
        let sided = |side: Side| -> usize {
            sizes.iter().filter(|(block, _)| of_block.get(block) == Some(&side)).map(|(_, size)| size).sum()
        };
        let (mut first, mut second) = (sided(Side::Differentiated), sided(Side::Measured));
        // They take turns, so that both uses have some where there are two.
        for block in mixed[probe].order.iter().map(|&at| blocks[probe][at]) {
            of_block.entry(block).or_insert_with(|| {
                let (side, count) =
                    if first <= second { (Side::Differentiated, &mut first) } else { (Side::Measured, &mut second) };
                *count += sizes[&block];
                side
            });
        }
    }
    let side = |block: &usize| of_block.get(block).copied().unwrap_or(Side::Measured);
    blocks.iter().map(|blocks| blocks.iter().map(side).collect()).collect()
}

/// Which contrasts stay together, by probe and place: equal numbers do.
fn blocks(probes: &[Probe], mixed: &[Mixed<'_>]) -> Vec<Vec<usize>> {
    let mut next = 0;
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    let mut first: Vec<usize> = Vec::new();
    let mut of_context: BTreeMap<&[Message], usize> = BTreeMap::new();
    for (probe, mixed) in probes.iter().zip(mixed) {
        let mut of_request: BTreeMap<&Request, usize> = BTreeMap::new();
        let mut numbers = Vec::new();
        for (contrast, request) in mixed.contrasts.iter().zip(&mixed.requests) {
            first.push(next);
            let mut same = vec![*of_context.entry(contrast.context.as_slice()).or_insert(next)];
            if probe.is_differentiated() {
                same.push(*of_request.entry(request).or_insert(next));
                // The gap is measured on it.
                same.extend(contrast.baseline.as_deref().map(|baseline| *of_context.entry(baseline).or_insert(next)));
            }
            for other in same {
                let ends = [next, other].map(|at| root(&mut first, at));
                first[ends[0].max(ends[1])] = ends[0].min(ends[1]);
            }
            numbers.push(next);
            next += 1;
        }
        blocks.push(numbers);
    }
    let root_of = |numbers: Vec<usize>| numbers.into_iter().map(|at| root(&mut first, at)).collect();
    blocks.into_iter().map(root_of).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        chat::Role,
        domains::DomainSplit,
        probe::{Component, ProbePrompts},
        variables::Variables,
    };

    fn context(system: &str, asks: usize) -> Vec<Message> {
        vec![Message::new(Role::System, system), Message::new(Role::User, format!("ask {asks}"))]
    }

    fn probe(component: Component, prompts: ProbePrompts, contrasts: Vec<Contrast>) -> Probe {
        Probe { component, prompts, domains: DomainSplit::Trained, contrasts }
    }

    fn contrast(id: String, context: Vec<Message>, baseline: Option<Vec<Message>>) -> Contrast {
        Contrast { id, context, replies: Vec::new(), baseline, variables: Variables::default() }
    }

    /// So many contrasts to each of so many requests.
    fn repeated(system: &str, requests: usize, times: usize) -> Vec<Contrast> {
        let of = |at: usize| contrast(format!("{at:03}"), context(system, at % requests), None);
        (0..requests * times).map(of).collect()
    }

    fn asked(probes: &[Probe]) -> BTreeSet<Vec<Message>> {
        probes.iter().flat_map(|probe| &probe.contrasts).map(|contrast| contrast.context.clone()).collect()
    }

    #[test]
    fn contrasts_on_one_request_have_one_use_and_the_first_are_of_different_requests() {
        for (requests, times) in [(25, 8), (2, 3), (7, 2)] {
            let halves = Halves::of(vec![probe(Component::Good, ProbePrompts::Seen, repeated("s", requests, times))]);
            let (first, second) = (&halves.differentiated, &halves.measured);
            assert!(asked(first).is_disjoint(&asked(second)));
            assert_eq!((asked(first).len(), asked(second).len()), (requests.div_ceil(2), requests / 2));
            for probes in [first, second] {
                let contexts = probes[0].contrasts.iter().map(|contrast| &contrast.context);
                let some: BTreeSet<_> = contexts.take(asked(probes).len()).collect();
                assert_eq!(some.len(), asked(probes).len());
            }
            assert!(halves.shared);
        }
    }

    #[test]
    fn where_no_request_is_shared_every_second_contrast_measures() {
        let contrasts = repeated("s", 40, 1);
        let mut mixed: Vec<&Contrast> = contrasts.iter().collect();
        mixed.sort_by_key(|contrast| hash([contrast.id.as_str()]));
        let halves = Halves::of(vec![probe(Component::Good, ProbePrompts::Seen, contrasts.clone())]);
        assert!(halves.differentiated[0].contrasts.iter().eq(mixed.iter().copied().step_by(2)));
        assert!(halves.measured[0].contrasts.iter().eq(mixed.iter().copied().skip(1).step_by(2)));
        assert!(!halves.shared);
    }

    #[test]
    fn no_context_is_differentiated_in_one_probe_and_measured_in_another() {
        let bad = |at: usize| contrast(format!("b{at}"), context("bad", at), Some(context("s", at)));
        let obey_bad = (0..30).step_by(3).map(bad).collect();
        let held_out = (0..9).map(|at| contrast(format!("h{at}"), context("bad", 3 * at), None)).collect();
        let halves = Halves::of(vec![
            probe(Component::Good, ProbePrompts::Seen, repeated("s", 30, 1)),
            probe(Component::ObeyBad, ProbePrompts::Seen, obey_bad),
            probe(Component::ObeyBad, ProbePrompts::HeldOut, held_out),
        ]);
        let counts = |probes: &[Probe]| probes.iter().map(|probe| probe.contrasts.len()).collect::<Vec<_>>();
        assert_eq!(counts(&halves.differentiated), [15, 5]);
        assert_eq!(counts(&halves.measured)[..2], [15, 5]);
        let measured = halves.measured.iter().flat_map(|probe| &probe.contrasts);
        let baselines: BTreeSet<_> = measured.filter_map(|contrast| contrast.baseline.clone()).collect();
        let differentiated = asked(&halves.differentiated);
        assert!(differentiated.is_disjoint(&asked(&halves.measured)) && differentiated.is_disjoint(&baselines));
        assert!(halves.shared);
    }
}
