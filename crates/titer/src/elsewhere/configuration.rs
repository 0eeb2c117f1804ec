//! A job as a trainer is told it.

use serde_json::Value;

use super::{StageJob, Trainer, axolotl, llama_factory, openai, settings, trl};

impl StageJob<'_> {
    /// The configuration that makes a trainer do it.
    pub fn configuration(&self, trainer: Trainer) -> String {
        match trainer {
            Trainer::Trl => settings::yaml(&trl::settings(self)),
            Trainer::Axolotl => settings::yaml(&axolotl::settings(self)),
            Trainer::LlamaFactory => settings::yaml(&llama_factory::settings(self)),
            Trainer::OpenAi => format!("{:#}\n", openai::job(self)),
        }
    }

    /// The line of a shell script that does it where it has not been done; none where a service is asked.
    pub fn line(&self, trainer: Trainer, configuration: &str) -> Option<String> {
        let done = format!("{}/trained", self.to);
        let command = trainer.command()?;
        Some(format!("if [ ! -e {done} ]; then {command} {configuration}; touch {done}; fi\n"))
    }

    /// How a trainer that knows data sets by name finds the rows; none where it does not.
    pub fn data_set(&self, trainer: Trainer) -> Option<(String, Value)> {
        (trainer == Trainer::LlamaFactory).then(|| llama_factory::data_set(self))
    }
}
