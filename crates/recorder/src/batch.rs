//! A predicted batch on its way to the record, and the callers who wait for it.

use std::collections::VecDeque;
use std::pin::pin;
use std::vec;

use domain::Record;
use tokio::time::{Instant, timeout_at};

use crate::job::Job;
use crate::ledger::State;
use crate::once::Claim;
use crate::recorded::{Recorded, Stored};
use crate::{Error, Observer};

/// The requests of a batch that are not settled yet, oldest first; their records, and the claims of those that have one,
/// in the same order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    requests: VecDeque<Request>,
    claims: VecDeque<Box<Claim>>,
    records: vec::IntoIter<Record>,
}

/// A predicted request.
#[derive(Debug)]
struct Request {
    job: Job,
    /// How many of the records are its own.
    n_records: usize,
    /// Whether the next of the claims is its own.
    has_claim: bool,
}

/// A request that was taken out of its batch.
#[derive(Debug)]
pub(crate) struct Single {
    pub(crate) job: Job,
    pub(crate) records: Vec<Record>,
    pub(crate) claim: Option<Box<Claim>>,
}

impl Batch {
    /// A batch of requests that were taken out of others.
    pub(crate) fn of_singles(singles: impl IntoIterator<Item = Single>) -> Self {
        let mut batch = Self::default();
        let mut all = Vec::new();
        for Single { job, records, claim } in singles {
            batch.requests.push_back(Request {
                job,
                n_records: records.len(),
                has_claim: claim.is_some(),
            });
            batch.claims.extend(claim);
            all.extend(records);
        }
        batch.records = all.into_iter();
        batch
    }

    /// A batch of these jobs, each with the number of its records, and of these records.
    pub(crate) fn new(jobs: Vec<(Job, usize)>, records: Vec<Record>) -> Self {
        let mut claims = VecDeque::new();
        let mut own = 0;
        let requests = jobs.into_iter().map(|(mut job, n_records)| {
            let records = &records[own..own + n_records];
            own += n_records;
            let claim = job.once.take().map(|once| Box::new(once.claim(records)));
            let has_claim = claim.is_some();
            claims.extend(claim);
            Request { job, n_records, has_claim }
        });
        let requests = requests.collect();
        Self { requests, claims, records: records.into_iter() }
    }

    /// How many requests are not settled.
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// How many records the first `n` requests have.
    pub(crate) fn n_records(&self, n: usize) -> usize {
        self.requests.iter().take(n).map(|request| request.n_records).sum()
    }

    /// How many requests fit into so many rows; at least one.
    pub(crate) fn requests_within(&self, rows: usize) -> usize {
        let mut sum = 0;
        let fits = |request: &&Request| {
            let first = sum == 0;
            sum += request.n_records;
            first || sum <= rows
        };
        self.requests.iter().take_while(fits).count()
    }

