//! Effect against control: paired differences, so that what every training does is not read as what the dose does.

use super::{At, Measure, Split, SweepResults};
use crate::stats::Estimate;

impl SweepResults {
    /// The difference of an arm from its control at a moment, by seed and item, in the measure's unit; `None` for a control, and
    /// where the two share no measurement.
    pub fn effect(&self, arm: usize, split: &Split, measure: Measure, at: At) -> Option<Estimate> {
        let control = self.control_of(arm)?;
        let [arm, control] = [&self.arms[arm], control].map(|arm| arm.finished().probe(split, measure, at));
        arm.less(&control).estimate()
    }
}
