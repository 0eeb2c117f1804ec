//! `titer organism`

use titer_engine::{
    organism::{Recipe, card},
    raise,
};

use super::folder::{is_free, whole_folder};
use crate::{
    args::{CardArgs, TrainArgs},
    printer::{Failure, data, talk},
    progress::Bar,
};

/// Trains an organism and writes its folder, whole or not at all.
pub(crate) fn train(args: &TrainArgs) -> Result<(), Failure> {
    let &TrainArgs { seed, world_seed, width, layers, steps, batch, lr, ref out } = args;
    is_free(out)?;
    if steps == 0 || batch == 0 || !(lr.is_finite() && lr > 0.0) {
        return Err(Failure::input("steps, batch and learning rate must be above 0"));
    }
    let recipe = Recipe { seed, world_seed, width, layers, steps, batch, lr };
    let bar = Bar::new(steps as u64, "steps");
    let raised =
        raise::raise(&recipe, steps, &|at| bar.advance(1, &format!("loss {:.3}", at.loss))).map_err(Failure::input)?;
    bar.clear();
    let card = raise::card(&recipe, &raised).map_err(Failure::work)?;
    whole_folder(out, |folder| {
        fs_err::create_dir_all(folder).map_err(Failure::input)?;
        let mut files = raise::files(&card, &raised.model).into_iter();
        files.try_for_each(|(name, bytes)| fs_err::write(folder.join(name), bytes)).map_err(Failure::work)
    })?;
    for (name, measured) in &card.probes {
        talk(&format!("{name:36} rate {:.3}  margin {:+.2} nats", measured.rate, measured.margin));
    }
    data(&out.display().to_string());
    Ok(())
}

/// Prints the cards of several organisms as one page.
pub(crate) fn card(args: &CardArgs) -> Result<(), Failure> {
    let cards = args.dirs.iter().map(|dir| card::read(dir)).collect::<Result<Vec<_>, _>>().map_err(Failure::Input)?;
    data(card::page(&cards).trim_end());
    Ok(())
}
