//! The steps of the upkeep that fail, and when the log has to speak of them.

use std::collections::HashMap;
use std::time::Duration;

use storage::Undone;
use tokio::time::Instant;

/// For how long somebody may hold a table until the log speaks of it: a reader of some minutes does no harm. The log speaks of a
/// failing step again after as long.
const LONG: Duration = Duration::from_secs(3_600);

/// The steps that failed when they were last tried.
#[derive(Debug, Default)]
pub(super) struct Troubles(HashMap<String, Trouble>);

#[derive(Debug)]
struct Trouble {
    since: Instant,
    said: Option<Instant>,
}

impl Troubles {
    /// Takes the steps that failed now; gives those of which the log has to speak, with the time since they fail.
    pub(super) fn meet<'a>(
        &mut self,
        undone: &'a [Undone],
        now: Instant,
    ) -> Vec<(&'a Undone, Duration)> {
        self.0.retain(|step, _| undone.iter().any(|it| it.step == *step));
        let mut to_say = Vec::new();
        for it in undone {
            let trouble =
                self.0.entry(it.step.clone()).or_insert(Trouble { since: now, said: None });
            let lasts = now - trouble.since;
            let is_due = match trouble.said {
                Some(said) => now - said >= LONG,
                None => !it.error.is_locked_out() || lasts >= LONG,
            };
            // The log has said at the start that this user may not.
            if is_due && !it.error.is_denied() {
                trouble.said = Some(now);
                to_say.push((it, lasts));
            }
        }
        to_say
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_goes_on_failing_is_said_once_an_hour() {
        let (mut troubles, begun) = (Troubles::default(), Instant::now());
        let failing = ["make", "drop"].map(|step| Undone {
            step: step.to_owned(),
            error: storage::Error::TimedOut { action: "wait" },
        });
        let mut said = |undone: &[Undone], minutes: u64| {
            let now = begun + Duration::from_secs(60 * minutes);
            troubles.meet(undone, now).iter().map(|(it, _)| it.step.clone()).collect::<Vec<_>>()
        };
        assert_eq!(said(&failing[..1], 0), ["make"]);
        assert_eq!(said(&failing, 1), ["drop"]);
        assert!(said(&failing, 59).is_empty());
        assert_eq!(said(&failing, 60), ["make"]);
        assert_eq!(said(&failing, 61), ["drop"]);
        // It went well once, and fails again.
        assert!(said(&[], 62).is_empty());
        assert_eq!(said(&failing[..1], 63), ["make"]);
    }
}
