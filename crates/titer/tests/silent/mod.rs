//! Progress that nobody is told of.

use titer::{
    exec::{Progress, SweepProgress},
    plan::RunPlan,
};

pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: f64) {}
}

impl SweepProgress for Silent {
    fn start(&self, _: usize, _: &RunPlan) -> Box<dyn Progress + '_> {
        Box::new(Self)
    }

    fn finish(&self, _: usize) {}
}
