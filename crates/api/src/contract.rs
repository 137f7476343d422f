//! What the document promises of each address: its methods, the keys it takes, the parameters it knows, whether it reads a body.

use std::collections::{HashMap, HashSet};

use access::Scopes;
use anyhow::{Context, ensure};
use poem::Request;
use poem::http::{HeaderValue, Method};
use serde_json::Value;

use crate::document::{Document, security};
use crate::problem::{Flaw, Misfit, Problem, excerpt};

/// The operations that take no key: a supervisor has none. No other can be served without one.
const OPEN: [&str; 2] = ["/health/live", "/health/ready"];

/// The addresses and operations of the document, for looking up.
#[derive(Debug)]
pub(crate) struct Contract {
    addresses: Vec<Address>,
    pages: &'static [&'static str],
}

/// What a request is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'c> {
    /// An operation of the document.
    Operation(&'c Operation),
    /// A page beside it, which holds no data.
    Page,
    /// An address of the document that does not answer to this method, but to those.
    WrongMethod(&'c HeaderValue),
    /// Nothing.
    Nowhere,
}

#[derive(Debug)]
struct Address {
    /// The path in the document.
    template: String,
    /// Whether it has no parameters.
    is_fixed: bool,
    /// The parts between slashes.
    segments: Vec<Segment>,
    operations: Vec<Operation>,
    /// The bounds of the parameters that are numbers, in words, by their names.
    numbers: HashMap<String, String>,
    /// The `Allow` header.
    allow: HeaderValue,
}

#[derive(Debug)]
enum Segment {
    Fixed(String),
    /// Any text, as the parameter of this name.
    Parameter(String),
}

/// An operation, as the document has it.
#[derive(Debug)]
pub(crate) struct Operation {
    method: Method,
    /// The scopes of which a key needs one; nothing if no key is needed.
    pub(crate) scopes: Option<Scopes>,
    /// The query parameters, where the operation says that it refuses others (422).
    query: Option<HashSet<String>>,
    pub(crate) reads_body: bool,
}

impl Contract {
    /// Reads it off the document, beside which there are these pages.
    ///
    /// # Errors
    ///
    /// Fails if an operation that should take a key does not say which.
    pub(crate) fn of(document: &Document, pages: &'static [&'static str]) -> anyhow::Result<Self> {
        let document: Value = serde_json::from_str(document.json())?;
        let paths = document["paths"].as_object().context("the document has no paths")?;
        let addresses = paths
            .iter()
            .map(|(path, item)| Address::of(path, item))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { addresses, pages })
    }

    /// The addresses as they stand in the document.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(|address| address.template.as_str())
    }

    /// What a request is for, and which of the [addresses](Self::templates) it has, if any.
    pub(crate) fn place(&self, request: &Request) -> (Option<usize>, Place<'_>) {
        let path = request.uri().path();
        let number = self.addresses.iter().position(|address| address.is(path));
        let Some(address) = number.and_then(|number| self.addresses.get(number)) else {
            let is_page = self.pages.contains(&path);
            return (None, if is_page { Place::Page } else { Place::Nowhere });
        };
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let mut operations = address.operations.iter();
        let place = match operations.find(|operation| operation.method == *method) {
            Some(operation) => Place::Operation(operation),
            None => Place::WrongMethod(&address.allow),
        };
        (number, place)
    }

    /// Whether anything is served at this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.addresses.iter().any(|address| address.is(path)) || self.pages.contains(&path)
    }

    /// The bounds of this parameter of an address in words, if it is a number.
    pub(crate) fn expected(&self, path: &str, parameter: &str) -> Option<&str> {
        let address = self.addresses.iter().find(|address| address.is(path))?;
        address.numbers.get(parameter).map(String::as_str)
    }

    /// The name of the parameter in an address's path, if it has one.
    pub(crate) fn path_parameter(&self, path: &str) -> Option<&str> {
        let address = self.addresses.iter().find(|address| address.is(path));
        let segments = address.into_iter().flat_map(|address| &address.segments);
        let mut names = segments.filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Fixed(_) => None,
        });
        names.next()
    }
}

