//! What the document promises of each address: its methods, the parameters it knows, whether it reads a body.

use std::collections::HashSet;

use anyhow::Context;
use poem::Request;
use poem::http::Method;
use serde_json::Value;

use crate::document::Document;
use crate::problem::{Misfit, Problem, excerpt};

/// The addresses and operations of the document, for looking up.
#[derive(Debug)]
pub(crate) struct Contract {
    addresses: Vec<Address>,
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
    /// The `Allow` header.
    allow: String,
}

#[derive(Debug)]
enum Segment {
    Fixed(String),
    /// Any text, as the parameter of this name.
    Parameter(String),
}

#[derive(Debug)]
struct Operation {
    method: Method,
    /// The query parameters, where the operation says that it refuses others (422).
    query: Option<HashSet<String>>,
    reads_body: bool,
}

impl Contract {
    /// Reads it off the document.
    pub(crate) fn of(document: &Document) -> anyhow::Result<Self> {
        let document: Value = serde_json::from_str(document.json())?;
        let paths = document["paths"].as_object().context("the document has no paths")?;
        let addresses = paths
            .iter()
            .map(|(path, item)| Address::of(path, item))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { addresses })
    }

    /// The `Allow` header of an address: the methods of its operations, or GET for a page outside of the document.
    pub(crate) fn allow(&self, path: &str) -> &str {
        self.address(path).map_or("GET, HEAD", |address| &address.allow)
    }

    /// The name of the parameter in an address's path, if it has one.
    pub(crate) fn path_parameter(&self, path: &str) -> Option<&str> {
        let segments = self.address(path).into_iter().flat_map(|address| &address.segments);
        let mut names = segments.filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Fixed(_) => None,
        });
        names.next()
    }

    /// Refuses query parameters that the operation does not know, or that are given twice.
    pub(crate) fn check_query(&self, request: &Request) -> Result<(), Problem> {
        let Some(query) = request.uri().query() else { return Ok(()) };
        let known = self.operation(request).and_then(|operation| operation.query.as_ref());
        let Some(known) = known else { return Ok(()) };

        let mut given = HashSet::new();
        let mut misfits = Vec::new();
        for (name, _value) in form_urlencoded::parse(query.as_bytes()).take(100) {
            let message = if !known.contains(&*name) {
                "is not a known parameter"
            } else if !given.insert(name.clone()) {
                "must not be given more than once"
            } else {
                continue;
            };
            misfits.push(Misfit {
                pointer: format!("/{}", excerpt(&name)),
                message: message.to_owned(),
            });
        }
        if misfits.is_empty() { Ok(()) } else { Err(Problem::invalid(misfits)) }
    }

    /// Whether the request is for an operation that reads its body.
    pub(crate) fn reads_body(&self, request: &Request) -> bool {
        self.operation(request).is_some_and(|operation| operation.reads_body)
    }

    fn operation(&self, request: &Request) -> Option<&Operation> {
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let address = self.address(request.uri().path())?;
        address.operations.iter().find(|operation| operation.method == *method)
    }

    /// The addresses as they stand in the document.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(|address| address.template.as_str())
    }

    /// The place of an address among the [templates](Self::templates), if it is one of them.
    pub(crate) fn place(&self, path: &str) -> Option<usize> {
        self.addresses.iter().position(|address| address.is(path))
    }

    fn address(&self, path: &str) -> Option<&Address> {
        self.addresses.iter().find(|address| address.is(path))
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
        let mut allow = Vec::new();
        for (method, operation) in item.as_object().context("a path has no operations")? {
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())?;
            allow.push(method.to_string());
            if method == Method::GET {
                allow.push(Method::HEAD.to_string());
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query = parameters.filter(|parameter| parameter["in"] == "query");
            let query = query
                .filter_map(|parameter| parameter["name"].as_str().map(ToOwned::to_owned))
                .collect();
            let refuses = operation["responses"].get("422").is_some();
            let reads_body = operation.get("requestBody").is_some();
            operations.push(Operation { method, query: refuses.then_some(query), reads_body });
        }
        let (template, allow) = (path.to_owned(), allow.join(", "));
        Ok(Self { template, is_fixed, segments, operations, allow })
    }
}
