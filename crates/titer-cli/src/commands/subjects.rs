//! The model and the rows that prompts are tried on.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use titer::environment::cache_folder;
use titer_data::{
    chat::Row,
    formats::read_rows,
    source::read_labelled,
    template::{ChatTemplate, TemplateOptions},
    world::World,
};
use titer_engine::{
    endpoint::{Endpoint, EndpointError, EndpointOptions, Reader, Spending},
    model::{Model, ModelCopies, ModelError},
    scoring::{Scoring, ScoringError, ToldEndpoint},
    screen::Subjects,
};

use super::{
    data::{is_spec, of_spec},
    open::fetch,
};
use crate::{
    args::{ComputeArgs, EndpointArgs, SubjectArgs},
    printer::{Failure, data, spoken, talk, talker, verbatim},
    progress::Bar,
};

/// The variable that holds a key where none is named.
const KEY: &str = "TITER_API_KEY";

/// Who is asked.
pub(super) enum Opened {
    /// A model here.
    Here(Box<ModelCopies>),
    /// One behind an endpoint.
    There(Box<Endpoint>),
}

impl Opened {
    /// The model, where it is here.
    pub(super) fn model(&self) -> Option<&Model> {
        match self {
            Self::Here(model) => Some(model.first()),
            Self::There(_) => None,
        }
    }

    /// The model in all the places where it computes, where it is here.
    pub(super) fn copies(&self) -> Option<&ModelCopies> {
        match self {
            Self::Here(model) => Some(model),
            Self::There(_) => None,
        }
    }

    /// What renders its chats.
    pub(super) fn template(&self) -> &ChatTemplate {
        match self {
            Self::Here(model) => &model.first().template,
            Self::There(endpoint) => &endpoint.reader.template,
        }
    }

    /// The world of an organism.
    pub(super) fn world(&self) -> Option<&World> {
        match self {
            Self::Here(model) => model.first().world.as_ref(),
            Self::There(endpoint) => endpoint.reader.world.as_ref(),
        }
    }

    /// What `work` does with who is asked; the user is told what is sent to an endpoint, before and after.
    pub(super) fn asked<T, E: Into<ScoringError>>(
        &self,
        work: impl FnOnce(&dyn Scoring) -> Result<T, E>,
    ) -> Result<T, ScoringError> {
        match self {
            Self::Here(model) => work(&**model).map_err(Into::into),
            Self::There(endpoint) => {
                let bar = Bar::new(0, "answers");
                let progress = |done, of| bar.stands_at(done, of, "");
                let done = work(&ToldEndpoint { endpoint, say: &talk, progress: &progress });
                bar.clear();
                let done = done.map_err(Into::into)?;
                let spent = endpoint.spent();
                if spent.requests > 0 {
                    talk(&format!("asked: {spent}"));
                }
                Ok(done)
            }
        }
    }
}

/// Who is asked by these arguments.
pub(super) fn open(args: &SubjectArgs) -> Result<Opened, Failure> {
    let (template, adapter) = (args.template.options(), args.adapter.as_deref());
    if let Some(url) = &args.endpoint.endpoint {
        not_there(adapter, &args.compute)?;
        return behind_endpoint(url, &args.endpoint, &args.model, args.seed, &template);
    }
    Ok(Opened::Here(Box::new(open_here((&args.model, args.seed), &args.compute, &template, adapter)?)))
}

/// A model here, by its name and which of the shipped organisms.
pub(super) fn open_here(
    (model, seed): (&str, u64),
    compute: &ComputeArgs,
    template: &TemplateOptions,
    adapter: Option<&Path>,
) -> Result<ModelCopies, Failure> {
    fetch(model).map_err(Failure::input)?;
    let (compute, device) = compute.asked().or_default();
    let model = Model::open_for(model, seed, compute, device).map_err(Failure::input)?;
    let model = model.with_template_options(template).map_err(Failure::input)?;
    let model = match adapter {
        Some(folder) => model.with_adapter(folder).map_err(Failure::input)?,
        None => model,
    };
    on_device(ModelCopies::over(model, compute, device))
}

/// Says what of a model's weights has no room on its device.
pub(super) fn on_device(copies: Result<ModelCopies, ModelError>) -> Result<ModelCopies, Failure> {
    let copies = copies.map_err(Failure::input)?;
    copies.first().beside_device().iter().for_each(|sentence| spoken(sentence));
    Ok(copies)
}

/// Refuses what a server decides itself.
pub(super) fn not_there(adapter: Option<&Path>, compute: &ComputeArgs) -> Result<(), Failure> {
    let adapters = "serve the adapters under a name of their own and give that with --served";
    let given = [
        (adapter.is_some(), "--adapter", adapters),
        (compute.compute.is_some(), "--compute", "the server decides what it computes in"),
        (compute.device.is_some(), "--device", "the server decides where it computes"),
    ];
    match given.into_iter().find(|(given, ..)| *given) {
        Some((_, option, remedy)) => {
            Err(Failure::Input(format!("{option} is for a model here, not for an endpoint: {remedy}")))
        }
        None => Ok(()),
    }
}

