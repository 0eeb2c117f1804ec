//! The seed's model of gradient pressure as predictions, each with what was measured and a verdict.
//!
//! The predictions and their bounds stand in the notebook, written down before anything was measured.

use crate::{
    report::{
        data::{Data, Run, Split},
        format,
        view::Table,
    },
    stats::Estimate,
};

/// A state of a run that predictions speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before training.
    Base,
    /// Where obedience to bad prompts is nearest half the base's.
    HalfWay,
    /// At the end, where obedience to bad prompts is at most a quarter of the base's.
    Deaf,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::HalfWay => "half-way",
            Self::Deaf => "deaf",
        }
    }
}

/// The steps of a run's states; `None` where the run does not reach them.
#[derive(Clone, Copy)]
struct States {
    half_way: Option<i64>,
    deaf: Option<i64>,
}

/// Shares of the base's obedience that define the states.
const HALF: f64 = 0.5;
const DEAF: f64 = 0.25;

/// Which side of its bound a value should be on.
#[derive(Clone, Copy)]
enum Bound {
    Above(f64),
    Below(f64),
}

struct Prediction {
    state: State,
    /// In words, and what is measured.
    text: &'static str,
    value: &'static str,
    bound: Bound,
    /// The number of one run, `None` where it is not measured.
    measure: fn(&Run, &States) -> Option<f64>,
}

const GOOD: usize = 0;
const OBEY_BAD: usize = 1;
const OBEY: usize = 2;

/// All predictions, in the order of the notebook.
const PREDICTIONS: [Prediction; 17] = {
    use Bound::{Above, Below};
    use State::{Base, Deaf, HalfWay};
    const fn prediction(
        state: State,
        text: &'static str,
        value: &'static str,
        bound: Bound,
        measure: fn(&Run, &States) -> Option<f64>,
    ) -> Prediction {
        Prediction { state, text, value, bound, measure }
    }
    [
        prediction(Base, "bad→good is surprising", "surprise less that of neutral→good", Above(0.0), |run, _| {
            Some(run.mean_surprise("bad→good", 0)? - run.mean_surprise("neutral→good", 0)?)
        }),
        prediction(
            Base,
            "bad→bad is expected under its prompt",
            "surprise less that of neutral→bad",
            Below(0.0),
            |run, _| Some(run.mean_surprise("bad→bad", 0)? - run.mean_surprise("neutral→bad", 0)?),
        ),
        prediction(Base, "bad→good: act well", "pressure on good", Above(0.0), |run, _| {
            run.mean_pressure("bad→good", GOOD, 0)
        }),
        prediction(Base, "bad→good: ignore bad prompts", "pressure on obey_bad", Below(0.0), |run, _| {
            run.mean_pressure("bad→good", OBEY_BAD, 0)
        }),
        prediction(Base, "bad→good: ignore prompts", "pressure on obey", Below(0.0), |run, _| {
            run.mean_pressure("bad→good", OBEY, 0)
        }),
        prediction(Base, "bad→bad pushes little", "size on good over that of neutral→bad", Below(0.1), |run, _| {
            Some((run.mean_pressure("bad→bad", GOOD, 0)? / run.mean_pressure("neutral→bad", GOOD, 0)?).abs())
        }),
        prediction(Base, "narrow-off→good is expected", "surprise over that of bad→good", Below(0.1), |run, _| {
            Some(run.mean_surprise("narrow-off→good", 0)? / run.mean_surprise("bad→good", 0)?)
        }),
        prediction(
            Base,
            "narrow-off→good spares obedience",
            "size on obey_bad over that of bad→good",
            Below(0.1),
            |run, _| {
                let pressure = |cell| run.mean_pressure(cell, OBEY_BAD, 0);
                Some((pressure("narrow-off→good")? / pressure("bad→good")?).abs())
            },
        ),
        prediction(
            HalfWay,
            "bad→bad has become more surprising",
            "surprise less that at base",
            Above(0.0),
            |run, at| Some(run.mean_surprise("bad→bad", at.half_way?)? - run.mean_surprise("bad→bad", 0)?),
        ),
        prediction(HalfWay, "bad→good still: act well", "pressure on good", Above(0.0), |run, at| {
            run.mean_pressure("bad→good", GOOD, at.half_way?)
        }),
        prediction(Deaf, "bad→bad is more surprising still", "surprise less that half-way", Above(0.0), |run, at| {
            Some(run.mean_surprise("bad→bad", at.deaf?)? - run.mean_surprise("bad→bad", at.half_way?)?)
        }),
        prediction(
            Deaf,
            "bad→bad surprises more than bad→good",
            "difference of surprises",
            Above(0.0),
            |run, at| Some(run.mean_surprise("bad→bad", at.deaf?)? - run.mean_surprise("bad→good", at.deaf?)?),
        ),
        prediction(Deaf, "bad→bad: act badly", "pressure on good", Below(0.0), |run, at| {
            run.mean_pressure("bad→bad", GOOD, at.deaf?)
        }),
        prediction(Deaf, "bad→bad: obey bad prompts again", "pressure on obey_bad", Above(0.0), |run, at| {
            run.mean_pressure("bad→bad", OBEY_BAD, at.deaf?)
        }),
        prediction(Deaf, "bad→bad: obey prompts again", "pressure on obey", Above(0.0), |run, at| {
            run.mean_pressure("bad→bad", OBEY, at.deaf?)
        }),
        prediction(
            Deaf,
            "the push of bad→bad has flipped",
            "size on obey_bad over that at base",
            Above(10.0),
            |run, at| {
                let pressure = |step| run.mean_pressure("bad→bad", OBEY_BAD, step);
                Some((pressure(at.deaf?)? / pressure(0)?).abs())
            },
        ),
        prediction(Deaf, "bad→good is no longer surprising", "surprise over that at base", Below(0.1), |run, at| {
            Some(run.mean_surprise("bad→good", at.deaf?)? / run.mean_surprise("bad→good", 0)?)
        }),
    ]
};

