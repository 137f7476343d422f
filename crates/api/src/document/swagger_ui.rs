//! The page to try the operations on, and the policy that it runs under.

use anyhow::ensure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poem::http::HeaderValue;
use sha2::{Digest, Sha256};

use super::{Document, TITLE, service};

/// The page's icon, a record button: a browser that is given none asks for `/favicon.ico`, in vain.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
                    %3Ccircle cx='8' cy='8' r='6' fill='%23c0392b'/%3E%3C/svg%3E";

/// The page's form: no frame, no choice of servers, of which there is one, and bodies no taller than ours need.
const STYLE: &str = "\
body { margin: 0 }
#ui .schemes-server-container, #ui .scheme-container:not(:has(.auth-wrapper)) { display: none }
#ui textarea.body-param__text { min-height: 8.5em }";

/// The page with Swagger UI, which needs no network.
#[derive(Debug)]
pub(crate) struct SwaggerUi {
    pub(crate) html: String,
    /// Its `Content-Security-Policy`: what is in the page runs, by its hash, and nothing else does. It may call this service,
    /// and show the images that it holds itself: the icon, and those of the style sheet.
    pub(crate) policy: HeaderValue,
}

impl SwaggerUi {
    /// The page for this document.
    pub(crate) fn of(document: &Document) -> anyhow::Result<Self> {
        let html = html(document)?;
        let scripts = hashes(&html, &SCRIPT);
        let styles = hashes(&html, &STYLE_SHEET);
        let policy = format!(
            "default-src 'none'; script-src{scripts}; style-src{styles}; img-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Ok(Self { policy: HeaderValue::from_str(&policy)?, html })
    }
}

fn html(document: &Document) -> anyhow::Result<String> {
    // The page embeds the document in a script element, unescaped.
    ensure!(!document.json.contains("</"), "the document would end the script that holds it");
    let page = service().swagger_ui_html();
    ensure!(page.contains(&document.generated), "the page does not hold the generated document");
    // A browser would read, and hash, another end of line.
    ensure!(!page.contains('\r'), "the page has carriage returns");
    let page = page.replace(&document.generated, &document.json);
    let head = format!(
        "<title>{TITLE}</title>\n<link rel=\"icon\" href=\"{ICON}\">\n<style>{STYLE}</style>"
    );
    let page = page.replace("<title>Swagger UI</title>", &head);
    Ok(page.replacen("<html charset=\"UTF-8\">", "<!doctype html>\n<html lang=\"en\">", 1))
}

/// An element whose text is code: how it starts and ends.
struct Element {
    start: &'static str,
    end: &'static str,
}

const SCRIPT: Element = Element { start: "<script", end: "</script>" };
const STYLE_SHEET: Element = Element { start: "<style", end: "</style>" };

/// The hashes of the text in each such element, as a policy lists them.
fn hashes(page: &str, wanted: &Element) -> String {
    let mut hashes = String::new();
    let mut rest = page;
    // What looks like a start inside of an element is its text.
    while let Some((at, element)) = [&SCRIPT, &STYLE_SHEET]
        .into_iter()
        .filter_map(|element| Some((rest.find(element.start)?, element)))
        .min_by_key(|(at, _)| *at)
    {
        let Some((_attributes, text)) = rest[at..].split_once('>') else { break };
        let Some((text, after)) = text.split_once(element.end) else { break };
        if element.start == wanted.start {
            hashes.push_str(" 'sha256-");
            hashes.push_str(&STANDARD.encode(Sha256::digest(text)));
            hashes.push('\'');
        }
        rest = after;
    }
    hashes
}
