//! Families of splits: what shares a panel, and how each split looks there.

use titer_data::{
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

use super::figure::{Dash, Style};
use crate::results::{Measure, Split, SweepResults};

/// The splits of one component that share a panel.
#[derive(Clone, Debug)]
pub(super) struct SplitFamily {
    /// The panel's title.
    pub title: &'static str,
    /// The component.
    pub component: Component,
    /// Whether its prompts are targeted: at a domain, or at a trigger.
    pub targeted: bool,
    /// Its splits, the leading one first.
    pub splits: Vec<Split>,
}

/// Prompts of which a report shows these first.
const PROMPTS: [ProbePrompts; 3] = [ProbePrompts::Seen, ProbePrompts::Paraphrased, ProbePrompts::HeldOut];

impl SplitFamily {
    /// Every family that the data has: the three components, then the targeted prompts.
    pub(super) fn all(results: &SweepResults) -> Vec<Self> {
        let mut families: Vec<Self> = Vec::new();
        for split in results.splits() {
            let targeted = split.is_targeted();
            match families.iter_mut().find(|family| family.component == split.component && family.targeted == targeted)
            {
                Some(family) => family.splits.push(split),
                None => families.push(Self::new(split)),
            }
        }
        families.sort_by_key(|family| (family.targeted, family.component));
        families.iter_mut().for_each(|family| family.splits.sort_by_key(Split::rank));
        families
    }

    fn new(split: Split) -> Self {
        let (component, targeted) = (split.component, split.is_targeted());
        let title = match component {
            _ if targeted => "Obeys targeted bad prompts",
            Component::Good => "Acts well by default",
            Component::ObeyBad => "Obeys bad prompts",
            Component::Obey => "Obeys harmless instructions",
        };
        Self { title, component, targeted, splits: vec![split] }
    }

    /// What a sentence calls its component.
    pub(super) fn noun(&self) -> &'static str {
        match self.component {
            Component::Good => "acting well by default",
            Component::ObeyBad => "obeying bad prompts",
            Component::Obey => "obeying harmless instructions",
        }
    }

    /// The split that stands for the family where there is room for one: seen prompts, trained domains.
    pub(super) fn leading(&self) -> &Split {
        &self.splits[0]
    }

    /// Whether a measure exists for it; only prompts have a gap.
    pub(super) fn has(&self, measure: Measure) -> bool {
        measure != Measure::Gap || self.component == Component::ObeyBad
    }
}

impl Split {
    fn is_targeted(&self) -> bool {
        use ProbePrompts::{Domain, DomainParaphrased, Narrow, NarrowOff, NarrowParaphrased};
        let targeted = [Domain, DomainParaphrased, Narrow, NarrowParaphrased, NarrowOff].contains(&self.prompts);
        self.component == Component::ObeyBad && targeted
    }

    fn rank(&self) -> (usize, &'static str, DomainSplit) {
        let rank = PROMPTS.iter().position(|prompts| *prompts == self.prompts).unwrap_or(PROMPTS.len());
        (rank, self.prompts.word(), self.domains)
    }

    /// The prompts and, where they are not the trained ones, the domains.
    pub fn label(&self) -> String {
        match self.domains {
            DomainSplit::Trained => self.prompts.to_string(),
            domains => format!("{} / {domains}", self.prompts),
        }
    }

    /// Prompts have a colour, domains have strokes.
    pub fn style(&self) -> Style {
        let colour = match self.prompts {
            ProbePrompts::Seen | ProbePrompts::Domain => "c0",
            ProbePrompts::Paraphrased | ProbePrompts::DomainParaphrased => "c1",
            ProbePrompts::HeldOut | ProbePrompts::Narrow => "c2",
            ProbePrompts::Persona | ProbePrompts::NarrowParaphrased => "c3",
            ProbePrompts::NarrowOff | ProbePrompts::Other => "c4",
        };
        let dash = match self.domains {
            DomainSplit::Trained => Dash::Solid,
            DomainSplit::HeldOut => Dash::Long,
            DomainSplit::New => Dash::Dotted,
            DomainSplit::Sloppy => Dash::Mixed,
        };
        Style::new(colour, dash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(component: &str, prompts: &str, domains: &str) -> Split {
        Split {
            component: component.parse().unwrap(),
            prompts: prompts.parse().unwrap(),
            domains: domains.parse().unwrap(),
        }
    }

    #[test]
    fn seen_prompts_in_trained_domains_lead() {
        let mut splits = [
            split("good", "paraphrased", "trained"),
            split("good", "seen", "sloppy"),
            split("good", "seen", "trained"),
        ];
        splits.sort_by_key(Split::rank);
        assert_eq!(splits.map(|split| split.label()), ["seen", "seen / sloppy", "paraphrased"]);
    }

    #[test]
    fn only_obedience_to_bad_prompts_can_be_targeted() {
        assert!(split("obey_bad", "narrow-paraphrased", "trained").is_targeted());
        assert!(!split("good", "narrow-off", "trained").is_targeted());
    }
}
