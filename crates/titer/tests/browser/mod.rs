//! A headless browser for pages.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The browser; `None`, said on stderr, where there is none.
///
/// # Panics
/// Where there is none and `CI` is set.
pub(crate) fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    let found =
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.exists());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "the browser test needs Chromium, and CI must have it");
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"skipped: no chromium, chromium-browser or google-chrome on PATH\n",
        );
    }
    found
}

/// Opens a page for 20 seconds of its own clock, which runs ahead of ours while nothing is fetched, and gives back what the
/// browser says.
pub(crate) fn browse(browser: &Path, profile: &Path, page: &Path, more: &[String]) -> Output {
    command(browser, profile, page).arg("--virtual-time-budget=20000").args(more).output().expect("the browser starts")
}

/// The browser on its way to a page.
pub(crate) fn command(browser: &Path, profile: &Path, page: &Path) -> Command {
    let mut command = Command::new(browser);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1500,1200",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null());
    command
}
