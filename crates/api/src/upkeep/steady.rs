//! Whether the clock of this machine goes on as it did.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// How far the clock may be from where it should be.
const BOUND: TimeDelta = TimeDelta::hours(1);

/// For how long a clock that has jumped must go on steadily until it is believed.
const TRIAL: Duration = Duration::from_secs(3_600);

/// The clock, compared with one that nobody sets.
///
/// With a private PostgreSQL both sides have the same clock, so that comparing them tells nothing.
#[derive(Debug, Default)]
pub(super) struct Steady {
    believed: Option<Reading>,
    /// Where the clock has jumped to.
    on_trial: Option<Reading>,
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Reading {
    wall: DateTime<Utc>,
    steady: Instant,
}

impl Reading {
    /// Whether the clock has gone on from here to this other reading.
    fn leads_to(&self, other: &Self) -> bool {
        self.jump_to(other).abs() <= BOUND
    }

    /// By how much the clock has jumped from here to this other reading.
    fn jump_to(&self, other: &Self) -> TimeDelta {
        let passed = TimeDelta::from_std(other.steady - self.steady).unwrap_or(TimeDelta::MAX);
        (other.wall - self.wall) - passed
    }
}

impl Steady {
    /// Takes a reading; says by how much the clock has jumped, if it is not to be believed.
    pub(super) fn check(&mut self, wall: DateTime<Utc>, steady: Instant) -> Result<(), TimeDelta> {
        let now = Reading { wall, steady };
        let Some(believed) = self.believed.filter(|it| !it.leads_to(&now)) else {
            (self.believed, self.on_trial) = (Some(now), None);
            return Ok(());
        };
        let trial = *self.on_trial.get_or_insert(now);
        if !trial.leads_to(&now) {
            // It has jumped again, to yet another time.
            self.on_trial = Some(now);
        } else if now.steady - trial.steady >= TRIAL {
            (self.believed, self.on_trial) = (Some(now), None);
            return Ok(());
        }
        Err(believed.jump_to(&now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_is_believed_after_an_hour_or_when_it_jumps_back() {
        let (start, began) = (DateTime::UNIX_EPOCH + TimeDelta::days(20_000), Instant::now());
        let minute = |n: u64| began + Duration::from_secs(60 * n);
        let wall = |n: i64, jump: TimeDelta| start + TimeDelta::minutes(n) + jump;
        let none = TimeDelta::zero();
        for jump in [400, -400, 1].map(TimeDelta::days) {
            let mut clock = Steady::default();
            assert!(clock.check(wall(0, none), minute(0)).is_ok());
            assert!(clock.check(wall(1, TimeDelta::minutes(50)), minute(1)).is_ok());
            assert!(clock.check(wall(2, none), minute(2)).is_ok());
            // It is wrong for a minute.
            let jumped = clock.check(wall(3, jump), minute(3)).unwrap_err();
            assert_eq!(jumped, jump);
            assert!(clock.check(wall(4, none), minute(4)).is_ok());
            // It was wrong before, and stays where it is now.
            assert!(clock.check(wall(5, jump), minute(5)).is_err());
            assert!(clock.check(wall(60, jump), minute(60)).is_err());
            assert!(clock.check(wall(65, jump), minute(65)).is_ok());
            assert!(clock.check(wall(66, jump), minute(66)).is_ok());
            // It goes from one time to the next.
            for n in 67_u32..200 {
                let ever_more = wall(n.into(), jump + TimeDelta::days(2 * i64::from(n)));
                assert!(clock.check(ever_more, minute(n.into())).is_err(), "{n}");
            }
        }
    }
}
