# The server in a small image: one binary, no root, a read-only root file system, calls in /data.
#   docker build -t phony . && docker run --read-only -v phony:/data -p 24187:24187 phony
ARG NODE_IMAGE=node:22-bookworm-slim
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=debian:12-slim

# The dashboard, which is built into the binary.
FROM ${NODE_IMAGE} AS dashboard
WORKDIR /src/dashboard
COPY dashboard/package.json dashboard/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY dashboard ./
RUN npm run build

# The binary. Dependencies are compiled before the code is copied, so that a change of the code does
# not rebuild them.
FROM ${RUST_IMAGE} AS build
# A C compiler, for SQLite.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY crates/call/Cargo.toml crates/call/
COPY crates/wire/Cargo.toml crates/wire/
COPY crates/simulator/Cargo.toml crates/simulator/
COPY crates/phony/Cargo.toml crates/phony/
ENV PHONY_SKIP_DASHBOARD=1
RUN mkdir -p crates/call/src crates/call/benches crates/wire/src crates/wire/benches crates/simulator/src crates/simulator/tests/it crates/phony/src crates/phony/tests/it \
    && touch crates/call/src/lib.rs crates/wire/src/lib.rs crates/simulator/src/lib.rs crates/phony/src/lib.rs \
        crates/call/benches/call.rs crates/wire/benches/wire.rs crates/simulator/tests/it/main.rs crates/phony/tests/it/main.rs \
    && echo 'fn main() {}' > crates/phony/src/main.rs \
    && cargo build --release --locked --package phony \
    && rm -rf crates
COPY . .
COPY --from=dashboard /src/dashboard/dist dashboard/dist
# Cargo compares modification times: the placeholders above must not look newer than the code.
RUN find crates -name '*.rs' -exec touch {} + && cargo build --release --locked --package phony

# Everything that the tests need and do not install themselves.
FROM ${NODE_IMAGE} AS node

FROM ${RUST_IMAGE} AS test
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl git make gcc g++ libc6-dev pkg-config procps python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && rustup component add clippy rustfmt
COPY --from=node /usr/local /usr/local
WORKDIR /src
COPY . .
CMD ["make", "test"]

FROM ${RUNTIME_IMAGE} AS runtime
RUN groupadd --gid 10001 phony \
    && useradd --uid 10001 --gid phony --home-dir /data --no-create-home --shell /usr/sbin/nologin phony \
    && install --directory --owner=phony --group=phony --mode=0700 /data
COPY --from=build /src/target/release/phony /usr/local/bin/phony
USER 10001:10001
WORKDIR /data
# A container is reached from outside, so the server listens on all addresses.
ENV PHONY_DATA_DIR=/data PHONY_BIND=0.0.0.0
VOLUME /data
EXPOSE 24187
HEALTHCHECK --interval=10s --timeout=4s --start-period=5s --retries=3 CMD ["phony", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["phony"]
CMD ["serve"]
