# Shorthands; `just` lists them. CI runs .ci/run and nothing else.

# Everything that CI does
ci:
    .ci/run

# Format, lint, test
check:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test

# The README's first command: the seed's rules, objects written to files
demo:
    cargo run --release -- run rules --local

# Look at snapshots that changed, one by one (needs cargo-insta)
review:
    cargo insta test --review

# What each stage costs, beside the floor; what lints and tests of rules cost
bench:
    cargo bench --bench stages --bench tools
