//! A bar per object for people who watch a run on a terminal; nothing where there is none.

use std::cell::RefCell;
use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::{Progress, Run};
use crate::table::printable;

/// The bars of one run.
pub(crate) struct Bars {
    screen: MultiProgress,
    headline: ProgressBar,
    bars: RefCell<BTreeMap<&'static str, ProgressBar>>,
}

impl Bars {
    /// Begins without bars. `silent` draws nothing ever; neither does a standard error that is no terminal.
    pub(crate) fn new(silent: bool) -> Self {
        let target = if silent { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let screen = MultiProgress::with_draw_target(target);
        let headline = screen.add(ProgressBar::no_length().with_style(style("{msg}")));
        Self { screen, headline, bars: RefCell::default() }
    }

    /// Whether nobody sees the bars.
    pub(crate) fn are_hidden(&self) -> bool {
        self.screen.is_hidden()
    }

    /// Says something above the bars.
    pub(crate) fn say(&self, line: &str) {
        self.headline.set_message(printable(line));
        self.headline.tick();
    }

    /// Moves the bars to where the run is.
    pub(crate) fn show(&self, run: &Run) {
        let mut bars = self.bars.borrow_mut();
        for progress in run.objects() {
            let bar = bars.entry(progress.object).or_insert_with(|| {
                self.screen.add(
                    ProgressBar::no_length().with_style(style("{prefix:>8} [{bar:30}] {human_pos}/{human_len} {msg}")),
                )
            });
            bar.set_prefix(progress.object);
            if let Some(expected) = progress.expected {
                bar.set_length(count(expected));
            }
            bar.set_position(count(settled(progress)));
            bar.set_message(printable(&message(progress)));
        }
    }

    /// Leaves the bars on the screen as they are.
    pub(crate) fn finish(&self) {
        for bar in self.bars.borrow().values() {
            bar.abandon();
        }
        self.headline.finish_and_clear();
    }
}

/// Records that need no more work: applied or set aside.
fn settled(progress: &Progress) -> i64 {
    progress.written + progress.parked
}

fn message(progress: &Progress) -> String {
    let mut parts = vec![format!("read {}", progress.read), format!("mapped {}", progress.mapped)];
    if progress.parked > 0 {
        parts.push(format!("parked {}", progress.parked));
    }
    parts.extend(progress.path.clone());
    parts.extend(progress.reason.clone());
    parts.join(" · ")
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates stand in this file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_counts_what_is_settled_and_tells_the_rest_in_words() {
        let progress = Progress {
            object: "lead",
            expected: Some(10),
            read: 8,
            mapped: 7,
            written: 5,
            parked: 1,
            done: false,
            reason: None,
            path: Some("rest".into()),
        };
        assert_eq!(settled(&progress), 6);
        assert_eq!(message(&progress), "read 8 · mapped 7 · parked 1 · rest");
    }

    #[test]
    fn a_program_sees_no_bars() {
        assert!(Bars::new(true).are_hidden());
    }
}