/// A model behind an endpoint, with the tokenizer and the template of `base`.
pub(super) fn behind_endpoint(
    url: &str,
    args: &EndpointArgs,
    base: &str,
    seed: u64,
    template: &TemplateOptions,
) -> Result<Opened, Failure> {
    let reader = Reader::open(base, seed, template).map_err(Failure::input)?;
    let options = endpoint_options(url, args)?;
    Ok(Opened::There(Box::new(Endpoint::new(reader, options).map_err(Failure::input)?)))
}

/// Where a model is served, and how it is asked.
pub(super) fn endpoint_options(url: &str, args: &EndpointArgs) -> Result<EndpointOptions, Failure> {
    match &args.served {
        Some(served) => options_of(served, url, args),
        None => Err(Failure::input("--endpoint: say what the server calls the model with --served")),
    }
}

/// The same of a model that the server calls so.
pub(super) fn options_of(served: &str, url: &str, args: &EndpointArgs) -> Result<EndpointOptions, Failure> {
    let EndpointArgs { key_from, at_once, tries, cache, dry_run, .. } = args;
    Ok(EndpointOptions {
        url: url.to_owned(),
        served: served.to_owned(),
        key: key(key_from.as_deref())?,
        at_once: *at_once,
        tries: *tries,
        cache: cache.clone().unwrap_or_else(default_cache),
        waiting: talker(),
        dry_run: *dry_run,
    })
}

/// The key in the environment.
fn key(named: Option<&str>) -> Result<Option<String>, Failure> {
    let name = named.unwrap_or(KEY);
    let value = std::env::var_os(name).map(|key| key.to_string_lossy().trim().to_owned()).filter(|key| !key.is_empty());
    // What it has instead is not shown: it is a secret all the same.
    if value.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')) {
        return Err(Failure::Input(format!(
            "the key in {name} has a character that no header can carry: it should be ASCII, without line breaks; copy it anew"
        )));
    }
    match (named, value) {
        (Some(name), None) => {
            Err(Failure::Input(format!("--key-from {name}: there is no such variable in the environment")))
        }
        (_, value) => Ok(value),
    }
}

/// Where answers are kept unless said otherwise.
fn default_cache() -> PathBuf {
    let cache = cache_folder().unwrap_or_else(|| {
        talk("neither XDG_CACHE_HOME nor HOME is set, so answers are kept in ./titer/endpoints; --cache names another folder");
        PathBuf::from(".")
    });
    cache.join("titer").join("endpoints")
}

/// What there is to say where nothing could be scored: of a dry run, how much it would have been, which is no failure; `drawn` replies would have
/// come on top.
pub(super) fn unscored(error: ScoringError, drawn: usize, as_json: bool) -> Result<(), Failure> {
    match error {
        ScoringError::Endpoint(EndpointError::Counted(spending)) => {
            let mut json = spent(&spending);
            json["drawn"] = drawn.into();
            let more = if drawn > 0 { format!("; then {drawn} drawn replies, a request each") } else { String::new() };
            if as_json {
                verbatim(&json.to_string())
            } else {
                data(&format!("{spending}{more}"))
            }
            Ok(())
        }
        ScoringError::Endpoint(error) => Err(unasked(error)),
        other => Err(Failure::input(other)),
    }
}

/// What is sent, as JSON.
pub(super) fn spent(spending: &Spending) -> Value {
    let Spending { replies, known, requests, context_tokens, reply_tokens } = spending;
    json!({
        "replies": replies, "known": known, "requests": requests, "context_tokens": context_tokens, "reply_tokens": reply_tokens,
    })
}

/// Whose fault it is that an endpoint cannot be used.
pub(super) fn unasked(error: EndpointError) -> Failure {
    match error {
        EndpointError::Cache(_) => Failure::work(error),
        other => Failure::input(other),
    }
}

/// The rows of these arguments, at most so many of each action.
pub(super) fn subjects(args: &SubjectArgs, world: Option<&World>) -> Result<Subjects, Failure> {
    if args.items == 0 {
        return Err(Failure::input("--items is 0; use at least 1"));
    }
    let read = |path: &Path| -> Result<Vec<Row>, Failure> {
        if is_spec(path) {
            // Its rules say which rows are bad and which are good.
            let files = of_spec(path)?;
            return read_labelled(&files.rows, &files.cells).map_err(Failure::input);
        }
        read_rows(path).map_err(Failure::input)
    };
    if let Some(spec) = [&args.bad, &args.good].into_iter().flatten().find(|path| is_spec(path)) {
        let problem = "it is a spec: give that with --rows, and its rules say which rows are bad and which are good";
        return Err(Failure::Input(format!("{}: {problem}", spec.display())));
    }
    let named = |path: &Path, subjects: Result<Subjects, titer_engine::screen::SubjectsError>| {
        subjects.map_err(|error| Failure::Input(format!("{}: {error}", path.display())))
    };
    let subjects = match (&args.rows, &args.bad, &args.good, world) {
        (Some(rows), ..) => named(rows, Subjects::labelled(read(rows)?))?,
        (None, Some(bad), Some(good), _) => named(bad, Subjects::new(read(bad)?, read(good)?))?,
        (.., Some(world)) => return Subjects::of_world(world, args.seed, args.items).map_err(Failure::input),
        _ => {
            let problem = "has no world to make rows; name some with --rows, or with --bad and --good";
            return Err(Failure::Input(format!("`{}` {problem}", args.model)));
        }
    };
    Ok(subjects.first(args.items))
}
