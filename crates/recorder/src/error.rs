//! Why there is no record, or none that is sure.

use std::sync::Arc;

/// Why a request was not recorded.
///
/// The sources are shared because one failure can concern every request of a batch.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Too much is waiting already. Nothing was recorded.
    #[error("too many predictions are waiting to be recorded")]
    Full,

    /// Its turn did not come in time. Nothing was recorded.
    #[error("the record was not written in time")]
    TimedOut,

    /// The database is known to be away. Nothing was recorded.
    #[error("the database is away")]
    Away,

    /// The database could not be written to. Nothing was recorded.
    #[error("the record could not be written")]
    Unavailable(#[source] Arc<storage::Error>),

    /// The commit was not confirmed. The record may exist already, and will as soon as the database can be written to,
    /// unless the service ends before.
    #[error("the record was not confirmed")]
    InDoubt(#[source] Option<Arc<storage::Error>>),

    /// The key was used for another request. Nothing was recorded.
    #[error("the key was used for another request")]
    KeyReused,

    /// The database refused the data of this request. Nothing was recorded.
    #[error("the database refused the record")]
    Refused(#[source] Arc<storage::Error>),

    /// The model failed on the data of this request. Nothing was recorded.
    #[error("the model failed to predict")]
    Model(#[source] Arc<inference::Error>),

    /// Predicting the data of this request panicked. Nothing was recorded.
    #[error("the model panicked")]
    Panicked,

    /// The recorder has stopped.
    #[error("the recorder has stopped")]
    Stopped,
}
