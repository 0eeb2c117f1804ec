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

/// Opens a page and gives back what the browser says.
pub(crate) fn browse(browser: &Path, profile: &Path, page: &Path, more: &[String]) -> Output {
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--virtual-time-budget=20000",
        "--window-size=1500,1200",
    ];
    Command::new(browser)
        .args(flags)
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .output()
        .expect("the browser starts")
}
