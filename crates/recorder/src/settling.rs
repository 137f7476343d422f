//! Settling a batch: writing it until it is certain what became of every request, or until the database is away.

use std::sync::Arc;
use std::time::Duration;

use domain::{Causes, Record};
use storage::{Claim, Writer};
use tokio::time::{Instant, sleep};

use crate::batch::Batch;
use crate::{Error, Observer};

/// For so long a write that fails is tried again before the database is taken to be away.
const PATIENCE: Duration = Duration::from_millis(300);

/// The pause before it is tried again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(5);

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// How many rows the first write had and how long it took, if one succeeded.
    pub(crate) written: Option<(usize, Duration)>,
    /// Requests that may be on the record or not: they are to be written again.
    pub(crate) in_doubt: Batch,
    /// Requests that are not on the record.
    pub(crate) unwritten: Batch,
    /// Why the database is taken to be away, if it is.
    pub(crate) away: Option<Arc<storage::Error>>,
}

/// Why a write failed for good.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: storage::Error,
    /// Whether this attempt, or one before it, may have been carried out.
    pub(crate) in_doubt: bool,
}

/// Writes the requests and tells the callers of those that are settled. `again`: they may be on the record already.
///
/// If the database refuses rows, the batch is halved until the guilty request stands alone.
pub(crate) async fn settle(
    writer: &Writer,
    observer: &dyn Observer,
    mut batch: Batch,
    again: bool,
) -> Settled {
    let mut settled = Settled::default();
    let mut parts = vec![batch.len()];
    while let Some(n) = parts.pop().filter(|n| *n > 0) {
        let started = Instant::now();
        let write = async |records: &[Record], claims: &[Claim<'_>]| {
            persist(writer, observer, records, claims, again).await
        };
        match batch.write(n, write).await {
            Ok(free) => {
                settled.written.get_or_insert((batch.n_records(n), started.elapsed()));
                let taken = batch.commit(n, &free, observer);
                if !taken.is_empty() {
                    let in_doubt = replay(writer, observer, Batch::of_singles(taken)).await;
                    settled.in_doubt.append(in_doubt);
                }
            }
            Err(Failure { error, .. }) if error.is_refusal() && n > 1 => {
                parts.extend([n - n / 2, n / 2]);
            }
            Err(Failure { error, .. }) if error.is_refusal() => {
                batch.split(n).refuse(&Error::Refused(Arc::new(error)));
            }
            Err(Failure { error, in_doubt }) => {
                let error = Arc::new(error);
                tracing::warn!(error = %Causes(&*error), "writing failed");
                let n_in_doubt = if again { batch.len() } else { n * usize::from(in_doubt) };
                settled.in_doubt.append(batch.split(n_in_doubt));
                settled.unwritten.append(batch.split(batch.len()));
                settled.away = Some(error);
            }
        }
    }
    settled
}

/// Answers requests whose keys are taken: with what is kept there. Gives back those of which that could not be read; a
/// key may have been taken by an earlier attempt to write the very same request.
async fn replay(writer: &Writer, observer: &dyn Observer, mut batch: Batch) -> Batch {
    let look_up = async |_: &[Record], claims: &[Claim<'_>]| writer.kept(claims).await;
    let kept = match batch.write(batch.len(), look_up).await {
        Ok(kept) => kept,
        Err(error) => {
            batch.doubt(&Error::InDoubt(Some(Arc::new(error))));
            return batch;
        }
    };
    for kept in kept {
        let Some(single) = batch.pop() else { break };
        match (kept, &single.claim) {
            (Some(kept), Some(own)) if kept.fingerprint == own.fingerprint => {
                if kept.answer == own.answer {
                    single.commit(observer);
                } else {
                    single.job.replayed(kept.answer);
                }
            }
            (Some(_), _) => single.job.unrecorded(Error::KeyReused),
            // It has just expired and was deleted.
            (None, _) => single.job.unrecorded(Error::Away),
        }
    }
    batch
}

/// Writes, and if that fails, tries for a moment: a connection that is lost is most often followed by one that works.
pub(crate) async fn persist(
    writer: &Writer,
    observer: &dyn Observer,
    records: &[Record],
    claims: &[Claim<'_>],
    mut again: bool,
) -> Result<Vec<bool>, Failure> {
    let give_up = Instant::now() + PATIENCE;
    let mut pause = PAUSE;
    let mut in_doubt = again;
    loop {
        let started = Instant::now();
        let written = match (claims, again) {
            ([], false) => writer.write(records).await.map(|()| Vec::new()),
            ([], true) => writer.write_again(records).await.map(|()| Vec::new()),
            _ => writer.write_once(records, claims, again).await,
        };
        let error = match written {
            Ok(free) => {
                observer.wrote(records.len(), started.elapsed());
                return Ok(free);
            }
            Err(error) => error,
        };
        if !error.is_refusal() {
            observer.failed();
        }
        in_doubt |= error.is_in_doubt();
        if error.is_refusal() || Instant::now() + pause > give_up {
            return Err(Failure { error, in_doubt });
        }
        // Costs nothing, even where it is thought to be certain that nothing was written.
        again = true;
        tracing::warn!(
            error = %Causes(&error),
            rows = records.len(),
            "writing failed; trying again"
        );
        sleep(pause).await;
        pause *= 2;
    }
}
