//! The page to try the operations on, and the policy that it runs under.

use anyhow::ensure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poem::http::HeaderValue;
use sha2::{Digest, Sha256};

use super::{Document, TITLE};

/// Swagger UI, as its makers publish it; `just swagger-ui` takes another version.
const SWAGGER_UI: &str = include_str!("../../swagger-ui/swagger-ui-bundle.js");
const ITS_STYLE: &str = include_str!("../../swagger-ui/swagger-ui.css");

/// The page's icon, a record button: a browser that is given none asks for `/favicon.ico`, in vain.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
                    %3Ccircle cx='8' cy='8' r='6' fill='%23c0392b'/%3E%3C/svg%3E";

/// The page's form.
const STYLE: &str = include_str!("swagger_ui.css");

/// The script that starts Swagger UI.
const START: &str = include_str!("swagger_ui.js");

/// Where the document stands in [`START`].
const SPEC: &str = "SPEC,";

/// The page with Swagger UI, which needs no network.
#[derive(Debug)]
pub(crate) struct SwaggerUi {
    pub(crate) html: String,
    /// Its `Content-Security-Policy`: what is in the page runs, by its hash, and nothing else does. It may call this service,
    /// and show the images that it holds itself: the icon, and those of the style sheet.
    pub(crate) policy: HeaderValue,
}

impl SwaggerUi {
    /// The page for this document, of a service that takes keys or has none.
    pub(crate) fn of(document: &Document, has_keys: bool) -> anyhow::Result<Self> {
        // The page holds the document in a script element, unescaped.
        ensure!(!document.json.contains("</"), "the document would end the script that holds it");
        let start = START.replace(SPEC, &format!("{},", document.json));
        let class = if has_keys { "" } else { " class=\"without-keys\"" };
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{TITLE}</title>\n<link rel=\"icon\" href=\"{ICON}\">\n\
             <style>{ITS_STYLE}</style>\n<style>{STYLE}</style>\n<script>{SWAGGER_UI}</script>\n</head>\n\
             <body>\n<div id=\"ui\"{class}></div>\n<script>{start}</script>\n</body>\n</html>\n"
        );
        let policy = format!(
            "default-src 'none'; script-src {} {}; style-src {} {}; img-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(SWAGGER_UI),
            hash(&start),
            hash(ITS_STYLE),
            hash(STYLE),
        );
        Ok(Self { policy: HeaderValue::from_str(&policy)?, html })
    }
}

/// The hash of an element's text, as a policy names it.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    fn read(file: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("swagger-ui");
        std::fs::read(folder.join(file)).unwrap()
    }

    /// A browser would end such an element too early, or read, and hash, another end of line.
    #[test]
    fn what_the_page_holds_fits_into_its_elements() {
        for script in [SWAGGER_UI, START] {
            assert!(!script.contains("</script") && !script.contains('\r'));
        }
        for style in [ITS_STYLE, STYLE] {
            assert!(!style.contains("</style") && !style.contains('\r'));
        }
        assert_eq!(START.matches(SPEC).count(), 1);
    }

    #[test]
    fn swagger_ui_is_as_it_was_published() {
        let sums = String::from_utf8(read("SHA256SUMS")).unwrap();
        let sums: Vec<_> = sums.lines().map(|line| line.split_once("  ").unwrap()).collect();
        let files: Vec<_> = sums.iter().map(|(_, file)| *file).collect();
        let expected = [
            "LICENSE",
            "NOTICE",
            "swagger-ui-bundle.js",
            "swagger-ui-bundle.js.LICENSE.txt",
            "swagger-ui.css",
        ];
        assert_eq!(files, expected);
        for (sum, file) in sums {
            let found: String =
                Sha256::digest(read(file)).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, sum, "{file}");
        }
    }

    /// `npm audit` looks at the lock file; what the page holds must be what stands there.
    #[test]
    fn what_is_audited_is_what_is_served() {
        let package: Value = serde_json::from_slice(&read("package.json")).unwrap();
        let lock: Value = serde_json::from_slice(&read("package-lock.json")).unwrap();
        let listed: BTreeMap<_, _> = package["dependencies"].as_object().unwrap().iter().collect();
        for (name, version) in &listed {
            let locked = &lock["packages"][format!("node_modules/{name}")]["version"];
            assert_eq!(&locked, version, "{name}");
        }
        let version = |name: &str| listed[&name.to_owned()].as_str().unwrap();
        let react = version("react");
        assert_eq!(react, version("react-dom"));
        for (said, how_often) in [
            (format!("PACKAGE_VERSION:\"{}\"", version("swagger-ui-dist")), 1),
            (format!("DOMPurify.version=\"{}\"", version("dompurify")), 1),
            (format!("Autolinker.version=\"{}\"", version("autolinker")), 1),
            (format!("core-js/blob/v{}/LICENSE", version("core-js-pure")), 1),
            // React says it of itself and of its way into the page.
            (format!("ersion:\"{react}\""), 1),
            (format!(".version=\"{react}\""), 1),
        ] {
            assert_eq!(SWAGGER_UI.matches(&said).count(), how_often, "{said}");
        }
    }
}
