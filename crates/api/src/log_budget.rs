//! How many lines failures may leave in the log: enough to see what is wrong, but not so many that an overload becomes
//! one of the log as well. Each class has lines of its own, so that many failures of little worth hide none of another.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use poem::http::StatusCode;
use tokio::time::sleep;
use tracing::warn;

use crate::problem::Problem;

/// How many lines a class may have in a second.
const LINES: u64 = 100;

/// How long failures without a line are counted before the log says how many they were.
const SUM: Duration = Duration::from_secs(1);

/// What a failed request says about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The service failed: status 500 and the like.
    Fault,
    /// The service cannot answer at the moment: status 503.
    Unavailable,
    /// A key was shown that does not count.
    BadKey,
    /// The request is at fault.
    Request,
}

impl Class {
    const ALL: [Self; 4] = [Self::Fault, Self::Unavailable, Self::BadKey, Self::Request];

    /// The class of a request that was answered like this.
    pub(crate) fn of(status: StatusCode, problem: Option<&Problem>) -> Self {
        match status {
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_server_error() => Self::Fault,
            _ if problem.is_some_and(Problem::is_of_bad_key) => Self::BadKey,
            _ => Self::Request,
        }
    }
}

/// Counts the lines of the present second, by class.
#[derive(Debug)]
pub(crate) struct LogBudget {
    began: Instant,
    spent: [Mutex<Spent>; Class::ALL.len()],
}

#[derive(Debug, Default)]
struct Spent {
    /// The number of the present second, counted from the beginning.
    second: u64,
    /// How many lines were written in it.
    written: u64,
    /// How many requests with which status have no line, since the log last said so.
    left_out: BTreeMap<u16, u64>,
}

/// Whether a line may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Write,
    /// It is left out, as the first since the log last said how many were.
    LeaveOutFirst,
    LeaveOut,
}

impl LogBudget {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), spent: Default::default() }
    }

    /// Whether a failed request may have a line. If not, the log says later how many had none.
    pub(crate) fn allows(self: &Arc<Self>, class: Class, status: StatusCode) -> bool {
        let verdict = self.ask(class, status, Instant::now());
        if verdict == Verdict::LeaveOutFirst {
            let budget = Arc::clone(self);
            tokio::spawn(async move {
                sleep(SUM).await;
                for (status, requests) in budget.take_left_out(class) {
                    warn!(requests, "{requests} requests with status {status} were not logged");
                }
            });
        }
        verdict == Verdict::Write
    }

    fn ask(&self, class: Class, status: StatusCode, now: Instant) -> Verdict {
        let second = (now - self.began).as_secs();
        let mut spent = self.spent(class);
        if spent.second != second {
            spent.second = second;
            spent.written = 0;
        }
        if spent.written < LINES {
            spent.written += 1;
            return Verdict::Write;
        }
        let first = spent.left_out.is_empty();
        *spent.left_out.entry(status.as_u16()).or_default() += 1;
        if first { Verdict::LeaveOutFirst } else { Verdict::LeaveOut }
    }

    fn take_left_out(&self, class: Class) -> BTreeMap<u16, u64> {
        take(&mut self.spent(class).left_out)
    }

    fn spent(&self, class: Class) -> MutexGuard<'_, Spent> {
        self.spent[class as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_second_has_a_hundred_lines_of_a_class_and_what_is_left_out_is_counted_by_status() {
        let budget = LogBudget::new();
        for n in 0..250 {
            let now = budget.began + Duration::from_millis(n);
            let status = if n % 2 == 0 { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
            let expected = match n {
                ..100 => Verdict::Write,
                100 => Verdict::LeaveOutFirst,
                _ => Verdict::LeaveOut,
            };
            assert_eq!(budget.ask(Class::Request, status, now), expected);
        }
        let next = budget.began + SECOND;
        assert_eq!(budget.ask(Class::Request, StatusCode::NOT_FOUND, next), Verdict::Write);
        let left_out = budget.take_left_out(Class::Request);
        assert_eq!(left_out.into_iter().collect::<Vec<_>>(), [(404, 75), (409, 75)]);
        assert!(budget.take_left_out(Class::Request).is_empty());
    }

    #[test]
    fn no_class_takes_the_lines_of_another() {
        let budget = LogBudget::new();
        let status = StatusCode::NOT_FOUND;
        for class in Class::ALL {
            for _ in 0..LINES {
                assert_eq!(budget.ask(class, status, budget.began), Verdict::Write);
            }
            assert_eq!(budget.ask(class, status, budget.began), Verdict::LeaveOutFirst);
        }
    }

    #[test]
    fn a_failure_has_the_class_of_its_status_and_its_key() {
        let bad = Problem::new(Code::ApiKeyInvalid, "");
        for (status, problem, class) in [
            (StatusCode::INTERNAL_SERVER_ERROR, None, Class::Fault),
            (StatusCode::SERVICE_UNAVAILABLE, None, Class::Unavailable),
            (StatusCode::UNAUTHORIZED, Some(&bad), Class::BadKey),
            (StatusCode::UNAUTHORIZED, None, Class::Request),
            (StatusCode::NOT_FOUND, None, Class::Request),
        ] {
            assert_eq!(Class::of(status, problem), class, "{status}");
        }
    }
}
