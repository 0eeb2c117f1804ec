//! `titer serve`

use std::{net::TcpStream, path::Path, sync::Arc, thread::sleep, time::Duration};

use serde_json::json;
use titer::store::{StoredPlan, SweepRecord};
use titer_data::template::TemplateOptions;
use titer_engine::serve::{Serving, Shelf, ShelfOptions};

use super::open::fetch;
use crate::{
    args::ServeArgs,
    interrupt::when_stopped,
    listener::listener,
    printer::{Failure, data, talk, verbatim},
};

/// How often it is looked whether who listens wants it to end.
const LOOK: Duration = Duration::from_millis(50);

/// How often it is looked whether the port is free at last.
const PATIENCE: u32 = 100;

/// Serves models until it is stopped.
pub(crate) fn serve(args: &ServeArgs) -> Result<(), Failure> {
    let folder = Path::new(&args.model);
    let template = args.template.options();
    if folder.join(SweepRecord::FILE).exists() || folder.join(StoredPlan::FILE).exists() {
        let given = [
            ("--name", args.name.is_some(), "its runs are called ARM/SEED"),
            ("--adapter", !args.adapter.is_empty(), "its runs have adapters of their own"),
            ("--seed", args.seed != 0, "its runs have seeds of their own"),
            ("options of the chat template", template != TemplateOptions::default(), "its runs have their own"),
        ];
        if let Some((option, _, why)) = given.into_iter().find(|(_, given, _)| *given) {
            return Err(Failure::Input(format!(
                "{option}: {} was written by `titer run`, and {why}; leave it out",
                args.model
            )));
        }
    } else {
        fetch(&args.model).map_err(Failure::input)?;
    }
    let asked = args.compute.asked();
    let options = ShelfOptions {
        seed: args.seed,
        name: args.name.clone(),
        adapters: args.adapter.clone(),
        compute: asked.compute,
        device: asked.device,
        template,
    };
    let shelf = Shelf::new(&args.model, options, &talk).map_err(Failure::input)?;
    let serving = Serving::start(shelf, &args.host, args.port, args.at_once).map_err(Failure::input)?;
    let serving = Arc::new(serving);
    let url = format!("http://{}", serving.address());
    let names: Vec<&str> = serving.shelf().models().iter().map(|model| model.name.as_str()).collect();
    if args.json {
        verbatim(&json!({ "url": url, "models": names }).to_string());
    } else {
        data(&url);
    }
    talk(&format!("serving {} at {url}/v1; Ctrl-C stops it", shown(&names)));
    if !serving.address().ip().is_loopback() {
        talk("it can be reached from other machines, and there is no key: anyone who reaches it can use it");
    }
    if listener().is_none() {
        let serving = Arc::clone(&serving);
        when_stopped("\nstopped", move || serving.stop());
    }
    // A signal ends the process; a listener ends this.
    while !listener().is_some_and(|listener| listener.stopped()) {
        serving.works().map_err(Failure::work)?;
        sleep(LOOK);
    }
    serving.stop();
    let address = serving.address();
    drop(serving);
    // What listens is closed on a thread of its own; who stopped it may want the port at once.
    let mut looks = 0..PATIENCE;
    while looks.next().is_some() && TcpStream::connect_timeout(&address, LOOK).is_ok() {
        sleep(LOOK);
    }
    Ok(())
}

/// The first of the names, and how many there are.
fn shown(names: &[&str]) -> String {
    match names {
        [one] => one.to_string(),
        [first, .., last] => format!("{} models, {first} to {last},", names.len()),
        [] => "nothing".to_owned(),
    }
}
