//! A request body, read strictly: every place that does not fit is reported at once.

mod blocks;
mod coding;
mod malformed;
mod object;
mod patience;
mod report;
mod room;
mod shape;
mod unwanted;

use bytes::Bytes;
use futures_util::TryStreamExt;
use poem::http::header;
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::Deserializer;

use blocks::Blocks;
use coding::{Coding, decompress};
use malformed::malformed;
use patience::Patience;

pub(crate) use object::{Fields, Object};
pub(crate) use report::Report;
pub(crate) use room::Room;
pub(crate) use shape::{Array, Bounded, Shape, read};
pub(crate) use unwanted::Unwanted;

use crate::json;
use crate::problem::{Code, Problem};

/// The largest body that is read, in bytes.
const LONGEST: u64 = 4 << 20;

/// How long a body may be that is not worth counting when it comes in one part, in bytes: longer than one row.
const SHORT: u64 = 2 << 10;

/// What can be read from a body whose schema is that of `Self`.
pub(crate) trait FromBody: Type {
    /// What the body means.
    type Value: Send;

    /// Reads it; `None` if something was reported.
    ///
    /// # Errors
    ///
    /// Fails only if the input is no JSON.
    fn from_body<'de, D: Deserializer<'de>>(
        body: D,
        report: &mut Report,
    ) -> Result<Option<Self::Value>, D::Error>;
}

/// The body of a request, `application/json`.
///
/// poem-openapi's own payload keeps the last of duplicate keys, stops at the first error and answers 400 to
/// everything; this one answers 400 to what is no JSON and 422, with all the places, to what does not fit.
#[derive(Debug)]
pub(crate) struct Strict<T: FromBody>(pub(crate) T::Value);

impl<T: FromBody> Payload for Strict<T> {
    const CONTENT_TYPE: &'static str = json::CONTENT_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<'a, T: FromBody> ApiExtractor<'a> for Strict<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content =
            vec![MetaMediaType { content_type: json::CONTENT_TYPE, schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let body = body.take()?;
        let coding = match Coding::of(request) {
            Ok(coding) => coding,
            Err(problem) => {
                Unwanted::still(request, body).throw_away().await;
                return Err(problem.into());
            }
        };
        let (bytes, mut room) = receive(request, body).await?;
        Ok(Self(match coding {
            Coding::Plain => parse::<T>(&bytes)?,
            Coding::Gzip => parse::<T>(&decompress(&bytes, &mut room)?)?,
        }))
    }
}

/// Receives a body, and the room that it takes.
async fn receive(request: &Request, body: Body) -> Result<(Bytes, Room), Problem> {
    let broken = |error| Problem::new(Code::MalformedBody, "the body ended early").because(error);
    if request.header(header::EXPECT).is_some() && declared_length(request) > LONGEST {
        return Err(too_long()); // The client waits for a word before it sends, so nothing is thrown away.
    }
    let no_room = || Problem::overloaded("too many large bodies are being received");
    let mut parts = body.into_bytes_stream();
    let (mut patience, mut room) = (Patience::default(), Room::default());
    // Most bodies come in one part, which is then read where it lies.
    let mut first = Bytes::new();
    let mut all = Blocks::default();
    let mut received = 0;
    while let Some(part) =
        patience.wait_for(parts.try_next()).await.ok_or_else(too_slow)?.map_err(broken)?
    {
        received += part.len() as u64;
        if received > LONGEST + unwanted::LONGEST {
            break;
        }
        if received > LONGEST {
            (first, all, room) = (Bytes::new(), Blocks::default(), Room::default());
            continue;
        }
        // Nearly every body is a short one.
        if (received > SHORT || !first.is_empty()) && !room.take(part.len()) {
            return Err(no_room());
        }
        if first.is_empty() && all.is_empty() {
            first = part;
        } else {
            all.push(&std::mem::take(&mut first));
            all.push(&part);
        }
    }
    match received {
        ..=LONGEST if all.is_empty() => Ok((first, room)),
        ..=LONGEST => Ok((all.into_bytes(), room)),
        _ => Err(too_long()),
    }
}

fn too_long() -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the body is larger than {LONGEST} bytes"))
}

/// The client does not send what it announced.
fn too_slow() -> Problem {
    Problem::new(Code::BodyTooSlow, "the body took too long to come").closing()
}

/// The length that the client announced, in bytes; 0 if it did not.
fn declared_length(request: &Request) -> u64 {
    request.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0)
}

pub(crate) fn parse<T: FromBody>(bytes: &[u8]) -> Result<T::Value, Problem> {
    let refused = |error| malformed(bytes, &error);
    let mut input = serde_json::Deserializer::from_slice(bytes);
    // The report counts the depth itself, to the documented bound.
    input.disable_recursion_limit();
    let mut report = Report::default();
    let value = T::from_body(&mut input, &mut report).map_err(refused)?;
    input.end().map_err(refused)?;
    match value {
        Some(value) if report.is_empty() => Ok(value),
        _ => Err(report.into_problem()),
    }
}

#[cfg(test)]
mod tests;