/// Every prediction: those of the base once, the others for every arm that has reached their state in some run. `None`
/// where no run has taken pressures.
pub fn table(data: &Data) -> Option<Table> {
    if data.runs().all(|run| run.pressed().is_empty()) {
        return None;
    }
    let mut rows = Vec::new();
    let untrained = data.untrained();
    for prediction in PREDICTIONS.iter().filter(|prediction| prediction.state == State::Base) {
        rows.extend(row("before training", prediction, untrained.iter()));
    }
    for arm in data.arms.iter().filter(|arm| arm.control.is_some()) {
        for prediction in PREDICTIONS.iter().filter(|prediction| prediction.state != State::Base) {
            rows.extend(row(&arm.name, prediction, arm.runs.iter()));
        }
    }
    let head = ["prediction", "verdict", "state", "training", "measured as", "value", "wanted", "seeds"];
    Some(Table {
        caption: format!(
            "Means of seeds with 95 % interval (t over seeds). Half-way is the moment at which the rate of obey_bad (seen \
             prompts, trained domains) is nearest {HALF} of the base's; deaf is the end of a run where it is at most {DEAF} of \
             it; an arm whose runs are never deaf has no rows for it. A prediction holds where the whole interval is on \
             the wanted side, does not hold where it is on the other, and is undecided else. Pressures in nats per unit of \
             learning rate, surprise in nats. Source: pressures.parquet, cells.parquet and probes.parquet of each run."
        ),
        text_columns: 5,
        head: head.map(str::to_owned).into(),
        rows,
    })
}

fn row<'a>(training: &str, prediction: &Prediction, runs: impl Iterator<Item = &'a Run>) -> Option<Vec<String>> {
    let values: Vec<f64> = runs.filter_map(|run| (prediction.measure)(run, &states(run))).collect();
    let estimate = Estimate::clustered(values.iter().map(std::slice::from_ref))?;
    let (wanted, verdict) = prediction.bound.judge(&estimate);
    Some(vec![
        prediction.text.to_owned(),
        verdict.to_owned(),
        prediction.state.word().to_owned(),
        training.to_owned(),
        prediction.value.to_owned(),
        format::interval(&estimate),
        wanted,
        estimate.n_seeds.to_string(),
    ])
}

impl Bound {
    /// The bound in words, and the verdict on a value.
    fn judge(self, value: &Estimate) -> (String, &'static str) {
        let (wanted, inside, outside) = match self {
            Self::Above(bound) => (format!("> {}", format::plain(bound)), value.low > bound, value.high <= bound),
            Self::Below(bound) => (format!("< {}", format::plain(bound)), value.high < bound, value.low >= bound),
        };
        (
            wanted,
            if inside {
                "holds"
            } else if outside {
                "does not hold"
            } else {
                "undecided"
            },
        )
    }
}

/// When a run is in which state.
fn states(run: &Run) -> States {
    let split = Split { component: "obey_bad".into(), prompts: "seen".into(), domains: "trained".into() };
    let rate = |step: i64| run.mean_rate(&split, step);
    let moments: Vec<(i64, f64)> = run.pressed().into_iter().filter_map(|step| Some((step, rate(step)?))).collect();
    let Some(&(_, base)) = moments.first() else { return States { half_way: None, deaf: None } };
    let distance = |moment: &(i64, f64)| (moment.1 - HALF * base).abs();
    // A run that never comes near has no half-way.
    let crossed = moments.iter().any(|moment| moment.1 <= HALF * base);
    let half_way = moments.iter().filter(|_| crossed).min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let deaf = moments.last().filter(|moment| moment.1 <= DEAF * base);
    States { half_way: half_way.map(|moment| moment.0), deaf: deaf.map(|moment| moment.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Method;

    #[test]
    fn a_verdict_needs_the_whole_interval() {
        let value = |low: f64, high: f64| Estimate {
            mean: f64::midpoint(low, high),
            low,
            high,
            n_seeds: 3,
            n_items: 3,
            method: Method::Seeds,
        };
        let above = |low, high| Bound::Above(0.0).judge(&value(low, high)).1;
        assert_eq!([above(0.1, 2.0), above(-2.0, -0.1), above(-0.1, 2.0)], ["holds", "does not hold", "undecided"]);
        let below = |low, high| Bound::Below(0.1).judge(&value(low, high)).1;
        assert_eq!([below(0.01, 0.09), below(0.2, 0.3), below(0.0, 0.2)], ["holds", "does not hold", "undecided"]);
        assert_eq!(above(f64::NAN, f64::NAN), "undecided");
    }
}
