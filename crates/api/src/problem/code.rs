//! The words by which programs tell failures apart.

use poem::http::StatusCode;

/// A kind of failure. Kinds may be added, and none changes its word.
macro_rules! codes {
    ($($code:ident, $status:ident, $name:literal, $meaning:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code { $($code),* }

        impl Code {
            /// All of them, in the order of their statuses.
            pub(crate) const ALL: &[Self] = &[$(Self::$code),*];

            /// The status that it is answered with.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status),* }
            }

            /// The word.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$code => $name),* }
            }

            /// What it means, for the document.
            pub(crate) const fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning),* }
            }
        }
    };
}

codes! {
    MalformedRequest, BAD_REQUEST, "malformed_request", "a header or the address is not valid HTTP";
    MalformedBody, BAD_REQUEST, "malformed_body", "the body is not JSON, is nested too deep, or ended early";
    MalformedIdempotencyKey, BAD_REQUEST, "malformed_idempotency_key", "the `Idempotency-Key` is not 1 to 255 visible ASCII characters";
    ApiKeyMissing, UNAUTHORIZED, "api_key_missing", "the request has no API key";
    ApiKeyInvalid, UNAUTHORIZED, "api_key_invalid", "the API key is unknown, has expired or was revoked";
    ScopeMissing, FORBIDDEN, "scope_missing", "the API key has none of the scopes that the operation takes";
    HostNotAllowed, FORBIDDEN, "host_not_allowed", "without API keys the service accepts only requests for names of this machine; see `--allowed-host`";
    NoSuchAddress, NOT_FOUND, "no_such_address", "nothing is served at this address";
    NoSuchRecord, NOT_FOUND, "no_such_record", "no record has this id";
    MethodNotAllowed, METHOD_NOT_ALLOWED, "method_not_allowed", "the address takes other methods, which `Allow` names";
    BodyTooSlow, REQUEST_TIMEOUT, "body_too_slow", "the body took longer than 15 s to come";
    BodyTooLarge, PAYLOAD_TOO_LARGE, "body_too_large", "the body is larger than 4 MiB";
    UnsupportedMediaType, UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "the body is not declared as `application/json`";
    UnsupportedEncoding, UNSUPPORTED_MEDIA_TYPE, "unsupported_content_encoding", "the body is compressed in another way than by gzip";
    InvalidInput, UNPROCESSABLE_ENTITY, "invalid_input", "fields or parameters are invalid; `errors` names them";
    IdempotencyKeyReused, UNPROCESSABLE_ENTITY, "idempotency_key_reused", "the `Idempotency-Key` was used for another request";
    TooManyRequests, TOO_MANY_REQUESTS, "too_many_requests", "the API key has made too many requests, or sent too many rows";
    TooManyInvalidKeys, TOO_MANY_REQUESTS, "too_many_invalid_api_keys", "too many invalid API keys came from this address";
    TooManyAnswers, TOO_MANY_REQUESTS, "too_many_kept_answers", "too many answers are kept for this caller's `Idempotency-Key`s";
    Internal, INTERNAL_SERVER_ERROR, "internal_error", "the service failed; the request is not at fault";
    Overloaded, SERVICE_UNAVAILABLE, "overloaded", "the service has too much to do";
    DatabaseUnavailable, SERVICE_UNAVAILABLE, "database_unavailable", "the record cannot be reached";
    TimedOut, SERVICE_UNAVAILABLE, "record_timed_out", "the record was not written in time";
    InDoubt, SERVICE_UNAVAILABLE, "record_in_doubt", "the database did not confirm the record in time: it may exist";
    Stopping, SERVICE_UNAVAILABLE, "stopping", "the service is about to stop";
    KeysUnreadable, SERVICE_UNAVAILABLE, "api_keys_unreadable", "the service cannot read its file of API keys";
}

impl Code {
    /// Whether a request that failed like this has left a record: the service says so of all that may be sent again.
    pub(crate) fn recorded(self) -> Option<Recorded> {
        if self.status() != StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        Some(if self == Self::InDoubt { Recorded::Unknown } else { Recorded::No })
    }

    /// The failures of a status, in words.
    pub(crate) fn list(status: StatusCode) -> String {
        let listed = Self::ALL.iter().filter(|code| code.status() == status);
        let lines = listed.map(|code| format!("`{}`: {}", code.name(), code.meaning()));
        lines.collect::<Vec<_>>().join("; ") + "."
    }
}

/// Whether a request has left a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    No,
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_of_a_kind_and_snake_case() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        let is_word = |name: &&str| name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        assert!(names.iter().all(is_word), "{names:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()));
    }
}
