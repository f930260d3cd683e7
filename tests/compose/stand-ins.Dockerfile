# Images that stand in for official ones where no registry can be reached: same layout, same users, same entry points
# as far as docker-compose.yml and the Dockerfile use them. For tests only; stand-ins.sh builds them.
ARG DEBIAN=lanesync-stand-in/debian:trixie

# hadolint global ignore=DL3006,DL3008,DL3059
FROM ${DEBIAN} AS postgres
RUN apt-get update \
    && echo 'create_main_cluster = false' > /etc/createcluster.conf \
    && mkdir -p /etc/postgresql-common && cp /etc/createcluster.conf /etc/postgresql-common/ \
    && groupadd -r postgres --gid=999 && useradd -r -g postgres --uid=999 --home-dir=/var/lib/postgresql postgres \
    && apt-get install -y --no-install-recommends postgresql-17 \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data \
    && install -d -o postgres -g postgres -m 3777 /var/run/postgresql
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]

FROM ${DEBIAN} AS nats-tools
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static

FROM scratch AS nats
COPY --from=nats-tools /bin/busybox /bin/busybox
COPY --from=nats-tools /bin/busybox /bin/sh
COPY --from=nats-tools /bin/busybox /usr/bin/wget
COPY nats-server /usr/local/bin/nats-server
ENV PATH=/usr/local/bin:/usr/bin:/bin
CMD ["nats-server", "--config", "/etc/nats/nats-server.conf"]

FROM ${DEBIAN} AS runtime-files
WORKDIR /debs
RUN apt-get update && apt-get download base-files libc6 libgcc-s1 libstdc++6 gcc-14-base tzdata \
    && mkdir -p /files && for deb in *.deb; do dpkg-deb -x "${deb}" /files; done \
    && mkdir -p /files/etc/ssl/certs /files/home/nonroot && rm -rf /files/usr/share/doc /files/usr/share/man \
    && cp /etc/ssl/certs/ca-certificates.crt /files/etc/ssl/certs/ \
    && printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > /files/etc/passwd \
    && printf 'root:x:0:\nnonroot:x:65532:\n' > /files/etc/group

FROM scratch AS runtime
COPY --from=runtime-files /files/ /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532
WORKDIR /home/nonroot

FROM ${DEBIAN} AS rust
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev ca-certificates && rm -rf /var/lib/apt/lists/*
# Crates come by way of whatever this machine trusts.
RUN --mount=type=secret,id=trusted cp /run/secrets/trusted /etc/ssl/certs/ca-certificates.crt
COPY bin/ /usr/local/cargo/bin/
COPY lib/ /usr/local/cargo/lib/
ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