impl Operation {
    /// Refuses query parameters that the operation does not know, or that are given twice.
    pub(crate) fn check_query(&self, request: &Request) -> Result<(), Problem> {
        let Some(query) = request.uri().query() else { return Ok(()) };
        let Some(known) = &self.query else { return Ok(()) };

        let mut given = HashSet::new();
        let mut misfits = Vec::new();
        for (name, _value) in form_urlencoded::parse(query.as_bytes()).take(100) {
            let (flaw, message) = if !known.contains(&*name) {
                (Flaw::Unknown, "is not a known parameter")
            } else if !given.insert(name.clone()) {
                (Flaw::Repeated, "must not be given more than once")
            } else {
                continue;
            };
            misfits.push(Misfit::new(flaw, format!("/{}", excerpt(&name)), message));
        }
        if misfits.is_empty() { Ok(()) } else { Err(Problem::invalid(misfits)) }
    }
}

impl Segment {
    fn of(part: &str) -> Self {
        match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Self::Parameter(name.to_owned()),
            None => Self::Fixed(part.to_owned()),
        }
    }
}

impl Address {
    fn is(&self, path: &str) -> bool {
        // Most addresses have no parameter, and each request is compared with some of them.
        if self.is_fixed {
            return self.template == path;
        }
        let mut parts = path.split('/');
        self.segments.iter().all(|segment| match (segment, parts.next()) {
            (Segment::Fixed(fixed), Some(part)) => fixed == part,
            (Segment::Parameter(_), Some(part)) => !part.is_empty(),
            (_, None) => false,
        }) && parts.next().is_none()
    }

    fn of(path: &str, item: &Value) -> anyhow::Result<Self> {
        let segments: Vec<_> = path.split('/').map(Segment::of).collect();
        let is_fixed = segments.iter().all(|segment| matches!(segment, Segment::Fixed(_)));
        let mut operations = Vec::new();
        let mut numbers = HashMap::new();
        let mut allow = Vec::new();
        for (method, operation) in item.as_object().context("a path has no operations")? {
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())?;
            allow.push(method.to_string());
            if method == Method::GET {
                allow.push(Method::HEAD.to_string());
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let parameters: Vec<_> = parameters.collect();
            numbers.extend(parameters.iter().filter_map(|parameter| number(parameter)));
            let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
            let query = query
                .filter_map(|parameter| parameter["name"].as_str().map(ToOwned::to_owned))
                .collect();
            let refuses = operation["responses"].get("422").is_some();
            let reads_body = operation.get("requestBody").is_some();
            let scopes =
                security::required(operation).with_context(|| format!("{method} {path}"))?;
            ensure!(
                scopes.is_some() || OPEN.contains(&path),
                "{method} {path} does not say which keys it takes"
            );
            operations.push(Operation {
                method,
                scopes,
                query: refuses.then_some(query),
                reads_body,
            });
        }
        let template = path.to_owned();
        let allow = allow.join(", ").try_into()?;
        Ok(Self { template, is_fixed, segments, operations, numbers, allow })
    }
}

/// The name of a parameter that is a number within bounds, and what is expected of it.
fn number(parameter: &Value) -> Option<(String, String)> {
    let schema = &parameter["schema"];
    let kind = match schema["type"].as_str()? {
        "integer" => "a whole number",
        "number" => "a number",
        _ => return None,
    };
    let bound = |name: &str| schema[name].as_f64();
    let expected = format!("{kind} from {} to {}", bound("minimum")?, bound("maximum")?);
    Some((parameter["name"].as_str()?.to_owned(), expected))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_says_which_keys_it_takes_or_is_not_served() {
        let of = |path, scopes: Value| {
            let operation = json!({"responses": {}, (security::SCOPES): scopes});
            Address::of(path, &json!({"get": operation}))
        };
        let open = |path| Address::of(path, &json!({"get": {"responses": {}}}));
        assert!(of("/ledger", json!(["read", "admin"])).is_ok());
        assert!(open("/health/live").is_ok());
        assert!(open("/ledger").is_err());
        for scopes in [json!([]), json!(["write"]), json!("read"), json!(null)] {
            assert!(of("/ledger", scopes.clone()).is_err(), "{scopes}");
            assert!(of("/health/live", scopes.clone()).is_err(), "{scopes}");
        }
    }
}
