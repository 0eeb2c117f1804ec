//! `titer man`

use clap::CommandFactory as _;

use crate::{
    args::{Args, ManArgs},
    printer::{Failure, data},
};

/// Writes `titer.1` and a page for each command into a folder, which it makes where there is none; prints the folder.
pub(crate) fn man(args: &ManArgs) -> Result<(), Failure> {
    // Built, a command knows that its page is `titer-run` and not `run`.
    let mut command = Args::command();
    command.build();
    let written = fs_err::create_dir_all(&args.out).and_then(|()| clap_mangen::generate_to(command, &args.out));
    written.map_err(Failure::input)?;
    data(&args.out.display().to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_of_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        man(&ManArgs { out: dir.path().join("man1") }).unwrap();
        let page = |name: &str| fs_err::read_to_string(dir.path().join("man1").join(name)).unwrap();
        for (name, wanted) in
            [("titer.1", "titer\\-run(1)"), ("titer-run.1", "seeds"), ("titer-organism-train.1", "width")]
        {
            assert!(page(name).contains(wanted), "{name} does not hold {wanted}");
        }
        let pages = fs_err::read_dir(dir.path().join("man1")).unwrap().count();
        assert!(pages > 25, "{pages} pages");
    }
}
