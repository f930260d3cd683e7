# One image per program of lanesync: docker build --build-arg BIN=lanesync-auth .
#
# All programs are compiled in one step, which every image shares: building all takes as long as building one.
# No syntax line: the frontend of Docker Engine 20.10 suffices, and a build fetches nothing but the two bases and crates.

ARG RUST_IMAGE=rust:1.95.0-slim-trixie@sha256:e14e87345b4d5964ddcc3491d27ee046a0f23820f340c3c1e24da6880141f7c0
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian13:nonroot@sha256:54df941ed0d06a1bd95ef5e0ce391fd8d9f94b64782dc9a60062727849ee3f97
# `compiled`: here, from source. `given`: from .local/programs, where a pipeline laid what it had already compiled.
ARG PROGRAMS=compiled

# hadolint ignore=DL3006
FROM ${RUST_IMAGE} AS chef
ENV CARGO_TARGET_DIR=/target \
    SQLX_OFFLINE=true
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install --locked cargo-chef@0.1.78 cargo-auditable@0.7.7
WORKDIR /source

FROM chef AS recipe
COPY . .
RUN cargo chef prepare --recipe-path /recipe.json

FROM chef AS compiled
# `release`, or `dev` for a quick look.
ARG PROFILE=release
# The packages with a program that becomes an image.
ENV PACKAGES="-p auth -p extractor -p mapper -p customer-writer -p lanesync-console -p migrate -p cli -p salesforce-sim"
COPY --from=recipe /recipe.json /recipe.json
# Dependencies are a layer of their own: it lasts until Cargo.lock or a manifest changes.
# hadolint ignore=SC2086
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo chef cook --locked --profile "${PROFILE}" --bins ${PACKAGES} --recipe-path /recipe.json
COPY . .
# Auditable: each program carries the list of its dependencies, for scanners. Each gets a folder of its own, with a
# second name that every image's entry point can use.
# hadolint ignore=SC2086
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo auditable build --locked --profile "${PROFILE}" --bins ${PACKAGES} \
    && folder="/target/$([ "${PROFILE}" = dev ] && echo debug || echo "${PROFILE}")" \
    && for program in lanesync lanesync-auth lanesync-extractor lanesync-mapper lanesync-customer-writer \
           lanesync-console lanesync-migrate salesforce-sim; do \
           mkdir -p "/programs/${program}" \
           && cp "${folder}/${program}" "/programs/${program}/" \
           && ln -s "${program}" "/programs/${program}/entrypoint" || exit 1; \
       done

FROM scratch AS given
COPY .local/programs/ /programs/

# hadolint ignore=DL3006
FROM ${PROGRAMS} AS programs

# Where the one-shot that makes secrets writes: an empty volume takes owner and mode from the image's folder.
# hadolint ignore=DL3006
FROM ${RUST_IMAGE} AS folders
RUN mkdir -p /volumes/nats-data \
    && for reader in postgres nats migrate auth extractor mapper customer-writer console; do \
           mkdir -p "/volumes/secrets/${reader}" || exit 1; \
       done \
    && for holder in authority auth extractor mapper customer-writer console lane operator; do \
           mkdir -p "/volumes/certificates/${holder}" || exit 1; \
       done \
    && chmod -R 0750 /volumes && chown -R 65532:65532 /volumes

# hadolint ignore=DL3006
FROM ${RUNTIME_IMAGE} AS runtime
ARG BIN
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="${BIN}" \
      org.opencontainers.image.description="One-way sync of Salesforce accounts, contacts and leads into Lane" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=programs /programs/${BIN}/ /usr/local/bin/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/entrypoint"]

# lanesync-migrate with the folders of the volumes, for compose alone.
FROM runtime AS volumes
COPY --from=folders --chown=65532:65532 /volumes/ /volumes/

# What is built when no target is named.
FROM runtime
