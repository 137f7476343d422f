//! The header `Idempotency-Key`: a request that has one is recorded once, however often it is sent.

use std::sync::Arc;

use domain::Measurements;
use poem::http::HeaderName;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use sha2::{Digest, Sha256};

use crate::guard::Caller;
use crate::problem::{Code, Problem};

static HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that the answer is that of an earlier request with the same key.
pub(crate) static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const LONGEST: usize = 255;

/// The key of a request, if it has one: 1 to 255 visible ASCII characters.
#[derive(Debug)]
pub(crate) struct IdempotencyKey(pub(crate) Option<Claimed>);

/// Such a key, and whose it is: nobody meets the keys of others.
#[derive(Debug)]
pub(crate) struct Claimed {
    /// The id of the caller's API key; empty if there are none.
    pub(crate) caller: Arc<str>,
    pub(crate) key: String,
}

impl IdempotencyKey {
    fn of(request: &Request) -> Result<Self, Problem> {
        let mut given = request.headers().get_all(&HEADER).iter();
        let Some(key) = given.next() else { return Ok(Self(None)) };
        let fits =
            (1..=LONGEST).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
        match key.to_str() {
            Ok(key) if fits && given.next().is_none() => {
                let caller = request.extensions().get::<Caller>();
                let caller = caller.map_or(Arc::from(""), |Caller(key)| Arc::from(key.as_str()));
                Ok(Self(Some(Claimed { caller, key: key.to_owned() })))
            }
            _ => Err(Problem::new(
                Code::MalformedIdempotencyKey,
                format!(
                    "Idempotency-Key must be given once, as 1 to {LONGEST} visible ASCII characters"
                ),
            )),
        }
    }
}

/// poem-openapi's own extractor takes the first of repeated headers and passes over those that are not text.
impl<'a> ApiExtractor<'a> for IdempotencyKey {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        let mut schema = MetaSchema::new("string");
        schema.min_length = Some(1);
        schema.max_length = Some(LONGEST);
        schema.pattern = Some("^[!-~]+$".to_owned());
        Some(MetaSchemaRef::Inline(Box::new(schema)))
    }

    fn param_raw_type(&self) -> Option<&Self::ParamRawType> {
        self.0.as_ref().map(|claimed| &claimed.key)
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        Ok(Self::of(request)?)
    }
}

/// What is asked, hashed: the operation, and the rows bit for bit. How the body was written does not matter.
pub(crate) fn fingerprint(operation: &str, rows: &[Measurements]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(operation);
    for value in rows.iter().flat_map(|row| row.to_row()) {
        hash.update(value.to_bits().to_be_bytes());
    }
    hash.finalize().into()
}
