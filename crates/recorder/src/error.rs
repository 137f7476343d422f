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

    /// The commit was not confirmed in time. The record may exist.
    #[error("the record was not confirmed in time")]
    TimedOut,

    /// The database is away. The record may exist if the connection was lost during the commit.
    #[error("the record could not be written")]
    Unavailable(#[source] Arc<storage::Error>),

    /// The database refused the data of this request. Nothing was recorded.
    #[error("the database refused the record")]
    Refused(#[source] Arc<storage::Error>),

    /// The model failed on the data of this request. Nothing was recorded.
    #[error("the model failed to predict")]
    Model(#[source] Arc<inference::Error>),

    /// The recorder has stopped.
    #[error("the recorder has stopped")]
    Stopped,
}
