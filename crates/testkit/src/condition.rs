//! Waiting for what will be true, with a limit.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// Waits until `look` finds something and returns it.
///
/// # Panics
/// It found nothing within `limit`; the message says that `what` was waited for.
#[track_caller]
pub fn eventually<T, L, F>(limit: Duration, what: &str, mut look: L) -> impl Future<Output = T>
where
    L: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "{what}: not within {limit:?} (waited at {caller})");
            tokio::time::sleep(GLANCE).await;
        }
    }
}

/// Waits until `look` says yes.
///
/// # Panics
/// It did not within `limit`; the message says that `what` was waited for.
#[track_caller]
pub fn eventually_true<L, F>(limit: Duration, what: &str, mut look: L) -> impl Future<Output = ()>
where
    L: FnMut() -> F,
    F: Future<Output = bool>,
{
    eventually(limit, what, move || {
        let answer = look();
        async move { answer.await.then_some(()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_comes_true_is_waited_for() {
        let mut looks = 0;
        let found = eventually(Duration::from_secs(5), "the third look", || {
            looks += 1;
            let found = (looks == 3).then_some(looks);
            async move { found }
        })
        .await;
        assert_eq!(found, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "a sign of life: not within 30ms")]
    async fn a_condition_that_stays_false_fails_with_its_name() {
        eventually_true(Duration::from_millis(30), "a sign of life", || async { false }).await;
    }
}
