//! Pictures of pages: a few for whoever looks at a failed run, all of them for `cargo x shots`.

use std::path::{Path, PathBuf};

use crate::driver::Browser;

/// The folder that `cargo x shots` was given; every width and both schemes go there.
const ASKED_FOR: &str = "LANESYNC_SHOTS_DIR";
/// Longer pages are cut: nobody looks further down in a picture.
const TALLEST: u64 = 5_000;
/// A phone, a tablet, a desk.
const WIDTHS: [u32; 3] = [320, 768, 1440];

/// What README shows, and how much of each page.
const README: [&str; 4] = ["status", "mapping-accounts", "values-tier", "customer"];
const README_SIZE: (u32, u64) = (1100, 760);

/// Where pictures go.
pub(crate) struct Album {
    folder: PathBuf,
    looks: Vec<(u32, bool)>,
    is_for_readme: bool,
}

impl Album {
    /// Everything, if somebody asked for it, else one picture of each page, kept in the target folder.
    pub(crate) fn new() -> Self {
        let asked_for = std::env::var_os(ASKED_FOR).map(PathBuf::from);
        let looks = match asked_for {
            Some(_) => WIDTHS.into_iter().flat_map(|width| [(width, false), (width, true)]).collect(),
            None => vec![(1440, false)],
        };
        let programs = std::env::var_os("LANESYNC_TEST_BIN_DIR").map(PathBuf::from).unwrap_or_default();
        let target = programs.parent().map_or_else(PathBuf::new, Path::to_owned);
        let is_for_readme = asked_for.is_some();
        let folder = asked_for.unwrap_or_else(|| target.join("shots"));
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder, looks, is_for_readme }
    }

    /// Keeps a text beside the pictures.
    pub(crate) fn note(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    /// Keeps pictures of the page that a browser shows.
    pub(crate) async fn keep(&self, browser: &Browser, name: &str) {
        for (width, is_dark) in &self.looks {
            browser.look(*width, *is_dark).await;
            let scheme = if *is_dark { "dark" } else { "light" };
            let picture = browser.picture(TALLEST).await;
            std::fs::write(self.folder.join(format!("{name}-{width}-{scheme}.png")), picture).unwrap();
        }
        if self.is_for_readme && README.contains(&name) {
            let (width, height) = README_SIZE;
            browser.look(width, false).await;
            std::fs::write(self.folder.join(format!("readme-{name}.png")), browser.picture(height).await).unwrap();
        }
        browser.look(1440, false).await;
    }
}