    /// Writes the records of the first `n` requests. Callers whose time runs out meanwhile are told so at once.
    pub(crate) async fn write<T>(
        &mut self,
        n: usize,
        write: impl AsyncFnOnce(&[Record], &[storage::Claim<'_>]) -> T,
    ) -> T {
        let Self { requests, claims, records } = self;
        let n_records = requests.iter().take(n).map(|request| request.n_records).sum::<usize>();
        let claims = claims_of(requests.iter().take(n), claims);
        let mut written = pin!(write(&records.as_slice()[..n_records], &claims));
        // One timer for the batch; one for each caller would be set and dropped with every request.
        while let Some(next) = requests.iter().find(|request| request.job.is_awaited()) {
            if let Ok(done) = timeout_at(next.job.deadline, &mut written).await {
                return done;
            }
            let now = Instant::now();
            let late = requests.iter_mut().filter(|request| request.job.deadline <= now);
            late.for_each(|request| request.job.doubted(Error::InDoubt(None)));
        }
        written.await
    }

    /// Puts the records of all requests somewhere, those of each by themselves, and minds the callers' time as
    /// [`write`](Self::write) does.
    pub(crate) async fn put<T>(&mut self, put: impl AsyncFnOnce(Vec<Vec<Record>>) -> T) -> T {
        let sizes: Vec<_> = self.requests.iter().map(|request| request.n_records).collect();
        let write = async |records: &[Record], _: &[storage::Claim<'_>]| {
            let mut rest = records;
            let own = sizes.into_iter().map(|n| rest.split_off(..n).unwrap_or_default().to_vec());
            put(own.collect()).await
        };
        self.write(self.len(), write).await
    }

    /// Settles the first `n` requests, which are committed: each caller gets its own records.
    ///
    /// `free` says of each of their claims whether its key was free; the requests of those whose was not are given back.
    pub(crate) fn commit(
        &mut self,
        n: usize,
        free: &[bool],
        observer: &dyn Observer,
    ) -> Vec<Single> {
        let mut free = free.iter();
        let mut taken = Vec::new();
        for _ in 0..n {
            let Some(single) = self.pop() else { break };
            match single.claim {
                Some(_) if free.next() == Some(&false) => taken.push(single),
                _ => single.commit(observer),
            }
        }
        taken
    }

    /// Adds the requests of another.
    pub(crate) fn append(&mut self, mut other: Self) {
        if other.len() == 0 {
            return;
        }
        let mut all = self.split(self.len());
        *self = Self::of_singles(
            std::iter::from_fn(|| all.pop()).chain(std::iter::from_fn(|| other.pop())),
        );
    }

    /// Takes the first `n` requests out of it.
    pub(crate) fn split(&mut self, n: usize) -> Self {
        Self::of_singles((0..n).map_while(|_| self.pop()))
    }

    /// Takes out the requests that have claims.
    pub(crate) fn split_keyed(&mut self) -> Self {
        if self.claims.is_empty() {
            return Self::default();
        }
        let mut all = self.split(self.len());
        let (keyed, others): (Vec<_>, Vec<_>) =
            std::iter::from_fn(|| all.pop()).partition(|single| single.claim.is_some());
        *self = Self::of_singles(others);
        Self::of_singles(keyed)
    }

    /// Takes the first request out of it.
    pub(crate) fn pop(&mut self) -> Option<Single> {
        let Request { job, n_records, has_claim } = self.requests.pop_front()?;
        let claim = if has_claim { self.claims.pop_front() } else { None };
        Some(Single { job, records: self.records.by_ref().take(n_records).collect(), claim })
    }

    /// Settles all requests: they have no record.
    pub(crate) fn refuse(&mut self, error: &Error) {
        while let Some(single) = self.pop() {
            single.job.unrecorded(error.clone());
        }
    }

    /// Tells the callers of all requests that their records are in doubt.
    pub(crate) fn doubt(&mut self, error: &Error) {
        for request in &mut self.requests {
            request.job.doubted(error.clone());
        }
    }
}

impl Single {
    /// The record is committed.
    pub(crate) fn commit(self, observer: &dyn Observer) {
        observer.recorded(&self.records, Stored::Committed);
        let recorded = match self.claim {
            Some(claim) => Recorded::Answer { answer: claim.answer, replayed: false },
            None => Recorded::Records { records: self.records, stored: Stored::Committed },
        };
        self.job.recorded(State::Committed, recorded);
    }
}

/// The claims of these requests, as the writer takes them.
fn claims_of<'a, 'b>(
    requests: impl Iterator<Item = &'b Request>,
    claims: &'a VecDeque<Box<Claim>>,
) -> Vec<storage::Claim<'a>> {
    if claims.is_empty() {
        return Vec::new();
    }
    let mut claims = claims.iter();
    let mut row = 0;
    let mut of_requests = Vec::new();
    for request in requests {
        let rows = row..row + request.n_records;
        row = rows.end;
        if request.has_claim
            && let Some(claim) = claims.next()
        {
            of_requests.push(storage::Claim {
                caller: &claim.caller,
                key: &claim.key,
                fingerprint: &claim.fingerprint,
                answer: &claim.answer,
                rows,
            });
        }
    }
    of_requests
}
