//! How keys are written: TOML, one table `[[key]]` for each.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::ops::Range;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use toml_edit::{Array, ArrayOfTables, Document, DocumentMut, Item, Table, value};

use crate::digest::Digest;
use crate::key::is_name;
use crate::{Key, KeyId, Scope, Scopes};

const UNKNOWN: &str = "there is no such field: a [[key]] has id, sha256, scopes, created, name, expires, revoked, rate";
const TIME: &str = "must be a time with its offset, such as \"2026-08-01T09:30:00Z\"";

/// Something that is not as it must be. It never quotes the text: people paste secrets in wrong places.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// The line, from 1.
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// Reads the keys of a file.
pub(crate) fn read(text: &str) -> Result<Vec<Key>, Misfit> {
    let misfit = |span: Option<Range<usize>>, what: String| Misfit { line: line(text, span), what };
    let document = Document::parse(text)
        .map_err(|error| misfit(error.span(), format!("no valid TOML: {}", error.message())))?;
    let root = document.as_table();
    let mut keys = Vec::new();
    for (name, item) in root {
        let span = root.key(name).and_then(toml_edit::Key::span);
        let tables = item.as_array_of_tables().filter(|_| name == "key");
        let tables = tables.ok_or_else(|| misfit(span, "keys are tables, [[key]]".to_owned()))?;
        for table in tables {
            keys.push(key(table).map_err(|(span, what)| misfit(span, what))?);
        }
    }
    let mut seen = HashSet::new();
    let headers = root.get("key").and_then(Item::as_array_of_tables).into_iter().flatten();
    for (key, table) in keys.iter().zip(headers) {
        if !seen.insert(key.id) {
            return Err(misfit(table.span(), format!("there are two keys {}", key.id)));
        }
    }
    Ok(keys)
}

type Misplaced = (Option<Range<usize>>, String);

/// Reads one table.
fn key(table: &Table) -> Result<Key, Misplaced> {
    for (name, item) in table {
        let known = ["id", "sha256", "scopes", "created", "name", "expires", "revoked", "rate"];
        if !known.contains(&name) {
            let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            return Err((span, UNKNOWN.to_owned()));
        }
    }
    Ok(Key {
        id: required(table, "id", KEY_ID, |item| KeyId::parse(item.as_str()?.as_bytes()))?,
        digest: required(table, "sha256", SHA256, |item| Digest::parse(item.as_str()?))?,
        scopes: required(table, "scopes", SCOPES, scopes)?,
        created: required(table, "created", TIME, time)?,
        name: optional(table, "name", NAME, |item| {
            item.as_str().filter(|name| is_name(name)).map(ToOwned::to_owned)
        })?,
        expires: optional(table, "expires", TIME, time)?,
        revoked: optional(table, "revoked", TIME, time)?,
        rate: optional(table, "rate", RATE, rate)?,
    })
}

const KEY_ID: &str = "must be 8 digits of base 32, such as \"7q2hm4xw\"";
const SHA256: &str = "must be 64 hexadecimal digits";
const SCOPES: &str = "must be some of [\"predict\", \"read\", \"label\", \"admin\"]";
const NAME: &str = "must be a text of 1 to 100 characters";
const RATE: &str = "must be a whole number of requests per second, at least 1";

fn required<T>(
    table: &Table,
    name: &str,
    must: &str,
    read: impl FnOnce(&Item) -> Option<T>,
) -> Result<T, Misplaced> {
    let missing = || (table.span(), format!("this [[key]] has no {name}"));
    optional(table, name, must, read)?.ok_or_else(missing)
}

fn optional<T>(
    table: &Table,
    name: &str,
    must: &str,
    read: impl FnOnce(&Item) -> Option<T>,
) -> Result<Option<T>, Misplaced> {
    let Some(item) = table.get(name) else { return Ok(None) };
    read(item).map(Some).ok_or_else(|| (item.span(), format!("{name} {must}")))
}

fn scopes(item: &Item) -> Option<Scopes> {
    let scopes = item.as_array()?.iter().map(|scope| scope.as_str()?.parse::<Scope>().ok());
    scopes.collect::<Option<Scopes>>().filter(|scopes| !scopes.is_empty())
}

/// A text, or a time of TOML's own.
fn time(item: &Item) -> Option<DateTime<Utc>> {
    let own = item.as_datetime().map(ToString::to_string);
    let text = own.as_deref().or(item.as_str())?;
    DateTime::parse_from_rfc3339(text).ok().map(Into::into)
}

fn rate(item: &Item) -> Option<NonZeroU32> {
    NonZeroU32::new(item.as_integer()?.try_into().ok()?)
}

/// The line of a place in the text, from 1.
fn line(text: &str, span: Option<Range<usize>>) -> usize {
    let before = span.map_or(0, |span| span.start).min(text.len());
    text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Adds a key at the end of a valid text.
pub(crate) fn with(text: &str, key: &Key) -> String {
    let mut table = Table::new();
    table["id"] = value(key.id.as_str());
    table["sha256"] = value(key.digest.to_string());
    table["scopes"] = value(key.scopes.iter().map(Scope::name).collect::<Array>());
    table["created"] = value(written(key.created));
    if let Some(name) = &key.name {
        table["name"] = value(name);
    }
    if let Some(expires) = key.expires {
        table["expires"] = value(written(expires));
    }
    if let Some(revoked) = key.revoked {
        table["revoked"] = value(written(revoked));
    }
    if let Some(rate) = key.rate {
        table["rate"] = value(i64::from(rate.get()));
    }
    let mut added = DocumentMut::new();
    added["key"] = Item::ArrayOfTables(ArrayOfTables::from_iter([table]));
    // After everything, so that what people wrote stays where it is.
    let gap = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    format!("{text}{gap}{added}")
}

/// Revokes a key in a valid text; nothing if it has none of this id.
pub(crate) fn revoked(text: &str, id: KeyId, now: DateTime<Utc>) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let tables = document.get_mut("key")?.as_array_of_tables_mut()?;
    let is = |table: &Table| table.get("id").and_then(Item::as_str) == Some(id.as_str());
    let table = tables.iter_mut().find(|table| is(table))?;
    // Who revokes a key again learns nothing new.
    if !table.contains_key("revoked") {
        table["revoked"] = value(written(now));
    }
    Some(document.to_string())
}

fn written(time: DateTime<Utc>) -> String {
    time.trunc_subsecs(0).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests;
