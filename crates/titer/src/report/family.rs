//! Families of splits: what shares a panel, and how each split looks there.

use super::figure::{Dash, Style};
use crate::results::{Measure, Split, SweepResults};

/// The splits of one component that share a panel.
#[derive(Clone, Debug)]
pub struct SplitFamily {
    /// The panel's title.
    pub title: String,
    /// The component's word in specs and tables.
    pub component: String,
    /// Whether its prompts are targeted: at a domain, or at a trigger.
    pub targeted: bool,
    /// Its splits, the leading one first.
    pub splits: Vec<Split>,
}

/// Components in the order in which a report shows them, with what a panel calls them.
const COMPONENTS: [(&str, &str); 3] =
    [("good", "Good by default"), ("obey_bad", "Obeys bad prompts"), ("obey", "Obeys harmless instructions")];

/// Prompts and domains, the leading ones first.
const PROMPTS: [&str; 3] = ["seen", "paraphrased", "held-out"];
const DOMAINS: [&str; 4] = ["trained", "new", "held-out", "sloppy"];

impl SplitFamily {
    /// Every family that the data has: the three components, the targeted prompts, then what else there is.
    pub fn all(results: &SweepResults) -> Vec<Self> {
        let mut families: Vec<Self> = Vec::new();
        for split in results.splits() {
            let targeted = split.is_targeted();
            match families.iter_mut().find(|one| one.component == split.component && one.targeted == targeted) {
                Some(family) => family.splits.push(split),
                None => families.push(Self::new(split)),
            }
        }
        let known = |word: &str| COMPONENTS.iter().position(|(known, _)| *known == word).unwrap_or(COMPONENTS.len());
        families.sort_by_key(|family| (family.targeted, known(&family.component)));
        families.iter_mut().for_each(|family| family.splits.sort_by_key(Split::rank));
        families
    }

    fn new(split: Split) -> Self {
        let (component, targeted) = (split.component.clone(), split.is_targeted());
        let known = COMPONENTS.iter().find(|(word, _)| *word == component).map(|(_, title)| (*title).to_owned());
        let title =
            if targeted { "Obeys targeted bad prompts".to_owned() } else { known.unwrap_or_else(|| component.clone()) };
        Self { title, component, targeted, splits: vec![split] }
    }

    /// The split that stands for the family where there is room for one: seen prompts, trained domains.
    pub fn leading(&self) -> &Split {
        &self.splits[0]
    }

    /// Whether a measure exists for it; only prompts have a gap.
    pub fn has(&self, measure: Measure) -> bool {
        measure != Measure::Gap || self.component == "obey_bad"
    }
}

impl Split {
    fn is_targeted(&self) -> bool {
        self.component == "obey_bad" && ["domain", "narrow"].iter().any(|word| self.prompts.starts_with(word))
    }

    fn rank(&self) -> (usize, String, usize) {
        let rank = |all: &[&str], word: &str| all.iter().position(|known| *known == word).unwrap_or(all.len());
        (rank(&PROMPTS, &self.prompts), self.prompts.clone(), rank(&DOMAINS, &self.domains))
    }

    /// The prompts and, where they are not the trained ones, the domains.
    pub fn label(&self) -> String {
        match self.domains.as_str() {
            "trained" => self.prompts.clone(),
            domains => format!("{} / {domains}", self.prompts),
        }
    }

    /// Prompts have a colour, domains have strokes.
    pub fn style(&self) -> Style {
        let colour = match self.prompts.as_str() {
            "seen" | "domain" => "c0",
            "paraphrased" | "domain-paraphrased" => "c1",
            "held-out" | "narrow" => "c2",
            "persona" | "narrow-paraphrased" => "c3",
            _ => "c4",
        };
        let dash = match self.domains.as_str() {
            "trained" => Dash::Solid,
            "held-out" => Dash::Long,
            "new" => Dash::Dotted,
            _ => Dash::Mixed,
        };
        Style { colour, dash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(component: &str, prompts: &str, domains: &str) -> Split {
        Split { component: component.to_owned(), prompts: prompts.to_owned(), domains: domains.to_owned() }
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
