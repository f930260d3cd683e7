//! Small charts as numbers for an SVG: drawn by the server, read without a script, with their numbers in words beside them.

use std::time::Duration;

use contract::extractor::v1::{RunPhase, SyncRun};

use crate::moment::{read, span};
use crate::words::number;

/// Bars in one chart.
const BARS: usize = 30;
/// Width of the drawing.
pub(super) const WIDTH: u32 = 600;
/// Most that a bar takes of the width.
const WIDEST: u32 = 64;
/// Height of the drawing.
pub(super) const HEIGHT: u32 = 96;

/// A chart of bars, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bars {
    /// What the bars say, for those who don't see them.
    pub(super) summary: String,
    /// The bars.
    pub(super) bars: Vec<Bar>,
    /// The value of the highest bar.
    pub(super) top: String,
}

/// One bar; the title says its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) title: String,
}

/// Returns, per completed run, the longest time that a change waited until it was applied: from the start of the run before, which
/// was the last to look, to the end of this one. `None` while fewer than two runs are complete.
pub(super) fn freshness(newest_first: &[SyncRun]) -> Option<Bars> {
    let complete: Vec<_> = newest_first.iter().filter_map(times).collect();
    let waits = complete.windows(2).filter_map(|pair| {
        let [(_, ended), (begun_before, _)] = pair else { return None };
        ended.duration_since(*begun_before).try_into().ok()
    });
    let waits: Vec<(Duration, String)> = waits
        .zip(&complete)
        .take(BARS)
        .map(|(wait, (_, ended)): (Duration, _)| {
            (wait, format!("{} ({})", span(wait), ended.strftime("%-d %b, %H:%M UTC")))
        })
        .collect();
    let longest = waits.iter().map(|(wait, _)| *wait).max()?;
    let newest = waits.first()?.0;
    Some(Bars {
        summary: format!("Newest: {}. Longest of the last {} runs: {}.", span(newest), waits.len(), span(longest)),
        top: span(longest),
        bars: draw(waits.into_iter().map(|(wait, title)| (wait.as_secs(), title)).collect()),
    })
}

/// Returns the records that each completed run applied. `None` while none is complete.
pub(super) fn written(newest_first: &[SyncRun]) -> Option<Bars> {
    let complete = newest_first.iter().filter_map(|run| {
        let (_, ended) = times(run)?;
        let applied: i64 = run.objects.iter().map(|object| object.written).sum();
        let title = format!("{} records ({})", number(applied), ended.strftime("%-d %b, %H:%M UTC"));
        Some((u64::try_from(applied).unwrap_or(0), title))
    });
    let applied: Vec<_> = complete.take(BARS).collect();
    let most = applied.iter().map(|(count, _)| *count).max()?;
    let all: u64 = applied.iter().map(|(count, _)| *count).sum();
    let text = |count: u64| number(i64::try_from(count).unwrap_or(i64::MAX));
    Some(Bars {
        summary: format!("{} records in the last {} runs; most in one run: {}.", text(all), applied.len(), text(most)),
        top: text(most),
        bars: draw(applied),
    })
}

fn times(run: &SyncRun) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
    let is_complete = run.phase() == RunPhase::Completed;
    is_complete.then(|| Some((read(run.start_time.as_ref())?, read(run.end_time.as_ref())?))).flatten()
}

fn draw(mut newest_first: Vec<(u64, String)>) -> Vec<Bar> {
    newest_first.reverse();
    let most = newest_first.iter().map(|(value, _)| *value).max().unwrap_or(0).max(1);
    // Few runs spread over the whole width: a chart that begins in the middle looks as if something was missing.
    let slot = WIDTH / u32::try_from(newest_first.len()).unwrap_or(1).max(1);
    let width = (slot - 4).min(WIDEST);
    let bars = newest_first.into_iter().zip(0..).map(|((value, title), at)| {
        let scaled = (u128::from(value) * u128::from(HEIGHT)).div_ceil(u128::from(most));
        // A run that applied nothing still leaves a trace.
        let height = u32::try_from(scaled).unwrap_or(HEIGHT).clamp(2, HEIGHT);
        Bar { x: at * slot + (slot - width) / 2, y: HEIGHT - height, width, height, title }
    });
    bars.collect()
}

#[cfg(test)]
mod tests {
    use contract::extractor::v1::ObjectProgress;
    use prost_types::Timestamp;

    use super::*;

    fn run(begun: i64, ended: i64, written: i64) -> SyncRun {
        let at = |seconds| Some(Timestamp { seconds: 1_800_000_000 + seconds, nanos: 0 });
        SyncRun {
            phase: RunPhase::Completed.into(),
            start_time: at(begun),
            end_time: at(ended),
            objects: vec![ObjectProgress { written, ..Default::default() }],
            ..Default::default()
        }
    }

    #[test]
    fn the_longest_wait_is_from_the_look_before_to_the_end_of_this() {
        let chart = freshness(&[run(600, 610, 5), run(300, 305, 1), run(0, 100, 900)]).unwrap();
        assert_eq!(chart.bars.len(), 2);
        assert_eq!(chart.summary, "Newest: 5 min. Longest of the last 2 runs: 5 min.");
        assert!(chart.bars[1].title.starts_with("5 min"), "{:?}", chart.bars);
        assert_eq!(freshness(&[run(0, 100, 900)]), None);
    }

    #[test]
    fn bars_are_oldest_first_and_scaled_to_the_highest() {
        let failed = SyncRun { phase: RunPhase::Failed.into(), ..run(700, 800, 99) };
        let chart = written(&[failed, run(600, 610, 0), run(300, 305, 450), run(0, 100, 900)]).unwrap();
        let heights: Vec<_> = chart.bars.iter().map(|bar| bar.height).collect();
        assert_eq!(heights, [HEIGHT, HEIGHT / 2, 2]);
        assert_eq!(chart.summary, "1,350 records in the last 3 runs; most in one run: 900.");
        assert!(chart.bars.iter().all(|bar| bar.x + bar.width <= WIDTH && bar.y + bar.height == HEIGHT));
    }

    #[test]
    fn few_bars_spread_over_the_width_and_many_fit() {
        for count in [1, 2, 3, 30] {
            let bars = draw((0..count).map(|value| (value, String::new())).collect());
            let (first, last) = (&bars[0], &bars[bars.len() - 1]);
            let (left, right) = (first.x, WIDTH - last.x - last.width);
            assert!(left.abs_diff(right) <= 1, "{count}: {left} before, {right} after");
            assert!(bars.windows(2).all(|pair| pair[0].x + pair[0].width < pair[1].x), "{count}");
        }
    }
}
